#include "net/admin/detail_json.hpp"

#include "net/admin/listing_json.hpp"
#include "net/consumer.hpp"
#include "net/json_text.hpp"
#include "net/message_json.hpp"

#include <algorithm>
#include <string_view>

namespace troupe::net {

namespace {

std::string_view name_of(pull_status status) {
  switch (status) {
  case pull_status::found:
    return "found";
  case pull_status::nothing_new:
    return "nothing_new";
  case pull_status::offset_too_small:
    return "offset_too_small";
  case pull_status::offset_too_large:
    return "offset_too_large";
  case pull_status::no_queue:
    return "no_queue";
  case pull_status::filtered:
  case pull_status::in_doubt:
    break;
  }
  return "unreadable";
}

/// The messages and how many of them could not be read.
std::string list_json(const std::vector<storage::slice>& records, std::size_t most_body_bytes) {
  std::string out = "\"messages\":[";
  std::size_t unreadable = 0;
  for (auto& record : records) {
    auto view = client::decode(record);
    if (!view) {
      ++unreadable;
      continue;
    }
    if (out.back() != '[')
      out += ',';
    append_message_json(out, view.value(), most_body_bytes);
  }
  return out + "],\"unreadable\":" + std::to_string(unreadable);
}

std::string time_json(const store_times& all, std::size_t number) {
  auto found = all.find(number);
  return found == all.end() ? "null" : std::to_string(found->second);
}

std::string members_json(const std::vector<std::string>& ids) {
  std::string out = "[";
  for (auto& id : ids)
    out += (out.size() == 1 ? "" : ",") + json_text(id);
  return out + "]";
}

} // namespace

std::int64_t lag_of(const group_queue& q) noexcept {
  return std::max<std::int64_t>(0, q.max - std::max(q.offset, q.min));
}

std::string topic_detail_json(const topic_description& all, const store_times& oldest) {
  auto out = topic_json(all.info);
  out.pop_back();
  out += ",\"queues\":[";
  for (std::size_t i = 0; i < all.queues.size(); ++i) {
    auto queue = queue_json(all.info.name, all.queues[i]);
    queue.pop_back();
    out += (i == 0 ? "" : ",") + queue + ",\"firstStoreTimestamp\":" + time_json(oldest, i) + "}";
  }
  return out + "]}";
}

std::string group_detail_json(const group_detail& all, const store_times& next,
                              std::int64_t now_ms) {
  std::string out =
      "{\"group\":" + json_text(all.group) + ",\"settings\":" + (all.settings ? "true" : "false") +
      ",\"members\":" + (all.members ? members_json(*all.members) : "null") + ",\"queues\":[";
  for (std::size_t i = 0; i < all.queues.size(); ++i) {
    auto& q = all.queues[i];
    auto lag = lag_of(q);
    std::string behind = lag == 0 ? "0" : "null";
    if (auto found = next.find(i); lag > 0 && found != next.end())
      behind = std::to_string(std::max<std::int64_t>(0, now_ms - found->second));
    out += (i == 0 ? "{\"topic\":" : ",{\"topic\":") + json_text(q.topic) +
           ",\"queueId\":" + std::to_string(q.queue_id) +
           ",\"offset\":" + std::to_string(q.offset) + ",\"minOffset\":" + std::to_string(q.min) +
           ",\"maxOffset\":" + std::to_string(q.max) + ",\"lag\":" + std::to_string(lag) +
           ",\"behindMs\":" + behind + "}";
  }
  return out + "],\"leftOut\":" + std::to_string(all.left_out) + "}";
}

std::string messages_json(const record_batch& found, std::size_t most_body_bytes) {
  return "{" + list_json(found.records, most_body_bytes) +
         ",\"leftOut\":" + std::to_string(found.left_out) + "}";
}

std::string pull_json(const pull_request& wanted, const pull_response& found,
                      std::size_t most_body_bytes) {
  return "{\"topic\":" + json_text(wanted.topic) +
         ",\"queueId\":" + std::to_string(wanted.queue_id) +
         ",\"from\":" + std::to_string(wanted.from) + ",\"next\":" + std::to_string(found.next) +
         ",\"minOffset\":" + std::to_string(found.min) +
         ",\"maxOffset\":" + std::to_string(found.max) +
         ",\"status\":" + json_text(name_of(found.status)) +
         ",\"damaged\":" + std::to_string(found.damaged) +
         ",\"warning\":" + json_text(found.warning) + "," +
         list_json(found.records, most_body_bytes) + "}";
}

} // namespace troupe::net
