#pragma once

#include "storage/format/message_batch.hpp"

#include <optional>
#include <string>

namespace troupe::remoting {

/// Walks over the body of a batch: messages that each have flag, body and properties, and the rest
/// from the request's header. Every length is checked.
class batch_body_reader {
public:
  explicit batch_body_reader(storage::byte_view body) : rest_(body) {}

  struct message {
    std::int32_t flag = 0;
    storage::byte_view body;
    std::string_view properties;
  };
  /// The next message, nothing at the end, or `invalid_argument` with what contradicts what.
  storage::result<std::optional<message>> next();

private:
  storage::byte_view rest_;
  std::size_t count_ = 0;
};

/// Appends one message as clients encode it.
void append_batch_message(std::string& out, const batch_body_reader::message& m);

} // namespace troupe::remoting
