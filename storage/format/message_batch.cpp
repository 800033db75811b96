#include "storage/format/message_batch.hpp"

#include "storage/big_endian.hpp"
#include "storage/check.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <span>
#include <utility>

namespace troupe::storage {

namespace {

/// total 4, queue id 4, flag 4, sysflag 4, born 8, reconsume 4, prepared 8, properties 4, body 4
constexpr std::size_t header_bytes = 44;

error bad_block(const char* what) {
  return {errc::invalid_argument, std::string("batch of messages ") + what +
                                      ": the sender and this node disagree; nothing was stored"};
}

} // namespace

std::size_t message_batch_builder::bytes_of(const new_message& message) noexcept {
  return header_bytes + message.properties.size() + message.body.size();
}

void message_batch_builder::add(const new_message& message) {
  const auto total = bytes_of(message);
  TROUPE_CHECK(message.body.size() <= std::numeric_limits<std::int32_t>::max() &&
               total <= std::numeric_limits<std::int32_t>::max());
  std::array<std::byte, header_bytes> header;
  auto* to = header.data();
  to = big_endian::store(to, static_cast<std::uint32_t>(total));
  to = big_endian::store(to, message.queue_id);
  to = big_endian::store(to, message.flag);
  to = big_endian::store(to, message.sysflag);
  to = big_endian::store(to, message.born_timestamp);
  to = big_endian::store(to, message.reconsume_times);
  to = big_endian::store(to, message.prepared_transaction_offset);
  to = big_endian::store(to, static_cast<std::uint32_t>(message.properties.size()));
  big_endian::store(to, static_cast<std::uint32_t>(message.body.size()));
  auto properties = std::as_bytes(std::span(message.properties));
  if (block_.capacity() == 0)
    block_.reserve(std::max(usual_bytes_, total)); // the next block is about as long as the last
  block_.insert(block_.end(), header.begin(), header.end());
  block_.insert(block_.end(), properties.begin(), properties.end());
  block_.insert(block_.end(), message.body.begin(), message.body.end());
  ++count_;
}

slice message_batch_builder::take() {
  count_ = 0;
  usual_bytes_ = block_.size();
  auto owner = std::make_shared<const std::vector<std::byte>>(std::move(block_));
  block_ = {};
  byte_view bytes{*owner};
  return {std::shared_ptr<const void>(std::move(owner)), bytes};
}

result<std::optional<new_message>> message_batch_reader::next() {
  if (rest_.empty())
    return std::nullopt;
  if (rest_.size() < header_bytes)
    return bad_block("ends inside a header");
  const auto* from = rest_.data();
  const std::uint64_t total = big_endian::load<std::uint32_t>(from);
  const std::uint64_t properties = big_endian::load<std::uint32_t>(from + 36);
  const std::uint64_t body = big_endian::load<std::uint32_t>(from + 40);
  if (total != header_bytes + properties + body)
    return bad_block("has a message whose lengths contradict each other");
  if (total > rest_.size())
    return bad_block("ends inside a message");
  new_message message;
  message.queue_id = big_endian::load<std::int32_t>(from + 4);
  message.flag = big_endian::load<std::int32_t>(from + 8);
  message.sysflag = big_endian::load<std::int32_t>(from + 12);
  message.born_timestamp = big_endian::load<std::int64_t>(from + 16);
  message.reconsume_times = big_endian::load<std::int32_t>(from + 24);
  message.prepared_transaction_offset = big_endian::load<std::int64_t>(from + 28);
  auto* text = reinterpret_cast<const char*>(from + header_bytes);
  message.properties = {text, static_cast<std::size_t>(properties)};
  message.body = rest_.subspan(header_bytes + properties, body);
  rest_ = rest_.subspan(total);
  return std::optional<new_message>(message);
}

} // namespace troupe::storage
