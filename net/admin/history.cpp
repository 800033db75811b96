#include "net/admin/history.hpp"

#include <algorithm>
#include <string_view>

namespace troupe::net {

namespace {

constexpr std::array<std::string_view, history_columns> names{
    "entries",     "logBytes",   "consumed",   "flushes",     "delayedRequests",
    "delayedMs",   "answerUs",   "inFlight",   "parked",      "notFlushed",
    "notPassedOn", "notApplied", "notDurable", "diskPercent", "memory"};

constexpr std::size_t counting = 6; ///< the first ones

/// The later look of the same ten seconds.
void merge(history_sample& into, const history_sample& now) {
  into.at_ms = now.at_ms;
  for (std::size_t i = 0; i < history_columns; ++i)
    if (i < counting)
      into.values[i] = now.values[i] == not_known ? into.values[i] : now.values[i];
    else
      into.values[i] = std::max(into.values[i], now.values[i]);
}

void drop_old(std::deque<history_sample>& all, std::int64_t before_ms, std::size_t most) {
  while (!all.empty() && (all.front().at_ms <= before_ms || all.size() > most))
    all.pop_front();
}

void append_number(std::string& out, std::int64_t number) {
  if (out.back() != '[')
    out += ',';
  out += number == not_known ? "null" : std::to_string(number);
}

std::string columns_json(const std::deque<history_sample>& all, std::int64_t since_ms) {
  auto first =
      std::find_if(all.begin(), all.end(), [since_ms](auto& one) { return one.at_ms > since_ms; });
  std::string out = "{\"at\":[";
  for (auto at = first; at != all.end(); ++at)
    append_number(out, at->at_ms);
  for (std::size_t c = 0; c < history_columns; ++c) {
    out.append("],\"").append(names[c]).append("\":[");
    for (auto at = first; at != all.end(); ++at)
      append_number(out, at->values[c]);
  }
  return out + "]}";
}

} // namespace

void history::add(const history_sample& now) {
  if (!fine_.empty() && now.at_ms <= fine_.back().at_ms)
    return;
  fine_.push_back(now);
  drop_old(fine_, now.at_ms - fine_ms, most_fine);
  bool same =
      !coarse_.empty() && coarse_.back().at_ms / coarse_step_ms == now.at_ms / coarse_step_ms;
  if (same)
    merge(coarse_.back(), now);
  else
    coarse_.push_back(now);
  drop_old(coarse_, now.at_ms - coarse_ms, most_coarse);
}

std::string history_json(const history& h, const history_setting& with, std::int64_t since_ms) {
  std::string out = "{\"diskPercent\":[";
  for (auto percent : with.disk_percent)
    append_number(out, percent);
  return out + "],\"fine\":" + columns_json(h.fine(), since_ms) +
         ",\"coarse\":" + columns_json(h.coarse(), since_ms) + "}";
}

} // namespace troupe::net
