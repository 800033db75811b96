#include "cli/commands.hpp"
#include "cli/message_json.hpp"
#include "cli/remote.hpp"
#include "net/quantity.hpp"

#include <algorithm>
#include <initializer_list>

namespace troupe::cli {

namespace {

using storage::result;

std::string json_text(std::string_view text) {
  std::string quoted;
  append_json_string(quoted, text);
  return quoted;
}

std::string state_of(const node_status& s, std::string_view role) {
  for (auto& r : s.roles)
    if (r.role == role)
      return r.state;
  return role_silent;
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
  for (auto* role : {"writer", "flusher", "queue-manager"})
    if (auto state = state_of(s, role); state == role_silent)
      return std::string{unknown} + ": the " + role + " does not answer; it may wait for the disk";
    else if (state == role_stopped)
      return std::string{"the "} + role + " " + state + "; restart the node";
  return {};
}

void print_json(const node_status& s) {
  std::string roles;
  for (auto& r : s.roles) {
    roles += roles.empty() ? "" : ",";
    roles += "{\"role\":" + json_text(r.role) + ",\"state\":" + json_text(r.state) +
             ",\"restarts\":" + std::to_string(r.restarts) + ",\"node\":" + json_text(r.node) + "}";
  }
  std::string links;
  for (auto& l : s.links) {
    links += links.empty() ? "" : ",";
    links += "{\"node\":" + json_text(l.node) + ",\"state\":" + json_text(l.state) +
             ",\"sinceMs\":" + std::to_string(l.since_ms) + ",\"reason\":" + json_text(l.reason) +
             "}";
  }
  auto reason = reason_of(s);
  std::string writable = reason.empty() ? "true" : reason.starts_with(unknown) ? "null" : "false";
  std::string line =
      "{\"node\":" + json_text(s.node) + ",\"cluster\":" + json_text(s.cluster) +
      ",\"directory\":" + json_text(s.directory) + ",\"flush\":" + json_text(s.flush) +
      ",\"durability\":" + json_text(durability_text(s.flush == "sync")) + ",\"roles\":[" + roles +
      "],\"links\":[" + links + "],\"waitsFor\":" + json_text(s.waits_for) +
      ",\"writable\":" + writable + ",\"reason\":" + json_text(reason);
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
  print_line(line + "}");
}

void print_text(const node_status& s) {
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
  for (auto& r : s.roles)
    print_line("role      " + r.role + (r.node == s.node ? "" : " (node " + r.node + ")") + ": " +
               r.state +
               (r.restarts > 0 ? ", restarted " + std::to_string(r.restarts) + " times" : ""));
  for (auto& l : s.links)
    print_line("link      to node " + l.node + ": " + l.state + " for " +
               net::span_text(l.since_ms) + (l.reason.empty() ? "" : " (" + l.reason + ")"));
  if (!s.waits_for.empty())
    print_line("waits     for " + s.waits_for);
}

result<exit_code> status(const context& ctx) {
  TROUPE_TRY(auto node, remote::open(ctx));
  TROUPE_TRY(auto s, node->ask<node_status>(status_atom_v));
  if (ctx.json())
    print_json(s);
  else
    print_text(s);
  return exit_code::done;
}

} // namespace

void add_status(CLI::App& app, context& ctx) {
  auto* verb = app.add_subcommand("status", "Show how a running node is doing");
  verb->callback([&ctx] { ctx.then([&ctx] { return status(ctx); }); });
}

} // namespace troupe::cli
