#include "net/remoting/pop_book.hpp"

#include <algorithm>
#include <iterator>

namespace troupe::remoting {

namespace {

/// The message that a consumer has by that very pop; the end when he has it no more.
template <class Flights>
auto in_hand(Flights& flights, storage::queue_offset position, std::int64_t pop_ms) {
  auto found = flights.find(position);
  bool his = found != flights.end() && found->second.pop_ms == pop_ms && !found->second.returning;
  return his ? found : flights.end();
}

} // namespace

using storage::queue_offset;

// -- queues --------------------------------------------------------------------------------------

pop_book::node* pop_book::find(const popped_queue& queue) {
  auto found = queues_.find(queue);
  return found == queues_.end() ? nullptr : &*found;
}

const pop_book::state* pop_book::find(const popped_queue& queue) const {
  auto found = queues_.find(queue);
  return found == queues_.end() ? nullptr : &found->second;
}

bool pop_book::is_unknown(const popped_queue& queue, std::int64_t now_ms) const {
  auto* known = find(queue);
  return known == nullptr || (known->quiet() && now_ms - known->learned_ms >= trust_ms);
}

bool pop_book::learn(const popped_queue& queue, queue_offset progress, bool kept,
                     std::int64_t now_ms) {
  auto* it = find(queue);
  if (it == nullptr) {
    if (queues_.size() >= most_queues && !make_room(now_ms))
      return false;
    it = &*queues_.try_emplace(queue).first;
    it->second.number = next_number_++;
  } else if (!it->second.quiet()) {
    return true;
  }
  auto& known = it->second;
  known.next = progress;
  known.kept = kept ? progress : -1;
  known.learned_ms = now_ms;
  changed(*it);
  return true;
}

/// Forgets the queues of which nothing is invisible and everything is kept.
bool pop_book::make_room(std::int64_t now_ms) {
  for (auto at = queues_.begin(); at != queues_.end();) {
    auto& known = at->second;
    bool over = known.batch && known.batch->blocked_until().value_or(0) <= now_ms - trust_ms;
    bool idle = known.flights.empty() && !known.keeping && known.kept == known.progress() &&
                (over || !known.batch) && now_ms - known.learned_ms >= trust_ms;
    if (idle)
      drop_batch(*at);
    at = idle ? queues_.erase(at) : std::next(at);
  }
  return queues_.size() < most_queues;
}

queue_offset pop_book::next(const popped_queue& queue) const {
  auto* known = find(queue);
  return known == nullptr ? 0 : known->batch ? known->batch->next() : known->next;
}

std::int64_t pop_book::rest(const popped_queue& queue) const {
  auto* known = find(queue);
  return known == nullptr ? 0 : std::max<std::int64_t>(known->end - known->next, 0);
}

void pop_book::set_end(const popped_queue& queue, queue_offset end) {
  if (auto* it = find(queue))
    it->second.end = end;
}

void pop_book::reset(const popped_queue& queue, queue_offset progress, std::int64_t now_ms) {
  auto* it = find(queue);
  if (it == nullptr || it->second.progress() == progress)
    return;
  drop(*it);
  it->second.next = progress;
  it->second.kept = progress;
  it->second.learned_ms = now_ms;
  changed(*it);
}

void pop_book::forget(const popped_queue& queue) {
  auto* it = find(queue);
  if (it == nullptr)
    return;
  drop(*it);
  changed_.erase({it->second.number, it});
  queues_.erase(queue);
}

/// What was popped of it.
void pop_book::drop(node& it) {
  auto& flights = it.second.flights;
  for (auto at = flights.begin(); at != flights.end(); at = flights.begin())
    erase(it, at);
  drop_batch(it);
}

void pop_book::erase(node& it, std::map<queue_offset, flight>::iterator at) {
  due_.erase({at->second.due_ms, it.second.number, at->first, &it});
  it.second.flights.erase(at);
  --in_flight_;
}

// -- pops ----------------------------------------------------------------------------------------

pop_book::turn pop_book::turn_of(const popped_queue& queue, bool in_order,
                                 const std::string& attempt, std::int64_t now_ms) {
  auto* it = find(queue);
  if (it == nullptr)
    return turn::blocked;
  auto& known = it->second;
  if (known.batch) {
    auto until = known.batch->blocked_until();
    if (until && *until > now_ms && !(in_order && known.batch->is_attempt(attempt)))
      return turn::blocked;
    if (!in_order)
      drop_batch(*it);
  }
  if (in_order && !known.flights.empty())
    return turn::blocked;
  return room(queue) == 0 ? turn::full : turn::free;
}

std::size_t pop_book::room(const popped_queue& queue) const {
  auto* known = find(queue);
  if (known == nullptr || in_flight_ >= most_of_all || known->flights.size() >= most_of_queue)
    return 0;
  return std::min(most_of_queue - known->flights.size(), most_of_all - in_flight_);
}

bool pop_book::take(const popped_queue& queue, queue_offset from, queue_offset next,
                    const std::vector<popped_message>& messages, const pop_mark& mark) {
  auto* it = find(queue);
  if (it == nullptr || it->second.batch || it->second.next != from || messages.size() > room(queue))
    return false;
  auto& known = it->second;
  auto least = from;
  for (auto& each : messages) {
    if (each.position < least || each.position >= next || known.flights.count(each.position) > 0)
      return false;
    least = each.position + 1;
  }
  for (auto& each : messages) {
    known.flights[each.position] = {each.where, mark.pop_ms, mark.due_ms};
    due_.insert({mark.due_ms, known.number, each.position, it});
    ++in_flight_;
  }
  known.next = next;
  changed(*it);
  return true;
}

const ordered_batch* pop_book::take_in_order(const popped_queue& queue, queue_offset from,
                                             const std::string& attempt,
                                             const std::vector<queue_offset>& positions,
                                             const pop_mark& mark) {
  auto* it = find(queue);
  if (it == nullptr || positions.empty() || !it->second.flights.empty())
    return nullptr;
  auto& known = it->second;
  if ((known.batch ? known.batch->next() : known.next) != from)
    return nullptr;
  ordered_batch made(attempt, mark.pop_ms, mark.due_ms, positions,
                     known.batch ? &*known.batch : nullptr);
  drop_batch(*it);
  known.batch = std::move(made);
  known.next = from; // all of it is to be done
  in_flight_ += known.batch->size();
  set_batch_due(*it);
  changed(*it);
  return &*known.batch;
}

void pop_book::skip(const popped_queue& queue, queue_offset from, queue_offset next) {
  auto* it = find(queue);
  if (it == nullptr || this->next(queue) != from)
    return;
  drop_batch(*it); // it has nothing that could be behind that
  it->second.next = next;
  changed(*it);
}

void pop_book::jump(const popped_queue& queue, queue_offset to) {
  auto* it = find(queue);
  if (it == nullptr)
    return;
  drop_batch(*it);
  auto& flights = it->second.flights; // what was behind that is not there any more
  for (auto at = flights.lower_bound(to); at != flights.end(); at = flights.lower_bound(to))
    erase(*it, at);
  it->second.next = to;
  changed(*it);
}

// -- what consumers say --------------------------------------------------------------------------

bool pop_book::acknowledge(const popped_queue& queue, queue_offset position, std::int64_t pop_ms) {
  auto* it = find(queue);
  if (it == nullptr)
    return false;
  auto found = in_hand(it->second.flights, position, pop_ms);
  if (found == it->second.flights.end())
    return false;
  erase(*it, found);
  changed(*it);
  return true;
}

bool pop_book::change(const popped_queue& queue, queue_offset position, std::int64_t pop_ms,
                      const pop_mark& mark) {
  auto* it = find(queue);
  if (it == nullptr)
    return false;
  auto found = in_hand(it->second.flights, position, pop_ms);
  if (found == it->second.flights.end())
    return false;
  auto& flown = found->second;
  due_.erase({flown.due_ms, it->second.number, position, it});
  flown.pop_ms = mark.pop_ms;
  flown.due_ms = mark.due_ms;
  due_.insert({flown.due_ms, it->second.number, position, it});
  return true;
}

pop_book::ack_outcome pop_book::acknowledge_in_order(const popped_queue& queue,
                                                     queue_offset position, std::int64_t pop_ms) {
  auto* it = find(queue);
  if (it == nullptr || !it->second.batch)
    return ack_outcome::other_pop;
  auto& known = it->second;
  auto outcome = known.batch->acknowledge(position, pop_ms);
  if (outcome != ack_outcome::done)
    return outcome;
  known.next = known.batch->next();
  if (known.batch->blocked_until())
    set_batch_due(*it);
  else
    drop_batch(*it);
  changed(*it);
  return outcome;
}

bool pop_book::change_in_order(const popped_queue& queue, queue_offset position,
                               std::int64_t pop_ms, std::int64_t due_ms) {
  auto* it = find(queue);
  if (it == nullptr || !it->second.batch || !it->second.batch->change(position, pop_ms, due_ms))
    return false;
  set_batch_due(*it);
  return true;
}

void pop_book::set_batch_due(node& it) {
  auto& known = it.second;
  due_.erase({known.batch_due_ms, known.number, whole_batch, &it});
  known.batch_due_ms = known.batch->blocked_until().value_or(0);
  due_.insert({known.batch_due_ms, known.number, whole_batch, &it});
}

void pop_book::drop_batch(node& it) {
  auto& known = it.second;
  if (!known.batch)
    return;
  in_flight_ -= known.batch->size();
  due_.erase({known.batch_due_ms, known.number, whole_batch, &it});
  known.batch.reset();
}

// -- time ----------------------------------------------------------------------------------------

pop_book::expired pop_book::expire(std::int64_t now_ms, std::size_t most) {
  expired all;
  while (!due_.empty() && std::get<0>(*due_.begin()) <= now_ms &&
         all.messages.size() + all.freed.size() < most) {
    auto [due, number, position, it] = *due_.begin();
    due_.erase(due_.begin());
    if (position == whole_batch) {
      all.freed.push_back(it->first);
      continue;
    }
    auto& flown = it->second.flights.at(position);
    flown.returning = true;
    expired_message message;
    message.queue = it->first;
    message.position = position;
    message.where = flown.where;
    message.pop_ms = flown.pop_ms;
    all.messages.push_back(std::move(message));
  }
  return all;
}

void pop_book::returned(const expired_message& message) {
  auto* it = find(message.queue);
  if (it == nullptr)
    return;
  auto found = it->second.flights.find(message.position);
  if (found == it->second.flights.end() || !found->second.returning ||
      found->second.pop_ms != message.pop_ms)
    return;
  erase(*it, found);
  changed(*it);
}

void pop_book::not_returned(const expired_message& message, std::int64_t again_ms) {
  auto* it = find(message.queue);
  if (it == nullptr)
    return;
  auto found = it->second.flights.find(message.position);
  if (found == it->second.flights.end() || !found->second.returning ||
      found->second.pop_ms != message.pop_ms)
    return;
  found->second.returning = false;
  found->second.due_ms = again_ms;
  due_.insert({again_ms, it->second.number, message.position, it});
}

std::optional<std::int64_t> pop_book::next_due() const {
  if (due_.empty())
    return std::nullopt;
  return std::get<0>(*due_.begin());
}

// -- progress ------------------------------------------------------------------------------------

void pop_book::changed(node& it) {
  auto& known = it.second;
  if (!known.keeping && known.progress() != known.kept)
    changed_.insert({known.number, &it});
  else
    changed_.erase({known.number, &it});
}

std::vector<pop_book::queue_progress> pop_book::take_changes() {
  std::vector<queue_progress> all;
  for (auto& [number, it] : std::exchange(changed_, {})) {
    it->second.keeping = true;
    all.push_back({it->first, it->second.progress()});
  }
  return all;
}

void pop_book::kept(const queue_progress& what, bool success) {
  auto* it = find(what.queue);
  if (it == nullptr)
    return;
  it->second.keeping = false;
  if (success)
    it->second.kept = what.offset;
  changed(*it);
}

queue_offset pop_book::progress_of(const popped_queue& queue) const {
  auto* known = find(queue);
  return known == nullptr ? -1 : known->progress();
}

std::size_t pop_book::in_flight(const popped_queue& queue) const {
  auto* known = find(queue);
  if (known == nullptr)
    return 0;
  return known->flights.size() + (known->batch ? known->batch->size() : 0);
}

} // namespace troupe::remoting
