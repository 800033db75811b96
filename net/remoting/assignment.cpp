#include "net/remoting/assignment.hpp"

#include "net/remoting/command.hpp"
#include "net/remoting/json_members.hpp"
#include "storage/tables/fastjson.hpp"

#include <algorithm>
#include <limits>
#include <tuple>

namespace troupe::remoting {

namespace {

using storage::errc;
using storage::error;
using storage::result;
using queue_list = std::vector<broker_queue>;

constexpr std::string_view by_average = "AVG";
constexpr std::string_view by_circle = "AVG_BY_CIRCLE";

result<std::pair<std::string, std::string>> topic_and_group(const json_members& from) {
  TROUPE_TRY(auto topic, from.text("topic"));
  TROUPE_TRY(auto group, from.text("consumerGroup"));
  if (topic.empty() || group.empty() || topic.size() > longest_name || group.size() > longest_name)
    return from.wrong("topic and consumerGroup must have 1 to " + std::to_string(longest_name) +
                      " bytes");
  return std::pair{std::move(topic), std::move(group)};
}

result<request_mode> mode_in(const json_members& from) {
  request_mode mode;
  TROUPE_TRY(auto names, topic_and_group(from));
  std::tie(mode.topic, mode.group) = std::move(names);
  TROUPE_TRY(auto kind, from.text("mode"));
  TROUPE_TRY(auto share, from.integer("popShareQueueNum"));
  if (!kind.empty() && kind != "PULL" && kind != "POP")
    return from.wrong("mode must be PULL or POP");
  constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
  mode.pop = kind == "POP";
  mode.share = static_cast<std::int32_t>(std::clamp(share, -most, most));
  return mode;
}

void append_mode(std::string& out, const request_mode& mode) {
  out += "{\"consumerGroup\":";
  append_json_text(out, mode.group);
  out.append(",\"mode\":").append(mode.pop ? "\"POP\"" : "\"PULL\"");
  out += ",\"popShareQueueNum\":" + std::to_string(mode.share) + ",\"topic\":";
  append_json_text(out, mode.topic);
  out += '}';
}

/// Blocks of queues, the first members one more where they do not come out even.
queue_list averagely(const queue_list& queues, std::size_t members, std::size_t index) {
  auto rest = queues.size() % members;
  auto size = queues.size() / members + (index < rest ? 1 : 0);
  auto begin = index * (queues.size() / members) + std::min(index, rest);
  auto first = queues.begin() + static_cast<std::ptrdiff_t>(begin);
  return {first, first + static_cast<std::ptrdiff_t>(size)};
}

queue_list in_circle(const queue_list& queues, std::size_t members, std::size_t index) {
  queue_list own;
  for (auto i = index; i < queues.size(); i += members)
    own.push_back(queues[i]);
  return own;
}

/// One place at each broker's any.
queue_list any_of(const queue_list& queues) {
  queue_list all;
  for (auto& queue : queues)
    if (all.empty() || all.back().broker != queue.broker)
      all.push_back({queue.broker, -1});
  return all;
}

} // namespace

result<request_mode> read_request_mode(storage::byte_view body) {
  TROUPE_TRY(auto object, read_json_body(body, "request mode"));
  return mode_in(json_members(object, "request mode"));
}

result<void> request_modes::set(request_mode mode) {
  auto topic = topics_.find(mode.topic);
  bool known = topic != topics_.end() && topic->second.count(mode.group) > 0;
  if (!known && count_ >= most)
    return error{errc::busy,
                 "request modes are kept of " + std::to_string(most) + " groups' topics already"};
  count_ += known ? 0 : 1;
  auto& groups = topics_[mode.topic];
  auto group = mode.group;
  groups.insert_or_assign(std::move(group), std::move(mode));
  return boost::outcome_v2::success();
}

const request_mode* request_modes::find(const std::string& topic, const std::string& group) const {
  auto groups = topics_.find(topic);
  if (groups == topics_.end())
    return nullptr;
  auto found = groups->second.find(group);
  return found == groups->second.end() ? nullptr : &found->second;
}

std::string request_modes::write() const {
  std::string out = "{\"messageRequestModeMap\":{";
  bool first_topic = true;
  for (auto& [topic, groups] : topics_) {
    out += std::exchange(first_topic, false) ? "" : ",";
    append_json_text(out, topic);
    out += ":{";
    bool first_group = true;
    for (auto& [group, mode] : groups) {
      out += std::exchange(first_group, false) ? "" : ",";
      append_json_text(out, group);
      out += ':';
      append_mode(out, mode);
    }
    out += '}';
  }
  return out += "}}";
}

result<request_modes> request_modes::read(std::string_view text) {
  constexpr auto name = "messageRequestMode.json";
  auto wrong = [](const std::string& what) {
    return error{errc::corrupt, std::string(name) + ": " + what};
  };
  TROUPE_TRY(auto root, storage::parse_fastjson(text, name));
  if (!root.is_object())
    return wrong("it is no object");
  request_modes modes;
  auto* topics = root.get_object().if_contains("messageRequestModeMap");
  if (topics == nullptr || topics->is_null())
    return modes;
  if (!topics->is_object())
    return wrong("messageRequestModeMap is no object");
  for (auto& [topic, groups] : topics->get_object()) {
    if (!groups.is_object())
      return wrong("topic " + std::string(topic) + " is no object");
    for (auto& [group, entry] : groups.get_object()) {
      if (!entry.is_object())
        return wrong("group " + std::string(group) + " is no object");
      TROUPE_TRY(auto mode, mode_in(json_members(entry.get_object(), name)));
      TROUPE_TRY(modes.set(std::move(mode)));
    }
  }
  return modes;
}

result<assignment_query> read_assignment_query(storage::byte_view body) {
  TROUPE_TRY(auto object, read_json_body(body, "assignment query"));
  json_members root(object, "assignment query");
  assignment_query query;
  TROUPE_TRY(auto names, topic_and_group(root));
  std::tie(query.topic, query.group) = std::move(names);
  TROUPE_TRY(query.client_id, root.text("clientId"));
  TROUPE_TRY(query.strategy, root.text("strategyName"));
  TROUPE_TRY(auto model, root.text("messageModel"));
  query.broadcast = model == "BROADCASTING";
  return query;
}

std::optional<queue_list> assign(const assignment_query& query, bool pop, std::int32_t share,
                                 const queue_list& queues,
                                 const std::vector<std::string>& members) {
  if (query.broadcast)
    return queues;
  if (members.empty() || queues.empty() ||
      (query.strategy != by_average && query.strategy != by_circle))
    return std::nullopt;
  auto shared = static_cast<std::size_t>(std::max(share, 0));
  if (pop && (shared == 0 || shared + 1 >= members.size()))
    return any_of(queues);
  auto place = std::find(members.begin(), members.end(), query.client_id);
  if (place == members.end())
    return queue_list{};
  auto index = static_cast<std::size_t>(place - members.begin());
  if (pop && members.size() > queues.size())
    return queue_list{queues[index % queues.size()]};
  queue_list own;
  for (std::size_t i = 0; i <= (pop ? shared : 0); ++i) {
    auto member = (index + i) % members.size();
    auto part = query.strategy == by_average ? averagely(queues, members.size(), member)
                                             : in_circle(queues, members.size(), member);
    own.insert(own.end(), part.begin(), part.end());
  }
  return own;
}

std::string write_assignment(const std::string& topic, bool pop,
                             const std::optional<queue_list>& queues) {
  if (!queues)
    return "{}";
  std::string out = "{\"messageQueueAssignments\":";
  append_json_list(out, *queues, [&](const broker_queue& queue) {
    out += "{\"messageQueue\":{\"brokerName\":";
    append_json_text(out, queue.broker);
    out += ",\"queueId\":" + std::to_string(queue.queue_id) + ",\"topic\":";
    append_json_text(out, topic);
    out.append("},\"mode\":").append(pop ? "\"POP\"}" : "\"PULL\"}");
  });
  return out += '}';
}

} // namespace troupe::remoting
