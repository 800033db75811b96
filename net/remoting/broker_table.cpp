#include "net/remoting/broker_table.hpp"

#include <algorithm>
#include <limits>

namespace troupe::remoting {

namespace {

using storage::errc;
using storage::error;

constexpr std::int32_t write_bit = 2;
constexpr std::int32_t read_and_write = 6;

/// Of a topic at one broker: names, numbers, nodes of the maps.
std::size_t cost(const std::string& topic, const std::string& broker) {
  return topic.size() + 2 * broker.size() + 200;
}

} // namespace

storage::result<void> broker_table::check_room(const register_header& broker,
                                               const registration& what) const {
  if (broker.broker == self_.broker)
    return error{errc::invalid_argument,
                 "broker " + broker.broker + " at " + broker.address +
                     " has the name of the node that it registers with, which is at " +
                     self_.address + "; give one of them another name"};
  auto known = brokers_.find(broker.broker);
  if (known != brokers_.end() && known->second.cluster != broker.cluster)
    return error{errc::invalid_argument,
                 "broker " + broker.broker + " of cluster " + broker.cluster +
                     " is registered already, of cluster " + known->second.cluster};
  if (live_.size() >= most_addresses && live_.count({broker.cluster, broker.address}) == 0)
    return error{errc::busy, std::to_string(most_addresses) + " brokers are registered, no more "
                                                              "may be"};
  std::size_t topics = topics_.size(), bytes = topic_bytes_;
  for (auto& topic : what.topics) {
    auto found = topics_.find(topic.name);
    topics += found == topics_.end() ? 1 : 0;
    if (found == topics_.end() || found->second.count(broker.broker) == 0)
      bytes += cost(topic.name, broker.broker);
  }
  if (topics > most_topics || bytes > most_bytes)
    return error{errc::busy, "the name service would know " + std::to_string(topics) +
                                 " topics in " + std::to_string(bytes) + " bytes; at most " +
                                 std::to_string(most_topics) + " in " + std::to_string(most_bytes)};
  return boost::outcome_v2::success();
}

storage::result<registered_header> broker_table::enter(connection_id from,
                                                       const register_header& broker,
                                                       const registration& what,
                                                       std::int64_t now_ms) {
  TROUPE_TRY(check_broker(broker));
  // All nodes may have one list of name servers, themselves included.
  if (broker.broker == self_.broker && broker.address == self_.address)
    return registered_header{};
  TROUPE_TRY(check_room(broker, what));
  place at{broker.cluster, broker.address};
  auto old = live_.find(at);
  if (old != live_.end() && old->second.broker != broker.broker)
    remove({at}); // another one is there now
  if (is_outdated(broker, what.version))
    return registered_header{};
  auto& data = brokers_[broker.broker];
  data.cluster = broker.cluster;
  data.broker = broker.broker;
  data.acting_master = broker.acting_master;
  for (auto other = data.addresses.begin(); other != data.addresses.end();)
    other = other->second == broker.address && other->first != broker.id
                ? data.addresses.erase(other)
                : std::next(other);
  auto& address = data.addresses[broker.id];
  bool first = address.empty();
  if (!first && address != broker.address)
    live_.erase({broker.cluster, address});
  address = broker.address;
  if (broker.id == master_id)
    take_topics(broker, what, first);
  auto time = broker.timeout_ms <= 0 ? usual_time_ms : std::min(broker.timeout_ms, longest_time_ms);
  auto ends = now_ms + time;
  next_end_ms_ = live_.empty() ? ends : std::min(next_end_ms_, ends);
  live_[at] = {broker.broker, from, ends, time, what.version, broker.ha_address};
  return broker.id == master_id ? registered_header{} : master_of(data);
}

/// Of two that claim one place, the one whose state is older is not heard: a controller has put the
/// other one there since.
bool broker_table::is_outdated(const register_header& broker, const data_version& version) const {
  auto known = brokers_.find(broker.broker);
  if (known == brokers_.end())
    return false;
  auto there = known->second.addresses.find(broker.id);
  if (there == known->second.addresses.end() || there->second == broker.address)
    return false;
  auto live = live_.find({broker.cluster, there->second});
  return live != live_.end() && live->second.version.state > version.state;
}

registered_header broker_table::master_of(const broker_data& broker) const {
  auto master = broker.addresses.find(master_id);
  if (master == broker.addresses.end())
    return {};
  auto live = live_.find({broker.cluster, master->second});
  return live == live_.end() ? registered_header{}
                             : registered_header{master->second, live->second.ha_address};
}

/// A version that is known says nothing new: operators may have changed what it said.
void broker_table::take_topics(const register_header& broker, const registration& what,
                               bool first) {
  auto* known = version_of(broker);
  bool news = first || known == nullptr || !(*known == what.version);
  for (auto& topic : what.topics) {
    auto& at = topics_[topic.name];
    auto [found, is_new] = at.try_emplace(broker.broker);
    if (is_new)
      topic_bytes_ += cost(topic.name, broker.broker);
    if (is_new || news)
      found->second = {broker.broker, topic.read_queues, topic.write_queues, topic.perm,
                       topic.sysflag};
  }
  if (broker.all_topics && news)
    keep_only(broker.broker, what);
}

void broker_table::keep_only(const std::string& broker, const registration& what) {
  std::set<std::string> named;
  for (auto& topic : what.topics)
    named.insert(topic.name);
  for (auto topic = topics_.begin(); topic != topics_.end();) {
    if (named.count(topic->first) == 0 && topic->second.erase(broker) > 0)
      topic_bytes_ -= cost(topic->first, broker);
    topic = topic->second.empty() ? topics_.erase(topic) : std::next(topic);
  }
}

void broker_table::remove(const std::vector<place>& places) {
  std::set<std::string> gone;
  for (auto& at : places) {
    auto live = live_.find(at);
    if (live == live_.end())
      continue;
    auto name = std::move(live->second.broker);
    live_.erase(live);
    auto broker = brokers_.find(name);
    if (broker == brokers_.end())
      continue;
    auto& addresses = broker->second.addresses;
    for (auto other = addresses.begin(); other != addresses.end();)
      other = other->second == at.second ? addresses.erase(other) : std::next(other);
    if (!addresses.empty())
      continue;
    brokers_.erase(broker);
    gone.insert(std::move(name));
  }
  if (!gone.empty())
    remove_topics_of(gone);
}

/// In one walk, however many they are.
void broker_table::remove_topics_of(const std::set<std::string>& gone) {
  for (auto topic = topics_.begin(); topic != topics_.end();) {
    auto& at = topic->second;
    for (auto broker = at.begin(); broker != at.end();) {
      if (gone.count(broker->first) == 0) {
        ++broker;
        continue;
      }
      topic_bytes_ -= cost(topic->first, broker->first);
      broker = at.erase(broker);
    }
    topic = at.empty() ? topics_.erase(topic) : std::next(topic);
  }
}

bool broker_table::leave(const broker_header& broker) {
  place at{broker.cluster, broker.address};
  auto live = live_.find(at);
  if (live == live_.end() || live->second.broker != broker.broker)
    return false;
  remove({at});
  return true;
}

template <class Gone>
std::vector<std::string> broker_table::remove_if(Gone gone) {
  std::vector<place> places;
  std::vector<std::string> names;
  next_end_ms_ = std::numeric_limits<std::int64_t>::max();
  for (auto& [at, live] : live_) {
    if (gone(live)) {
      places.push_back(at);
      names.push_back(live.broker);
    } else {
      next_end_ms_ = std::min(next_end_ms_, live.ends_ms);
    }
  }
  remove(places);
  return names;
}

std::vector<std::string> broker_table::departed(connection_id from) {
  return remove_if([from](const live_address& live) { return live.from == from; });
}

std::vector<std::string> broker_table::expire(std::int64_t now_ms) {
  if (live_.empty() || now_ms < next_end_ms_)
    return {};
  return remove_if([now_ms](const live_address& live) { return live.ends_ms <= now_ms; });
}

const data_version* broker_table::version_of(const broker_header& broker) const {
  auto live = live_.find({broker.cluster, broker.address});
  return live == live_.end() ? nullptr : &live->second.version;
}

void broker_table::touch(const broker_header& broker, std::int64_t now_ms) {
  if (auto live = live_.find({broker.cluster, broker.address}); live != live_.end())
    live->second.ends_ms = now_ms + live->second.time_ms;
}

void broker_table::remove_topic(const std::string& topic) {
  auto found = topics_.find(topic);
  if (found == topics_.end())
    return;
  for (auto& [broker, queues] : found->second)
    topic_bytes_ -= cost(topic, broker);
  topics_.erase(found);
}

std::size_t broker_table::set_writable(const std::string& broker, bool writable) {
  std::size_t count = 0;
  for (auto& [topic, at] : topics_)
    if (auto found = at.find(broker); found != at.end()) {
      auto& perm = found->second.perm;
      perm = writable ? read_and_write : perm & ~write_bit;
      ++count;
    }
  return count;
}

void broker_table::add_to(route& to, const std::string& topic) const {
  auto found = topics_.find(topic);
  if (found == topics_.end())
    return;
  for (auto& [name, queues] : found->second) {
    auto broker = brokers_.find(name);
    if (broker == brokers_.end())
      continue;
    to.brokers.push_back(broker->second);
    to.queues.push_back(queues);
  }
}

void broker_table::add_to(std::vector<broker_data>& brokers) const {
  for (auto& [name, data] : brokers_)
    brokers.push_back(data);
}

void broker_table::add_topics(std::vector<std::string>& names, const std::string* cluster) const {
  std::set<std::string> there(names.begin(), names.end());
  for (auto& [topic, at] : topics_) {
    auto is_of_cluster = [&](const auto& entry) {
      auto broker = brokers_.find(entry.first);
      return cluster == nullptr || (broker != brokers_.end() && broker->second.cluster == *cluster);
    };
    if (there.count(topic) == 0 && std::any_of(at.begin(), at.end(), is_of_cluster))
      names.push_back(topic);
  }
}

bool broker_table::has_cluster(const std::string& cluster) const {
  return std::any_of(brokers_.begin(), brokers_.end(),
                     [&](const auto& entry) { return entry.second.cluster == cluster; });
}

} // namespace troupe::remoting
