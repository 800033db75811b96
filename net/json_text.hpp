#pragma once

#include <string>
#include <string_view>

namespace troupe::net {

/// Appends `text` as a JSON string with its quotes; bytes that are no UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);
/// The same alone.
std::string json_text(std::string_view text);

} // namespace troupe::net
