#include "net/gateway/pop_ledger.hpp"

#include "net/gateway/cached_log.hpp"

#include <algorithm>
#include <utility>

namespace troupe::net {

namespace {

using remoting::popped_queue;
using storage::error;

/// After the registrar did not keep something.
constexpr std::int64_t pause_ms = 1000;

} // namespace

void pop_ledger::learn(const popped_queue& queue, begin where, learned then) {
  group_offset wanted{queue.group, queue.topic, queue.queue_id, -1};
  self_->request(sessions_.own(), caf::infinite, fetch_atom_v, std::move(wanted))
      .then(
          [this, queue, where, then](const group_offset& stored) {
            if (stored.offset >= 0)
              enter(queue, stored.offset, true, then);
            else
              find_begin(queue, where, then);
          },
          [then](const caf::error& why) { then(from_caf(why), -1); });
}

void pop_ledger::find_begin(const popped_queue& queue, begin where, learned then) {
  if (!sessions_.own())
    return then({errc::unavailable, "the gateway's session ended"}, -1);
  self_->request(sessions_.own(), caf::infinite, bounds_atom_v, queue.topic, queue.queue_id)
      .then(
          [this, queue, where, then](const topic_description& topic) {
            queue_bounds bounds;
            for (auto& each : topic.queues)
              if (each.queue_id == queue.queue_id)
                bounds = each;
            if (where == begin::not_yet)
              then({}, bounds.min);
            else if (where == begin::last && bounds.max > bounds.min)
              begin_at_end(queue, bounds, then);
            else
              enter(queue, bounds.min, false, then);
          },
          [then](const caf::error& why) { then(from_caf(why), -1); });
}

/// A young queue is consumed whole; of any other one the last message, as RocketMQ does it.
void pop_ledger::begin_at_end(const popped_queue& queue, const queue_bounds& bounds, learned then) {
  auto last = bounds.max - 1;
  if (bounds.min > bounds.first || !sessions_.own())
    return enter(queue, last, false, then);
  self_->request(sessions_.own(), caf::infinite, status_atom_v)
      .then(
          [this, queue, first = bounds.min, last, then](const node_status& node) {
            bool young = answers(node, "writer") && is_cached(node);
            enter(queue, young ? first : last, false, then);
          },
          [then](const caf::error& why) { then(from_caf(why), -1); });
}

void pop_ledger::enter(const popped_queue& queue, queue_offset progress, bool kept,
                       const learned& then) {
  if (!book_.learn(queue, progress, kept, counter_.now_ms()))
    return then({errc::busy, "too many queues are being popped; try again later"}, -1);
  keep();
  then({}, progress);
}

void pop_ledger::keep() {
  auto now = counter_.now_ms();
  if (again_ms_ && *again_ms_ > now)
    return;
  again_ms_.reset();
  for (auto& what : book_.take_changes()) {
    if (!sessions_.own()) {
      kept(what, false);
      continue;
    }
    group_offset progress{what.queue.group, what.queue.topic, what.queue.queue_id, what.offset};
    self_->request(sessions_.own(), caf::infinite, store_atom_v, std::move(progress))
        .then([this, what](const group_offset&) { kept(what, true); },
              [this, what](const caf::error&) { kept(what, false); });
  }
}

void pop_ledger::kept(const remoting::pop_book::queue_progress& what, bool success) {
  book_.kept(what, success);
  if (success)
    return keep(); // it may have gone on meanwhile
  again_ms_ = std::max(again_ms_.value_or(0), counter_.now_ms() + pause_ms);
  self_->send(self_, work_atom_v); // which arms the desk's timer
}

} // namespace troupe::net
