#include "storage/format/message_list.hpp"

#include <utility>

namespace troupe::storage {

message_list::message_list(std::vector<new_message> views, std::shared_ptr<const void> held)
    : views_(std::move(views)), held_(std::move(held)) {
  for (auto& message : views_)
    packed_bytes_ += message_batch_builder::bytes_of(message);
}

slice message_list::packed() const {
  if (views_.empty())
    return block_;
  message_batch_builder builder;
  builder.reserve(packed_bytes_);
  for (auto& message : views_)
    builder.add(message);
  return builder.take();
}

result<std::optional<new_message>> message_list::reader::next() {
  if (views_.empty()) // at the end of views the block is empty as well
    return block_.next();
  std::optional<new_message> message(views_.front());
  views_ = views_.subspan(1);
  return message;
}

} // namespace troupe::storage
