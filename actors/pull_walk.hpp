#pragma once

#include "actors/client_credit.hpp"
#include "actors/own_timer.hpp"
#include "actors/patience.hpp"
#include "actors/pull_check.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace troupe {

/// The way of a client's pull: it is checked and charged to the client, the queue-manager says
/// where the messages lie, and a reader, each in its turn, brings them. Answered once, at the
/// latest at its deadline. A part of whoever has clients: of a session for its one, of the gateway
/// for all of RocketMQ's.
///
/// `Self` is the actor; it calls `work` for its `work_atom`. `Waiting` is who gets the answer, by
/// `deliver(pull_response)` or `deliver(caf::error)`, which may ask for nothing more at once; it
/// may have a `bool gone()`: true when nobody waits any more, and nothing has to be read for it.
template <class Self, class Waiting>
class pull_walk {
public:
  using time_point = caf::actor_clock::time_point;
  using client = std::shared_ptr<client_credit>;

  pull_walk(Self self, const node_options& options) : self_(self), options_(options) {}

  /// Refuses what comes; what is open is still answered.
  void stop() noexcept { stopping_ = true; }

  /// Checks the pull and its topic, null if it is not known, and asks for it.
  void pull(const client& whose, pull_request request, const topic_info* topic, Waiting waiting) {
    if (auto good = begin(*whose, request, topic); !good)
      return waiting.deliver(to_caf(good.error()));
    auto waits = request.wait_ms > 0;
    auto deadline = self_->clock().now() + options_.session.deadline +
                    std::chrono::milliseconds{request.wait_ms};
    auto id = next_id_++;
    // It may wait for long and bring nothing: until something is found it costs a place alone.
    client_credit::charge charge{1, 0};
    whose->take(charge);
    if (waits)
      ++waiting_pulls_[whose.get()];
    open_.emplace(id, open_pull{deadline, whose, charge, std::move(waiting), {}, waits});
    deadlines_.emplace(deadline, id);
    arm();
    look_up(id, std::move(request));
  }

  /// Ends what has waited for too long.
  void work() {
    auto now = self_->clock().now();
    timer_.came(now);
    while (!deadlines_.empty() && deadlines_.begin()->first <= now)
      end(deadlines_.begin()->second, to_caf(late()));
    arm();
  }

  void set_roles(const role_table& table) {
    auto before = std::exchange(roles_, table);
    if (before.queue_manager != roles_.queue_manager)
      lose(before.queue_manager);
    for (auto& one : before.readers)
      if (std::find(roles_.readers.begin(), roles_.readers.end(), one) == roles_.readers.end())
        lose(one);
  }

private:
  using pull_id = std::uint64_t;
  /// Beyond every deadline of a client: only so that nothing is waited for for ever.
  static constexpr std::chrono::milliseconds longest_patience{120'000};

  struct open_pull {
    time_point deadline;
    client whose;
    client_credit::charge taken;
    Waiting waiting;
    caf::actor_addr asked; ///< whose answer is awaited now
    bool waits = false;    ///< for a message; counted in `waiting_pulls_`
  };

  storage::error late() const {
    return {errc::maybe_stored, "no answer within " +
                                    std::to_string(options_.session.deadline.count()) +
                                    " ms: the request may have taken effect"};
  }

  storage::result<void> begin(const client_credit& whose, pull_request& request,
                              const topic_info* topic) const {
    bool elsewhere = !roles_.readers.empty() && is_elsewhere(self_, roles_.readers.front());
    TROUPE_TRY(check_pull(request, topic, options_, elsewhere));
    auto waiting = waiting_pulls_.find(&whose);
    if (request.wait_ms > 0 && waiting != waiting_pulls_.end() &&
        waiting->second >= most_waiting_pulls)
      return storage::error{errc::busy, "this client has " + std::to_string(waiting->second) +
                                            " pulls waiting; wait for answers first"};
    if (stopping_)
      return storage::error{errc::unavailable, "the node is stopping"};
    return whose.admit({1, 0});
  }

  /// Asks a role for an open pull: an error is its end, and `then` goes on with the answer.
  template <class Answer, class Handle, class Request, class Then>
  void ask(pull_id id, const Handle& to, Request request, Then then) {
    if (!to)
      return end(id, to_caf(not_reachable<Handle>(roles_)));
    open_.at(id).asked = caf::actor_cast<caf::actor_addr>(to);
    self_->request(to, patience(self_, to, longest_patience), std::move(request))
        .then(
            [this, id, then](Answer& answer) mutable {
              if (open_.count(id) > 0)
                then(answer);
            },
            [this, id](caf::error& why) { end(id, std::move(why)); });
  }

  /// What a pull asks for, or the first entry of what it has found, goes to the queue-manager.
  template <class Request>
  void look_up(pull_id id, Request request) {
    ask<read_request>(id, roles_.queue_manager, std::move(request),
                      [this, id](read_request& found) { complete(id, std::move(found)); });
  }

  /// A reader adds the messages that the queue-manager has found. If the first entry leads to none
  /// of its own, the queue-manager compares it with the log, after which the reader knows what to
  /// do.
  void complete(pull_id id, read_request found) {
    if (found.records.empty())
      return end(id, std::move(found.answer));
    if (roles_.readers.empty())
      return end(id, to_caf(not_reachable<reader_actor>(roles_)));
    auto& pull = open_.at(id);
    if constexpr (requires { pull.waiting.gone(); })
      if (pull.waiting.gone())
        return end(id, make_caf_error(errc::unavailable, "the client is gone"));
    // What was found costs its bytes until it is answered, and waits no more.
    end_wait(pull);
    auto& credit = *pull.whose;
    credit.give_back({0, std::exchange(pull.taken.bytes, 0)}); // of an entry that was in doubt
    auto bytes = cut_to_credit(found, credit.bytes(), options_);
    if (!bytes)
      return end(id,
                 make_caf_error(errc::busy, "this client has " + std::to_string(credit.bytes()) +
                                                " bytes open; wait for answers first"));
    pull.taken.bytes = *bytes;
    credit.take({0, *bytes});
    read_request one{found.topic, found.queue_id, {found.records.front()}, {}};
    auto then = [this, id, one](pull_response& answer) mutable {
      if (answer.status != pull_status::in_doubt)
        return end(id, std::move(answer));
      one.answer = std::move(answer);
      one.answer.status = pull_status::found;
      one.answer.next = one.records.front().position + 1;
      look_up(id, std::move(one));
    };
    auto& reader = roles_.readers[reader_turn_++ % roles_.readers.size()];
    ask<pull_response>(id, reader, std::move(found), std::move(then));
  }

  /// What was asked of an actor in another process that is out of reach now is answered by nobody.
  template <class Handle>
  void lose(const Handle& before) {
    if (!before || !is_elsewhere(self_, before))
      return;
    storage::error lost{errc::connection_lost, std::string("the connection to the ") +
                                                   role_name<Handle> +
                                                   " broke: the request may have taken effect"};
    auto who = caf::actor_cast<caf::actor_addr>(before);
    std::vector<pull_id> asked;
    for (auto& [id, pull] : open_)
      if (pull.asked == who)
        asked.push_back(id);
    std::sort(asked.begin(), asked.end());
    for (auto id : asked)
      end(id, to_caf(lost));
  }

  /// Does nothing when its deadline was faster.
  template <class Answer>
  void end(pull_id id, Answer answer) {
    auto found = open_.find(id);
    if (found == open_.end())
      return;
    auto& pull = found->second;
    end_wait(pull);
    pull.whose->give_back(pull.taken);
    deadlines_.erase({pull.deadline, id});
    auto waiting = std::move(pull.waiting);
    open_.erase(found);
    waiting.deliver(std::move(answer));
  }

  void end_wait(open_pull& pull) {
    if (!std::exchange(pull.waits, false))
      return;
    auto count = waiting_pulls_.find(pull.whose.get());
    if (--count->second == 0)
      waiting_pulls_.erase(count);
  }

  void arm() {
    if (!deadlines_.empty())
      timer_.arm(self_, deadlines_.begin()->first, work_atom_v);
  }

  Self self_;
  node_options options_;
  role_table roles_;
  std::unordered_map<pull_id, open_pull> open_;
  pull_id next_id_ = 1;
  std::set<std::pair<time_point, pull_id>> deadlines_; ///< of `open_`
  own_timer timer_;                                    ///< for the first of them
  /// By client, of those that have any in `open_`, which keeps the client.
  std::unordered_map<const client_credit*, std::size_t> waiting_pulls_;
  std::size_t reader_turn_ = 0;
  bool stopping_ = false;
};

} // namespace troupe
