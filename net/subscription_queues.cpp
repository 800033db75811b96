// What a subscription does with each of its queues: find where to begin, pull, deliver, store how
// far the consumer is, and let go of it.

#include "net/subscription_state.hpp"

#include "storage/format/properties.hpp"

#include <algorithm>
#include <utility>

namespace troupe::client {

namespace {

constexpr std::uint32_t most_pull_messages = 1024;
constexpr std::size_t most_pull_bytes = storage::mib;
constexpr std::size_t least_pull_bytes = 16 * storage::kib;
constexpr std::uint32_t pull_wait_ms = 10'000;
constexpr std::chrono::milliseconds fault_pause{200};

} // namespace

/// Does what can be done for the queue now.
void subscription_state::step(std::int32_t id) {
  auto& q = queues_.at(id);
  switch (q.at) {
  case stage::out:
    break;
  case stage::starting:
    if (!q.asking && !q.delivering && self_->clock().now() >= q.pause_until)
      find_start(id);
    break;
  case stage::running:
    store(id);
    pull(id);
    break;
  case stage::ending:
    if (q.delivering && self_->clock().now() < q.give_up)
      break;
    store(id);
    if (!q.storing || self_->clock().now() >= q.give_up + options_.handover) {
      drop(q);
      claim(); // that is: no more
    }
    break;
  }
}

/// What is on its way for the queue is of no use from now on.
void subscription_state::drop(shared_queue& q) {
  ++q.turn;
  q.at = stage::out;
  q.asking = q.pulling = q.storing = false;
  q.ready.clear();
}

void subscription_state::end(std::int32_t id) {
  auto& q = queues_.at(id);
  if (q.at == stage::starting)
    return drop(q);
  if (q.at != stage::running)
    return;
  q.at = stage::ending;
  q.give_up = self_->clock().now() + options_.handover;
  q.ready.clear();
  step(id);
}

// -- where to begin ------------------------------------------------------------------------------

void subscription_state::find_start(std::int32_t id) {
  auto& q = queues_.at(id);
  q.asking = true;
  auto failed = [this, id, turn = q.turn](const caf::error&) {
    auto& now = queues_.at(id);
    if (turn != now.turn)
      return;
    now.asking = false;
    now.pause_until = self_->clock().now() + fault_pause;
  };
  self_
      ->request(service_, caf::infinite, fetch_atom_v,
                group_offset{options_.group, options_.topic, id, -1})
      .then(
          [this, id, turn = q.turn](const group_offset& known) {
            if (turn != queues_.at(id).turn)
              return;
            if (known.offset >= 0)
              begin(id, known.offset, false);
            else
              start_at_option(id, turn);
          },
          failed);
}

void subscription_state::start_at_option(std::int32_t id, std::uint64_t turn) {
  queue_bounds bounds{id};
  for (auto& b : topic_.queues)
    if (b.queue_id == id)
      bounds = b;
  if (auto* time = std::get_if<start_time>(&options_.from)) {
    auto take = [this, id, turn](queue_offset found) {
      if (turn == queues_.at(id).turn)
        begin(id, found, true);
    };
    self_->request(service_, caf::infinite, search_atom_v, options_.topic, id, time->ms)
        .then(take, [take, min = bounds.min](const caf::error&) { take(min); });
    return;
  }
  if (auto* offset = std::get_if<start_offset>(&options_.from))
    return begin(id, offset->offset, true);
  begin(id, std::holds_alternative<start_latest>(options_.from) ? bounds.max : bounds.min, true);
}

/// If nobody has stored anything since we did, what we know of the consumer is newer.
void subscription_state::begin(std::int32_t id, queue_offset stored, bool never_stored) {
  auto& q = queues_.at(id);
  bool ours = q.begun && !never_stored && stored >= q.stored && stored <= q.acknowledged;
  q.asking = false;
  q.at = stage::running;
  q.stored = stored;
  q.acknowledged = q.next = ours ? q.acknowledged : stored;
  q.never_stored = never_stored;
  q.begun = true;
  q.store_due = {};
  step(id);
}

// -- pulling -------------------------------------------------------------------------------------

/// All queues together pull ahead what the consumer may have, about.
void subscription_state::pull(std::int32_t id) {
  auto& q = queues_.at(id);
  if (q.pulling || !q.ready.empty() || self_->clock().now() < q.pause_until)
    return;
  auto owned =
      static_cast<std::size_t>(std::count_if(queues_.begin(), queues_.end(), [](auto& entry) {
        return entry.second.at == stage::running;
      }));
  pull_request request;
  request.topic = options_.topic;
  request.queue_id = id;
  request.from = q.next;
  request.max_messages = static_cast<std::uint32_t>(
      std::clamp<std::size_t>(options_.credit_messages / owned, 1, most_pull_messages));
  request.max_bytes =
      std::clamp(options_.credit_bytes / owned, least_pull_bytes, std::size_t{most_pull_bytes});
  request.wait_ms = pull_wait_ms;
  request.tag_hashes = tag_hashes_;
  q.pulling = true;
  self_->request(service_, caf::infinite, std::move(request))
      .then(
          [this, id, turn = q.turn](pull_response& answer) {
            if (turn != queues_.at(id).turn || queues_.at(id).at != stage::running)
              return;
            pulled(id, answer);
          },
          [this, id, turn = q.turn](const caf::error&) {
            auto& now = queues_.at(id);
            if (turn != now.turn || now.at != stage::running)
              return;
            now.pulling = false;
            now.pause_until = self_->clock().now() + fault_pause;
          });
}

void subscription_state::pulled(std::int32_t id, pull_response& answer) {
  auto& q = queues_.at(id);
  q.pulling = false;
  auto where = options_.topic + " queue " + std::to_string(id);
  if (answer.status == pull_status::offset_too_small)
    options_.note(where + ": messages " + std::to_string(q.next) + " to " +
                  std::to_string(answer.next - 1) + " are gone; going on behind them");
  if (answer.status == pull_status::offset_too_large)
    options_.note(where + ": ends at " + std::to_string(answer.max) + "; going on from there");
  if (answer.damaged > 0)
    options_.note(where + ": " + std::to_string(answer.damaged) +
                  " messages are damaged: " + answer.warning);
  if (auto good = keep(q, answer); !good) {
    options_.note(where + ": " + good.error().message);
    q.ready.clear();
    q.pause_until = self_->clock().now() + options_.refusal_pause;
    return;
  }
  q.next = answer.next;
  settle(q);
  deliver_all();
  step(id);
}

storage::result<void> subscription_state::keep(shared_queue& q, pull_response& answer) {
  for (auto& record : answer.records) {
    TROUPE_TRY(auto view, decode(record));
    // The node compares hashes; different tags may share one.
    auto tag = storage::find_property(view.properties, storage::property::tags);
    auto& tags = options_.tags;
    if (tags.empty() || std::find(tags.begin(), tags.end(), tag) != tags.end())
      q.ready.push_back({view, record});
  }
  return boost::outcome_v2::success();
}

// -- delivering ----------------------------------------------------------------------------------

/// The queues in turn, as far as the credit goes.
void subscription_state::deliver_all() {
  std::vector<std::int32_t> turns;
  for (auto at = queues_.upper_bound(turn_); at != queues_.end(); ++at)
    turns.push_back(at->first);
  for (auto at = queues_.begin(); at != queues_.end() && at->first <= turn_; ++at)
    turns.push_back(at->first);
  for (auto id : turns)
    if (!deliver(id))
      return;
}

/// False when there is no credit left.
bool subscription_state::deliver(std::int32_t id) {
  auto& q = queues_.at(id);
  if (q.at != stage::running || q.delivering || q.ready.empty() || stopping_)
    return true;
  delivery d{options_.topic, id, {}};
  std::size_t bytes = 0;
  auto fits = [&](const consumer::message& m) {
    if (open_messages_ + d.messages.size() == 0)
      return true;
    return open_messages_ + d.messages.size() < options_.credit_messages &&
           open_bytes_ + bytes + m.bytes.size() <= options_.credit_bytes;
  };
  while (!q.ready.empty() && fits(q.ready.front())) {
    bytes += q.ready.front().bytes.size();
    d.messages.push_back(std::move(q.ready.front()));
    q.ready.pop_front();
  }
  auto count = d.messages.size();
  if (count == 0)
    return false;
  auto first = d.messages.front().view.queue_position;
  auto end = d.messages.back().view.queue_position + 1;
  open_messages_ += count;
  open_bytes_ += bytes;
  q.delivering = true;
  turn_ = id;
  auto take = [this, id, first, end, count, bytes](bool done) {
    answered(id, done, first, end, count, bytes);
  };
  self_->request(consumer_, caf::infinite, std::move(d)).then(take, [take](const caf::error&) {
    take(false);
  });
  pull(id); // the next ones, meanwhile
  return true;
}

void subscription_state::answered(std::int32_t id, bool done, queue_offset first, queue_offset end,
                                  std::size_t messages, std::size_t bytes) {
  auto& q = queues_.at(id);
  q.delivering = false;
  open_messages_ -= messages;
  open_bytes_ -= bytes;
  if (done) {
    acknowledged_ += messages;
    q.acknowledged = end;
    settle(q);
  } else if (q.at == stage::running) {
    ++q.turn; // a pull on its way is behind them
    q.pulling = q.storing = false;
    q.ready.clear();
    q.next = first;
    q.pause_until = self_->clock().now() + options_.refusal_pause;
  }
  step(id);
  deliver_all();
  leave_if_done();
}

/// What no delivery waits for, and none will bring, is done with: other tags, damage.
void subscription_state::settle(shared_queue& q) {
  if (q.at == stage::running && !q.delivering && q.ready.empty())
    q.acknowledged = q.next;
}

// -- the group's offset --------------------------------------------------------------------------

void subscription_state::store(std::int32_t id) {
  auto& q = queues_.at(id);
  auto now = self_->clock().now();
  bool news = q.acknowledged != q.stored || q.never_stored;
  bool due = now >= q.store_due || q.at == stage::ending;
  if (!news || q.storing || !due)
    return;
  q.storing = true;
  q.store_due = now + options_.store_interval;
  self_
      ->request(service_, caf::infinite, store_atom_v,
                group_offset{options_.group, options_.topic, id, q.acknowledged})
      .then(
          [this, id, turn = q.turn](const group_offset& stored) {
            auto& at = queues_.at(id);
            if (turn != at.turn)
              return;
            at.storing = false;
            at.stored = stored.offset;
            at.never_stored = false;
            step(id);
            leave_if_done();
          },
          [this, id, turn = q.turn](const caf::error&) {
            auto& at = queues_.at(id);
            if (turn != at.turn)
              return;
            at.storing = false;
            at.store_due = self_->clock().now() + std::max(options_.store_interval, fault_pause);
          });
}

} // namespace troupe::client
