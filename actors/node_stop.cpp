// How a node stops its roles in order.

#include "actors/node.hpp"

#include <utility>

namespace troupe {

namespace {

/// What another process still does for a stop here.
constexpr auto others_patience = std::chrono::seconds(10);
constexpr auto look_again = std::chrono::milliseconds(200);

/// What a door does for a stop, as a session does: refuses everything from now on, and answers when
/// all that changes something is answered.
using stopping_door = caf::typed_actor<handles<bool(stop_atom)>>;

} // namespace

caf::result<stop_report> node_state::stop() {
  if (stopping_)
    return make_caf_error(errc::busy, "the node is stopping already");
  stop_promise_ = kept_promise<stop_report>{self_};
  auto answer = stop_promise_;
  stopping_ = true;
  if (setup_.store && setup_.store->log.needs_repair)
    leave_over(setup_.store->log.needs_repair->message);
  for (auto& r : parts_)
    if (r.state == role_stopped)
      leave_over("the " + r.name + " had stopped: the next start recovers");
  leave_over(unreadable_);
  // What they store is a message like others, and their progress wants a flush.
  stop_role(store_role::door, roles_.transactor, [this] {
    stop_role(store_role::registrar, roles_.delayer, [this] { stop_writer(); });
  });
  return answer;
}

/// In the direction of a message: what was accepted is written, dispatched, flushed. Who is dead is
/// left out, and the others save what they have.
void node_state::stop_writer() {
  if (!plays(store_role::writer)) {
    awaits_queues_ = true;
    drain_sessions();
    return;
  }
  stop_waits_ = "the writer to write what it has accepted";
  self_->request(roles_.writer, caf::infinite, stop_atom_v)
      .then([this](log_offset end) { stop_queues(end); },
            [this](const caf::error& why) {
              leave_over("stopping the writer: " + render(from_caf(why)));
              stop_queues(unknown_log_end);
            });
}

/// Those who write are elsewhere and go on: what clients have open may still be answered.
void node_state::drain_sessions() {
  stop_waits_ = "the open requests of " + std::to_string(sessions_.size()) + " sessions";
  auto open = std::make_shared<std::size_t>(sessions_.size() + doors_.size() + 1);
  auto done = [this, open] {
    if (--*open == 0)
      stop_rest();
  };
  for (auto& [address, session] : sessions_)
    self_->request(session, others_patience, stop_atom_v)
        .then([done](bool) { done(); }, [done](const caf::error&) { done(); });
  for (auto& [address, door] : doors_)
    self_->request(caf::actor_cast<stopping_door>(door), others_patience, stop_atom_v)
        .then([done](bool) { done(); }, [done](const caf::error&) { done(); });
  done();
}

void node_state::leave_over(const std::string& what) {
  if (left_over_.empty())
    left_over_ = what;
}

void node_state::stop_queues(log_offset end) {
  log_end_ = end;
  // If something was left over already, nobody may be there who brings the queues up to the end.
  auto reachable = left_over_.empty() ? end : log_offset{0};
  awaits_queues_ = true;
  if (!writer_open_ && queues_elsewhere()) { // nothing was added, and nobody knows what they have
    if (setup_.store && !setup_.store->after_orderly_stop)
      leave_over("the queues were not met: the next start compares them with the log");
    stop_rest();
    return;
  }
  if (queues_elsewhere()) {
    await_durable(reachable, self_->clock().now() + others_patience);
    return;
  }
  stop_waits_ = "the queues to have all of the log";
  caf::duration wait = caf::infinite;
  if (!plays(store_role::dispatcher) || !plays(store_role::readers))
    wait = caf::duration{others_patience};
  self_->request(roles_.queue_manager, wait, resume_atom_v, reachable)
      .then([this](const queue_state&) { stop_rest(); },
            [this](const caf::error& why) {
              leave_over("stopping the queues: " + render(from_caf(why)));
              stop_rest();
            });
}

/// The word that the store was left in order is true of the queues as well: of those in another
/// process it is given when that one says that they are durable.
void node_state::await_durable(log_offset end, caf::actor_clock::time_point deadline) {
  stop_waits_ = "the queues (node " + nodes_with(store_role::queue_manager) +
                ") to be durable up to the end of the log";
  auto again = [this, end, deadline](const std::string& why) {
    if (self_->clock().now() < deadline) {
      stop_step_ = [this, end, deadline] { await_durable(end, deadline); };
      self_->delayed_send(self_, look_again, retry_atom_v);
      return;
    }
    leave_over("the queues (node " + nodes_with(store_role::queue_manager) + ") " + why +
               ": the next start compares them with the log");
    stop_rest();
  };
  if (!roles_.queue_manager) {
    again("are not reachable");
    return;
  }
  self_->request(roles_.queue_manager, look_again, status_atom_v)
      .then(
          [this, end, again](const queue_manager_status& queues) {
            if (queues.missing > 0)
              again("are not all reachable");
            else if (queues.durable < end) {
              self_->send(roles_.queue_manager, flush_atom_v);
              again("are not durable up to the end of the log");
            } else
              stop_rest();
          },
          [again](const caf::error&) { again("do not answer"); });
}

void node_state::stop_rest() {
  if (!std::exchange(awaits_queues_, false))
    return;
  auto last = [this] {
    stop_role(store_role::registrar, roles_.registrar, [this] { finish_stop(); });
  };
  auto then = [this, last] { stop_role(store_role::flusher, roles_.flusher, last, log_end_); };
  stop_own_queues(then);
}

template <class Handle, class... Arguments>
void node_state::stop_role(store_role role, const Handle& whom, const std::function<void()>& next,
                           Arguments... arguments) {
  // One that waits for the log has opened nothing yet.
  if (!plays(role) || find_role(role_name<Handle>).state == role_waiting) {
    next();
    return;
  }
  stop_waits_ = std::string("the ") + role_name<Handle> + " to make all durable";
  self_->request(whom, caf::infinite, stop_atom_v, arguments...)
      .then(
          [this, next](const stop_report& report) {
            leave_over(report.left_over);
            next();
          },
          [this, next](const caf::error& why) {
            std::string who = role_name<Handle>;
            leave_over("stopping the " + who + ": " + render(from_caf(why)));
            next();
          });
}

void node_state::finish_stop() {
  stop_promise_.deliver(stop_report{left_over_});
  auto reason = caf::exit_reason::user_shutdown;
  for (auto& [client, session] : sessions_)
    self_->send_exit(session, reason);
  self_->send_exit(roles_.membership, reason);
  if (queue_count() > 1)
    self_->send_exit(roles_.queue_manager, reason);
  for (auto& [address, role_name] : watched_)
    self_->send_exit(caf::actor_cast<caf::actor>(address), reason);
  roles_ = {};
  self_->quit(reason);
}

} // namespace troupe
