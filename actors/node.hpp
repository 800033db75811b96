#pragma once

#include "actors/guest_list.hpp"
#include "actors/link_messages.hpp"
#include "actors/options.hpp"
#include "actors/promise.hpp"
#include "actors/store_role.hpp"
#include "storage/clock.hpp"
#include "storage/recovery/store.hpp"

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
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
  std::shared_ptr<storage::opened_store> store; ///< null where the writer is not
  role_set roles = role_set::every();           ///< that this process plays
  std::map<std::string, role_set> peers = {};   ///< the other nodes of the store, with theirs
  log_run run = 1;                              ///< of the writer, if it is here
  /// Of several queue-managers the node of each; none: there is one, at whichever node has the
  /// role.
  std::vector<std::string> queue_nodes = {};
  /// The queues are in the directory of the log. Otherwise `options.store.directory` is, where the
  /// queue-manager is, that of the queues, or holds one for each of several.
  bool queues_beside_log = true;
};

/// Starts the actors of a store, watches them, and stops them in order.
///
/// A store may be spread over several processes: then each has a node that plays some of the roles,
/// and takes the others from its peers as long as there are links to them. What opens files waits
/// for the writer, which recovers the log first.
///
/// What happens when one dies: those that only derive data or read (dispatcher, queue-manager,
/// queue-flusher, readers, registrar, cleaner) are started again from what is on disk and catch up
/// from the log. The writer and the flusher fail stop: nobody knows what a dying writer had in
/// hand, so writes are refused until the node is restarted and has recovered; reads go on. A node
/// that loses a part for good before it serves does not start.
struct node_state {
  node_state() = default;
  static inline const char* name = "node";

  void start(node_actor::stateful_pointer<node_state> actor, node_setup setup);

  caf::result<std::string> ready();
  caf::result<node_status> status();
  caf::result<session_actor> open_session(const caf::strong_actor_ptr& client);
  void attach_door(const door_actor& door);
  void topics_changed(const topic_map& topics);
  caf::result<stop_report> stop();
  void down(const caf::down_msg& message);

  void writer_opened(const queue_state& queues);
  void log_unreadable(const write_bar& why);

  // The other processes: node_links.cpp.
  void set_links(const caf::strong_actor_ptr& switchboard);
  void peer_is_up(const peer_up& peer);
  void peer_is_down(const peer_down& peer);
  void retry();
  void retry_later();
  caf::result<link_report> links();
  caf::strong_actor_ptr membership() const;

private:
  /// One of those who are watched.
  struct watched_role {
    std::string name;
    bool replaceable = false;       ///< only derives data or reads
    bool needs_log = true;          ///< opens files that the writer recovers first
    bool needs_deletions = false;   ///< has to be told which topics were deleted
    std::function<void()> spawn;    ///< and puts it into `roles_`
    std::function<void()> announce; ///< tells it who plays which role
    std::function<void()> forget;   ///< takes one that has ended for good out of `roles_`
    std::string failure;            ///< why it has stopped
    std::string state = role_running;
    caf::actor_clock::time_point since; ///< when it came into that state
    std::uint32_t restarts = 0;
    std::deque<caf::actor_clock::time_point> recent; ///< restarts
  };
  /// Another node of the store: whether it is up says `peers_`.
  struct seen_peer {
    caf::actor_clock::time_point since;
    std::string reason; ///< why it went away
  };
  struct gathering {
    node_status status;
    int open = 0;
    kept_promise<node_status> promise;
  };

  template <class Handle>
  void add_role(const char* role_name, bool replaceable, Handle role_table::*place,
                Handle (node_state::*make)());
  void add_roles();
  void add_readers();
  void add_queue_manager(std::uint32_t share);
  void add_queue_flusher(std::uint32_t share);
  void begin(watched_role& r);
  bool may_begin(const watched_role& r) const;
  void begin_waiting();
  void set_state(watched_role& r, const char* state);
  bool plays(store_role role) const { return setup_.roles.has(role); }
  bool spread() const { return !setup_.peers.empty(); }
  watched_role& find_role(const std::string& role_name);
  template <class Handle>
  Handle watch(const std::string& role_name, Handle handle) {
    watched_[handle.address()] = role_name;
    self_->monitor(handle);
    return handle;
  }
  writer_actor spawn_writer();
  flusher_actor spawn_flusher();
  dispatcher_actor spawn_dispatcher();
  queue_flusher_actor spawn_queue_flusher(std::uint32_t share);
  queue_manager_actor spawn_queue_manager(std::uint32_t share);
  reader_actor spawn_reader();
  registrar_actor spawn_registrar();
  cleaner_actor spawn_cleaner();
  delayer_actor spawn_delayer();
  transactor_actor spawn_transactor();
  void spawn_membership();

  // Queue-managers: node_queues.cpp.
  /// One of the store's, and what flushes for it if both are here.
  struct queue_part {
    queue_manager_actor manager;
    queue_flusher_actor flusher;
  };
  std::uint32_t queue_count() const { return static_cast<std::uint32_t>(queue_parts_.size()); }
  std::string queue_name(std::uint32_t share) const;
  bool has_queues(const std::string& node, std::uint32_t share) const;
  bool own_queues(std::uint32_t share) const { return has_queues(setup_.name, share); }
  bool queues_elsewhere() const;
  std::string away_queues() const;
  node_options queue_options(std::uint32_t share) const;
  void join_queues();
  void ask_deletions();
  void stop_own_queues(const std::function<void()>& next);

  /// Tells every actor who plays which role now.
  void announce();
  /// Serves without taking writes.
  void serve_reads(const write_bar& why);
  void serve();
  void restart(watched_role& r);

  void take_role(const offered_role& given);
  void tell_topics(const std::vector<offered_role>& peer);
  void drop_role(const offered_role& given);
  void offer_roles();
  void roles_changed();
  void ask_log();
  void log_known(const log_state& log);
  void settle_groups();
  void told_late();
  template <class What>
  void tell_doors(const What& what) {
    for (auto& [client, session] : sessions_)
      self_->send(session, what);
    for (auto& [who, door] : doors_)
      self_->send(door, what);
  }
  void say_waiting();
  std::string waits_for() const;
  bool may_offer(const std::string& peer, const offered_role& given) const;
  std::string nodes_with(store_role role) const;
  std::map<std::string, std::string> places_elsewhere() const;
  bool may_restart(watched_role& r);
  void fail_stop(watched_role& r, const std::string& why);
  void tell_failures();
  std::vector<role_status> own_roles() const;
  std::function<void()> await_one(const std::shared_ptr<gathering>& g);
  template <class Status, class Handle>
  void ask(const std::shared_ptr<gathering>& g, const Handle& whom, Status node_status::*part);
  void ask_links(const std::shared_ptr<gathering>& g);
  void ask_nodes(const std::shared_ptr<gathering>& g);
  void add_roles_elsewhere(std::vector<role_status>& all) const;
  std::int64_t ms_since(caf::actor_clock::time_point then) const;
  void stop_writer();
  void drain_sessions();
  void await_durable(log_offset end, caf::actor_clock::time_point deadline);
  /// Asks for the last thing that is to be done; `next` goes on, also without an answer.
  template <class Handle, class... Arguments>
  void stop_role(store_role role, const Handle& whom, const std::function<void()>& next,
                 Arguments... arguments);
  void stop_queues(log_offset end);
  void stop_rest();
  void finish_stop();
  void leave_over(const std::string& what);

  node_actor::stateful_pointer<node_state> self_;
  node_setup setup_;
  role_table roles_;
  std::vector<watched_role> parts_;
  std::vector<queue_part> queue_parts_;     ///< all of the store's, by number
  std::vector<queue_manager_actor> joined_; ///< those that `roles_.queue_manager` speaks for
  std::map<caf::actor_addr, std::string> watched_;
  std::map<caf::actor_addr, session_actor> sessions_;
  std::map<caf::actor_addr, door_actor> doors_; ///< that are no sessions
  guest_list guests_; ///< those of `sessions_` that belong to clients from outside
  topic_map topics_;
  std::vector<tombstone> tombstones_;
  caf::strong_actor_ptr switchboard_; ///< null: the store is in this process alone
  std::map<std::string, std::vector<offered_role>> peers_; ///< that are up, and what they play
  std::map<std::string, seen_peer> seen_;                  ///< all of them
  std::optional<log_state> log_;                           ///< what the writer said; here or there
  bool asking_log_ = false;
  std::optional<std::vector<tombstone>> deletions_; ///< what the registrar said
  bool asking_deletions_ = false;
  bool retry_pending_ = false;
  std::optional<queue_state> unsettled_; ///< the registrar does not know yet where queues ended
  bool settling_ = false;                ///< it is being told
  std::string said_waiting_;
  bool serving_ = false;   ///< clients may come
  bool may_serve_ = false; ///< the same but for the topics, which are not known yet
  bool topics_known_ = false;
  bool writer_open_ = false; ///< the writer knows the queues, so the log may grow
  bool stopping_ = false;
  storage::error start_failure_;         ///< why it will never serve
  std::string unreadable_;               ///< why the queues cannot follow the log
  log_offset log_end_ = unknown_log_end; ///< as the writer left it
  bool awaits_queues_ = false;           ///< a stop goes on when they are where the log ends
  std::string left_over_;                ///< what the stop could not finish
  std::string stop_waits_;               ///< for what the stop waits now, for people
  std::function<void()> stop_step_;      ///< of a stop, to be tried again at the timer
  std::vector<kept_promise<std::string>> waiting_;
  kept_promise<stop_report> stop_promise_;
  caf::actor_clock::time_point started_;
};

node_actor::behavior_type node(node_actor::stateful_pointer<node_state> self, node_setup setup);

} // namespace troupe
