#pragma once

#include "storage/queues/consume_queue.hpp"

#include <string>
#include <utility>

namespace troupe::storage {

/// The queue's files as its owner has them open.
class consume_queue::own_bytes final : public queue_bytes {
public:
  explicit own_bytes(const consume_queue& queue) noexcept : queue_(queue) {}
  std::string directory() const override { return queue_.directory(); }
  result<std::size_t> read(std::int64_t start, std::uint64_t at,
                           std::span<std::byte> into) override {
    TROUPE_TRY(auto source, queue_.files_.open_to_read(queue_.key(start), queue_.path(start)));
    return queue_.files_.read(*source, at, into);
  }
  std::vector<std::byte>& scratch() override { return queue_.files_.scratch(); }

private:
  const consume_queue& queue_;
};

template <class Call>
auto consume_queue::reading(Call&& call) const {
  const auto now = extent();
  own_bytes bytes(*this);
  return std::forward<Call>(call)(queue_reading(now, bytes));
}

template <class Behind>
result<queue_offset> consume_queue::search(queue_offset from, queue_offset to,
                                           Behind&& behind) const {
  return reading([&](const queue_reading& all) { return all.search(from, to, behind); });
}

} // namespace troupe::storage
