#pragma once

#include "net/client.hpp"
#include "net/dialer.hpp"

#include <deque>
#include <functional>
#include <map>

namespace troupe::client {

/// Makes who opens a connection; for tests of their own.
using dialer_maker = std::function<dialer_actor(caf::local_actor*)>;

/// Keeps one session on a node, and ends every request with an answer or an error.
struct connection_state {
  connection_state() = default;
  static inline const char* name = "connection";

  void start(connection_actor::stateful_pointer<connection_state> actor,
             const connect_options& options, dialer_maker make_dialer);

  /// Hands a request to the session, now or when there is one.
  template <class Result, class... Arguments>
  caf::result<Result> forward(std::chrono::milliseconds more_time, Arguments... arguments) {
    auto promise = self_->template make_response_promise<Result>();
    auto id = next_id_++;
    auto fail = [promise](const storage::error& e) mutable { promise.deliver(to_caf(e)); };
    auto send = [this, promise, id, more_time, arguments...]() mutable {
      self_->request(session_, options_.deadline + more_time, std::move(arguments)...)
          .then(
              [this, id, promise](Result& answer) mutable {
                if (sent_.erase(id) == 0)
                  return;
                proven_ = true;
                promise.deliver(std::move(answer));
              },
              [this, id, promise](const caf::error& why) mutable {
                if (sent_.erase(id) > 0)
                  promise.deliver(to_caf(from_caf(why)));
              });
    };
    if (final_error_.code != errc::none) {
      fail(final_error_);
    } else if (session_) {
      sent_.emplace(id, std::move(fail));
      send();
    } else {
      waiting_.push_back(
          {id, self_->clock().now() + options_.patience, std::move(fail), std::move(send)});
    }
    return promise;
  }

  caf::result<welcome> hello();
  void retry();
  void stop();

private:
  using fail_function = std::function<void(const storage::error&)>;
  struct waiting_request {
    std::uint64_t id = 0;
    caf::actor_clock::time_point deadline;
    fail_function fail;
    std::function<void()> send;
  };

  /// Why a door did not let us in.
  struct refusal {
    storage::error why;
    bool nobody = false; ///< nobody answers there
  };

  void dial();
  void greet(const caf::strong_actor_ptr& front);
  void connected(const caf::strong_actor_ptr& session, const welcome& granted);
  void not_connected(refusal why);
  void no_door();
  storage::error refusals() const;
  void lost();
  void next_door() { at_ = (at_ + 1) % doors_.size(); }
  void fail_all(const storage::error& why);
  std::string address() const;

  connection_actor::stateful_pointer<connection_state> self_;
  connect_options options_;
  dialer_maker make_dialer_;
  std::vector<door_address> doors_;
  std::size_t at_ = 0;            ///< the door that is dialled, or where the session is
  std::size_t refused_ = 0;       ///< doors since the last pause
  std::vector<refusal> refusals_; ///< the last one of each door
  store_service session_;
  bool proven_ = false; ///< the session has answered something
  welcome granted_;
  storage::error last_error_;
  storage::error final_error_; ///< dialling again is useless
  std::uint64_t next_id_ = 1;
  std::map<std::uint64_t, fail_function> sent_;
  std::deque<waiting_request> waiting_;
  std::deque<caf::typed_response_promise<welcome>> greetings_;
  bool stopped_ = false;
};

/// `connect` with another way to dial.
connection_actor connect_by(caf::actor_system& system, const connect_options& options,
                            dialer_maker make_dialer);

} // namespace troupe::client
