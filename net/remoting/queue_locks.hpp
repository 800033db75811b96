#pragma once

#include "net/remoting/client_groups.hpp"
#include "storage/os/file_system.hpp"

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
/// renewed, so that the queues of a client that died are free soon: sooner if its connection is
/// closed, but not at once. A client whose connection broke goes on with the messages that it has
/// until its own time for the lock is over; one that lives is back before that, and renews it.
class queue_locks {
public:
  static constexpr std::int64_t lock_ms = 60'000; ///< clients renew every 20 s
  /// Since the renewal, when the connection is closed. Clients trust a lock for 30 s after its
  /// answer, for which they wait 1 s.
  static constexpr std::int64_t orphan_ms = 32'000;
  static constexpr std::size_t most_of_connection = 2000;
  static constexpr std::size_t most_locks = 200'000; ///< of all; one takes 200 bytes to 1 KiB

  /// Locks or renews; answers those of the queues that the client holds now. What is over a limit
  /// is not locked.
  std::vector<queue_name> lock(connection_id from, const lock_body& wanted, std::int64_t now_ms);
  /// Gives back those that the client holds.
  void unlock(const lock_body& given);
  /// The connection by which they were renewed last is closed.
  void departed(connection_id from);
  void expire(std::int64_t now_ms);
  bool empty() const noexcept { return groups_.empty(); }

private:
  struct holder {
    std::string client_id;
    std::int64_t renewed_ms = 0;
    connection_id from = 0; ///< it counts against this connection
    bool orphan = false;    ///< which is closed

    std::int64_t until_ms() const noexcept { return renewed_ms + (orphan ? orphan_ms : lock_ms); }
  };
  using lock_map = std::map<queue_name, holder>;
  bool count(connection_id from);
  void uncount(connection_id from);
  lock_map::iterator erase(lock_map& locks, lock_map::iterator at);

  std::map<std::string, lock_map> groups_;
  std::map<connection_id, std::size_t> counts_; ///< of those who hold any
  std::size_t total_ = 0;
};

} // namespace troupe::remoting
