#pragma once

#include "storage/format/record.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace troupe::remoting {

/// What was popped last of a queue that is consumed in order: until all of it is acknowledged, or
/// its time is over, nothing else of the queue is. Then what was not acknowledged comes again, in
/// its place. Times are in ms of the caller's clock, but `pop_ms`: a pop's number, which is the
/// wall clock's time.
class ordered_batch {
public:
  /// How often a message was popped before.
  struct tries {
    storage::queue_offset position = 0;
    std::int32_t count = 0;
  };
  enum class ack_outcome : std::uint8_t {
    done,
    other_pop, ///< it was popped once more since
    not_here,  ///< no message of it
  };

  /// `positions` are in order, at least one. `before`: the batch of which these may be messages
  /// that come again; null: none.
  ordered_batch(std::string attempt, std::int64_t pop_ms, std::int64_t due_ms,
                const std::vector<storage::queue_offset>& positions, const ordered_batch* before);

  /// A client that asks once more with the same text, not empty, gets the same again.
  bool is_attempt(const std::string& attempt) const noexcept {
    return !attempt_.empty() && attempt_ == attempt;
  }
  ack_outcome acknowledge(storage::queue_offset position, std::int64_t pop_ms);
  /// False when it is no message of this pop.
  bool change(storage::queue_offset position, std::int64_t pop_ms, std::int64_t due_ms);

  /// When the last of those that are not acknowledged comes back; nothing when all are.
  std::optional<std::int64_t> blocked_until() const noexcept;
  /// Where the queue goes on: the first that is not acknowledged, or behind the last.
  storage::queue_offset next() const noexcept;
  std::size_t size() const noexcept { return messages_.size(); }
  /// Of those that were popped before.
  std::vector<tries> tried() const;
  /// How often all of them were popped before, at least.
  std::int32_t least_tries() const noexcept;

private:
  struct message {
    storage::queue_offset position = 0;
    std::int64_t due_ms = 0;
    std::int32_t tries = 0;
    bool acknowledged = false;
  };
  message* find(storage::queue_offset position) noexcept;

  std::string attempt_;
  std::int64_t pop_ms_;
  std::vector<message> messages_; ///< by position
};

} // namespace troupe::remoting
