#pragma once

#include "net/remoting/client_groups.hpp"
#include "net/remoting/registration.hpp"
#include "net/remoting/route.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace troupe::remoting {

/// The brokers that have registered with this name service, by RocketMQ's rules: a broker's
/// addresses by its ids, the topics that its master named, and for how long that holds. A topic
/// that a registration leaves out stays, since Java's brokers send parts of what they have; it goes
/// when an operator deletes it here, with its broker, or when the sender says that it named all.
///
/// Times are milliseconds of any clock that is handed in. Bounded in brokers, topics and bytes.
class broker_table {
public:
  /// A registration holds for so long, unless it says otherwise.
  static constexpr std::int64_t usual_time_ms = 120'000;
  static constexpr std::int64_t longest_time_ms = 3'600'000;
  static constexpr std::size_t most_addresses = 1000;
  static constexpr std::size_t most_topics = 50'000;
  /// Of names and addresses, each entry's own cost with them.
  static constexpr std::size_t most_bytes = std::size_t{64} << 20;

  /// `self`: the broker that this name service belongs to; it is not in the table, and nobody else
  /// may call himself so.
  explicit broker_table(broker_address self) : self_(std::move(self)) {}

  /// The connection's broker is there, with these topics. Refuses what is beyond a bound, whole.
  storage::result<registered_header> enter(connection_id from, const register_header& broker,
                                           const registration& what, std::int64_t now_ms);
  /// True when it was there.
  bool leave(const broker_header& broker);
  /// The connection is closed, and those who registered by it are gone. Answers their names.
  std::vector<std::string> departed(connection_id from);
  /// Those whose time is over. Answers their names. Costs nothing while none is.
  std::vector<std::string> expire(std::int64_t now_ms);

  /// Null when it is not registered.
  const data_version* version_of(const broker_header& broker) const;
  /// A sign of life, as good as a registration.
  void touch(const broker_header& broker, std::int64_t now_ms);

  /// Operators': forgets the topic, whoever has it.
  void remove_topic(const std::string& topic);
  /// Of all topics of the broker; answers how many. It lasts until its topics change.
  std::size_t set_writable(const std::string& broker, bool writable);

  /// Adds where else the topic is.
  void add_to(route& to, const std::string& topic) const;
  /// Adds the brokers.
  void add_to(std::vector<broker_data>& brokers) const;
  /// Adds the topics that are not there already: of all brokers, or of those of a cluster.
  void add_topics(std::vector<std::string>& names, const std::string* cluster = nullptr) const;
  bool has_cluster(const std::string& cluster) const;
  std::size_t addresses() const noexcept { return live_.size(); }

private:
  using place = std::pair<std::string, std::string>; ///< cluster, address
  struct live_address {
    std::string broker;
    connection_id from = 0;
    std::int64_t ends_ms = 0;
    std::int64_t time_ms = usual_time_ms;
    data_version version;
    std::string ha_address;
  };

  storage::result<void> check_room(const register_header& broker, const registration& what) const;
  registered_header master_of(const broker_data& broker) const;
  void take_topics(const register_header& broker, const registration& what, bool first);
  void keep_only(const std::string& broker, const registration& what);
  bool is_outdated(const register_header& broker, const data_version& version) const;
  void remove(const std::vector<place>& places);
  void remove_topics_of(const std::set<std::string>& gone);
  template <class Gone>
  std::vector<std::string> remove_if(Gone gone);

  broker_address self_;
  std::map<place, live_address> live_;
  std::map<std::string, broker_data> brokers_;                      ///< by name
  std::map<std::string, std::map<std::string, queue_data>> topics_; ///< by topic and broker
  std::size_t topic_bytes_ = 0;
  std::int64_t next_end_ms_ = 0; ///< nobody's time is over before
};

} // namespace troupe::remoting
