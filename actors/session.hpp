#pragma once

#include "actors/interfaces.hpp"
#include "actors/options.hpp"
#include "actors/patience.hpp"
#include "actors/promise.hpp"
#include "storage/format/system_topics.hpp"

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace troupe {

struct session_setup {
  node_options options;
  caf::strong_actor_ptr client; ///< the session ends with it
  role_table roles;
  topic_map topics;
};

/// What one client may do and has open. Requests are checked here, so that the actors behind it see
/// only what can be carried out; what arrives together goes to the writer together. What is open is
/// bounded in number and in bytes, sent or to be answered. Every request is answered within its
/// deadline, whatever happens behind this actor.
struct session_state {
  session_state() = default;
  static inline const char* name = "session";

  void start(session_actor::stateful_pointer<session_state> actor, const session_setup& setup);

  caf::result<put_response> put(put_request request);
  /// Those of RocketMQ's own topics that clients fill come to be by that.
  caf::result<topic_info> create(const topic_info& topic) {
    if (!storage::takes_messages(topic.name))
      return to_caf(brokers_own(topic.name));
    return forward<topic_info>(0, roles.registrar, create_atom_v, topic);
  }
  /// Changes or deletes the topic, unless it is one of RocketMQ's own.
  template <class Result, class Action, class What>
  caf::result<Result> change(const std::string& topic, Action action, const What& what) {
    if (storage::is_system_topic(topic))
      return to_caf(brokers_own(topic));
    return forward<Result>(0, roles.registrar, action, what);
  }
  caf::result<pull_response> pull(pull_request request);
  caf::result<group_members> join(group_join request);
  caf::result<record_batch> query(const key_query& query);
  /// With all its queues, or one of them.
  using wanted_queue = std::optional<std::int32_t>;
  caf::result<topic_description> describe(const std::string& topic, wanted_queue queue = {});
  caf::result<record_batch> fetch(log_offset offset);
  void send_gathered();
  void expire();
  caf::result<bool> stop();
  void set_roles(const role_table& table);

  /// Hands on a request whose answer may hold so many bytes of messages; the answer, an error or
  /// the deadline ends it.
  template <class Result, class Handle, class... Arguments>
  caf::result<Result> forward(std::uint64_t bytes, const Handle& to, Arguments&&... arguments) {
    kept_promise<Result> promise{self_};
    if (auto id = open(promise, {1, bytes}))
      request_from<Result>(*id, promise, to, std::forward<Arguments>(arguments)...);
    return promise;
  }

  role_table roles;
  topic_map topics;

private:
  /// Beyond every deadline of a client's request: only so that nothing is waited for for ever.
  static constexpr milliseconds longest_patience{120'000};

  static storage::error brokers_own(const std::string& topic) {
    return {errc::invalid_argument, "topic " + topic + " is one of RocketMQ's own"};
  }

  using request_id = std::uint64_t;
  /// What a request takes of the client's credit until it is answered.
  struct charge {
    std::uint64_t messages = 1;
    std::uint64_t bytes = 0;
  };
  struct open_request {
    caf::actor_clock::time_point deadline;
    std::function<void(const storage::error&)> fail;
    charge taken;
    caf::actor_addr asked; ///< whose answer is awaited now
  };
  /// A put with the writer. They come by the million, and all have the same time.
  struct sent_put {
    caf::actor_clock::time_point deadline;
    kept_promise<put_response> promise;
    charge taken;
    bool closed = false;
  };
  struct outgoing {
    put_bundle bundle;
    std::vector<request_id> ids;
    std::uint64_t bytes = 0;
  };

  /// Asks a role on behalf of an open request: an error is its end, and `then` goes on with the
  /// answer.
  template <class Answer, class Result, class Handle, class Then, class... Arguments>
  void ask(request_id id, kept_promise<Result> promise, const Handle& to, Then then,
           Arguments&&... arguments) {
    if (!to) {
      if (close(id))
        promise.deliver(to_caf(not_reachable<Handle>(roles)));
      return;
    }
    open_[id].asked = caf::actor_cast<caf::actor_addr>(to);
    self_->request(to, patience(self_, to, longest_patience), std::forward<Arguments>(arguments)...)
        .then(
            [this, id, then](Answer& answer) mutable {
              if (is_open(id))
                then(answer);
            },
            [this, id, promise](caf::error& why) mutable {
              if (close(id))
                promise.deliver(std::move(why));
            });
  }
  template <class Result, class Handle, class... Arguments>
  void request_from(request_id id, kept_promise<Result> promise, const Handle& to,
                    Arguments&&... arguments) {
    auto answer = [this, id, promise](Result& result) mutable {
      close(id);
      promise.deliver(std::move(result));
    };
    ask<Result>(id, promise, to, answer, std::forward<Arguments>(arguments)...);
  }
  /// The same of a reader, whichever has its turn.
  template <class Result, class... Arguments>
  void request_from_reader(request_id id, kept_promise<Result> promise, Arguments&&... arguments) {
    if (auto* reader = next_reader())
      request_from<Result>(id, promise, *reader, std::forward<Arguments>(arguments)...);
    else if (close(id))
      promise.deliver(to_caf(not_reachable<reader_actor>(roles)));
  }
  const reader_actor* next_reader();
  bool reads_elsewhere() const;
  struct piecewise_query;
  void read_next(const std::shared_ptr<piecewise_query>& query);

  /// Refused as busy when the client has too much open, and when the node stops. A request that is
  /// alone is always let in, however large: its size is bounded by the checks.
  storage::result<void> admit(const charge& wanted) const;
  void take(const charge& taken);
  void give_back(const charge& taken);

  /// Opens the request unless it must be refused, which is then its answer.
  template <class Result>
  std::optional<request_id> open(kept_promise<Result> promise, const charge& wanted,
                                 milliseconds more_time = milliseconds{0}) {
    if (auto room = admit(wanted); !room) {
      promise.deliver(to_caf(room.error()));
      return std::nullopt;
    }
    auto fail = [promise](const storage::error& e) mutable { promise.deliver(to_caf(e)); };
    return open(std::move(fail), wanted, more_time);
  }
  request_id open(std::function<void(const storage::error&)> fail, const charge& taken,
                  milliseconds more_time);
  bool is_open(request_id id) const { return open_.count(id) > 0; }
  /// False when its deadline was faster.
  bool close(request_id id);
  request_id open_put(kept_promise<put_response> promise, const put_request& request);
  /// Does nothing when its deadline was faster.
  void answer_put(request_id id, put_response response);
  void close_put(request_id id);
  void arm_pulse();
  bool owes_changes() const;
  storage::result<void> check(put_request& request) const;
  void store(put_request request, kept_promise<put_response> promise);
  bool spend_time(put_request& request, caf::actor_clock::time_point since) const;
  void refresh_topics(std::function<void()> then);
  void ask_topics(std::uint64_t refresh);
  void complete(request_id id, const kept_promise<pull_response>& promise, read_request found);
  void describe(request_id id, const kept_promise<topic_description>& promise,
                const std::string& topic, wanted_queue queue);
  template <class Handle>
  void replace(const Handle& before, const Handle& now);
  void answer_bundle(const std::vector<request_id>& ids, put_bundle_response& answer);

  session_actor::stateful_pointer<session_state> self_;
  node_options options_;
  std::map<request_id, open_request> open_;
  request_id next_id_ = 1;
  std::deque<sent_put> puts_; ///< by id, from `first_put_` on; closed ones go from the front
  request_id first_put_ = 1;
  std::uint64_t open_messages_ = 0;
  std::uint64_t open_bytes_ = 0;
  outgoing gathered_;         ///< goes to the writer next; all wait for the flush, or none
  std::size_t held_puts_ = 0; ///< wait for the newest topics
  std::map<std::uint64_t, std::function<void()>> refreshes_; ///< what goes on with them
  std::uint64_t next_refresh_ = 0;
  std::size_t reader_turn_ = 0;
  bool send_pending_ = false;
  bool pulse_pending_ = false;
  bool stopping_ = false;
  kept_promise<bool> stop_promise_;
};

session_actor::behavior_type session(session_actor::stateful_pointer<session_state> self,
                                     const session_setup& setup);

} // namespace troupe
