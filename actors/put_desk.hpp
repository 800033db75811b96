#pragma once

#include "actors/client_credit.hpp"
#include "actors/own_timer.hpp"
#include "actors/patience.hpp"
#include "actors/put_check.hpp"

#include <algorithm>
#include <chrono>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

namespace troupe {

/// The way of a client's messages to the writer: what is checked, charged to the client, sent on
/// together with what else has come, and answered once, at the latest at its deadline. A part of
/// whoever has clients: of a session for its one, of the gateway for all of RocketMQ's.
///
/// `Self` is the actor; it calls `work` for its `work_atom`. `Waiting` is who gets the answer, by
/// `deliver(put_response)` or `deliver(caf::error)`, of which only the first call counts.
template <class Self, class Waiting>
class put_desk {
public:
  using time_point = caf::actor_clock::time_point;
  using client = std::shared_ptr<client_credit>;

  put_desk(Self self, const node_options& options) : self_(self), options_(options) {}

  bool empty() const noexcept { return open_.empty(); }

  /// Checks the messages and their topic, null if it is not there; they go to the writer behind
  /// what is in the mailbox now, in the order of the calls.
  void store(const client& whose, put_request request, const topic_info* topic, Waiting waiting) {
    if (auto good = check_put(request, topic, options_); !good) {
      waiting.deliver(refused(request, good.error()));
      return;
    }
    client_credit::charge charge{request.count, request.messages.size()};
    if (auto room = whose->admit(charge); !room) {
      waiting.deliver(refused(request, {room.error().code, "not stored: " + room.error().message}));
      return;
    }
    auto most = is_elsewhere(self_, roles_.writer) ? largest_piece : largest_bundle;
    bool full = gathered_bytes_ + request.messages.size() > most;
    if (!gathered_.empty() && (full || gathered_.front().wait != request.wait))
      send(); // their order stays, whether they wait or not
    gathered_bytes_ += request.messages.size();
    whose->take(charge);
    // Parked requests have a deadline of their own in the writer, so its time is added here.
    auto deadline =
        self_->clock().now() + options_.session.deadline + options_.writer.parked_deadline;
    open_.push_back({deadline, whose, charge, std::move(waiting), false});
    gathered_.push_back(std::move(request));
    if (!std::exchange(send_pending_, true))
      self_->send(self_, work_atom_v); // what is in the mailbox now goes along
  }

  /// Sends what has gathered, and ends what has waited for too long.
  void work() {
    send_pending_ = false;
    send();
    auto now = self_->clock().now();
    timer_.came(now);
    // All have the same time, so the first one that has some left ends the search.
    while (!open_.empty() && open_.front().deadline <= now) {
      open_.front().waiting.deliver(to_caf(late()));
      close(first_);
    }
    arm();
  }

  void set_roles(const role_table& table) {
    auto before = std::exchange(roles_, table);
    if (!before.writer || before.writer == roles_.writer || !is_elsewhere(self_, before.writer))
      return;
    put_response doubt;
    doubt.failure = {errc::maybe_stored, "maybe stored: the connection to the writer broke"};
    for (auto id = first_; id < first_unsent(); ++id)
      answer(id, doubt);
  }

private:
  using put_id = std::uint64_t;
  /// Beyond every deadline of a client: only so that nothing is waited for for ever.
  static constexpr std::chrono::milliseconds longest_patience{120'000};
  /// What is parked is refused by bundles: one must not cost too many others.
  static constexpr std::uint64_t largest_bundle = storage::mib;

  /// They come by the million, and all have the same time.
  struct open_put {
    time_point deadline;
    client whose;
    client_credit::charge taken;
    Waiting waiting;
    bool closed = false;
  };

  put_id first_unsent() const { return first_ + open_.size() - gathered_.size(); }

  storage::error late() const {
    return {errc::maybe_stored, "no answer within " +
                                    std::to_string(options_.session.deadline.count()) +
                                    " ms: the request may have taken effect"};
  }

  void send() {
    if (gathered_.empty())
      return;
    auto first = first_unsent();
    put_bundle bundle;
    bundle.requests = std::exchange(gathered_, {});
    gathered_bytes_ = 0;
    if (!is_elsewhere(self_, roles_.writer)) // another machine has another clock
      bundle.sent_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                           self_->clock().now().time_since_epoch())
                           .count();
    arm();
    if (!roles_.writer) {
      auto why = not_reachable<writer_actor>(roles_);
      if (roles_.writer_ended)
        why = {errc::write_stopped, "the writer stopped; restart the node"};
      why.message.insert(0, "not stored: ");
      for (std::size_t i = 0; i < bundle.requests.size(); ++i)
        answer(first + i, refused(bundle.requests[i], why));
      return;
    }
    auto count = bundle.requests.size();
    self_
        ->request(roles_.writer, patience(self_, roles_.writer, longest_patience),
                  std::move(bundle))
        .then(
            [this, first, count](put_bundle_response& answer) {
              for (std::size_t i = 0; i < count; ++i) {
                put_response missing;
                missing.failure = {errc::maybe_stored, "the writer's answer is incomplete"};
                this->answer(first + i, i < answer.responses.size() ? std::move(answer.responses[i])
                                                                    : missing);
              }
            },
            [this, first, count](const caf::error& why) {
              put_response doubt;
              doubt.failure = {errc::maybe_stored, "maybe stored: " + from_caf(why).message};
              for (std::size_t i = 0; i < count; ++i)
                answer(first + i, doubt);
            });
  }

  /// Does nothing when its deadline was faster.
  void answer(put_id id, put_response response) {
    if (id < first_ || open_[id - first_].closed)
      return;
    open_[id - first_].waiting.deliver(std::move(response));
    close(id);
  }

  void close(put_id id) {
    auto& put = open_[id - first_];
    put.closed = true;
    put.whose->give_back(put.taken);
    while (!open_.empty() && open_.front().closed) {
      open_.pop_front();
      ++first_;
    }
  }

  void arm() {
    if (!open_.empty())
      timer_.arm(self_, open_.front().deadline, work_atom_v);
  }

  Self self_;
  node_options options_;
  role_table roles_;
  std::deque<open_put> open_; ///< by id, from `first_` on; closed ones go from the front
  put_id first_ = 0;
  std::vector<put_request> gathered_; ///< the newest of them; all wait for the flush, or none
  std::size_t gathered_bytes_ = 0;
  bool send_pending_ = false;
  own_timer timer_; ///< for the first deadline
};

} // namespace troupe
