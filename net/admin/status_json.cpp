#include "net/admin/status_json.hpp"

#include "net/admin/status_view.hpp"
#include "net/json_text.hpp"

#include <optional>

namespace troupe::net {

namespace {

/// Of something that is repeated: "[{...},{...}]".
template <class Items, class Write>
std::string json_list(const Items& items, Write write) {
  std::string out;
  for (auto& item : items)
    out += (out.empty() ? "" : ",") + write(item);
  return "[" + out + "]";
}

std::string number_json(std::optional<std::int64_t> number) {
  return number ? std::to_string(*number) : "null";
}

std::string roles_json(const node_status& s) {
  return json_list(s.roles, [](const role_status& r) {
    return "{\"role\":" + json_text(r.role) + ",\"state\":" + json_text(r.state) +
           ",\"sinceMs\":" + std::to_string(r.since_ms) +
           ",\"restarts\":" + std::to_string(r.restarts) + ",\"node\":" + json_text(r.node) + "}";
  });
}

std::string links_json(const std::vector<link_status>& links) {
  return json_list(links, [](const link_status& l) {
    return "{\"node\":" + json_text(l.node) + ",\"state\":" + json_text(l.state) +
           ",\"sinceMs\":" + std::to_string(l.since_ms) + ",\"reason\":" + json_text(l.reason) +
           "}";
  });
}

std::string nodes_json(const node_status& s) {
  return json_list(s.nodes, [](const node_view& n) {
    return "{\"node\":" + json_text(n.node) + ",\"roles\":" + json_text(n.roles) +
           ",\"state\":" + json_text(n.state) + ",\"sinceMs\":" + std::to_string(n.since_ms) +
           ",\"reason\":" + json_text(n.reason) +
           ",\"links\":" + (n.state == role_running ? links_json(n.links) : "null") + "}";
  });
}

std::string edges_json(const node_status& s) {
  return json_list(edges_of(s), [](const status_edge& e) {
    return "{\"from\":" + json_text(e.from) + ",\"fromNode\":" + json_text(e.from_node) +
           ",\"to\":" + json_text(e.to) + ",\"toNode\":" + json_text(e.to_node) +
           ",\"backlog\":" + number_json(e.backlog) + ",\"unit\":" + json_text(e.unit) +
           ",\"what\":" + json_text(e.what) + ",\"capacity\":" + number_json(e.capacity) +
           ",\"link\":" + json_text(e.link) + ",\"sinceMs\":" + std::to_string(e.since_ms) + "}";
  });
}

} // namespace

std::string status_json(const node_status& s) {
  auto reason = reason_of(s);
  std::string writable = reason.empty() ? "true" : reason.starts_with(unknown) ? "null" : "false";
  std::string line = "{\"node\":" + json_text(s.node) + ",\"cluster\":" + json_text(s.cluster) +
                     ",\"directory\":" + json_text(s.directory) +
                     ",\"flush\":" + json_text(s.flush) +
                     ",\"durability\":" + json_text(durability_text(s.flush == "sync")) +
                     ",\"roles\":" + roles_json(s) + ",\"links\":" + links_json(s.links) +
                     ",\"nodes\":" + nodes_json(s) + ",\"edges\":" + edges_json(s) +
                     ",\"waitsFor\":" + json_text(s.waits_for) + ",\"writable\":" + writable +
                     ",\"reason\":" + json_text(reason);
  auto number = [&](const char* name, auto value, bool is_known = true) {
    line.append(",\"").append(name).append("\":").append(is_known ? std::to_string(value) : "null");
  };
  bool writer = known(s, {"writer"});
  number("backlog", s.writer.backlog, writer);
  number("backlogMax", s.writer.backlog_max, writer);
  number("delayedRequests", s.writer.delayed_requests, writer);
  number("delayedMs", s.writer.delayed_ms, writer);
  number("parkedRequests", s.writer.parked_requests, writer);
  number("flushLagBytes", s.writer.end - s.flusher.flushed, known(s, {"writer", "flusher"}));
  number("dirtyBytes", s.writer.dirty_bytes, writer);
  number("flushes", s.flusher.flushes, known(s, {"flusher"}));
  number("diskUsedPercent", s.cleaner.disk_used_percent, known(s, {"cleaner"}));
  number("filesDeleted", s.cleaner.files_deleted, known(s, {"cleaner"}));
  number("logMinOffset", s.writer.min, writer);
  number("logMaxOffset", s.writer.end, writer);
  number("dispatchedOffset", s.dispatcher.applied, known(s, {"dispatcher"}));
  number("queuesDurableOffset", s.queues.durable, known(s, {"queue-manager"}));
  number("queues", s.queues.queues, known(s, {"queue-manager"}));
  number("entries", s.queues.entries, known(s, {"queue-manager"}));
  number("damagedMessages", s.queues.damaged_messages, known(s, {"queue-manager"}));
  number("sessions", s.sessions);
  number("uptime", s.uptime_ms);
  return line + "}";
}

} // namespace troupe::net
