#include "net/gateway/admin_status_desk.hpp"

#include "net/consumer.hpp"
#include "net/remoting/admin_headers.hpp"
#include "net/remoting/codes.hpp"
#include "storage/clock.hpp"

#include <algorithm>
#include <cstdio>

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

/// Messages a second over the last minute, hour and day.
std::string rates_text(const std::optional<remoting::message_rates>& rates) {
  auto r = rates.value_or(remoting::message_rates{});
  return fixed(r.minute.per_second) + ' ' + fixed(r.hour.per_second) + ' ' +
         fixed(r.day.per_second);
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
  auto n = [](auto value) { return std::to_string(value); };
  auto puts = rates_text(tally_.find(remoting::broker_puts, setup_.address.broker));
  auto gets = rates_text(tally_.find(remoting::broker_gets, setup_.address.broker));
  auto now = wall_ms();
  auto used = fixed(node.cleaner.disk_used_percent / 100.0);
  auto dirty = node.writer.end - std::min(node.flusher.flushed, node.writer.end);
  auto behind = node.writer.end - std::min(node.dispatcher.applied, node.writer.end);
  return {
      {"bootTimestamp", n(now - node.uptime_ms)},
      {"brokerActive", node.writer.refusal.empty() ? "true" : "false"},
      {"brokerVersion", n(remoting::own_version)},
      {"brokerVersionDesc", version_name},
      {"commitLogDirCapacity", "Used : " + n(node.cleaner.disk_used_percent) + " %."},
      {"commitLogDiskRatio", used},
      {"commitLogMaxOffset", n(node.writer.end)},
      {"commitLogMinOffset", n(node.writer.min)},
      {"consumeQueueDiskRatio", used},
      {"dispatchBehindBytes", n(behind)},
      {"dispatchMaxBuffer", n(node.writer.backlog)},
      {"earliestMessageTimeStamp", n(first_ms)},
      {"getFoundTps", gets},
      {"getMessageEntireTimeMax", "0"},
      {"getMissTps", "0.0 0.0 0.0"},
      {"getTotalTps", gets},
      {"getTransferedTps", gets}, // as 4.9 spells it
      {"getTransferredTps", gets},
      {"msgGetTotalTodayMorning", n(tally_.gets().this_morning(now))},
      {"msgGetTotalTodayNow", n(tally_.gets().now())},
      {"msgGetTotalYesterdayMorning", n(tally_.gets().yesterday_morning(now))},
      {"msgPutTotalTodayMorning", n(tally_.puts().this_morning(now))},
      {"msgPutTotalTodayNow", n(tally_.puts().now())},
      {"msgPutTotalYesterdayMorning", n(tally_.puts().yesterday_morning(now))},
      {"pageCacheLockTimeMills", "0"},
      {"pullThreadPoolQueueCapacity", n(setup_.node_settings.queue_manager.parked_pulls)},
      {"pullThreadPoolQueueHeadWaitTimeMills", "0"},
      {"pullThreadPoolQueueSize", n(node.queues.parked_pulls)},
      {"putMessageAverageSize", "0.0"},
      {"putMessageDistributeTime", ""},
      {"putMessageEntireTimeMax", "0"},
      {"putMessageFailedTimes", "0"},
      {"putMessageSizeTotal", n(node.writer.end - node.writer.min)},
      {"putMessageTimesTotal", n(tally_.puts().now())},
      {"putTps", puts},
      {"queryThreadPoolQueueCapacity", "0"},
      {"queryThreadPoolQueueHeadWaitTimeMills", "0"},
      {"queryThreadPoolQueueSize", "0"},
      {"remainHowManyDataToFlush", n(dirty) + " B"},
      {"remainTransientStoreBufferNumbs", n(INT32_MAX)},
      {"runtime", runtime_text(node.uptime_ms)},
      {"sendThreadPoolQueueCapacity", n(setup_.node_settings.dispatcher.mailbox_capacity)},
      {"sendThreadPoolQueueHeadWaitTimeMills", "0"},
      {"sendThreadPoolQueueSize", n(node.writer.parked_requests)},
      {"startAcceptSendRequestTimeStamp", "0"},
      {"timerCongestNum", "0"},
      {"timerDequeueTps", "0.0"},
      {"timerEnqueueTps", "0.0"},
      {"timerOffsetBehind", "0"},
      {"timerReadBehind", "0"},
  };
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

} // namespace troupe::net
