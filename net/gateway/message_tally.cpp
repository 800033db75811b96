#include "net/gateway/message_tally.hpp"

#include "storage/big_endian.hpp"
#include "storage/clock.hpp"
#include "storage/format/record.hpp"
#include "storage/format/system_topics.hpp"
#include "storage/tables/offset_table.hpp"

#include <algorithm>

namespace troupe::net {

namespace {

/// Queues of groups of which is known how far they were pulled.
constexpr std::size_t most_pulled = 50'000;

/// When a record was stored; a reader has checked it.
std::int64_t stored_ms(const storage::slice& record) {
  constexpr std::size_t sysflag_at = storage::record_layout::own_offset_at + 8;
  constexpr std::size_t born_host_at = sysflag_at + 12;
  auto bytes = record.bytes();
  if (bytes.size() < storage::record_layout::fixed_bytes_v1)
    return 0;
  auto flags = storage::big_endian::load<std::int32_t>(bytes.data() + sysflag_at);
  auto host = (flags & storage::sysflag::born_host_v6) != 0 ? 20 : 8;
  return storage::big_endian::load<std::int64_t>(bytes.data() + born_host_at + host);
}

} // namespace

void message_tally::put(const std::string& topic, const put_sum& sum) {
  if (sum.messages == 0)
    return;
  auto now = clock_.now_ms();
  counts_.add(remoting::topic_puts, topic, sum.messages, now, sum.requests);
  counts_.add(remoting::topic_put_bytes, topic, sum.bytes, now, sum.requests);
  counts_.add(remoting::broker_puts, cluster_, sum.messages, now, sum.requests);
  if (!storage::is_system_topic(topic))
    counts_.add(remoting::own_broker_puts, cluster_, sum.messages, now, sum.requests);
  recent_puts_.add(sum.messages, now);
  put_bytes_ += sum.bytes;
  puts_.add(sum.messages, storage::system_wall_clock().now_ms());
  for (auto& [queue, times] : sum.queues)
    times_.add(remoting::topic_put_time, std::to_string(queue) + '@' + topic, times.took_ms, now,
               times.requests);
}

void message_tally::got(const pull_source& by, const pull_response& found) {
  if (found.records.empty())
    return got_nothing();
  auto now = clock_.now_ms();
  auto messages = found.records.size();
  std::uint64_t bytes = 0;
  for (auto& record : found.records)
    bytes += record.size();
  counts_.add(remoting::topic_gets, by.topic, messages, now);
  counts_.add(remoting::topic_get_bytes, by.topic, bytes, now);
  counts_.add(remoting::broker_gets, cluster_, messages, now);
  if (!storage::is_system_topic(by.topic))
    counts_.add(remoting::own_broker_gets, cluster_, messages, now);
  if (storage::check_group_name(by.group)) { // clients may write anything there
    auto key = by.topic + '@' + by.group;
    counts_.add(remoting::group_gets, key, messages, now);
    counts_.add(remoting::group_get_bytes, key, bytes, now);
    note_pulled(by, found.next);
    note_time(by, found);
  }
  hits_.add(1, now);
  recent_gets_.add(messages, now);
  gets_.add(messages, storage::system_wall_clock().now_ms());
}

void message_tally::note_pulled(const pull_source& by, std::int64_t next) {
  std::tuple key{by.topic, by.group, by.queue_id};
  if (auto known = pulled_.find(key); known != pulled_.end())
    known->second = next;
  else if (pulled_.size() < most_pulled)
    pulled_.emplace(std::move(key), next);
}

/// A pull that waited is counted from when there was something for it.
void message_tally::note_time(const pull_source& by, const pull_response& found) {
  auto since_asked = clock_.now_ms() - by.asked_ms;
  auto since_stored = storage::system_wall_clock().now_ms() - stored_ms(found.records.front());
  auto took = std::max<std::int64_t>(std::min(since_asked, since_stored), 0);
  pull_ms_.add(static_cast<std::uint64_t>(took));
  times_.add(remoting::group_get_time,
             std::to_string(by.queue_id) + '@' + by.topic + '@' + by.group,
             static_cast<std::uint64_t>(took), clock_.now_ms());
}

void message_tally::sent_back(const std::string& topic, const std::string& group) {
  if (storage::check_group_name(group))
    counts_.add(remoting::group_send_backs, topic + '@' + group, 1, clock_.now_ms());
}

bool message_tally::unknown_request(std::int32_t code) {
  auto known = unknown_.find(code);
  if (known != unknown_.end()) {
    ++known->second;
    return false;
  }
  if (unknown_.size() >= most_unknown) {
    ++unknown_others_;
    return false;
  }
  unknown_.emplace(code, 1);
  return true;
}

void message_tally::report(gateway_report& to) const {
  std::map<std::string, traffic_sum> in;
  std::map<std::pair<std::string, std::string>, traffic_sum> out;
  auto puts = [&](std::uint64_t traffic_sum::*sum) {
    return [&in, sum](const std::string& topic, std::uint64_t amount, std::uint64_t) {
      in[topic].*sum = amount;
    };
  };
  auto gets = [&](std::uint64_t traffic_sum::*sum) { // names hold no @
    return [&out, sum](const std::string& key, std::uint64_t amount, std::uint64_t) {
      auto mark = key.rfind('@');
      out[{key.substr(0, mark), key.substr(mark + 1)}].*sum = amount;
    };
  };
  counts_.each_total(remoting::topic_puts, puts(&traffic_sum::messages));
  counts_.each_total(remoting::topic_put_bytes, puts(&traffic_sum::bytes));
  counts_.each_total(remoting::group_gets, gets(&traffic_sum::messages));
  counts_.each_total(remoting::group_get_bytes, gets(&traffic_sum::bytes));
  for (auto& [topic, sum] : in)
    to.in.push_back({topic, {}, sum});
  for (auto& [who, sum] : out)
    to.out.push_back({who.first, who.second, sum});
  to.put_ms = put_ms_.read();
  to.pull_ms = pull_ms_.read();
  to.unknown_requests = unknown_others_;
  for (auto& [code, times] : unknown_)
    to.unknown_requests += times;
}

std::string message_tally::unknown_requests() const {
  std::string out;
  for (auto& [code, times] : unknown_)
    out += (out.empty() ? "" : " ") + std::to_string(code) + ':' + std::to_string(times);
  if (unknown_others_ > 0)
    out += " others:" + std::to_string(unknown_others_);
  return out;
}

std::optional<remoting::message_rates> message_tally::find(std::string_view name,
                                                           std::string_view key) const {
  if (auto found = counts_.find(name, key, clock_.now_ms()))
    return found;
  return times_.find(name, key, clock_.now_ms());
}

std::int64_t message_tally::pulled_to(const std::string& topic, const std::string& group,
                                      std::int32_t queue_id) const {
  auto known = pulled_.find({topic, group, queue_id});
  return known == pulled_.end() ? -1 : known->second;
}

} // namespace troupe::net
