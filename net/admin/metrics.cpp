#include "net/admin/metrics.hpp"

#include "net/admin/listing_json.hpp"
#include "net/admin/metric_set.hpp"
#include "net/admin/status_view.hpp"
#include "net/remoting/codes.hpp"
#include "storage/format/system_topics.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace troupe::net {

namespace {

constexpr auto counter = metric_name::kind::counter;
constexpr auto gauge = metric_name::kind::gauge;

double number(auto value) {
  return static_cast<double>(value);
}

std::string word(bool yes) {
  return yes ? "true" : "false";
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (auto& c : out)
    if (c >= 'A' && c <= 'Z')
      c = static_cast<char>(c - 'A' + 'a');
  return out;
}

bool is_system_group(std::string_view group) {
  return lower(group).starts_with("cid_rmq_sys_");
}

bool is_retry_topic(std::string_view topic) {
  return topic.starts_with("%RETRY%") || topic.starts_with("%DLQ%");
}

metric_labels labels_of(const std::string& topic, const std::string& group) {
  auto system = storage::is_system_topic(topic) || is_system_group(group);
  return {{"topic", topic},
          {"consumer_group", group},
          {"is_retry", word(is_retry_topic(topic))},
          {"is_system", word(system)}};
}

void add_start(metric_set& to, const start_progress::view& v) {
  to.add({"troupe_serving", "1: the node serves"},
         v.now == start_progress::phase::serving ? 1.0 : 0.0);
  to.add({"troupe_recovery_checked_bytes", "Bytes of the log that the start has checked"},
         number(v.done));
  to.add({"troupe_recovery_bytes", "Bytes of the log that the start checks at most"},
         number(v.total));
}

void add_writer(metric_set& to, const node_status& s) {
  auto& w = s.writer;
  to.add({"rocketmq_storage_size", "Bytes of the commit log"}, number(w.end - w.min),
         {{"storage_type", "local"}, {"storage_medium", "disk"}});
  to.add({"troupe_log_end_bytes", "Where the commit log ends"}, number(w.end));
  to.add({"troupe_writable", "1: messages are taken"}, reason_of(s).empty() ? 1.0 : 0.0);
  to.add({"troupe_backlog_positions", "Messages between the log and the queues"},
         number(w.backlog));
  to.add({"troupe_backlog_capacity_positions", "The most that may be there"},
         number(s.backlog_capacity));
  to.add({"troupe_delayed_requests_total", "Requests that waited for room", counter},
         number(w.delayed_requests));
  to.add({"troupe_delay_seconds_total", "Time that they waited, in all", counter},
         number(w.delayed_ms) / 1000);
  to.add({"troupe_parked_requests", "Requests that wait for room now"}, number(w.parked_requests));
  to.add({"troupe_dirty_bytes", "Bytes of the log that are not flushed"}, number(w.dirty_bytes));
  for (auto& r : w.refusals)
    to.add({"troupe_refused_requests_total", "Requests that the writer refused, by cause", counter},
           number(r.requests), {{"cause", r.cause}});
}

void add_parts(metric_set& to, const node_status& s) {
  metric_labels disk{{"storage_type", "local"}, {"storage_medium", "disk"}};
  if (known(s, {"writer"}))
    add_writer(to, s);
  if (known(s, {"writer", "flusher"}))
    to.add({"rocketmq_storage_flush_behind_bytes", "Bytes of the log that are not flushed"},
           number(std::max<std::int64_t>(s.writer.end - s.flusher.flushed, 0)), disk);
  if (known(s, {"writer", "queue-manager"}))
    to.add({"rocketmq_storage_dispatch_behind_bytes", "Bytes of the log that no queue has yet"},
           number(std::max<std::int64_t>(s.writer.end - s.queues.applied, 0)), disk);
  if (known(s, {"flusher"})) {
    to.add({"troupe_flushes_total", "Flushes of the log", counter}, number(s.flusher.flushes));
    to.add({"troupe_flush_seconds", "Time that a flush of the log took"}, s.flusher.flush_us,
           storage::flush_us_bounds, 1e-6);
    to.add({"troupe_flush_bytes", "Bytes that a flush made durable"}, s.flusher.flush_bytes,
           storage::flush_bytes_bounds, 1);
  }
  if (known(s, {"dispatcher"})) {
    to.add(
        {"troupe_dispatch_replayed_total", "Positions that were read from the log again", counter},
        number(s.dispatcher.replayed));
    to.add({"troupe_dispatch_pauses_total", "Times that the log could not be read", counter},
           number(s.dispatcher.pauses));
  }
  if (known(s, {"queue-manager"})) {
    to.add({"troupe_queues", "Queues that hold messages"}, number(s.queues.queues));
    to.add({"troupe_queue_entries", "Their entries"}, number(s.queues.entries));
    to.add({"troupe_parked_pulls", "Pulls that wait for a message"}, number(s.queues.parked_pulls));
    to.add({"troupe_cold_reads_total", "Look-ups in queues that waited for the disk", counter},
           number(s.queues.cold_reads));
    to.add({"troupe_damaged_messages_total", "Messages that pulls left out as damaged", counter},
           number(s.queues.damaged_messages));
  }
  if (known(s, {"cleaner"})) {
    to.add({"troupe_disk_used_ratio", "Used part of the disk of the store"},
           number(s.cleaner.disk_used_percent) / 100);
    to.add({"troupe_log_files_deleted_total", "Log files that the cleaner deleted", counter},
           number(s.cleaner.files_deleted));
  }
}

void add_node(metric_set& to, const node_status& s) {
  to.add({"troupe_uptime_seconds", "Time since the node began"}, number(s.uptime_ms) / 1000);
  to.add({"troupe_sessions", "Sessions of client actors and of RocketMQ clients"},
         number(s.sessions));
  for (auto& r : s.roles) {
    metric_labels who{{"role", r.role}, {"role_node", r.node}};
    to.add({"troupe_role_running", "1: it runs and answers", gauge},
           r.state == role_running ? 1.0 : 0.0, who);
    to.add({"troupe_role_restarts_total", "Times that it was started again", counter},
           number(r.restarts), who);
  }
  add_parts(to, s);
}

void add_connections(metric_set& to, const gateway_report& g) {
  to.add({"troupe_connections", "Connections of RocketMQ clients"}, number(g.clients.size()));
  for (auto& c : g.clients) {
    metric_labels kind{{"language", lower(remoting::language_name(c.language))},
                       {"version", std::to_string(c.version)},
                       {"protocol_type", "remoting"}};
    if (!c.producer_groups.empty())
      to.add({"rocketmq_producer_connections", "Connections of producers", gauge, true},
             number(c.producer_groups.size()), kind);
    for (auto& group : c.consumer_groups) {
      auto labels = kind;
      auto pulls = g.pulling_groups.contains(group);
      labels.insert(labels.begin(), {"consumer_group", group});
      labels.emplace_back("consume_mode", pulls ? "pull" : "push");
      labels.emplace_back("is_system", word(is_system_group(group)));
      to.add({"rocketmq_consumer_connections", "Connections of consumers", gauge, true}, 1,
             std::move(labels));
    }
  }
}

void add_gateway(metric_set& to, const gateway_report& g) {
  add_connections(to, g);
  for (auto& t : g.in) {
    metric_labels labels{{"topic", t.topic},
                         {"is_system", word(storage::is_system_topic(t.topic))}};
    to.add({"rocketmq_messages_in_total", "Messages that were stored", counter, true},
           number(t.sum.messages), labels);
    to.add({"rocketmq_throughput_in_total", "Bytes of messages that were stored", counter, true},
           number(t.sum.bytes), labels);
  }
  for (auto& t : g.out) {
    to.add({"rocketmq_messages_out_total", "Messages that were pulled", counter, true},
           number(t.sum.messages), labels_of(t.topic, t.group));
    to.add({"rocketmq_throughput_out_total", "Bytes of messages that were pulled", counter, true},
           number(t.sum.bytes), labels_of(t.topic, t.group));
  }
  to.add({"troupe_put_seconds", "Time from a send's arrival to its answer"}, g.put_ms,
         storage::request_ms_bounds, 1e-3);
  to.add({"troupe_pull_seconds", "Time from when there was something for a pull to its answer"},
         g.pull_ms, storage::request_ms_bounds, 1e-3);
  to.add({"troupe_unknown_requests_total", "Requests with codes that nobody here answers", counter},
         number(g.unknown_requests));
}

void add_groups(metric_set& to, const group_list& groups, const queue_state* ends) {
  std::set<std::string> names;
  for (auto& s : groups.settings)
    names.insert(s.group);
  std::map<std::pair<std::string, std::string>, std::int64_t> lags; ///< by topic and group
  for (auto& o : groups.offsets) {
    names.insert(o.group);
    auto end = ends == nullptr ? std::int64_t{-1} : end_of(*ends, o.topic, o.queue_id);
    if (end >= 0 && o.offset >= 0)
      lags[{o.topic, o.group}] += std::max<std::int64_t>(end - o.offset, 0);
  }
  to.add({"rocketmq_consumer_group_number", "Consumer groups"}, number(names.size()));
  for (auto& [who, lag] : lags)
    to.add({"rocketmq_consumer_lag_messages", "Messages that a group has still to consume", gauge,
            true},
           number(lag), labels_of(who.first, who.second));
}

} // namespace

std::string metrics_text(const metrics_input& from) {
  metric_set all({{"cluster", from.cluster}, {"node_type", "broker"}, {"node_id", from.node}},
                 from.most_series);
  add_start(all, from.start);
  if (from.status != nullptr)
    add_node(all, *from.status);
  if (from.topics != nullptr && from.topics->topics)
    all.add({"rocketmq_topic_number", "Topics"}, number(from.topics->topics->size()));
  if (from.groups != nullptr)
    add_groups(all, *from.groups, from.ends);
  if (from.bytes) {
    all.add({"troupe_received_bytes_total", "Bytes that RocketMQ clients sent", counter},
            number(from.bytes->received));
    all.add({"troupe_sent_bytes_total", "Bytes that were sent to them", counter},
            number(from.bytes->sent));
  }
  if (from.gateway != nullptr)
    add_gateway(all, *from.gateway);
  return all.text();
}

} // namespace troupe::net
