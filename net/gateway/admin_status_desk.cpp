#include "net/gateway/admin_status_desk.hpp"

#include "net/consumer.hpp"
#include "net/remoting/admin_headers.hpp"
#include "net/remoting/codes.hpp"
#include "storage/clock.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string_view>
#include <system_error>

namespace troupe::net {

namespace {

namespace request_code = remoting::request_code;
namespace response_code = remoting::response_code;

/// By which the tools know what we can: see remoting::own_version.
constexpr const char* version_name = "V4_9_7";

std::int64_t wall_ms() {
  return storage::system_wall_clock().now_ms();
}

std::string fixed(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.2f", value);
  return text;
}

/// A second, over the last 10, 60 and 600 of them.
template <class PerSecond>
std::string rates_text(PerSecond per_second) {
  return fixed(per_second(10)) + ' ' + fixed(per_second(60)) + ' ' + fixed(per_second(600));
}

/// As Java's tools write and read it: "73.8 GiB".
std::string bytes_text(std::uint64_t bytes) {
  if (bytes < 1024)
    return std::to_string(bytes) + " B";
  auto value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  for (; value >= 1024; value /= 1024)
    ++unit;
  char text[40];
  std::snprintf(text, sizeof text, "%.1f %ciB", value, "KMGTPE"[unit]);
  return text;
}

/// Of the disk that holds the store. A process that has none of it says 0: tools read numbers here.
std::string capacity_text(const std::string& directory) {
  std::error_code failed;
  auto disk = std::filesystem::space(directory, failed);
  if (failed)
    disk = {0, 0, 0};
  return "Total : " + bytes_text(disk.capacity) + ", Free : " + bytes_text(disk.free) + '.';
}

/// As RocketMQ says it: "[ 0 days, 0 hours, 3 minutes, 42 seconds ]".
std::string runtime_text(std::int64_t ms) {
  auto seconds = ms / 1000;
  return "[ " + std::to_string(seconds / 86400) + " days, " + std::to_string(seconds / 3600 % 24) +
         " hours, " + std::to_string(seconds / 60 % 60) + " minutes, " +
         std::to_string(seconds % 60) + " seconds ]";
}

} // namespace

request_lines admin_status_desk::lines() {
  return {
      line_for(this, request_code::get_broker_runtime_info, request_kind::question,
               &admin_status_desk::show_runtime),
      line_for(this, request_code::get_broker_config, request_kind::question,
               &admin_status_desk::show_config),
      line_for(this, request_code::update_broker_config, request_kind::question,
               &admin_status_desk::change_config),
      line_for(this, request_code::view_broker_stats_data, request_kind::question,
               &admin_status_desk::show_rates),
  };
}

// -- rates ---------------------------------------------------------------------------------------

void admin_status_desk::show_rates(const session_actor&, const ticket& who,
                                   const client_request& request) {
  auto h = counter_.fields_of<remoting::stats_header>(who, request);
  if (!h)
    return;
  if (auto rates = tally_.find(h->name, h->key))
    return counter_.reply_text(who, remoting::write_message_rates(*rates));
  counter_.reply(who, response_code::system_error,
                 "The stats <" + h->name + "> <" + h->key + "> not exist");
}

// -- the node ------------------------------------------------------------------------------------

void admin_status_desk::show_runtime(const session_actor& session, const ticket& who,
                                     const client_request&) {
  counter_.ask<node_status>(
      who, session,
      [this, who, session](const node_status& node) {
        auto answer = [this, who, node](std::int64_t first_ms) {
          counter_.reply_text(who, remoting::write_runtime_info(runtime_table(node, first_ms)));
        };
        self_->request(session, caf::infinite, fetch_atom_v, node.writer.min)
            .then(
                [answer](const record_batch& found) {
                  if (found.records.empty())
                    return answer(-1);
                  auto record = troupe::client::decode(found.records.front());
                  answer(record ? record.value().store_timestamp : -1);
                },
                [answer](const caf::error&) { answer(-1); }); // there is no message
      },
      status_atom_v);
}

remoting::named_texts admin_status_desk::runtime_table(const node_status& node,
                                                       std::int64_t first_ms) const {
  remoting::named_texts table;
  add_store(table, node, first_ms);
  add_traffic(table);
  add_queues(table, node);
  return table;
}

void admin_status_desk::add_store(remoting::named_texts& to, const node_status& node,
                                  std::int64_t first_ms) const {
  auto n = [](auto value) { return std::to_string(value); };
  auto used = fixed(node.cleaner.disk_used_percent / 100.0);
  auto dirty = node.writer.end - std::min(node.flusher.flushed, node.writer.end);
  auto behind = node.writer.end - std::min(node.dispatcher.applied, node.writer.end);
  to.insert(to.end(),
            {
                {"bootTimestamp", n(wall_ms() - node.uptime_ms)},
                {"brokerActive", node.writer.refusal.empty() ? "true" : "false"},
                {"brokerVersion", n(remoting::own_version)},
                {"brokerVersionDesc", version_name},
                {"commitLogDirCapacity", capacity_text(setup_.node_settings.store.directory)},
                {"commitLogDiskRatio", used},
                {"commitLogMaxOffset", n(node.writer.end)},
                {"commitLogMinOffset", n(node.writer.min)},
                {"consumeQueueDiskRatio", used},
                {"dispatchBehindBytes", n(behind)},
                {"dispatchMaxBuffer", n(node.writer.backlog)},
                {"earliestMessageTimeStamp", n(first_ms)},
                {"pageCacheLockTimeMills", "0"},
                {"remainHowManyDataToFlush", bytes_text(static_cast<std::uint64_t>(dirty))},
                {"remainTransientStoreBufferNumbs", n(INT32_MAX)},
                {"runtime", runtime_text(node.uptime_ms)},
                {"startAcceptSendRequestTimeStamp", "0"},
                {"timerCongestNum", "0"},
                {"timerDequeueTps", "0.0"},
                {"timerEnqueueTps", "0.0"},
                {"timerOffsetBehind", "0"},
                {"timerReadBehind", "0"},
            });
}

void admin_status_desk::add_traffic(remoting::named_texts& to) const {
  auto n = [](auto value) { return std::to_string(value); };
  auto wall = wall_ms();
  auto now = counter_.now_ms();
  auto over = [now](const remoting::recent_total& total) {
    return rates_text([&](std::int64_t seconds) { return total.per_second(seconds, now); });
  };
  auto all_pulls = rates_text([&](std::int64_t seconds) {
    return tally_.hits().per_second(seconds, now) + tally_.misses().per_second(seconds, now);
  });
  auto puts = tally_.puts().now();
  auto average = static_cast<double>(tally_.put_bytes()) /
                 static_cast<double>(std::max<std::uint64_t>(puts, 1));
  auto& times = tally_.put_times();
  to.insert(to.end(), {
                          {"getFoundTps", over(tally_.hits())},
                          {"getMessageEntireTimeMax", "0"},
                          {"getMissTps", over(tally_.misses())},
                          {"getTotalTps", all_pulls},
                          {"getTransferedTps", over(tally_.recent_gets())}, // as 4.9 spells it
                          {"getTransferredTps", over(tally_.recent_gets())},
                          {"msgGetTotalTodayMorning", n(tally_.gets().this_morning(wall))},
                          {"msgGetTotalTodayNow", n(tally_.gets().now())},
                          {"msgGetTotalYesterdayMorning", n(tally_.gets().yesterday_morning(wall))},
                          {"msgPutTotalTodayMorning", n(tally_.puts().this_morning(wall))},
                          {"msgPutTotalTodayNow", n(puts)},
                          {"msgPutTotalYesterdayMorning", n(tally_.puts().yesterday_morning(wall))},
                          {"putLatency99", fixed(times.within(0.99, now))},
                          {"putLatency999", fixed(times.within(0.999, now))},
                          {"putMessageAverageSize", fixed(average)},
                          {"putMessageDistributeTime", times.text(now)},
                          {"putMessageEntireTimeMax", n(times.longest_ms())},
                          {"putMessageFailedTimes", "0"},
                          {"putMessageSizeTotal", n(tally_.put_bytes())},
                          {"putMessageTimesTotal", n(puts)},
                          {"putTps", over(tally_.recent_puts())},
                          {"unknownRequests", tally_.unknown_requests()},
                      });
}

/// Java has a pool of threads for each kind of requests, and a queue before each.
void admin_status_desk::add_queues(remoting::named_texts& to, const node_status& node) const {
  auto add = [&](const std::string& pool, std::uint64_t size, std::uint64_t capacity) {
    to.emplace_back(pool + "ThreadPoolQueueSize", std::to_string(size));
    to.emplace_back(pool + "ThreadPoolQueueCapacity", std::to_string(capacity));
    to.emplace_back(pool + "ThreadPoolQueueHeadWaitTimeMills", "0");
  };
  auto& settings = setup_.node_settings;
  add("send", node.writer.parked_requests, settings.dispatcher.mailbox_capacity);
  add("pull", node.queues.parked_pulls, settings.queue_manager.parked_pulls);
  for (auto* none : {"litePull", "query", "ack"})
    add(none, 0, 0);
  to.emplace_back("EndTransactionQueueSize", "0");
  to.emplace_back("EndTransactionThreadPoolQueueCapacity", "0");
}

void admin_status_desk::show_config(const session_actor&, const ticket& who,
                                    const client_request&) {
  auto n = [](auto value) { return std::to_string(value); };
  auto& at = setup_.address;
  auto& store = setup_.node_settings.store;
  auto colon = at.address.rfind(':');
  bool sync = store.flush == storage::flush_policy::sync;
  remoting::named_texts table{
      {"autoCreateTopicEnable", setup_.options.auto_create_topics ? "true" : "false"},
      {"brokerClusterName", at.cluster},
      {"enablePropertyFilter", setup_.options.property_filter ? "true" : "false"},
      {"brokerId", "0"},
      {"brokerIP1", at.address.substr(0, colon)},
      {"brokerName", at.broker},
      {"brokerRole", "ASYNC_MASTER"},
      {"destroyMapedFileIntervalForcibly", n(store.destroy_mapped_file_interval_ms)},
      {"diskMaxUsedSpaceRatio", n(store.disk_max_used_percent)},
      {"fileReservedTime", n(store.file_reserved_time_ms / 3'600'000)},
      {"flushDiskType", sync ? "SYNC_FLUSH" : "ASYNC_FLUSH"},
      {"listenPort", at.address.substr(colon + 1)},
      {"mappedFileSizeCommitLog", n(store.log_file_size_bytes)},
      {"mappedFileSizeConsumeQueue", n(store.queue_file_size_bytes)},
      {"maxHashSlotNum", n(store.index_slots)},
      {"maxIndexNum", n(store.index_entries)},
      {"maxMessageSize", n(store.max_message_size_bytes)},
      {"storePathRootDir", store.directory},
  };
  counter_.reply_text(who, remoting::write_properties(table));
}

/// No setting changes while a node runs. A tool that is told so does not believe that it did.
void admin_status_desk::change_config(const ticket& who, const client_request& request) {
  std::string_view text = troupe::client::text_of(request.body.bytes());
  std::string names;
  while (!text.empty() && names.size() < 500) {
    auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (auto name = line.substr(0, line.find('=')); !name.empty() && name.size() < line.size())
      names += (names.empty() ? "" : ", ") + std::string(name.substr(0, 100));
  }
  if (names.empty())
    return counter_.reply(who, response_code::success, {}); // nothing is to change
  counter_.reply(who, response_code::no_permission,
                 "Can not update config while the node runs: " + names +
                     "; set it in cluster.ini and restart the node");
}

} // namespace troupe::net
