#include "net/admin/listing_json.hpp"

#include "net/json_text.hpp"

#include <algorithm>
#include <map>
#include <vector>

namespace troupe::net {

namespace {

/// About 100 bytes each.
constexpr std::size_t most_offsets = 50'000;

std::string names_json(const std::vector<std::string>& names) {
  std::string out;
  for (auto& name : names)
    out += (out.empty() ? "" : ",") + json_text(name);
  return "[" + out + "]";
}

std::string offset_json(const group_offset& o, const queue_state* ends) {
  auto line = "{\"topic\":" + json_text(o.topic) + ",\"queueId\":" + std::to_string(o.queue_id) +
              ",\"offset\":" + std::to_string(o.offset);
  auto end = ends == nullptr ? std::int64_t{-1} : end_of(*ends, o.topic, o.queue_id);
  if (end < 0)
    return line + ",\"maxOffset\":null,\"lag\":null}";
  return line + ",\"maxOffset\":" + std::to_string(end) +
         ",\"lag\":" + std::to_string(std::max<std::int64_t>(end - o.offset, 0)) + "}";
}

} // namespace

std::string topic_json(const topic_info& t) {
  return "{\"topic\":" + json_text(t.name) + ",\"readQueues\":" + std::to_string(t.read_queues) +
         ",\"writeQueues\":" + std::to_string(t.write_queues) +
         ",\"perm\":" + std::to_string(t.perm) + "}";
}

std::string queue_json(const std::string& topic, const queue_bounds& q) {
  return "{\"topic\":" + json_text(topic) + ",\"queueId\":" + std::to_string(q.queue_id) +
         ",\"minOffset\":" + std::to_string(q.min) + ",\"maxOffset\":" + std::to_string(q.max) +
         ",\"lastStoreTimestamp\":" + std::to_string(q.last_store_ms) + "}";
}

std::int64_t end_of(const queue_state& ends, const std::string& topic, std::int32_t queue_id) {
  auto found = ends.next_offsets.find(topic);
  if (found == ends.next_offsets.end() || queue_id < 0 ||
      static_cast<std::size_t>(queue_id) >= found->second.size())
    return -1;
  return found->second[static_cast<std::size_t>(queue_id)];
}

std::string topics_json(const topic_map& all) {
  std::string out = "{\"topics\":[";
  if (all.topics)
    for (auto& [name, info] : *all.topics)
      out += (out.back() == '[' ? "" : ",") + topic_json(info);
  return out + "]}";
}

std::string groups_json(const group_list& all, const queue_state* ends) {
  std::map<std::string, std::string> groups; ///< by name: their offsets
  for (auto& s : all.settings)
    groups.try_emplace(s.group);
  std::size_t left_out = 0;
  std::size_t taken = 0;
  for (auto& o : all.offsets) {
    auto& offsets = groups[o.group];
    if (taken == most_offsets) {
      ++left_out;
      continue;
    }
    ++taken;
    offsets += (offsets.empty() ? "" : ",") + offset_json(o, ends);
  }
  std::string out = "{\"groups\":[";
  for (auto& [name, offsets] : groups) {
    out += (out.back() == '[' ? "{\"group\":" : ",{\"group\":") + json_text(name);
    out += ",\"offsets\":[" + offsets + "]}";
  }
  return out + "],\"leftOut\":" + std::to_string(left_out) + "}";
}

std::string clients_json(const gateway_report& report) {
  std::string out = "{\"clients\":[";
  for (auto& c : report.clients)
    out += (out.back() == '[' ? "{\"address\":" : ",{\"address\":") + json_text(c.peer) +
           ",\"clientId\":" + json_text(c.client_id) +
           ",\"language\":" + json_text(remoting::language_name(c.language)) +
           ",\"version\":" + std::to_string(c.version) +
           ",\"consumerGroups\":" + names_json(c.consumer_groups) +
           ",\"producerGroups\":" + names_json(c.producer_groups) + "}";
  return out + "]}";
}

} // namespace troupe::net
