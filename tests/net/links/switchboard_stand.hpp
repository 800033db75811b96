#pragma once

#include "net/client.hpp"
#include "net/switchboard.hpp"
#include "sim/world.hpp"
#include "tests/support/catch.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace troupe::test {

using namespace std::chrono_literals;

/// Who listens at which host. A host that is not there lets nobody in; one with a null actor does
/// not even say so.
struct fake_net {
  std::map<std::string, caf::strong_actor_ptr> hosts;
  std::vector<std::int64_t> dials;    ///< when, in ms
  std::vector<std::int64_t> hang_ups; ///< when a dialled connection was given up
};

/// One switchboard in virtual time, and what its listener heard.
struct board {
  board(sim::world& w, fake_net& net, const std::string& node, net::switchboard_setup setup = {})
      : world(w) {
    setup.cluster = "shop";
    setup.node = node;
    if (setup.incarnation == 0)
      setup.incarnation = 100;
    if (setup.peers.empty())
      setup.peers = {{"a", "host-a", 1}, {"b", "host-b", 1}, {"c", "host-c", 1}};
    listener = w.play<link_listener>([this](caf::event_based_actor*) -> caf::message_handler {
      return {[this](const peer_up& up) {
                heard.push_back("up " + up.node + " " + std::to_string(up.incarnation) + " " +
                                std::to_string(up.link));
                roles[up.node] = up.roles;
              },
              [this](const peer_down& down) {
                heard.push_back("down " + down.node);
                roles.erase(down.node);
              }};
    });
    setup.listener = listener;
    setup.make_dialer = [this, &net] { return make_dialer(net); };
    setup.expose = [this](const caf::strong_actor_ptr& who) { exposed.push_back(who); };
    setup.trust = [this](const caf::node_id&) { ++trusted; };
    actor = net::spawn_switchboard(w.system(), std::move(setup));
    w.drain();
  }

  ~board() {
    world.kill(actor);
    world.kill(listener);
    world.drain();
  }

  net::link_dialer_actor make_dialer(fake_net& net) {
    return world.system().spawn([&at = world, &net](net::link_dialer_actor::pointer self)
                                    -> net::link_dialer_actor::behavior_type {
      return {[&at, &net, self](caf::connect_atom, const std::string& host,
                                std::uint16_t) -> caf::result<net::dialled> {
        net.dials.push_back(at.now().count());
        auto found = net.hosts.find(host);
        if (found != net.hosts.end() && !found->second) { // it blocks, and is there as long as that
          self->attach_functor([me = caf::actor_cast<caf::strong_actor_ptr>(self)] {});
          return self->make_response_promise<net::dialled>();
        }
        self->quit();
        if (found == net.hosts.end())
          return make_caf_error(errc::unavailable, "nobody listens there");
        auto hang_up = [&at, &net](void*) { net.hang_ups.push_back(at.now().count()); };
        return net::dialled{found->second, std::shared_ptr<void>(nullptr, hang_up)};
      }};
    });
  }

  /// Null when the peer is not up or does not offer it.
  caf::actor role(const std::string& node, std::size_t which = 0) {
    auto found = roles.find(node);
    if (found == roles.end() || which >= found->second.size())
      return nullptr;
    return caf::actor_cast<caf::actor>(found->second[which].port);
  }
  std::vector<std::string> take_heard() { return std::exchange(heard, {}); }
  link_status status_of(const std::string& node) {
    auto report = world.ask<link_report>(actor, status_atom_v).value();
    for (auto& l : report.links)
      if (l.node == node)
        return l;
    return {};
  }
  caf::strong_actor_ptr published() { return caf::actor_cast<caf::strong_actor_ptr>(actor); }
  void offer(const std::vector<caf::actor>& who) {
    role_offer o;
    for (auto& a : who)
      o.roles.push_back(
          {"role-" + std::to_string(o.roles.size()), caf::actor_cast<caf::strong_actor_ptr>(a)});
    world.tell(actor, o);
    world.drain();
  }

  sim::world& world;
  std::vector<std::string> heard;
  std::map<std::string, std::vector<offered_role>> roles;
  std::vector<caf::strong_actor_ptr> exposed;
  int trusted = 0;
  link_listener listener;
  net::switchboard_actor actor;
};

/// Virtual time, a net, and a role that adds its number to what it is asked.
struct board_world {
  caf::actor adder(std::int32_t number) {
    return world.play<caf::actor>([number](caf::event_based_actor*) -> caf::message_handler {
      return {[number](std::int32_t x) { return x + number; }};
    });
  }
  /// Through the handle, or -1 when that gives an error or no answer.
  std::int32_t ask(const caf::actor& role, std::int32_t x) {
    if (!role)
      return -1;
    auto answer = world.request<std::int32_t>(role, x);
    world.drain();
    return answer.there() && answer.get() ? answer.value() : -1;
  }

  fake_net net; ///< first: connections end with their actors
  sim::world world{1};
};

using lines = std::vector<std::string>;

} // namespace troupe::test
