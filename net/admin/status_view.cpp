#include "net/admin/status_view.hpp"

#include <algorithm>
#include <utility>

namespace troupe::net {

namespace {

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

std::string_view durability_text(bool synchronous_flush) {
  return synchronous_flush
             ? "flush = sync: neither a killed process nor a power loss loses what was "
               "acknowledged "
               "(but with WAIT=false)"
             : "flush = async: a killed process loses nothing acknowledged, a power loss the tail "
               "that was not yet flushed";
}

bool known(const node_status& s, std::initializer_list<std::string_view> roles) {
  return std::all_of(roles.begin(), roles.end(),
                     [&](auto role) { return state_of(s, role) == role_running; });
}

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

} // namespace troupe::net
