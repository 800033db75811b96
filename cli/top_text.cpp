#include "cli/top_text.hpp"

#include "cli/message_json.hpp"
#include "cli/status_text.hpp"
#include "net/admin/status_view.hpp"
#include "net/quantity.hpp"

#include <algorithm>
#include <cstdio>

namespace troupe::cli {

namespace {

std::optional<double> rate(std::int64_t before, std::int64_t after, double seconds) {
  if (after < before || seconds <= 0)
    return std::nullopt;
  return static_cast<double>(after - before) / seconds;
}

std::string number_text(std::optional<double> number, const char* otherwise) {
  if (!number)
    return otherwise;
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", *number);
  return text;
}

std::string bytes_text(std::optional<double> bytes) {
  constexpr double mebibyte = 1 << 20;
  return bytes ? number_text(*bytes / mebibyte, "") + " MiB" : std::string("-");
}

std::string padded(std::string text, std::size_t width) {
  text.resize(std::max(width, text.size() + 1), ' ');
  return text;
}

/// How far the group is in a queue; nothing where it has no offset.
std::optional<queue_offset> stored_in(const top_sample& sample, const std::string& group,
                                      const queue_progress& queue) {
  auto found = sample.groups.find(group);
  if (found == sample.groups.end())
    return std::nullopt;
  for (auto& q : found->second)
    if (q.topic == queue.topic && q.queue_id == queue.queue_id && q.stored >= 0)
      return q.stored;
  return std::nullopt;
}

} // namespace

top_rates rates_between(const top_sample& before, const top_sample& after) {
  constexpr double ms = 1000;
  auto seconds = static_cast<double>(after.at_ms - before.at_ms) / ms;
  auto& a = before.status;
  auto& b = after.status;
  top_rates rates;
  auto both = [&](std::string_view role) { return answers(a, role) && answers(b, role); };
  if (both("writer"))
    rates.bytes = rate(a.writer.end, b.writer.end, seconds);
  if (both("queue-manager") && a.queues.run == b.queues.run)
    rates.messages = rate(static_cast<std::int64_t>(a.queues.entries),
                          static_cast<std::int64_t>(b.queues.entries), seconds);
  if (both("flusher"))
    rates.flushes = rate(static_cast<std::int64_t>(a.flusher.flushes),
                         static_cast<std::int64_t>(b.flusher.flushes), seconds);
  return rates;
}

std::vector<group_lag> furthest_behind(const top_sample* before, const top_sample& after,
                                       std::size_t most) {
  constexpr double ms = 1000;
  std::vector<group_lag> all;
  for (auto& [group, queues] : after.groups) {
    group_lag lag{group, 0, std::nullopt};
    std::int64_t consumed = 0;
    for (auto& q : queues) {
      lag.lag += q.lag();
      auto stored = before == nullptr ? std::nullopt : stored_in(*before, group, q);
      // One that was set back has not consumed less than nothing.
      if (stored)
        consumed += std::max<std::int64_t>(0, q.stored - *stored);
    }
    if (before != nullptr && after.at_ms > before->at_ms)
      lag.consumed =
          static_cast<double>(consumed) / (static_cast<double>(after.at_ms - before->at_ms) / ms);
    all.push_back(std::move(lag));
  }
  std::ranges::stable_sort(all, std::greater(), &group_lag::lag);
  if (all.size() > most)
    all.resize(most);
  return all;
}

std::string top_text(const top_sample* before, const top_sample& after, std::size_t groups,
                     bool colours) {
  auto rates = before == nullptr ? top_rates() : rates_between(*before, after);
  auto& s = after.status;
  constexpr std::size_t name_width = 26;
  constexpr std::size_t number_width = 14;
  std::string out = "node " + s.node + " of cluster " + s.cluster + ", up " +
                    net::span_text(s.uptime_ms) + ", " + std::to_string(s.sessions) + " sessions\n";
  out += "stored  " + padded(number_text(rates.messages, "-") + " messages/s", 22) +
         padded(bytes_text(rates.bytes) + "/s", 18) + number_text(rates.flushes, "-") +
         " flushes/s\n";
  if (answers(s, "cleaner"))
    out += "disk    " + std::to_string(s.cleaner.disk_used_percent) + " % used\n";
  if (!s.writer.refusal.empty())
    out += "writes  refused: " + s.writer.refusal + "\n";
  out += "\n" + padded("ROLE", name_width) + padded("STATE", number_width) + "RESTARTS  NODE\n";
  for (auto& r : s.roles) {
    auto state = padded(r.state, number_width);
    if (colours && r.state != role_running)
      state = "\033[31m" + state + "\033[0m";
    out += padded(r.role, name_width) + state + padded(std::to_string(r.restarts), 9) + " " +
           r.node + "\n";
  }
  out += "\n" + padded("BETWEEN", 2 * name_width) + "BEHIND\n";
  for (auto& e : net::edges_of(s))
    out += padded(e.from + " -> " + e.to, 2 * name_width) +
           (e.backlog ? std::to_string(*e.backlog) + " " + e.unit : std::string("unknown")) + " " +
           e.what + "\n";
  auto lags = furthest_behind(before, after, groups);
  if (!lags.empty())
    out += "\n" + padded("GROUP", name_width) + padded("BEHIND", number_width) + "CONSUMED/s\n";
  for (auto& l : lags)
    out += padded(l.group, name_width) + padded(std::to_string(l.lag), number_width) +
           number_text(l.consumed, "-") + "\n";
  return out;
}

std::string top_json(const top_sample* before, const top_sample& after, std::size_t groups) {
  auto rates = before == nullptr ? top_rates() : rates_between(*before, after);
  std::string line = "{\"node\":";
  append_json_string(line, after.status.node);
  line += ",\"messagesPerSecond\":" + number_text(rates.messages, "null") +
          ",\"bytesPerSecond\":" + number_text(rates.bytes, "null") +
          ",\"flushesPerSecond\":" + number_text(rates.flushes, "null") + ",\"roles\":[";
  for (auto& r : after.status.roles) {
    append_json_string(line += line.back() == '[' ? "{\"role\":" : ",{\"role\":", r.role);
    append_json_string(line += ",\"state\":", r.state);
    line += "}";
  }
  line += "],\"groups\":[";
  for (auto& l : furthest_behind(before, after, groups)) {
    append_json_string(line += line.back() == '[' ? "{\"group\":" : ",{\"group\":", l.group);
    line += ",\"lag\":" + std::to_string(l.lag) +
            ",\"consumedPerSecond\":" + number_text(l.consumed, "null") + "}";
  }
  return line + "]}";
}

} // namespace troupe::cli
