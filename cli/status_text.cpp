#include "cli/status_text.hpp"

#include "actors/link_messages.hpp"
#include "cli/context.hpp"
#include "cli/message_json.hpp"
#include "net/quantity.hpp"

#include <algorithm>
#include <initializer_list>

namespace troupe::cli {

namespace {

std::string json_text(std::string_view text) {
  std::string quoted;
  append_json_string(quoted, text);
  return quoted;
}

/// Of several who play it the first that does not run says it.
std::string state_of(const node_status& s, std::string_view role) {
  std::string state = role_silent;
  for (auto& r : s.roles) {
    if (!plays(r, role))
      continue;
    state = r.state;
    if (state != role_running)
      break;
  }
  return state;
}

/// What a role that is silent or gone would say is not known, and nothing is shown in its place.
bool known(const node_status& s, std::initializer_list<std::string_view> roles) {
  return std::all_of(roles.begin(), roles.end(),
                     [&](auto role) { return state_of(s, role) == role_running; });
}

constexpr std::string_view unknown = "unknown";

std::string reason_of(const node_status& s) {
  for (auto* reason : {&s.writer.refusal, &s.queues.failure, &s.flusher.failure})
    if (!reason->empty())
      return *reason;
  if (known(s, {"writer"}) && !s.writer.open)
    return "the queues are not recovered yet";
  for (auto* role : {"writer", "flusher", "queue-manager"})
    if (auto state = state_of(s, role); state == role_silent)
      return std::string{unknown} + ": the " + role + " does not answer; it may wait for the disk";
    else if (state == role_stopped)
      return std::string{"the "} + role + " " + state + "; restart the node";
  return {};
}

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

std::string in_brackets(const std::string& text) {
  return text.empty() ? "" : " (" + text + ")";
}

std::string edge_line(const status_edge& e) {
  std::string amount = "unknown";
  if (e.backlog)
    amount = e.unit == "bytes" ? net::size_text(*e.backlog) : std::to_string(*e.backlog);
  if (e.capacity)
    amount += " of " + std::to_string(*e.capacity) + " " + e.unit;
  auto line = "edge      " + e.from + in_brackets(e.from_node) + " -> " + e.to +
              in_brackets(e.to_node) + ": " + amount + " " + e.what;
  if (e.link.empty())
    return line;
  line += "; link " + e.link;
  return e.link == unknown ? line : line + " for " + net::span_text(e.since_ms);
}

/// What each node says of itself: who is connected to whom.
std::string node_line(const node_view& n) {
  auto line = "member    " + n.node + in_brackets(n.roles) + ": " + n.state + " for " +
              net::span_text(n.since_ms) + in_brackets(n.reason);
  if (n.state != role_running)
    return line;
  std::string up;
  std::string away;
  for (auto& l : n.links) {
    auto& list = l.state == name_of(link_state::up) ? up : away;
    list += (list.empty() ? "" : ", ") + l.node;
  }
  line += up.empty() ? "; linked to nobody" : "; linked to " + up;
  return away.empty() ? line : line + "; not to " + away;
}

/// Roles, nodes, and what lies between them.
void add_parts(std::string& out, const node_status& s) {
  auto add = [&out](const std::string& line) { out += line + "\n"; };
  for (auto& r : s.roles)
    add("role      " + r.role + (r.node == s.node ? "" : " (node " + r.node + ")") + ": " +
        r.state + " for " + net::span_text(r.since_ms) +
        (r.restarts > 0 ? ", restarted " + std::to_string(r.restarts) + " times" : ""));
  for (auto& e : edges_of(s))
    add(edge_line(e));
  for (auto& n : s.nodes)
    add(node_line(n));
  for (auto& l : s.links)
    add("link      to node " + l.node + ": " + l.state + " for " + net::span_text(l.since_ms) +
        in_brackets(l.reason));
  if (!s.waits_for.empty())
    add("waits     for " + s.waits_for);
}

std::string node_of(const node_status& s, std::string_view role) {
  for (auto& r : s.roles)
    if (r.role == role)
      return r.node;
  return {};
}

/// How the nodes of an edge are connected, by the word of the first, or else of the second.
void set_link(status_edge& e, const node_status& s) {
  e.from_node = node_of(s, e.from);
  e.to_node = node_of(s, e.to);
  if (e.from_node.empty() || e.to_node.empty() || e.from_node == e.to_node)
    return;
  e.link = "unknown";
  for (auto& [at, other] : {std::pair(e.to_node, e.from_node), std::pair(e.from_node, e.to_node)})
    for (auto& n : s.nodes)
      for (auto& l : n.links)
        if (n.node == at && n.state == role_running && l.node == other) {
          e.link = l.state;
          e.since_ms = l.since_ms;
        }
}

} // namespace

std::vector<status_edge> edges_of(const node_status& s) {
  std::vector<status_edge> all;
  auto add = [&](const std::string& from, const std::string& to, const char* unit, const char* what,
                 std::initializer_list<std::string_view> roles, std::int64_t backlog) {
    auto& e = all.emplace_back();
    e.from = from;
    e.to = to;
    e.unit = unit;
    e.what = what;
    // The parts are asked one after the other: who is asked last may be further than the first.
    if (known(s, roles))
      e.backlog = std::max<std::int64_t>(0, backlog);
    set_link(e, s);
  };
  add("writer", "flusher", "bytes", "not flushed", {"writer", "flusher"},
      s.writer.end - s.flusher.flushed);
  add("writer", "dispatcher", "positions", "in flight", {"writer"},
      static_cast<std::int64_t>(s.writer.backlog));
  if (s.backlog_capacity > 0)
    all.back().capacity = static_cast<std::int64_t>(s.backlog_capacity);
  // Each of several has its own.
  for (auto& r : s.roles) {
    if (!plays(r, "queue-manager"))
      continue;
    log_offset applied = s.queues.applied;
    log_offset durable = s.queues.durable;
    bool there = r.role == "queue-manager";
    for (auto& part : s.queues.parts)
      if (r.role.ends_with(" " + std::to_string(part.share + 1))) {
        applied = part.applied;
        durable = part.durable;
        there = true;
      }
    auto flusher = "queue-flusher" + r.role.substr(std::string_view("queue-manager").size());
    auto whom = there ? std::string_view(r.role) : unknown;
    add("dispatcher", r.role, "bytes", "passed on and not applied", {"dispatcher", whom},
        s.dispatcher.next - applied);
    add("writer", r.role, "bytes", "of the log not applied", {"writer", whom},
        s.writer.end - applied);
    add(r.role, flusher, "bytes", "applied and not durable", {whom}, applied - durable);
  }
  return all;
}

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
    line += std::string{",\""} + name + "\":" + (is_known ? std::to_string(value) : "null");
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

std::string status_text(const node_status& s) {
  std::string out;
  auto print_line = [&out](const std::string& line) { out += line + "\n"; };
  auto bytes = [](std::int64_t n) { return net::size_text(n); };
  auto reason = reason_of(s);
  print_line("node      " + s.node + " of cluster " + s.cluster + ", up " +
             net::span_text(s.uptime_ms) + ", data in " + s.directory);
  print_line("writes    " +
             (reason.empty() ? "accepted, flush = " + s.flush : "refused: " + reason));
  print_line("promise   " + std::string(durability_text(s.flush == "sync")));
  auto about = [&](const char* name, std::initializer_list<std::string_view> roles,
                   const std::string& text) {
    print_line(name + (known(s, roles) ? text : "unknown"));
  };
  about("backlog   ", {"writer"},
        std::to_string(s.writer.backlog) + " positions (highest " +
            std::to_string(s.writer.backlog_max) + "), " +
            std::to_string(s.writer.delayed_requests) + " requests delayed for " +
            std::to_string(s.writer.delayed_ms) + " ms in all, " +
            std::to_string(s.writer.parked_requests) + " waiting");
  about("flush     ", {"writer", "flusher"},
        bytes(s.writer.end - s.flusher.flushed) + " not yet durable, " +
            std::to_string(s.flusher.flushes) + " flushes");
  about("log       ", {"writer"},
        std::to_string(s.writer.min) + " to " + std::to_string(s.writer.end) + " (" +
            bytes(s.writer.end - s.writer.min) + ")");
  about("queues    ", {"dispatcher", "queue-manager"},
        std::to_string(s.queues.queues) + " hold messages, with " +
            std::to_string(s.queues.entries) + " entries, durable to " +
            std::to_string(s.queues.durable) + " of the log, dispatched to " +
            std::to_string(s.dispatcher.applied));
  if (s.queues.damaged_messages > 0)
    about("damaged   ", {"queue-manager"},
          std::to_string(s.queues.damaged_messages) +
              " messages were left out of pulls since the start; see message.damaged in the log, "
              "and troupe store verify");
  about("disk      ", {"cleaner"},
        std::to_string(s.cleaner.disk_used_percent) + " % used, " +
            std::to_string(s.cleaner.files_deleted) + " log files deleted since the start");
  if (!s.cleaner.clock.empty())
    about("clock     ", {"cleaner"}, s.cleaner.clock);
  print_line("sessions  " + std::to_string(s.sessions));
  add_parts(out, s);
  return out;
}

} // namespace troupe::cli
