#include "cli/commands.hpp"
#include "cli/message_json.hpp"
#include "cli/remote.hpp"
#include "net/quantity.hpp"

namespace troupe::cli {

namespace {

using storage::result;

std::string json_text(std::string_view text) {
  std::string quoted;
  append_json_string(quoted, text);
  return quoted;
}

std::string reason_of(const node_status& s) {
  for (auto* reason : {&s.writer.refusal, &s.queues.failure, &s.flusher.failure})
    if (!reason->empty())
      return *reason;
  return {};
}

void print_json(const node_status& s) {
  std::string roles;
  for (auto& r : s.roles) {
    roles += roles.empty() ? "" : ",";
    roles += "{\"role\":" + json_text(r.role) + ",\"state\":" + json_text(r.state) +
             ",\"restarts\":" + std::to_string(r.restarts) + "}";
  }
  auto reason = reason_of(s);
  std::string line = "{\"node\":" + json_text(s.node) + ",\"cluster\":" + json_text(s.cluster) +
                     ",\"directory\":" + json_text(s.directory) +
                     ",\"flush\":" + json_text(s.flush) + ",\"roles\":[" + roles + "]" +
                     ",\"writable\":" + (reason.empty() ? "true" : "false") +
                     ",\"reason\":" + json_text(reason);
  auto number = [&](const char* name, auto value) {
    line += std::string{",\""} + name + "\":" + std::to_string(value);
  };
  number("backlog", s.writer.backlog);
  number("backlogMax", s.writer.backlog_max);
  number("delayedRequests", s.writer.delayed_requests);
  number("delayedMs", s.writer.delayed_ms);
  number("parkedRequests", s.writer.parked_requests);
  number("flushLagBytes", s.writer.end - s.flusher.flushed);
  number("dirtyBytes", s.writer.dirty_bytes);
  number("flushes", s.flusher.flushes);
  number("diskUsedPercent", s.cleaner.disk_used_percent);
  number("filesDeleted", s.cleaner.files_deleted);
  number("logMinOffset", s.writer.min);
  number("logMaxOffset", s.writer.end);
  number("dispatchedOffset", s.dispatcher.applied);
  number("queuesDurableOffset", s.queues.durable);
  number("queues", s.queues.queues);
  number("entries", s.queues.entries);
  number("sessions", s.sessions);
  number("uptime", s.uptime_ms);
  print_line(line + "}");
}

void print_text(const node_status& s) {
  auto bytes = [](std::int64_t n) { return net::size_text(n); };
  auto reason = reason_of(s);
  print_line("node      " + s.node + " of cluster " + s.cluster + ", up " +
             net::duration_text(s.uptime_ms) + ", data in " + s.directory);
  print_line("writes    " +
             (reason.empty() ? "accepted, flush = " + s.flush : "refused: " + reason));
  print_line("backlog   " + std::to_string(s.writer.backlog) + " positions (highest " +
             std::to_string(s.writer.backlog_max) + "), " +
             std::to_string(s.writer.delayed_requests) + " requests delayed for " +
             std::to_string(s.writer.delayed_ms) + " ms in all, " +
             std::to_string(s.writer.parked_requests) + " waiting");
  print_line("flush     " + bytes(s.writer.end - s.flusher.flushed) + " not yet durable, " +
             std::to_string(s.flusher.flushes) + " flushes");
  print_line("log       " + std::to_string(s.writer.min) + " to " + std::to_string(s.writer.end) +
             " (" + bytes(s.writer.end - s.writer.min) + "), dispatched to " +
             std::to_string(s.dispatcher.applied));
  print_line("queues    " + std::to_string(s.queues.queues) + " with " +
             std::to_string(s.queues.entries) + " entries, durable to " +
             std::to_string(s.queues.durable) + " of the log");
  print_line("disk      " + std::to_string(s.cleaner.disk_used_percent) + " % used, " +
             std::to_string(s.cleaner.files_deleted) + " log files deleted since the start");
  print_line("sessions  " + std::to_string(s.sessions));
  for (auto& r : s.roles)
    print_line("role      " + r.role + ": " + r.state +
               (r.restarts > 0 ? ", restarted " + std::to_string(r.restarts) + " times" : ""));
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
