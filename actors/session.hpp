#pragma once

#include "actors/interfaces.hpp"
#include "actors/options.hpp"

#include <deque>
#include <functional>
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
/// only what can be carried out; what arrives together goes to the writer together. Every request
/// is answered within its deadline, whatever happens behind this actor.
struct session_state {
  session_state() = default;
  static inline const char* name = "session";

  void start(session_actor::stateful_pointer<session_state> actor, session_setup setup);

  caf::result<put_response> put(put_request request);
  caf::result<pull_response> pull(pull_request request);
  caf::result<topic_description> describe(const std::string& topic);
  caf::result<record_batch> fetch(log_offset offset);
  void send_groups();
  void expire();

  /// Hands a request on; the answer, an error or the deadline ends it.
  template <class Result, class Handle, class... Arguments>
  caf::result<Result> forward(const Handle& to, Arguments&&... arguments) {
    auto promise = self_->make_response_promise<Result>();
    auto id = open([promise](const storage::error& e) mutable { promise.deliver(to_caf(e)); });
    request_from<Result>(id, promise, to, std::forward<Arguments>(arguments)...);
    return promise;
  }

  role_table roles;
  topic_map topics;

private:
  using request_id = std::uint64_t;
  struct open_request {
    caf::actor_clock::time_point deadline;
    std::function<void(const storage::error&)> fail; ///< how to say that it failed; or:
    caf::typed_response_promise<put_response> put;   ///< of a put, which comes by the million
    std::uint64_t messages = 0;
    std::uint64_t bytes = 0;
    bool closed = false;
  };
  struct outgoing {
    put_group group;
    std::vector<request_id> ids;
  };

  template <class Result, class Handle, class... Arguments>
  void request_from(request_id id, caf::typed_response_promise<Result> promise, const Handle& to,
                    Arguments&&... arguments) {
    self_->request(to, caf::infinite, std::forward<Arguments>(arguments)...)
        .then(
            [this, id, promise](Result& answer) mutable {
              if (close(id))
                promise.deliver(std::move(answer));
            },
            [this, id, promise](caf::error& why) mutable {
              if (close(id))
                promise.deliver(std::move(why));
            });
  }

  request_id open(std::function<void(const storage::error&)> fail, std::uint64_t bytes = 0,
                  milliseconds more_time = milliseconds{0});
  request_id open(open_request request, milliseconds more_time);
  /// The request, or null when its deadline was faster.
  open_request* find(request_id id);
  /// False when its deadline was faster.
  bool close(request_id id);
  void answer_put(request_id id, put_response response);
  storage::result<void> check(const put_request& request) const;
  void store(put_request request, caf::typed_response_promise<put_response> promise);
  void send_group(outgoing& group);
  void answer_group(const std::vector<request_id>& ids, put_group_response& answer);

  session_actor::stateful_pointer<session_state> self_;
  node_options options_;
  std::deque<open_request> open_; ///< by id, from `first_id_` on; closed ones go from the front
  request_id first_id_ = 1;
  std::uint64_t open_messages_ = 0;
  std::uint64_t open_bytes_ = 0;
  outgoing waiting_;     ///< to be answered as durable as the node's policy says
  outgoing not_waiting_; ///< to be answered after the write
  bool send_pending_ = false;
  bool pulse_pending_ = false;
};

session_actor::behavior_type session(session_actor::stateful_pointer<session_state> self,
                                     session_setup setup);

} // namespace troupe
