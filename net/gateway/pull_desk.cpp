#include "net/gateway/pull_desk.hpp"

#include "net/remoting/codes.hpp"
#include "net/remoting/subscription.hpp"
#include "storage/mutant.hpp"

#include <algorithm>
#include <string_view>

namespace troupe::net {

namespace {

namespace request_code = remoting::request_code;
namespace response_code = remoting::response_code;
namespace pull_flag = remoting::pull_flag;

/// RocketMQ's limits of one answer.
constexpr std::int32_t most_messages = 32;
constexpr std::int32_t most_bytes = 256 * 1024;
/// Pulls of one client that may bring as much at the same time, until it has taken the answers;
/// more take turns.
constexpr std::size_t most_open_pulls = 32;
/// An answer beyond those brings no more, or one message; the next one gets the rest.
constexpr std::uint64_t little_bytes = 16 * storage::kib;
constexpr std::int64_t longest_wait_ms = 30'000;
/// A pull that wants to wait is answered with nothing no sooner than this, or its own time.
constexpr std::int64_t least_wait_ms = 1000;
constexpr std::size_t most_held_answers = 100'000;
/// Messages that are looked at together for a pull with an expression, as bytes allow, and how
/// often until it is answered that none passed.
constexpr std::uint32_t most_looked_at = 256;
constexpr int most_rounds = 16;

struct outcome {
  std::int32_t code;
  const char* remark;
};

outcome outcome_of(const pull_response& found, std::int64_t from) {
  switch (found.status) {
  case pull_status::found:
    if (!found.records.empty())
      return {response_code::success, "FOUND"};
    [[fallthrough]]; // all of them are damaged
  case pull_status::filtered:
    return {response_code::pull_retry_immediately, "NO_MATCHED_MESSAGE"};
  case pull_status::nothing_new:
  case pull_status::in_doubt: // not delivered to us
    return {response_code::pull_not_found, "OFFSET_OVERFLOW_ONE"};
  case pull_status::offset_too_small:
    return {response_code::pull_offset_moved, "OFFSET_TOO_SMALL"};
  case pull_status::offset_too_large:
    return {response_code::pull_offset_moved, "OFFSET_OVERFLOW_BADLY"};
  case pull_status::no_queue:
    break;
  }
  if (from == found.min)
    return {response_code::pull_not_found, "NO_MESSAGE_IN_QUEUE"};
  return {response_code::pull_offset_moved, "NO_MESSAGE_IN_QUEUE"};
}

/// Whether the pull says how far its group is.
bool commits(const remoting::pull_header& header) noexcept {
  return (header.sysflag & pull_flag::commit_offset) != 0 && header.commit_offset >= 0;
}

/// Leaves of what was found only so much, but at least the first message.
void cut_to(std::uint64_t most, pull_response& found) {
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < found.records.size(); ++i) {
    bytes += found.records[i].size();
    if (i == 0 || bytes <= most)
      continue;
    found.next = number_in_queue(found.records[i]);
    found.records.resize(i);
  }
}

} // namespace

request_lines pull_desk::lines() {
  return {
      line_for(this, request_code::pull_message, request_kind::bounded, &pull_desk::take),
      line_for(this, request_code::lite_pull_message, request_kind::bounded, &pull_desk::take),
  };
}

void pull_desk::take(const ticket& who, const client_request& request) {
  look_up(who, request, unknown::group_and_topic);
}

/// As the settings of the group allow; answers what they do not.
bool pull_desk::may_consume(const ticket& who, const std::string& group,
                            const remoting::group_rules& rules) {
  std::string why;
  if (!rules.consume)
    why = "subscription group no permission, " + group;
  else if (!rules.broadcast && groups_.is_broadcasting(group))
    why = "the consumer group[" + group + "] can not consume by broadcast way";
  else
    return true;
  counter_.reply(who, response_code::no_permission, std::move(why));
  return false;
}

void pull_desk::look_up(const ticket& who, const client_request& request, unknown may_be) {
  auto fields = counter_.fields_of<remoting::pull_header>(who, request);
  if (!fields)
    return;
  auto& h = *fields;
  if (commits(h) && may_be != unknown::nothing && sessions_.find(who.from) == nullptr)
    return sessions_.wait(who, request);
  if (may_be == unknown::group_and_topic && book_.find(h.group) == nullptr)
    return book_.learn(h.group, [this, who, request] {
      if (!counter_.too_late(who))
        look_up(who, request, unknown::topic);
    });
  if (!may_consume(who, h.group, book_.rules(h.group)))
    return;
  auto* topic = names_.find(h.topic);
  if (topic == nullptr && may_be != unknown::nothing)
    return names_.refresh(who, [this, who, request] { look_up(who, request, unknown::nothing); });
  if (topic == nullptr)
    return names_.refuse(who, response_code::topic_not_exist, "topic[" + h.topic + "] not exist");
  if (h.queue_id < 0 || h.queue_id >= topic->read_queues)
    return counter_.reply(who, response_code::illegal_for(request.header.version),
                          "queueId[" + std::to_string(h.queue_id) + "] is illegal, topic:[" +
                              h.topic + "] has " + std::to_string(topic->read_queues) +
                              " queues to read");
  if (auto filter = filter_for(who, h))
    send(who, h, std::move(*filter));
}

/// As the pull says itself, or as the members of its group did; nothing after it was refused.
std::optional<pull_desk::message_filter> pull_desk::filter_for(const ticket& who,
                                                               const remoting::pull_header& h) {
  if ((h.sysflag & pull_flag::subscription) != 0)
    return filter_or_refuse(who, h.expression_type, filter_in(h));
  auto* known = groups_.find(h.group, h.topic);
  if (known != nullptr && known->version >= h.sub_version)
    return filter_or_refuse(who, known->expression_type, known->filter);
  if (known != nullptr)
    counter_.reply(who, response_code::subscription_not_latest,
                   "the consumer's subscription not latest");
  else
    counter_.reply(who, response_code::subscription_not_exist,
                   groups_.has_consumers(h.group) ? "the consumer's subscription not exist"
                                                  : "the consumer's group info not exist");
  return std::nullopt;
}

/// A Java broker serves a pull with a broken expression as if it had none: messages that nobody
/// asked for. We say what is wrong.
std::optional<pull_desk::message_filter>
pull_desk::filter_or_refuse(const ticket& who, std::string_view type,
                            const storage::result<message_filter>& made) {
  bool by_sql = remoting::filters_by_sql(type);
  if (by_sql && !setup_.options.property_filter)
    counter_.reply(who, response_code::system_error,
                   "The broker does not support consumer to filter message by SQL92");
  else if (made)
    return made.value();
  else if (by_sql)
    counter_.reply(who, response_code::subscription_parse_failed, made.error().message);
  else
    counter_.fail(who, made.error());
  return std::nullopt;
}

/// Of a client that says its expression with each pull; compiled once.
storage::result<pull_desk::message_filter>
pull_desk::filter_in(const remoting::pull_header& header) {
  if (!setup_.options.property_filter)
    return remoting::filter_of(header.expression_type, header.subscription);
  return expressions_.filter_of(header.expression_type, header.subscription);
}

void pull_desk::send(const ticket& who, const remoting::pull_header& header,
                     message_filter filter) {
  if (!sessions_.knows(who.from))
    return counter_.fail(who, {errc::unavailable, "the client is gone"});
  commit(who, header);
  pull_work work;
  work.group = header.group;
  work.offset = header.queue_offset;
  auto& wanted = work.wanted;
  if ((header.sysflag & pull_flag::suspend) != 0)
    wanted.wait_ms =
        static_cast<std::uint32_t>(std::clamp<std::int64_t>(header.suspend_ms, 0, longest_wait_ms));
  wanted.topic = header.topic;
  wanted.queue_id = header.queue_id;
  wanted.from = std::max<std::int64_t>(header.queue_offset, 0);
  wanted.max_messages =
      static_cast<std::uint32_t>(std::clamp(header.max_messages, 1, most_messages));
  wanted.max_bytes = static_cast<std::uint64_t>(
      header.max_bytes > 0 ? std::min(header.max_bytes, most_bytes) : most_bytes);
  wanted.tag_hashes = std::move(filter.tags);
  if (filter.sql != nullptr) {
    work.filter = std::make_shared<filtering>();
    work.filter->sql = std::move(filter.sql);
    work.filter->most = std::exchange(wanted.max_messages, most_looked_at);
    work.filter->wanted = wanted;
  }
  auto& pulls = pulls_[who.from];
  if (pulls.open >= most_open_pulls) {
    pulls.waiting.emplace_back(who, std::move(work));
    return;
  }
  if (wanted.wait_ms == 0)
    ++pulls.open;
  ask(who, std::move(work));
}

/// By the client's session, as all that it says of its progress: the last word counts, so they must
/// not overtake each other. Without a session, which ended just now, it comes again.
void pull_desk::commit(const ticket& who, const remoting::pull_header& header) {
  auto* session = sessions_.find(who.from);
  if (session == nullptr || !commits(header))
    return;
  self_
      ->request(*session, caf::infinite, store_atom_v,
                group_offset{header.group, header.topic, header.queue_id, header.commit_offset})
      .then([](const group_offset&) {}, [](const caf::error&) {}); // it comes again
}

void pull_desk::ask(const ticket& who, pull_work work) {
  auto& wanted = work.wanted;
  asked_pull pull{this,
                  who,
                  std::move(work.group),
                  wanted.topic,
                  work.offset,
                  wanted.wait_ms,
                  counter_.now_ms(),
                  wanted.queue_id,
                  std::move(work.filter)};
  walk_.pull(sessions_.credit_of(who.from), std::move(wanted), names_.find(pull.topic),
             std::move(pull));
}

void pull_desk::answered(const asked_pull& pull, pull_response& found) {
  auto from = pull.who.from;
  if (pull.gone())
    return failed(pull, make_caf_error(errc::unavailable, "the client is gone"));
  if (pull.filter != nullptr && asks_again(pull, found))
    return;
  answer(pull, found, pull.wait_ms > 0 ? slot_for(from, found) : receipt_for(from));
}

/// Leaves of what was found what passes. If nothing does, it is asked for more: when what else has
/// come had its turn.
bool pull_desk::asks_again(const asked_pull& pull, pull_response& found) {
  auto& filter = *pull.filter;
  // There were messages, but none for it: a client that does not wait hears that.
  if (found.status == pull_status::nothing_new && filter.looked_at && pull.wait_ms == 0)
    found.status = pull_status::filtered;
  if (found.status != pull_status::found)
    return false;
  keep_passing(*filter.sql, filter.most, found);
  if (!found.records.empty())
    return false;
  found.status = pull_status::filtered;
  if (++filter.rounds >= most_rounds)
    return false;
  filter.looked_at = found;
  if (again_.empty())
    self_->send(self_, work_atom_v);
  again_.push_back(pull);
  return true;
}

void pull_desk::work() {
  walk_.work();
  for (auto& pull : std::exchange(again_, {})) {
    if (pull.gone()) {
      failed(pull, make_caf_error(errc::unavailable, "the client is gone"));
      continue;
    }
    auto wanted = pull.filter->wanted;
    wanted.from = pull.filter->looked_at->next;
    auto waited = counter_.now_ms() - pull.asked_ms;
    wanted.wait_ms = static_cast<std::uint32_t>(
        std::max<std::int64_t>(std::int64_t{wanted.wait_ms} - waited, 0));
    walk_.pull(sessions_.credit_of(pull.who.from), std::move(wanted), names_.find(pull.topic),
               pull);
  }
}

/// The next pull goes later: it may be refused as well, and so may all behind it.
void pull_desk::failed(const asked_pull& pull, const caf::error& why) {
  if (pull.wait_ms == 0)
    self_->send(self_, taken{pull.who.from});
  if (pull.filter == nullptr || !pull.filter->looked_at || pull.gone())
    return counter_.fail(pull.who, from_caf(why));
  auto found = *pull.filter->looked_at; // what is behind that is the next pull's
  answer(pull, found, nullptr);
}

/// Lets the client's next pull go when it is let go itself, on whatever thread: the answer's bytes
/// are the client's until then.
std::shared_ptr<void> pull_desk::receipt_for(connection_id from) const {
  gateway_actor me = self_;
  return {nullptr, [me, from](void*) {
            if (!TROUPE_MUTANT("slot-kept"))
              caf::anon_send(me, taken{from});
          }};
}

/// What a pull that could wait has found counts from now on; or it is cut, and does not.
std::shared_ptr<void> pull_desk::slot_for(connection_id from, pull_response& found) {
  auto pulls = pulls_.find(from);
  if (found.records.empty() || pulls == pulls_.end())
    return nullptr;
  if (pulls->second.open >= most_open_pulls) {
    cut_to(little_bytes, found);
    return nullptr;
  }
  ++pulls->second.open;
  return receipt_for(from);
}

void pull_desk::answer_taken(connection_id from) {
  auto found = pulls_.find(from);
  if (found == pulls_.end())
    return;
  auto& pulls = found->second;
  --pulls.open;
  while (!pulls.waiting.empty() && pulls.open < most_open_pulls && sessions_.knows(from)) {
    auto [who, work] = std::move(pulls.waiting.front());
    pulls.waiting.pop_front();
    if (work.wanted.wait_ms == 0)
      ++pulls.open;
    ask(who, std::move(work));
  }
}

void pull_desk::answer(const asked_pull& pull, pull_response& found, std::shared_ptr<void> slot) {
  auto& who = pull.who;
  bool nothing = found.status == pull_status::nothing_new ||
                 (found.status == pull_status::no_queue && pull.offset == found.min);
  if (pull.offset < 0) { // answered as from 0: below any minimum
    found.status = pull_status::offset_too_small;
    found.next = found.min;
    found.records.clear();
  }
  auto [code, remark] = outcome_of(found, pull.offset);
  if (found.status == pull_status::no_queue)
    found.next = found.min;
  auto answer = counter_.header_for(who, code, remark);
  remoting::write_fields(answer, remoting::pull_answer{found.next, found.min, found.max,
                                                       book_.rules(pull.group).broker});
  // One that was to wait and did not would be repeated at once: so many wait that there is no room.
  auto least = std::min<std::int64_t>(pull.wait_ms, least_wait_ms);
  if (nothing && counter_.now_ms() - pull.asked_ms < least)
    return hold(who, pull.asked_ms + least, std::move(answer));
  if (code != response_code::success)
    found.records.clear();
  tally_.got({pull.topic, pull.group, pull.queue_id, pull.asked_ms}, found);
  counter_.reply(who, answer, std::move(found.records), std::move(slot));
}

void pull_desk::hold(const ticket& who, std::int64_t until_ms, remoting::command answer) {
  if (held_.size() >= most_held_answers)
    return counter_.reply(who, answer);
  held_.emplace(until_ms, std::pair{who, std::move(answer)});
  arm_held();
}

void pull_desk::arm_held() {
  if (held_pending_ || held_.empty())
    return;
  held_pending_ = true;
  auto left = std::max<std::int64_t>(held_.begin()->first - counter_.now_ms(), 1);
  self_->delayed_send(self_, std::chrono::milliseconds(left), retry_atom_v);
}

void pull_desk::send_held() {
  held_pending_ = false;
  while (!held_.empty() && held_.begin()->first <= counter_.now_ms()) {
    auto [who, answer] = std::move(held_.extract(held_.begin()).mapped());
    counter_.reply(who, answer);
  }
  arm_held();
}

} // namespace troupe::net
