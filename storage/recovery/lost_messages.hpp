#pragma once

#include "storage/log/gap_filler.hpp"
#include "storage/queues/queue_table.hpp"

#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace troupe::storage {

/// Finds out which messages a log with gaps has lost, and in which gap each may have been, so that
/// placeholders can keep the numbering of the queues. Show it records and gaps in the log's order.
class lost_messages {
public:
  void add(const record_view& message);
  void add(const gap_piece& piece) { pieces_.push_back(piece); }

  /// Queues of before the damage may know more exactly where a message was, and of messages behind
  /// which nothing of their queue survived. After the last record; what they say is used only
  /// where the log does not contradict it.
  result<void> ask(const queue_table& queues);

  struct placed {
    /// For each piece, in the order in which they were added: what goes there.
    std::vector<std::vector<lost_run>> by_piece;
    /// Numbers that no gap can have held: a record's header was altered and passed its checks.
    std::vector<lost_run> homeless;
  };
  placed place() const;

private:
  /// Numbers [from, to) of one queue, that were in one of the pieces [first, last).
  struct open_run {
    queue_offset from = 0;
    queue_offset to = 0;
    std::size_t first = 0;
    std::size_t last = 0;
  };
  struct queue_state {
    queue_offset next = 0;
    std::size_t pieces = 0; ///< how many were before the newest record
    std::vector<open_run> runs;
  };
  using queue_name = std::pair<std::string, std::int32_t>;
  using named_queue = std::map<queue_name, queue_state>::value_type;
  struct candidate {
    const queue_name* name = nullptr;
    open_run run;
  };

  static void narrow(queue_state& queue, queue_offset from, queue_offset to, std::size_t piece);
  void fill(std::size_t piece, std::vector<candidate>& open, std::vector<lost_run>& into) const;

  std::vector<gap_piece> pieces_;
  std::map<queue_name, queue_state> queues_;
  named_queue* newest_ = nullptr; ///< of the record before
};

} // namespace troupe::storage
