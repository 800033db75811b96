#pragma once

#include "actors/messages.hpp"

#include <string>

namespace troupe::net {

/// A node's status for programs, in one line without a line break: what `status --output json`
/// prints and the admin port answers.
std::string status_json(const node_status& s);

} // namespace troupe::net
