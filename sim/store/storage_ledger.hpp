#pragma once

#include "storage/format/record.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace troupe::sim {

/// A record that was given to the log, as it has to come back.
struct put_record {
  storage::log_offset offset = 0;
  storage::queue_offset queue_position = 0;
  std::int64_t tags_code = 0;
  std::uint64_t bytes_hash = 0;
  std::uint64_t body_hash = 0;
  std::uint32_t size = 0;
  std::uint32_t topic = 0;
  std::int32_t queue_id = 0;
  bool queued = true; ///< has an entry in its queue
  bool keyed = true;  ///< is in the index
  std::string key;

  storage::log_offset end() const noexcept { return offset + size; }
};

/// What was put into a store, and which of it must still be there.
///
/// A message is acknowledged when its record is written (async) or flushed (sync); so all that is
/// acknowledged lies below `written()` and must outlive the process, and what lies below
/// `durable()` must outlive the machine.
class storage_ledger {
public:
  using queue_name = std::pair<std::uint32_t, std::int32_t>; ///< topic, queue id
  using queue_ends = std::map<queue_name, storage::queue_offset>;

  /// Given to the log; whether it will be there, nobody knows yet.
  void staged(put_record record);
  void written(storage::log_offset end) noexcept { written_ = std::max(written_, end); }
  void flushed(storage::log_offset end) noexcept { durable_ = std::max(durable_, end); }
  /// Log files below `min` are about to go, or are gone for good.
  void dropping(storage::log_offset min) noexcept { dropping_ = std::max(dropping_, min); }
  void dropped(storage::log_offset min) noexcept { dropped_ = std::max(dropped_, min); }

  /// The machine lost power: only what was flushed is sure.
  void lost_power() noexcept { written_ = std::min(written_, durable_); }
  /// A recovery found the log to be [min, end), and will serve it as durable: what is behind it was
  /// never acknowledged and is forgotten.
  void recovered(storage::log_offset min, storage::log_offset end);

  storage::log_offset written() const noexcept { return written_; }
  storage::log_offset durable() const noexcept { return durable_; }
  storage::log_offset dropping() const noexcept { return dropping_; }
  storage::log_offset dropped() const noexcept { return dropped_; }
  /// In the order of the log; those of files that are gone are left out after a recovery.
  const std::vector<put_record>& records() const noexcept { return records_; }
  /// Next number of each queue that ever had a message.
  const queue_ends& next() const noexcept { return next_; }
  /// True if this body was ever put at this place.
  bool ever_put(storage::log_offset offset, std::uint64_t body_hash) const;

private:
  static void count(const put_record& record, queue_ends& ends);
  void count_again();

  std::vector<put_record> records_;
  queue_ends next_;
  queue_ends gone_; ///< next numbers after what was dropped
  std::multimap<storage::log_offset, std::uint64_t> history_;
  storage::log_offset written_ = 0;
  storage::log_offset durable_ = 0;
  storage::log_offset dropping_ = 0;
  storage::log_offset dropped_ = 0;
};

} // namespace troupe::sim
