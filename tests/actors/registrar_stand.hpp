#pragma once

#include "tests/support/actor_stand.hpp"
#include "tests/support/manifest.hpp"

#include <boost/json.hpp>

#include <cstdint>
#include <map>
#include <string>

namespace troupe::test {

/// A registrar and a writer beside it; the node's maps are kept.
struct registrar_stand : actor_stand {
  ~registrar_stand() { world.kill_all(); } // before what they write to
  void run() {
    if (!store)
      open();
    add_pipeline();
    roles.node = world.play<node_actor>([this](caf::event_based_actor*) {
      return caf::message_handler{[this](const topic_map& topics) { announced = topics; }};
    });
    add_registrar();
    start();
  }
  /// As after a restart of the node: what counts is on disk.
  void reload() {
    world.kill(roles.registrar);
    world.drain();
    add_registrar();
    announce();
  }
  answer<topic_info> create(const std::string& name, std::int32_t queues) {
    return world.ask<topic_info>(roles.registrar, create_atom_v,
                                 topic_info{name, queues, queues, 6});
  }
  answer<tombstone> remove(const std::string& name) {
    auto dead = world.ask<tombstone>(roles.registrar, remove_atom_v, name);
    world.drain();
    return dead;
  }
  std::map<std::string, std::int32_t> topics() {
    std::map<std::string, std::int32_t> queues;
    auto list = world.ask<topic_list>(roles.registrar, list_atom_v);
    for (auto& t : list.value().topics)
      queues[t.name] = t.write_queues;
    return queues;
  }
  std::string config(const std::string& file) const { return directory / ("store/config/" + file); }
  boost::json::value json(const std::string& file) const {
    auto bytes = read_bytes(config(file));
    return boost::json::parse({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }

  topic_map announced;
};

} // namespace troupe::test
