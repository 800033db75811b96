#pragma once

#include "net/json_text.hpp"
#include "storage/format/record.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace troupe::net {

/// Appends a message with all its fields as one JSON object without line break: the same for
/// `store dump`, `consume`, `message` and the admin port. The body is base64; bytes of a text that
/// are no UTF-8 become U+FFFD.
void append_message_json(std::string& out, const storage::record_view& message);

/// The same for those who look: a body beyond `most_body_bytes` is cut there, and "bodyCut" says
/// so. Of such a one "bodySha256" is null.
void append_message_json(std::string& out, const storage::record_view& message,
                         std::size_t most_body_bytes);

} // namespace troupe::net
