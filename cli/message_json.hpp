#pragma once

#include "storage/format/record.hpp"

#include <string>
#include <string_view>

namespace troupe::cli {

/// Appends a message with all its fields as one JSON object without line break: the same for
/// `store dump`, `consume` and `message`. The body is base64; bytes of a text that are no UTF-8
/// become U+FFFD.
void append_message_json(std::string& out, const storage::record_view& message);

/// Appends `text` as a JSON string with its quotes.
void append_json_string(std::string& out, std::string_view text);

} // namespace troupe::cli
