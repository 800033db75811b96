// How a pop looks through the queues: the other part of the desk.
#include "net/gateway/pop_desk.hpp"
#include "net/remoting/codes.hpp"
#include "storage/big_endian.hpp"
#include "storage/clock.hpp"

#include <algorithm>
#include <utility>

namespace troupe::net {

namespace {

namespace response_code = remoting::response_code;
using remoting::pop_book;
using remoting::popped_queue;

/// Of one answer; of one to a client that has not taken many, little.
constexpr std::size_t most_bytes = 256 * 1024;
constexpr std::size_t little_bytes = 16 * 1024;
constexpr long most_open_answers = 32;
/// With an expression: messages that are looked at together, as bytes allow.
constexpr std::uint32_t most_looked_at = 256;
/// How often a queue is looked at for one pop in which nothing passes.
constexpr int most_rounds = 16;
/// One pop in so many begins with what came back; the others come to it last.
constexpr std::uint32_t retry_share = 5;
/// A queue in which a pull cannot wait is looked at so often.
constexpr std::int64_t look_again_ms = 1000;

log_offset place_of(const storage::slice& record) {
  return storage::big_endian::load<log_offset>(record.bytes().data() +
                                               storage::record_layout::own_offset_at);
}

} // namespace

void pop_desk::begin(const shared_pop& it) {
  it->stops.clear();
  it->at = 0;
  it->rounds = 0;
  it->pop_ms = storage::system_wall_clock().now_ms();
  it->records.clear();
  it->bytes = 0;
  it->places = {};
  it->from.reset();
  it->empty.clear();
  it->rest = 0;
  it->more = false;
  it->why = {};
  bool has_retries = !it->in_order && !it->topic.starts_with(remoting::retry_prefix);
  bool retries_first = ++turn_ % retry_share == 0;
  auto retry = has_retries ? remoting::pop_retry_topic(it->topic, it->group) : std::string();
  if (has_retries && retries_first)
    add_stops(*it, retry, -1);
  add_stops(*it, it->topic, it->queue_id);
  if (has_retries && !retries_first)
    add_stops(*it, retry, -1);
  step(it);
}

void pop_desk::add_stops(pop_work& it, const std::string& topic, std::int32_t queue_id) const {
  auto* known = names_.find(topic);
  if (known == nullptr)
    return;
  if (queue_id >= 0)
    return it.stops.push_back({it.group, topic, queue_id});
  auto queues = static_cast<std::uint32_t>(std::max(known->read_queues, 0));
  for (std::uint32_t i = 0; i < queues; ++i)
    it.stops.push_back({it.group, topic, static_cast<std::int32_t>((turn_ + i) % queues)});
}

/// Never out of the answer to a read.
void pop_desk::step(const shared_pop& it) {
  if (!sessions_.knows(it->who.from))
    return end(it, true);
  while (it->at < it->stops.size()) {
    auto& queue = it->stops[it->at];
    if (passes_by(*it, queue)) {
      next_stop(*it);
      continue;
    }
    if (it->from || !ledger_.book().is_unknown(queue, counter_.now_ms()))
      return read(it);
    if (sessions_.own())
      return learn(it, queue);
    it->why = {errc::unavailable, "the gateway's session ended"};
    next_stop(*it);
  }
  finish(it);
}

void pop_desk::learn(const shared_pop& it, const popped_queue& queue) {
  auto where = pop_ledger::begin::first;
  if (it->purpose != pop_purpose::pop)
    where = pop_ledger::begin::not_yet;
  else if (it->at_end && queue.topic == it->topic)
    where = pop_ledger::begin::last;
  ledger_.learn(queue, where, [this, it](const storage::error& why, queue_offset from) {
    if (why.code != errc::none) {
      it->why = why;
      next_stop(*it);
    } else if (it->purpose != pop_purpose::pop) {
      it->from = from;
    }
    step_soon(it);
  });
}

void pop_desk::step_soon(const shared_pop& it) {
  if (again_.empty())
    self_->send(self_, work_atom_v);
  again_.push_back(it);
}

void pop_desk::next_stop(pop_work& it) {
  ++it.at;
  it.rounds = 0;
  it.from.reset();
}

void pop_desk::here_again(pop_work& it) {
  if (++it.rounds < most_rounds)
    return;
  it.more = true;
  next_stop(it);
}

/// Where nothing is to be had, and where it is not worth a question.
bool pop_desk::passes_by(pop_work& it, const popped_queue& queue) {
  auto& book = ledger_.book();
  bool full = it.records.size() >= it.most || it.bytes >= most_bytes;
  if (full) {
    it.rest += book.rest(queue);
    it.more = it.more || !is_watched(queue);
    return true;
  }
  auto now = counter_.now_ms();
  if (is_watched(queue))
    return true;
  if (book.is_unknown(queue, now) || it.purpose == pop_purpose::peek ||
      (it.purpose == pop_purpose::notify && !it.in_order))
    return false;
  if (book.turn_of(queue, it.in_order, it.attempt, now) == pop_book::turn::free)
    return false;
  if (!it.in_order)
    it.rest += book.rest(queue);
  return true;
}

void pop_desk::read(const shared_pop& it) {
  auto& book = ledger_.book();
  auto& queue = it->stops[it->at];
  auto wants = it->most - it->records.size();
  if (it->purpose == pop_purpose::pop && !it->in_order)
    wants = std::min(wants, book.room(queue));
  auto bytes = most_bytes_for(it->who.from);
  pull_request wanted;
  wanted.topic = queue.topic;
  wanted.queue_id = queue.queue_id;
  wanted.from = std::max<queue_offset>(book.next(queue), 0);
  wanted.max_messages =
      it->filter.sql != nullptr ? most_looked_at : static_cast<std::uint32_t>(wants);
  wanted.max_bytes = bytes > it->bytes ? bytes - it->bytes : 1;
  wanted.tag_hashes = it->filter.tags;
  asked_read asked{this, it, queue, wanted.from, counter_.now_ms()};
  walk_.pull(sessions_.credit_of(it->who.from), std::move(wanted), names_.find(queue.topic),
             std::move(asked));
}

std::size_t pop_desk::most_bytes_for(connection_id from) {
  auto tray = trays_.find(from);
  bool many = tray != trays_.end() && tray->second.use_count() > most_open_answers;
  return many ? little_bytes : most_bytes;
}

void pop_desk::answered(const asked_read& asked, pull_response& found) {
  if (asked.it == nullptr)
    return watch_ended(asked, &found);
  if (!asked.gone())
    looked(asked, found);
  step_soon(asked.it);
}

void pop_desk::failed(const asked_read& asked, const caf::error& why) {
  if (asked.it == nullptr)
    return watch_ended(asked, nullptr);
  asked.it->why = from_caf(why);
  next_stop(*asked.it);
  step_soon(asked.it);
}

void pop_desk::looked(const asked_read& asked, pull_response& found) {
  auto& it = *asked.it;
  auto& book = ledger_.book();
  book.set_end(asked.queue, found.max);
  switch (found.status) {
  case pull_status::found:
    break;
  case pull_status::filtered:
    book.skip(asked.queue, asked.from, found.next);
    return here_again(it);
  case pull_status::no_queue:
    if (asked.from != found.min) {
      book.jump(asked.queue, found.min);
      return here_again(it);
    }
    [[fallthrough]];
  case pull_status::nothing_new:
  case pull_status::in_doubt: // not delivered to us
    it.empty.emplace_back(asked.queue, asked.from);
    return next_stop(it);
  case pull_status::offset_too_small:
  case pull_status::offset_too_large:
    book.jump(asked.queue, found.next);
    if (it.from)
      it.from = found.next;
    return here_again(it);
  }
  if (it.purpose == pop_purpose::notify) {
    it.more = true;
    it.at = it.stops.size();
    return;
  }
  if (it.filter.sql != nullptr)
    keep_passing(
        *it.filter.sql,
        static_cast<std::uint32_t>(std::min(it.most - it.records.size(), book.room(asked.queue))),
        found);
  if (found.records.empty()) { // damaged, or none passes
    book.skip(asked.queue, asked.from, found.next);
    return here_again(it);
  }
  if (collect(asked, found))
    next_stop(it);
  else
    here_again(it);
}

/// False when somebody else was faster.
bool pop_desk::collect(const asked_read& asked, pull_response& found) {
  auto& it = *asked.it;
  auto& book = ledger_.book();
  auto& queue = asked.queue;
  if (it.purpose == pop_purpose::pop) {
    std::vector<remoting::popped_message> messages;
    std::vector<queue_offset> positions;
    for (auto& record : found.records) {
      messages.push_back({number_in_queue(record), place_of(record)});
      positions.push_back(messages.back().position);
    }
    remoting::pop_mark mark{it.pop_ms, counter_.now_ms() + it.invisible_ms};
    if (it.in_order) {
      auto* batch = book.take_in_order(queue, asked.from, it.attempt, positions, mark);
      if (batch == nullptr)
        return false;
      it.places.add_counts(queue.queue_id, *batch);
    } else if (!book.take(queue, asked.from, found.next, messages, mark)) {
      return false;
    }
    bool retry = queue.topic.starts_with(remoting::retry_prefix);
    it.places.add(retry, queue.queue_id, asked.from, positions);
    tally_.got({queue.topic, queue.group, queue.queue_id, asked.asked_ms}, found);
  }
  it.rest += std::max<std::int64_t>(found.max - found.next, 0);
  for (auto& record : found.records) {
    it.bytes += record.size();
    it.records.push_back(std::move(record));
  }
  return true;
}

void pop_desk::finish(const shared_pop& it) {
  bool waits = it->until_ms > counter_.now_ms();
  if (it->purpose == pop_purpose::notify && it->more) {
    answer_notification(it, true);
    end(it, true);
  } else if (!it->records.empty()) {
    answer(it, response_code::success);
    end(it, true); // who waits has to watch again what this one was woken by
  } else if (it->why.code != errc::none) {
    counter_.fail(it->who, it->why);
    end(it, true);
  } else if (waits) {
    wait(it);
  } else {
    if (it->purpose == pop_purpose::notify)
      answer_notification(it, false);
    else
      answer(it, it->purpose == pop_purpose::pop ? response_code::polling_timeout
                                                 : response_code::pull_not_found);
    end(it, it->more);
  }
  ledger_.keep();
  arm();
}

void pop_desk::wait(const shared_pop& it) {
  for (auto& [queue, from] : it->empty)
    watch_queue(*it, queue, from);
  if (it->more) // it did not come to the end
    later_.insert({counter_.now_ms() + 1, popped_queue{it->group, it->topic, it->queue_id}});
  lines_.park(it);
}

/// `more`: there may be something for the next one.
void pop_desk::end(const shared_pop& it, bool more) {
  auto group = it->group;
  auto topic = it->topic;
  lines_.done(it);
  if (more)
    lines_.wake(group, topic, -1);
}

// -- pulls that wait -----------------------------------------------------------------------------

bool pop_desk::is_watched(const popped_queue& queue) {
  return !watches_.empty() && watches_.count({queue, ledger_.book().next(queue)}) > 0;
}

void pop_desk::watch_queue(const pop_work& it, const popped_queue& queue, queue_offset from) {
  auto credit = sessions_.credit_of(it.who.from);
  if (credit == nullptr || !watches_.insert({queue, from}).second)
    return;
  auto now = counter_.now_ms();
  pull_request wanted;
  wanted.topic = queue.topic;
  wanted.queue_id = queue.queue_id;
  wanted.from = from;
  wanted.max_messages = 1;
  wanted.max_bytes = 1;
  wanted.wait_ms = static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(it.until_ms - now, look_again_ms, longest_pull_wait_ms));
  walk_.pull(credit, std::move(wanted), names_.find(queue.topic),
             asked_read{this, nullptr, queue, from, now});
}

void pop_desk::watch_ended(const asked_read& watch, const pull_response* found) {
  watches_.erase({watch.queue, watch.from});
  auto now = counter_.now_ms();
  bool nothing = found != nullptr && (found->status == pull_status::nothing_new ||
                                      found->status == pull_status::no_queue);
  if (found == nullptr || (nothing && now - watch.asked_ms < look_again_ms)) {
    later_.insert({now + look_again_ms, watch.queue});
    return arm();
  }
  if (woken_.empty())
    self_->send(self_, work_atom_v);
  woken_.push_back(watch.queue);
}

} // namespace troupe::net
