#include "sim/node/node_check.hpp"

#include "storage/format/delayed_message.hpp"
#include "storage/format/half_message.hpp"
#include "storage/format/properties.hpp"
#include "storage/log/log_file.hpp"
#include "storage/log/log_view.hpp"
#include "storage/log/quarantine.hpp"
#include "storage/tables/topic_table.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

namespace troupe::sim {

namespace {

/// The longest level, and the pause after some failures.
constexpr int delivery_patience_s = 60;

std::string place_of(const std::string& topic, std::int32_t queue, queue_offset position) {
  return topic + " queue " + std::to_string(queue) + " position " + std::to_string(position);
}

/// All that was put aside by a recovery.
std::vector<std::string_view> quarantined(const simulated_disk& disk,
                                          const storage::options& options) {
  std::vector<std::string_view> found;
  auto directory = storage::quarantine_directory(options) + "/";
  disk.for_each_file([&](const std::string& path, storage::byte_view bytes) {
    if (path.starts_with(directory))
      found.emplace_back(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  });
  return found;
}

/// Nothing of the log is gone, nor may be.
bool keeps_all(const node_scene& scene) {
  return scene.plan.reserved_ms == 0 && !scene.disk_was_full && !scene.disk_lied &&
         !scene.rot.anywhere();
}

/// With what transactions have, but for what has gone with old files.
std::vector<seen_message> all_of(std::vector<seen_message> seen, const transaction_queues& halves,
                                 log_offset min) {
  for (auto* list : {&halves.op, &halves.halves, &halves.visible, &halves.unresolved})
    std::ranges::copy_if(*list, std::back_inserter(seen),
                         [min](const seen_message& one) { return one.offset >= min; });
  return seen;
}

} // namespace

void node_check::after_start(bool lost_power, log_offset vouched, bool under_way) {
  under_way_ = under_way;
  auto session = scene_.open_session();
  clients_.collect();
  transactions_.collect();
  auto known = scene_.ledger.entries();
  auto known_halves = transactions_.known();
  auto before = scene_.ask<node_status>(session, status_atom_v);
  // A process that went on may notice only now that others are new.
  if (scene_.node.net() != nullptr)
    (void)scene_.node.settle(std::chrono::seconds(10));
  auto dead = tombstones();
  auto seen = read_everything(session);
  auto halves = read_transactions(session);
  check_topics(session, dead, seen, lost_power);
  auto status = scene_.ask<node_status>(session, status_atom_v);
  { // of which a writer in another process hears later
    unwatched_disk quiet(scene_.node.disk());
    auto& min = status.writer.min;
    auto& options = scene_.node.options().store;
    min = std::max(min, storage::log_start(scene_.node.disk(), options, min));
  }
  // Old files may have gone while everything was read.
  std::erase_if(seen, [&](const seen_message& one) { return one.offset < status.writer.min; });
  scene_.compared += seen.size();
  if (!scene_.disk_lied && !scene_.rot.in_log())
    check_replay(all_of(seen, halves, status.writer.min), before.writer.end, status);
  check_ledger(seen, {known, lost_power, status.writer.min, before.flusher.flushed}, status);
  // Where several keep queues, one of them may be behind another.
  bool whole = keeps_all(scene_) && scene_.node.net() == nullptr;
  if (auto wrong = transactions_.check(known_halves, halves, whole, false))
    throw broken{*wrong};
  check_hidden(session, status);
  check_keys(session, seen);
  if (!scene_.disk_lied) {
    check_status(status, vouched);
    check_begin(status);
  }
  found_ = std::move(seen);
  caf::anon_send_exit(session, caf::exit_reason::user_shutdown);
}

// -- reading -------------------------------------------------------------------------------------

std::vector<seen_message> node_check::read_everything(const session_actor& session) {
  std::vector<seen_message> seen;
  for (std::uint32_t t = 0; t < scene_.plan.topics; ++t) {
    auto topic = scene_.topic_of(t * scene_.plan.queues);
    auto given = scene_.ask_again<topic_description>(session, bounds_atom_v, topic);
    if (given.there() && given.code() == errc::not_found)
      continue; // whether it may be gone is looked at later
    if (!given.there() || given.code() != errc::none)
      throw broken{"a healthy node does not describe topic " + topic + ": " +
                   (given.there() ? given.reason() : "no answer within a minute")};
    for (auto& queue : given.value().queues)
      read_queue(session, topic, queue, seen);
  }
  if (scene_.plan.delayed) // behind the others, who were asked with all of the log in their queues
    read_waiting(session, seen);
  return seen;
}

void node_check::read_queue(const session_actor& session, const std::string& topic,
                            queue_bounds bounds, std::vector<seen_message>& seen) {
  auto next = bounds.min;
  while (next < bounds.max) {
    pull_request request;
    request.topic = topic;
    request.queue_id = bounds.queue_id;
    request.from = next;
    auto answer = scene_.ask<pull_response>(session, request);
    if (answer.status == pull_status::offset_too_small && answer.next > next) {
      next = answer.next;
      continue; // old files went meanwhile
    }
    if (answer.records.empty() && answer.damaged == 0 && scene_.ledger.topics().vanishing(topic))
      return;
    auto damaged = answer.damaged > 0;
    if (!damaged && answer.records.empty())
      throw broken{place_of(topic, bounds.queue_id, next) + " cannot be read: " + answer.warning};
    for (auto& record : answer.records) {
      seen.push_back(scene_.as_sent(record));
      auto position = decode_message(record).position;
      if (position < next || (position > next && !damaged))
        throw broken{topic + ": a pull leaves out a position"};
      while (next < position)
        next = pass_damage(session, {topic, bounds.queue_id}, next, answer);
      ++next;
    }
    while (damaged && next < answer.next)
      next = pass_damage(session, {topic, bounds.queue_id}, next, answer);
  }
}

/// No session describes the topic, but its queues can be pulled.
void node_check::read_unlisted(const session_actor& session, std::string_view topic,
                               std::int32_t queue, std::vector<seen_message>& seen) {
  pull_request request;
  request.topic = topic;
  request.queue_id = queue;
  auto first = scene_.ask_again<pull_response>(session, request);
  if (scene_.rot.in_log() && (!first.there() || first.code() != errc::none))
    return; // what lies behind damage is not in the queues, and nobody says that it is not there
  auto bounds = scene_.ask<pull_response>(session, request);
  read_queue(session, request.topic, {request.queue_id, bounds.min, bounds.max}, seen);
}

void node_check::read_waiting(const session_actor& session, std::vector<seen_message>& seen) {
  auto levels = scene_.node.options().store.delays.highest();
  for (std::int32_t level = 1; level <= levels; ++level)
    read_unlisted(session, storage::delay_topic, storage::delay_queue(level), seen);
}

transaction_queues node_check::read_transactions(const session_actor& session) {
  transaction_queues all;
  if (!scene_.plan.transactions)
    return all;
  // Who describes a topic waits until the queues have all of the log.
  (void)scene_.ask_again<topic_description>(session, bounds_atom_v,
                                            std::string(node_transactions::topic));
  read_unlisted(session, storage::op_topic, 0, all.op);
  read_unlisted(session, storage::half_topic, 0, all.halves);
  for (std::int32_t queue = 0; queue < node_transactions::queue_count; ++queue)
    read_unlisted(session, node_transactions::topic, queue, all.visible);
  read_unlisted(session, storage::unresolved_topic, 0, all.unresolved);
  return all;
}

/// Else nothing is stored before a restart.
bool node_check::is_written(const session_actor& session) {
  auto now = scene_.ask_again<node_status>(session, status_atom_v);
  auto ended = [](const role_status& role) { return role.state == role_stopped; };
  return now.there() && now.code() == errc::none && now.value().writer.refusal.empty() &&
         std::ranges::none_of(now.value().roles, ended);
}

void node_check::await_deliveries() {
  if (!scene_.plan.delayed || scene_.disk_lied || scene_.rot.anywhere())
    return;
  auto session = scene_.open_session();
  std::optional<std::string> late;
  for (int second = 0; second < delivery_patience_s; ++second) {
    if (!is_written(session))
      return;
    late = scene_.ledger.undelivered(read_everything(session));
    if (!late)
      break;
    scene_.w.run_for(std::chrono::seconds(1));
  }
  if (late)
    throw broken{*late};
  caf::anon_send_exit(session, caf::exit_reason::user_shutdown);
}

void node_check::await_transactions() {
  if (!scene_.plan.transactions || scene_.disk_lied || scene_.rot.anywhere())
    return;
  auto session = scene_.open_session();
  std::optional<std::string> wrong;
  for (int second = 0; second < delivery_patience_s; ++second) {
    if (!is_written(session))
      return;
    transactions_.collect();
    auto known = transactions_.known();
    wrong = transactions_.check(known, read_transactions(session), keeps_all(scene_), true);
    if (!wrong)
      break;
    scene_.w.run_for(std::chrono::seconds(1));
  }
  if (wrong)
    throw broken{*wrong};
  caf::anon_send_exit(session, caf::exit_reason::user_shutdown);
}

/// What was left out as damaged is damaged, or is old and went meanwhile; and it was said where.
queue_offset node_check::pass_damage(const session_actor& session, const found_queue& where,
                                     queue_offset from, const pull_response& answer) {
  if (scene_.disk_lied)
    return from + 1;
  if (scene_.rot.hit(where.topic, where.queue, from)) {
    auto in_queue = where.topic + " queue " + std::to_string(where.queue) + " offset ";
    auto in_file = "/" + where.topic + "/" + std::to_string(where.queue) + "/";
    if (answer.warning.find(in_queue) == std::string::npos &&
        answer.warning.find(in_file) == std::string::npos)
      throw broken{"damage is reported without its place: " + answer.warning};
    return from + 1;
  }
  // A damaged record that is dispatched again may name another place, and a damaged entry may have
  // a queue begin before the log: nothing is promised there.
  auto min = scene_.ask<node_status>(session, status_atom_v).writer.min;
  log_offset promised_at = -1;
  auto promised = std::ranges::any_of(scene_.ledger.entries(), [&](const ledger_entry& entry) {
    bool found = entry.topic == where.topic && entry.queue == where.queue &&
                 entry.position == from && entry.state == put_state::stored && entry.offset >= min;
    if (found)
      promised_at = entry.offset;
    return found;
  });
  if (scene_.rot.anywhere() && !promised)
    return from + 1;
  // Nor where a damaged record, which lies elsewhere, took the place of the one whose number it
  // names now.
  auto own_place = "log offset " + std::to_string(promised_at) + ":";
  if (scene_.rot.in_log() && answer.warning.find(own_place) == std::string::npos)
    return from + 1;
  auto now = scene_.ask<topic_description>(session, bounds_atom_v, where.topic);
  for (auto& queue : now.queues)
    if (queue.queue_id == where.queue && queue.min > from)
      return from + 1;
  throw broken{place_of(where.topic, where.queue, from) + " cannot be read: " + answer.warning};
}

void node_check::check_queue_begins() {
  // A queue that cannot be shortened now is shortened with the next file that goes.
  if (scene_.plan.breaks_disk() || scene_.rot.anywhere())
    return;
  auto session = scene_.open_session();
  auto min = scene_.ask<node_status>(session, status_atom_v).writer.min;
  for (std::uint32_t i = 0; i < scene_.plan.topics; ++i) {
    auto topic = scene_.topic_of(i * scene_.plan.queues);
    auto given = scene_.ask_again<topic_description>(session, bounds_atom_v, topic);
    if (!given.there() || given.code() != errc::none)
      continue; // deleted
    for (auto& queue : given.value().queues) {
      pull_request request;
      request.topic = topic;
      request.queue_id = queue.queue_id;
      request.from = queue.min;
      auto answer = scene_.ask<pull_response>(session, request);
      if (answer.status == pull_status::offset_too_small &&
          scene_.ask<node_status>(session, status_atom_v).writer.min == min)
        throw broken{place_of(topic, queue.queue_id, queue.min) +
                     " is where the queue begins, and its message went long ago"};
    }
  }
  caf::anon_send_exit(session, caf::exit_reason::user_shutdown);
}

// -- comparing -----------------------------------------------------------------------------------

std::map<std::string, log_offset> node_check::tombstones() const {
  unwatched_disk quiet(scene_.node.disk());
  auto table = storage::tombstone_table::load(scene_.node.disk(), scene_.node.options().store);
  if (!table && !scene_.disk_lied)
    throw broken{"the tombstones cannot be read: " + table.error().message};
  std::map<std::string, log_offset> all;
  for (std::uint32_t t = 0; table && t < scene_.plan.topics; ++t) {
    auto topic = scene_.topic_of(t * scene_.plan.queues);
    if (auto* one = table.value().find(topic))
      all[topic] = one->deleted_at;
  }
  return all;
}

/// A deletion that was under way, of an earlier life as well, may come to its end at any time: also
/// between the moment when all was read and the moment when topics are listed.
void node_check::check_topics(const session_actor& session,
                              const std::map<std::string, log_offset>& dead_before,
                              std::vector<seen_message>& seen, bool lost_power) {
  auto list = scene_.ask<topic_list>(session, list_atom_v);
  if (scene_.disk_lied)
    return;
  auto dead = tombstones();
  for (std::uint32_t t = 0; t < scene_.plan.topics; ++t) {
    auto topic = scene_.topic_of(t * scene_.plan.queues);
    auto there = std::ranges::any_of(list.topics, [&](auto& info) { return info.name == topic; });
    auto& topics = scene_.ledger.topics();
    auto at = dead.count(topic) > 0 ? std::optional(dead.at(topic)) : std::nullopt;
    if (auto wrong = topics.found(topic, there, at, lost_power || scene_.rot.in_log()))
      throw broken{*wrong};
    auto before = dead_before.find(topic);
    bool went = at && (before == dead_before.end() || before->second < *at);
    std::erase_if(seen, [&](const seen_message& one) {
      return one.topic == topic && (!there || (went && one.offset < *at));
    });
  }
}

void node_check::check_ledger(const std::vector<seen_message>& seen, missing_rule may,
                              const node_status& now) {
  auto min = may.min;
  may.under_way = under_way_;
  may.all = scene_.disk_lied;
  if (scene_.rot.anywhere()) {
    auto aside = quarantined(scene_.node.disk(), scene_.node.options().store);
    may.excused = [this, aside, min, applied = now.queues.applied](const ledger_entry& entry) {
      auto body = node_ledger::body_of(entry);
      if (scene_.rot.hit(entry.topic, entry.queue, entry.position))
        return true;
      if (!scene_.rot.in_log())
        return false;
      // Queues that are lost too cannot be built again from behind damage in the log.
      return std::ranges::any_of(aside,
                                 [&](std::string_view bytes) {
                                   return bytes.find(body) != std::string_view::npos;
                                 }) ||
             ((scene_.rot.in_derived() || entry.offset >= applied) && in_log(entry, min));
    };
  }
  if (auto wrong = scene_.ledger.check_all(seen, may))
    throw broken{*wrong};
}

/// Messages behind damage wait for an operator; then the node takes no more, and says why.
void node_check::check_hidden(const session_actor& session, const node_status& now) {
  if (!scene_.rot.in_log() || now.queues.applied >= now.writer.end || !now.writer.refusal.empty())
    return;
  scene_.w.run_for(std::chrono::seconds(10));
  auto later = scene_.ask<node_status>(session, status_atom_v);
  if (later.queues.applied < now.writer.end && later.writer.refusal.empty())
    throw broken{"the queues stay behind at " + std::to_string(later.queues.applied) +
                 ", and nothing is said"};
}

bool node_check::in_log(const ledger_entry& entry, log_offset min) const {
  unwatched_disk quiet(scene_.node.disk());
  storage::log_view log(scene_.node.disk(), scene_.node.options().store, min);
  auto found = log.read(entry.offset);
  return found && decode_message(found.value().bytes).body == node_ledger::body_of(entry);
}

/// The queues are what the log makes them, from its first record on: nothing more, nothing less,
/// and without the topics that were deleted.
void node_check::check_replay(const std::vector<seen_message>& seen, log_offset known_end,
                              const node_status& now) {
  using queue_name = std::pair<std::string, std::int32_t>;
  using place = std::pair<queue_offset, log_offset>;
  auto& topics = scene_.ledger.topics();
  unwatched_disk quiet(scene_.node.disk());
  storage::log_view log(scene_.node.disk(), scene_.node.options().store, now.writer.min);
  std::map<queue_name, std::vector<place>> queues;
  auto walked =
      log.walk(now.writer.min, now.writer.end, storage::verify::structure_and_crc,
               [&](const storage::record_view& view) {
                 std::string topic(view.topic);
                 if (view.offset >= topics.deleted_at(topic))
                   queues[{topic, view.queue_id}].push_back({view.queue_position, view.offset});
                 return true;
               });
  if (!walked || walked.value().end < known_end)
    throw broken{"the log cannot be read up to " + std::to_string(known_end)};
  for (auto& one : seen) {
    auto& rest = queues[{one.topic, one.queue}];
    while (!rest.empty() && rest.front().first < one.position &&
           scene_.rot.hit(one.topic, one.queue, rest.front().first))
      rest.erase(rest.begin());
    if (rest.empty() || rest.front() != place{one.position, one.offset})
      throw broken{place_of(one.topic, one.queue, one.position) + " leads to offset " +
                   std::to_string(one.offset) + ", and the log holds " +
                   (rest.empty() ? "no such message"
                                 : "position " + std::to_string(rest.front().first) +
                                       " at offset " + std::to_string(rest.front().second))};
    rest.erase(rest.begin());
  }
  for (auto& [queue, rest] : queues) {
    std::erase_if(rest, [&name = queue, this](const place& one) {
      return scene_.rot.hit(name.first, name.second, one.first);
    });
    if (topics.vanishing(queue.first) || rest.empty() || rest.front().second >= known_end)
      continue;
    throw broken{place_of(queue.first, queue.second, rest.front().first) + " is in the log at " +
                 std::to_string(rest.front().second) + " and not in its queue"};
  }
}

/// By its key and by its offset a message is the same as by its place in the queue.
void node_check::check_keys(const session_actor& session, const std::vector<seen_message>& seen) {
  auto stride = std::max<std::size_t>(1, seen.size() / 8);
  for (std::size_t i = 0; i < seen.size(); i += stride) {
    auto& one = seen[i];
    key_query query;
    query.topic = one.topic;
    query.key = one.key;
    auto found = scene_.ask<record_batch>(session, query);
    auto fetched = scene_.ask_again<record_batch>(session, fetch_atom_v, one.offset);
    if (scene_.ask<node_status>(session, status_atom_v).writer.min > one.offset)
      continue; // went meanwhile
    auto by_key = std::ranges::any_of(found.records, [&](const storage::slice& record) {
      return decode_message(record).offset == one.offset;
    });
    // A deletion that was under way may have come to its end since all was read.
    auto removed = scene_.ledger.topics().vanishing(one.topic);
    if (!by_key && !removed && !scene_.rot.anywhere() && !scene_.disk_lied)
      throw broken{"the message at offset " + std::to_string(one.offset) +
                   " is not found by its key " + one.key + ", which gives " +
                   std::to_string(found.records.size()) + " messages and leaves out " +
                   std::to_string(found.left_out)};
    if (!fetched.there() || fetched.code() != errc::none)
      throw broken{
          "the message at offset " + std::to_string(one.offset) +
          " is not found by its offset: " + (fetched.there() ? fetched.reason() : "no answer")};
    auto& records = fetched.value().records;
    if (records.size() != 1 || decode_message(records[0]).body != one.body)
      throw broken{"the message at offset " + std::to_string(one.offset) +
                   " is another one when it is asked for by offset"};
  }
}

void node_check::check_status(const node_status& status, log_offset vouched) const {
  clients_.check_bound(status);
  if (status.writer.end < vouched && !scene_.rot.in_log())
    throw broken{"the checkpoint vouches for the log up to " + std::to_string(vouched) +
                 ", which ends at " + std::to_string(status.writer.end)};
  auto& refusal = status.writer.refusal;
  bool excused = scene_.rot.in_log() || scene_.disk_was_full;
  if (!refusal.empty() && !excused)
    throw broken{"a node that was started anew refuses writes: " + refusal};
}

/// Only old files are gone, or some for want of room, and never the one that is written.
void node_check::check_begin(const node_status& status) const {
  auto min = status.writer.min;
  auto size = static_cast<log_offset>(scene_.plan.log_file_bytes);
  if (min > status.writer.end - status.writer.end % size)
    throw broken{"the file that is written was deleted: the log begins at " + std::to_string(min) +
                 " and ends at " + std::to_string(status.writer.end)};
  if (min > 0 && scene_.plan.reserved_ms == 0 && !scene_.disk_was_full)
    throw broken{"the log begins at " + std::to_string(min) + ", and nothing may be deleted"};
  if (scene_.disk_was_full || scene_.plan.sets_clock())
    return;
  auto now = scene_.node.clock().now_ms();
  for (auto& entry : scene_.ledger.entries())
    if (entry.offset >= 0 && entry.offset < min && entry.sent_ms + scene_.plan.reserved_ms > now)
      throw broken{"the message at offset " + std::to_string(entry.offset) + " is gone after " +
                   std::to_string(now - entry.sent_ms) + " ms; it is to stay for " +
                   std::to_string(scene_.plan.reserved_ms)};
}

} // namespace troupe::sim
