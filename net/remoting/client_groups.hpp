#pragma once

#include "net/remoting/heartbeat.hpp"

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::remoting {

/// Number of a client's connection; never used twice.
using connection_id = std::uint64_t;

/// Who produces and consumes in which group, as heartbeats tell. A client is its connection. Calls
/// answer the consumer groups whose members or subscriptions changed: their members must be told.
class client_groups {
public:
  using names = std::vector<std::string>;

  names heartbeat(connection_id from, const remoting::heartbeat& h, std::int64_t now_ms);
  /// The client leaves these groups; an empty name is none.
  names leave(connection_id from, const std::string& producer_group,
              const std::string& consumer_group);
  /// The connection is gone.
  names forget(connection_id from);
  /// Forgets the clients that were silent since then.
  names expire(std::int64_t silent_since_ms);

  bool empty() const noexcept { return consumers_.empty() && producers_.empty(); }
  bool has_consumers(const std::string& group) const { return consumers_.count(group) > 0; }
  /// The ids of a consumer group's clients.
  names client_ids(const std::string& group) const;
  std::vector<connection_id> connections(const std::string& group) const;
  /// What the group wants of the topic; null when nothing.
  const subscription* find(const std::string& group, const std::string& topic) const;

private:
  struct member {
    std::string client_id;
    std::int64_t seen_ms = 0;
  };
  struct group_state {
    std::map<connection_id, member> members;
    std::map<std::string, subscription> subscriptions; ///< by topic
  };
  static bool subscribe(group_state& group, const consumer_data& data);
  bool remove(const std::string& group, connection_id from);

  std::map<std::string, group_state> consumers_;
  std::map<std::string, std::map<connection_id, member>> producers_;
};

} // namespace troupe::remoting
