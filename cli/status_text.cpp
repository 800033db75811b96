#include "cli/status_text.hpp"

#include "actors/link_messages.hpp"
#include "net/admin/status_view.hpp"
#include "net/quantity.hpp"

#include <algorithm>
#include <initializer_list>

namespace troupe::cli {

namespace {

using net::edges_of;
using net::known;
using net::reason_of;
using net::status_edge;
using net::unknown;

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

} // namespace

std::string status_text(const node_status& s) {
  std::string out;
  auto print_line = [&out](const std::string& line) { out += line + "\n"; };
  auto bytes = [](std::int64_t n) { return net::size_text(n); };
  auto reason = reason_of(s);
  print_line("node      " + s.node + " of cluster " + s.cluster + ", up " +
             net::span_text(s.uptime_ms) + ", data in " + s.directory);
  print_line("writes    " +
             (reason.empty() ? "accepted, flush = " + s.flush : "refused: " + reason));
  print_line("promise   " + std::string(net::durability_text(s.flush == "sync")));
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
