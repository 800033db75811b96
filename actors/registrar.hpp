#pragma once

#include "actors/interfaces.hpp"
#include "actors/options.hpp"
#include "actors/promise.hpp"
#include "storage/clock.hpp"
#include "storage/tables/group_table.hpp"
#include "storage/tables/offset_table.hpp"
#include "storage/tables/topic_table.hpp"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace troupe {

/// Requests of one kind that are gathered; what clients may have open bounds them long before.
inline constexpr std::size_t most_waiting_requests = 10'000;

struct registrar_setup {
  node_options options;
  storage::file_system* files = nullptr;
  const storage::wall_clock* clock = nullptr;
};

/// Topics, consumer groups' settings and how far they are, in RocketMQ's own files. A topic that is
/// created, changed or deleted is so durably before the answer, and so are groups' settings. A
/// group offset is in the journal before the answer; the file is saved every few seconds.
///
/// Requests are gathered: offsets for one write of the journal, topics and settings for one save of
/// their file. Nobody else waits meanwhile for more than one save.
struct registrar_state {
  registrar_state() = default;
  static inline const char* name = "registrar";

  void start(registrar_actor::stateful_pointer<registrar_state> actor, registrar_setup setup);

  caf::result<topic_info> create(const topic_info& wanted);
  caf::result<topic_info> update(const topic_info& wanted);
  caf::result<tombstone> remove(const std::string& topic);
  topic_list list() const;
  deleted_topics deleted() const;
  /// What the node was told last; shared, so asking costs nothing.
  topic_map snapshot();
  void seen(const std::string& topic, std::int32_t queue);
  caf::result<group_offset> fetch(const group_offset& which) const;
  caf::result<group_offset> store(const group_offset& what);
  caf::result<group_list> groups(const std::string& group) const;
  caf::result<group_settings> set_group(const group_settings& what);
  caf::result<group_settings> forget_group(const group_settings& which, bool offsets);
  void commit();
  void save_in_turn();
  /// Where the queues end, once they are complete: no group may be beyond.
  void learn(const queue_state& queues);
  stop_report stop();
  void set_roles(const role_table& table);

private:
  /// `restore` nobody asked for; its numbers are the least that are needed.
  enum class wish { create, change, restore };
  struct topic_request {
    wish what;
    topic_info topic;
    kept_promise<topic_info> promise;
  };
  struct offset_request {
    group_offset what;
    kept_promise<group_offset> promise;
  };
  struct settings_request {
    group_settings what;
    kept_promise<group_settings> promise;
  };
  struct dying_topic {
    log_offset deleted_at = 0;
    std::vector<kept_promise<tombstone>> waiting;
  };
  struct former_topic {
    std::string name;
    storage::topic_table::description before;
  };

  storage::result<void> load();
  caf::result<topic_info> save_later(wish what, const topic_info& topic);
  bool room_to_wait() const;
  void schedule_tables();
  void save_tables();
  void save_topics();
  void save_settings();
  storage::result<void> apply(const topic_request& request, std::vector<former_topic>& undo);
  storage::result<void> check_new(const topic_request& request) const;
  storage::result<void> restore(const topic_info& least, std::vector<former_topic>& undo);
  storage::result<void> put(const topic_info& topic, std::vector<former_topic>& undo);
  void answer(const topic_request& request, const storage::result<void>& done);
  bool needs_restoring(const std::string& topic, std::int32_t queues) const;
  void set_back(const queue_state& queues, bool only_empty);
  void commit_offsets();
  void save_offsets();
  storage::result<void> forget_offsets();
  void say_if_full(const storage::error& why);
  void save_offsets_later();
  void removed(const tombstone& dead, const kept_promise<tombstone>& promise);
  storage::result<void> bury(const tombstone& dead);
  void tell_queues(const tombstone& dead);
  void meet_queues();
  void keep(const std::string& topic);
  std::shared_ptr<const std::map<std::string, topic_info>> all_topics() const;
  void announce();

  registrar_actor::stateful_pointer<registrar_state> self_;
  registrar_setup setup_;
  role_table roles_;
  std::optional<storage::topic_table> topics_;
  std::optional<storage::tombstone_table> tombstones_;
  std::optional<storage::offset_table> offsets_;
  std::optional<storage::group_table> groups_;
  std::vector<topic_request> waiting_topics_;
  std::vector<settings_request> waiting_settings_;
  std::vector<offset_request> waiting_offsets_;
  /// By name: deleted topics of which the queue-manager may still show something.
  std::map<std::string, dying_topic> dying_;
  std::set<std::string, std::less<>> restored_; ///< topics that only the log knew; they may grow
  caf::actor_clock::time_point next_tables_save_{};
  bool tables_timer_ = false;  ///< `work_atom` is on its way for topics and settings
  bool offsets_timer_ = false; ///< and for offsets
  bool save_pending_ = false;  ///< `save_atom` is on its way
  bool save_failed_ = false;   ///< the last one, of the offsets
  bool full_said_ = false;     ///< that a table is full is in the log
  topic_map announced_;
  /// Group, topic and queue of offsets that were stored before it was known where this writer's
  /// queues ended: they may be of messages that the queues did not have yet when they were asked.
  /// None of those is gone: this actor shares the log's machine.
  std::set<std::tuple<std::string, std::string, std::int32_t>> stored_since_;
  bool learned_ = false; ///< that
};

registrar_actor::behavior_type registrar(registrar_actor::stateful_pointer<registrar_state> self,
                                         registrar_setup setup);

} // namespace troupe
