#pragma once

#include "actors/messages.hpp"

#include <string>

namespace troupe::cli {

/// For people, in lines that each end with a line break. For programs: net/admin/status_json.hpp.
std::string status_text(const node_status& s);

} // namespace troupe::cli
