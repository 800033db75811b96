#pragma once

#include "storage/log/retention.hpp"
#include "storage/repair/store_files.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace troupe::storage {

/// What a store's retention does next, when nothing more is stored and nobody consumes.
struct retention_outlook {
  /// A group that has messages in files that go, and has not read them.
  struct loser {
    std::string group;
    std::string topic;
    std::int32_t queue_id = 0;
    queue_offset stored = 0; ///< how far the group is
    std::int64_t unread = 0; ///< messages that it loses
  };

  std::size_t files = 0;      ///< that go next; 0: only one is left, which never goes
  log_offset until = 0;       ///< where the log would begin then
  std::int64_t newest_ms = 0; ///< when the newest of them was changed last
  bool now = false;           ///< a look of the cleaner would remove them
  bool unexpired = false;     ///< for want of room, although they have not expired
  /// The first moment at which they have expired in an hour of `delete-when`, by the clock of this
  /// machine; nothing when that is more than a week away behind their expiry.
  std::optional<std::int64_t> at_ms;
  std::vector<loser> losers; ///< by topic, group and queue
};

/// `settings` are those of the node: how long files are kept, and at which hours they go. Reads
/// group offsets and a few entries of queues; changes nothing.
result<retention_outlook> look_ahead(file_system& fs, const store_files& files,
                                     const options& settings, std::int64_t now_ms);

} // namespace troupe::storage
