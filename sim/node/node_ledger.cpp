#include "sim/node/node_ledger.hpp"

#include "sim/random.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <map>
#include <tuple>
#include <utility>

namespace troupe::sim {

namespace {

std::string name_of(const ledger_entry& entry) {
  return "message " + std::to_string(entry.number) + " (" + entry.topic + " queue " +
         std::to_string(entry.queue) +
         (entry.offset < 0 ? ""
                           : ", position " + std::to_string(entry.position) + ", offset " +
                                 std::to_string(entry.offset)) +
         ")";
}

} // namespace

ledger_entry& node_ledger::add(const std::string& topic, std::int32_t queue, std::uint32_t size,
                               std::int64_t now_ms) {
  ledger_entry entry;
  entry.number = entries_.size();
  entry.topic = topic;
  entry.queue = queue;
  entry.size = size;
  entry.deleted_before = topics_.deleted_at(topic);
  entry.sent_ms = now_ms;
  entries_.push_back(std::move(entry));
  return entries_.back();
}

std::string node_ledger::body_of(const ledger_entry& entry) {
  auto body = std::to_string(entry.number) + ":";
  random_source bytes(entry.number);
  while (body.size() < entry.size)
    body.push_back(static_cast<char>(bytes.next()));
  return body;
}

std::string node_ledger::key_of(const ledger_entry& entry) {
  return "key-" + std::to_string(entry.number / 3); // some share one
}

std::string node_ledger::tag_of(const ledger_entry& entry) {
  return "tag-" + std::to_string(entry.number % 4);
}

queue_offset node_ledger::next_position(const std::string& topic, std::int32_t queue) const {
  queue_offset next = 0;
  for (auto& entry : entries_)
    if (entry.queue == queue && entry.topic == topic && entry.state != put_state::gone)
      next = std::max(next, entry.position + 1);
  return next;
}

void node_ledger::flushed(log_offset end) {
  for (auto& entry : entries_)
    if (entry.state == put_state::stored && !entry.cut_off && entry.offset < end)
      entry.durable = true; // records are flushed as a whole
}

void node_ledger::shown(const seen_message& seen) {
  auto* found = find(seen.body);
  if (found == nullptr || has_waited(*found, seen))
    return;
  auto& entry = entries_[found->number];
  entry.seen = true;
  entry.offset = seen.offset;
  entry.position = seen.position;
}

/// A topic's deletion kills what lay before it, but not what was sent when it was known.
bool node_ledger::deleted(const ledger_entry& entry, const std::string& topic,
                          log_offset offset) const {
  auto at = topics_.deleted_at(topic);
  return offset >= 0 && offset < at && entry.deleted_before < at;
}

const ledger_entry* node_ledger::find(std::string_view body) const {
  std::uint64_t number = 0;
  auto* end = body.data() + body.size();
  auto [stop, error] = std::from_chars(body.data(), end, number);
  bool known = error == std::errc{} && stop != end && *stop == ':' && number < entries_.size();
  return known ? &entries_[number] : nullptr;
}

node_ledger::problem node_ledger::check_message(const seen_message& seen) const {
  auto* entry = find(seen.body);
  if (entry == nullptr)
    return "a message that nobody sent, at offset " + std::to_string(seen.offset);
  auto name = name_of(*entry);
  if (seen.body != body_of(*entry) || seen.key != key_of(*entry) || seen.tag != tag_of(*entry))
    return name + " came back altered";
  if (has_waited(*entry, seen))
    return check_copy(*entry, seen);
  if (seen.topic != entry->topic || seen.queue != entry->queue)
    return name + " came back from " + seen.topic + " queue " + std::to_string(seen.queue);
  if (entry->state == put_state::refused)
    return name + " was refused as not stored, and is there";
  if (entry->state == put_state::gone)
    return name + " was not there after an earlier restart, and is there";
  bool may_be_there_twice = entry->copied && log_damaged_;
  if (entry->state == put_state::stored && !may_be_there_twice &&
      (seen.offset != entry->offset || seen.position != entry->position))
    return name + " is at position " + std::to_string(seen.position) + ", offset " +
           std::to_string(seen.offset);
  return std::nullopt;
}

node_ledger::problem node_ledger::check_living(const seen_message& seen) const {
  if (auto wrong = check_message(seen))
    return wrong;
  auto* entry = find(seen.body);
  if (deleted(*entry, seen.topic, seen.offset))
    return name_of(*entry) + " is there, and its topic was deleted at " +
           std::to_string(topics_.deleted_at(seen.topic));
  return std::nullopt;
}

node_ledger::problem node_ledger::check_answered(const seen_message& seen,
                                                 const moment& asked) const {
  auto* entry = find(seen.body);
  if (entry != nullptr && entry->state == put_state::gone && asked.looks != looks_)
    return std::nullopt;
  return asked.removals == topics_.removals() ? check_living(seen) : check_message(seen);
}

node_ledger::problem node_ledger::check_order(const std::vector<seen_message>& seen) const {
  for (std::size_t i = 1; i < seen.size(); ++i) {
    auto& before = seen[i - 1];
    auto& after = seen[i];
    bool same = before.topic == after.topic && before.queue == after.queue;
    if (same && (after.position <= before.position || after.offset <= before.offset))
      return after.topic + " queue " + std::to_string(after.queue) + ": position " +
             std::to_string(after.position) + " at offset " + std::to_string(after.offset) +
             " follows " + std::to_string(before.position) + " at " + std::to_string(before.offset);
  }
  return std::nullopt;
}

/// What one client sent, one message after the other, lies in its queue in this order.
node_ledger::problem node_ledger::check_senders(const std::vector<seen_message>& seen) const {
  std::map<std::tuple<std::string, std::int32_t, std::int32_t>, std::uint64_t> newest;
  for (auto& message : seen) {
    auto& entry = *find(message.body);
    if (entry.sender < 0)
      continue;
    auto& before = newest[{entry.topic, entry.queue, entry.sender}];
    if (entry.number < before)
      return name_of(entry) + " lies behind message " + std::to_string(before) +
             " of the same client, which was sent later";
    before = entry.number;
  }
  return std::nullopt;
}

bool node_ledger::may_be_missing(const ledger_entry& entry, const missing_rule& may) const {
  return entry.offset >= 0 && (entry.offset < may.min ||
                               deleted(entry, entry.topic, entry.offset) || may.excused(entry));
}

/// Nothing is missing that has to be there.
node_ledger::problem node_ledger::check_missing(const std::set<std::uint64_t>& there,
                                                const missing_rule& may) const {
  for (auto& entry : may.known) {
    if (there.count(entry.number) > 0 || entry.state == put_state::gone ||
        may_be_missing(entry, may))
      continue;
    if (entry.seen)
      return name_of(entry) + " was shown as durable, and is lost";
    bool excused = may.lost_power || entry.cut_off;
    if (entry.state == put_state::stored && (entry.durable || !excused))
      return name_of(entry) + " was acknowledged, and is lost";
  }
  return std::nullopt;
}

node_ledger::problem node_ledger::check_prefix(const std::set<std::uint64_t>& there,
                                               const missing_rule& may) const {
  auto first_lost = std::numeric_limits<log_offset>::max();
  for (auto& entry : last_life_)
    if (entry.state == put_state::stored && !entry.cut_off && there.count(entry.number) == 0 &&
        !may_be_missing(entry, may))
      first_lost = std::min(first_lost, entry.offset);
  for (auto& entry : last_life_)
    if (entry.state == put_state::stored && there.count(entry.number) > 0 &&
        entry.offset > first_lost)
      return "what remains is no prefix: " + name_of(entry) + " is there, one at offset " +
             std::to_string(first_lost) + " is lost";
  return std::nullopt;
}

node_ledger::problem node_ledger::check_all(const std::vector<seen_message>& all,
                                            const missing_rule& may) {
  ++looks_;
  if (auto wrong = check_order(all))
    return wrong;
  std::set<std::uint64_t> there;
  std::vector<seen_message> seen; // as they were sent
  copies came;
  for (auto& message : all) {
    if (auto wrong = check_living(message))
      return wrong;
    if (has_waited(*find(message.body), message)) {
      came[find(message.body)->number].push_back(message);
      continue;
    }
    seen.push_back(message);
    if (!there.insert(find(message.body)->number).second)
      return name_of(*find(message.body)) + " is there twice";
    if (message.offset < may.min)
      return name_of(*find(message.body)) + " is served from before the log's begin at " +
             std::to_string(may.min);
  }
  auto wrong = may.all ? std::nullopt : check_senders(seen);
  if (!may.all && !wrong)
    wrong = check_copies(came, seen);
  if (!may.all && !wrong)
    wrong = check_missing(there, may);
  if (!may.all && !wrong && may.lost_power)
    wrong = check_prefix(there, may);
  if (wrong)
    return wrong;
  for (auto& message : seen) {
    auto& entry = entries_[find(message.body)->number];
    if (entry.state != put_state::open) {
      entry.state = put_state::stored;
      entry.durable = entry.durable || message.offset < may.flushed;
    }
    entry.cut_off = false;
    entry.offset = message.offset;
    entry.position = message.position;
  }
  for (auto& before : last_life_)
    if (may.lost_power && before.state == put_state::open && there.count(before.number) == 0) {
      auto& entry = entries_[before.number];
      entry.cut_off = true;
      if (entry.copied) { // this copy gets a place of its own
        entry.seen = false;
        entry.offset = entry.position = -1;
      }
    }
  for (auto& known : may.known)
    if (there.count(known.number) == 0 && !may.all && !may.excused(known) &&
        (known.state == put_state::stored || (known.state == put_state::maybe && !may.under_way)))
      lose(entries_[known.number], may);
  return std::nullopt;
}

/// It stays away for ever, but for a copy that was sent when it was in doubt.
void node_ledger::lose(ledger_entry& entry, const missing_rule& may) const {
  entry.seen = false;
  entry.later.expired = entry.later.expired || entry.offset < may.min;
  if (!may.under_way || !entry.copied) {
    entry.state = put_state::gone;
    return;
  }
  entry.state = put_state::maybe;
  entry.durable = false;
  entry.offset = entry.position = -1;
}

} // namespace troupe::sim
