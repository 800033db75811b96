#pragma once

#include "net/message_json.hpp"

namespace troupe::cli {

using net::append_json_string;
using net::append_message_json;

} // namespace troupe::cli
