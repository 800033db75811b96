#pragma once

#include "net/actor_port/actor_gate.hpp"
#include "net/tls/tls_session.hpp"

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace troupe::net {

/// A connection that was let in, with its seat. Closes the socket.
struct tls_guest {
  tls_guest(int s, std::unique_ptr<actor_seat> place, std::unique_ptr<tls_session> talk)
      : socket(s), seat(std::move(place)), session(std::move(talk)) {}
  ~tls_guest();
  tls_guest(const tls_guest&) = delete;
  tls_guest& operator=(const tls_guest&) = delete;

  int socket; ///< -1: somebody else has it now
  std::unique_ptr<actor_seat> seat;
  std::unique_ptr<tls_session> session;
};

/// Where those who come wait until they have shown their certificate: on a thread of its own, so
/// that what strangers send there costs the connections that are in neither time nor errors. Their
/// number is that of seats, and their time the seat's.
class tls_porch {
public:
  /// Called on the porch's thread with each who may come in.
  using open_door = std::function<void(std::shared_ptr<tls_guest>)>;

  explicit tls_porch(open_door open);
  ~tls_porch();
  tls_porch(const tls_porch&) = delete;
  tls_porch& operator=(const tls_porch&) = delete;

  /// Any thread may call.
  void enter(std::shared_ptr<tls_guest> guest);

private:
  struct waiting {
    std::shared_ptr<tls_guest> guest;
    short events;
  };
  void run();
  bool take_newcomers();
  void wake() const;
  /// False when he is done, in one way or another.
  bool go_on(waiting& w) const;
  static void turn_away(tls_guest& guest);

  const open_door open_;
  const int bell_; ///< an eventfd: there are newcomers, or it is over
  std::mutex mutex_;
  bool stopping_ = false;
  std::vector<std::shared_ptr<tls_guest>> newcomers_;
  std::vector<waiting> waiting_; ///< the thread's own
  std::thread thread_;           ///< last: it uses the rest
};

} // namespace troupe::net
