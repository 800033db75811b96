#pragma once

#include "net/remoting/heartbeat.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::remoting {

/// Number of a client's connection; never used twice.
using connection_id = std::uint64_t;

/// A client as operators see it.
struct group_client {
  connection_id connection = 0;
  std::string client_id;
  std::uint8_t language = own_language;
  std::int32_t version = own_version;
};

/// A subscription and what it filters by.
struct known_subscription : subscription {
  storage::result<subscription_filter> filter = storage::error{}; ///< `filter_of` it
};

/// How much clients may make a node remember of them. Bytes are what names and subscriptions take
/// in memory, about.
struct group_limits {
  std::size_t groups_of_connection = 256;
  std::size_t bytes_of_connection = std::size_t{1} << 20;
  std::size_t bytes = std::size_t{64} << 20; ///< of all
};

/// Who produces and consumes in which group, as heartbeats tell. A client is its connection. Calls
/// answer the consumer groups whose members or subscriptions changed: their members must be told.
class client_groups {
public:
  using names = std::vector<std::string>;

  explicit client_groups(const group_limits& limits = {}) : limits_(limits) {}

  /// Refuses, as too large, what would pass a limit; nothing of it is taken then.
  storage::result<names> heartbeat(connection_id from, const remoting::heartbeat& h,
                                   std::int64_t now_ms);
  /// The client leaves these groups; an empty name is none.
  names leave(connection_id from, const std::string& producer_group,
              const std::string& consumer_group);
  /// The connection is gone.
  names forget(connection_id from);
  /// Forgets the clients that were silent since then.
  names expire(std::int64_t silent_since_ms);

  bool empty() const noexcept { return consumers_.empty() && producers_.empty(); }
  bool has_consumers(const std::string& group) const { return consumers_.count(group) > 0; }
  /// Whether the members of a consumer group said last that each gets every message.
  bool is_broadcasting(const std::string& group) const;
  names consumer_groups() const;
  names producer_groups() const;
  /// The ids of a consumer group's clients.
  names client_ids(const std::string& group) const;
  std::vector<connection_id> connections(const std::string& group) const;
  /// Where the producer of this client id is: the newest connection, if it has several.
  std::optional<connection_id> producer(const std::string& client_id) const;
  /// The clients of a group, for operators.
  std::vector<group_client> consumers(const std::string& group) const;
  std::vector<group_client> producers(const std::string& group) const;
  /// What the members of a consumer group said last, and all that they subscribed to.
  std::optional<consumer_data> consumer_group(const std::string& group) const;
  /// The consumer groups that subscribed to the topic.
  names subscribers(const std::string& topic) const;
  /// What the group wants of the topic; null when nothing.
  const known_subscription* find(const std::string& group, const std::string& topic) const;
  /// What all of it takes, about.
  std::size_t bytes() const noexcept { return bytes_; }

private:
  struct member {
    std::string client_id;
    std::int64_t seen_ms = 0;
    std::uint8_t language = own_language;
    std::int32_t version = own_version;
    std::size_t bytes = 0; ///< what it made us remember of this group
  };
  using member_map = std::map<connection_id, member>;
  struct group_state {
    member_map members;
    std::map<std::string, known_subscription> subscriptions; ///< by topic
    consumer_data newest;                                    ///< without its subscriptions
  };
  /// What a connection takes in all its groups.
  struct usage {
    std::size_t groups = 0;
    std::size_t bytes = 0;
  };
  storage::result<void> check_limits(connection_id from, const remoting::heartbeat& h) const;
  void remember(connection_id from, member& known, const remoting::heartbeat& h,
                std::int64_t now_ms, std::size_t bytes);
  void forget_member(connection_id from, const member& gone);
  void forget_producer(connection_id from, const member& gone);
  void produces_no_more(connection_id from, const std::string& client_id);
  static bool subscribe(group_state& group, const consumer_data& data);
  bool remove(const std::string& group, connection_id from);
  static std::vector<group_client> clients_of(const member_map& members);

  std::map<std::string, group_state> consumers_;
  std::map<std::string, member_map> producers_;
  group_limits limits_;
  std::map<connection_id, usage> usage_; ///< of those who are in a group
  /// In how many producer groups a connection has said that client id.
  std::map<std::pair<std::string, connection_id>, std::size_t> producer_ids_;
  std::size_t bytes_ = 0;
};

} // namespace troupe::remoting
