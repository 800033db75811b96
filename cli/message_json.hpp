#pragma once

#include "net/json_text.hpp"
#include "storage/format/record.hpp"

#include <string>
#include <string_view>

namespace troupe::cli {

/// Appends a message with all its fields as one JSON object without line break: the same for
/// `store dump`, `consume` and `message`. The body is base64; bytes of a text that are no UTF-8
/// become U+FFFD.
void append_message_json(std::string& out, const storage::record_view& message);

using net::append_json_string;

} // namespace troupe::cli
