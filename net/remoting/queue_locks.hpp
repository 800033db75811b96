#pragma once

#include "storage/file_system.hpp"

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace troupe::remoting {

/// A queue of a topic at this broker.
struct queue_name {
  std::string topic;
  std::int32_t queue_id = 0;
  friend auto operator<=>(const queue_name&, const queue_name&) = default;
};

/// Body of LOCK_BATCH_MQ (41) and UNLOCK_BATCH_MQ (42).
struct lock_body {
  std::string client_id;
  std::string group;
  std::vector<queue_name> queues;
};
storage::result<lock_body> read_lock_body(storage::byte_view body);
/// Body of the answer to LOCK_BATCH_MQ: what the client holds now.
std::string write_locked_queues(const std::vector<queue_name>& queues, const std::string& broker);

/// Which client of a group may consume a queue in order. A lock ends on its own when it is not
/// renewed, so that the queues of a client that died are free soon.
class queue_locks {
public:
  static constexpr std::int64_t lock_ms = 60'000; ///< clients renew every 20 s

  /// Locks or renews; answers those of the queues that the client holds now.
  std::vector<queue_name> lock(const lock_body& wanted, std::int64_t now_ms);
  /// Gives back those that the client holds.
  void unlock(const lock_body& given);
  void expire(std::int64_t now_ms);
  bool empty() const noexcept { return groups_.empty(); }

private:
  struct holder {
    std::string client_id;
    std::int64_t until_ms = 0;
  };
  std::map<std::string, std::map<queue_name, holder>> groups_;
};

} // namespace troupe::remoting
