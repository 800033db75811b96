#pragma once

#include "actors/interfaces.hpp"
#include "actors/options.hpp"
#include "storage/clock.hpp"
#include "storage/store.hpp"

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace troupe {

struct node_setup {
  std::string name;
  std::string cluster;
  node_options options;
  storage::file_system* files = nullptr;
  const storage::wall_clock* clock = nullptr;
  std::shared_ptr<storage::opened_store> store;
};

/// Starts the actors of a store, watches them, and stops them in order.
///
/// What happens when one dies: those that only derive data or read (dispatcher, queue-manager,
/// queue-flusher, readers, registrar, cleaner) are started again from what is on disk and catch up
/// from the log. The writer and the flusher fail stop: nobody knows what a dying writer had in
/// hand, so writes are refused until the node is restarted and has recovered; reads go on.
struct node_state {
  node_state() = default;
  static inline const char* name = "node";

  void start(node_actor::stateful_pointer<node_state> actor, node_setup setup);

  caf::result<std::string> ready();
  caf::result<node_status> status();
  caf::result<session_actor> open_session(const caf::strong_actor_ptr& client);
  void topics_changed(const topic_map& topics);
  caf::result<stop_report> stop();
  void down(const caf::down_msg& message);

private:
  struct role {
    std::string state = "running";
    std::uint32_t restarts = 0;
    std::deque<caf::actor_clock::time_point> recent;
  };
  struct gathering {
    node_status status;
    int open = 0;
    caf::typed_response_promise<node_status> promise;
  };

  void spawn_all();
  writer_actor spawn_writer();
  flusher_actor spawn_flusher();
  dispatcher_actor spawn_dispatcher();
  queue_flusher_actor spawn_queue_flusher();
  queue_manager_actor spawn_queue_manager();
  reader_actor spawn_reader();
  registrar_actor spawn_registrar();
  cleaner_actor spawn_cleaner();

  /// Tells every actor who plays which role now.
  void announce();
  /// Lets the dispatcher go on where the queues are; at start also opens the writer.
  void connect_queues();
  void open_writer(const queue_state& queues);
  void restart(const std::string& role_name);
  bool may_restart(role& r);
  void fail_stop(const std::string& role_name, const std::string& why);
  template <class Status, class Handle>
  void ask(const std::shared_ptr<gathering>& g, const Handle& whom, Status node_status::*part);
  void finish_stop(const stop_report& report);
  void stop_queues(log_offset end);
  void stop_flusher(stop_report report);

  node_actor::stateful_pointer<node_state> self_;
  node_setup setup_;
  role_table roles_;
  std::map<std::string, role> states_;
  std::map<caf::actor_addr, std::string> watched_;
  std::map<caf::actor_addr, session_actor> sessions_;
  topic_map topics_;
  std::map<std::string, tombstone> tombstones_;
  bool serving_ = false;
  bool stopping_ = false;
  std::vector<caf::typed_response_promise<std::string>> waiting_;
  caf::typed_response_promise<stop_report> stop_promise_;
  caf::actor_clock::time_point started_;
};

node_actor::behavior_type node(node_actor::stateful_pointer<node_state> self, node_setup setup);

} // namespace troupe
