#pragma once

#include "net/dialer.hpp"
#include "sim/world.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

namespace troupe::sim {

struct net_connection;
struct net_parcel;

/// The connections between the processes of one store, as the framework's network layer has them:
/// every message crosses as bytes, in order within a connection and in no order between two of
/// them. A connection has two ends, and each of them notices by itself that the other is gone: it
/// is told, or it has heard nothing for about two seconds. Whoever has sent something into one that
/// is gone, or asked, hears nothing.
///
/// Actors of another process are held as proxies that belong to a connection: they end, for those
/// who watch them, when this end of it does. Handles cross in `peer_hello` and `peer_welcome`
/// alone.
class simulated_net {
public:
  using time = std::chrono::milliseconds;

  explicit simulated_net(world& w);
  ~simulated_net();
  simulated_net(const simulated_net&) = delete;
  simulated_net& operator=(const simulated_net&) = delete;

  /// Whoever dials the process from now on finds this actor.
  void listen(process_id process, const caf::strong_actor_ptr& published);
  /// For a switchboard of the process; the port of another is its number.
  std::function<net::link_dialer_actor()> dialers(process_id from);

  /// Before a process is killed: the others are told by the system of its machine; or hear nothing,
  /// if that has lost power.
  void end(process_id process, bool silently);
  /// Nobody in the process does anything for a while, nor for what has arrived for it.
  void freeze(process_id process, time span);
  /// Both ends of what connects the two are told, each in its time.
  void cut(process_id a, process_id b);
  /// What is sent in this direction waits until `heal`; new connections are not made.
  void hold(process_id from, process_id to);
  void heal(process_id from, process_id to);
  /// All wires carry again.
  void heal();
  /// How long everything is on its way from now on.
  void set_delay(time delay) noexcept { delay_ = delay; }
  /// How many connections were made so far.
  std::uint64_t connections_made() const noexcept { return connections_made_; }

private:
  friend class net_proxy;
  friend struct net_connection;
  using direction = std::pair<process_id, process_id>;

  bool held(process_id from, process_id to) const { return held_.count({from, to}) > 0; }
  bool frozen(process_id process) const;
  bool blocked(process_id from, process_id to) const;
  net::dialled connect(process_id from, process_id to);
  caf::strong_actor_ptr proxy(const std::shared_ptr<net_connection>& of, std::size_t end,
                              const caf::strong_actor_ptr& target);
  void send(net_connection& on, std::size_t from, const caf::strong_actor_ptr& target,
            caf::mailbox_element& what);
  void close(net_connection& c, std::size_t end, bool tell);
  void pump();
  void deliver(const std::shared_ptr<net_connection>& c, std::size_t to);
  void arrive(const std::shared_ptr<net_connection>& c, std::size_t to, net_parcel parcel);
  void look_for_silence(net_connection& c, std::size_t end);
  void wake_after(time span);
  /// The same moment may hold several things: they happen in one step.
  time due_behind(const net_connection& c, std::size_t to);

  world& world_;
  std::shared_ptr<simulated_net*> self_ = std::make_shared<simulated_net*>(this);
  caf::actor pump_; ///< does a step for what arrives
  std::map<process_id, caf::strong_actor_ptr> listening_;
  std::map<process_id, time> frozen_until_;
  std::map<direction, bool> held_;
  std::vector<std::shared_ptr<net_connection>> connections_; ///< of which an end is open
  time delay_{1};
  std::uint64_t connections_made_ = 0;
};

/// How actors of the process look to those of others.
caf::node_id id_of(process_id process);

} // namespace troupe::sim
