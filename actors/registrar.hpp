#pragma once

#include "actors/interfaces.hpp"
#include "actors/options.hpp"
#include "actors/promise.hpp"
#include "storage/clock.hpp"
#include "storage/group_table.hpp"
#include "storage/offset_table.hpp"
#include "storage/topic_table.hpp"

#include <deque>
#include <optional>
#include <string>

namespace troupe {

struct registrar_setup {
  node_options options;
  storage::file_system* files = nullptr;
  const storage::wall_clock* clock = nullptr;
};

/// Topics, consumer groups' settings and how far they are, in RocketMQ's own files. A topic that is
/// created, changed or deleted is so durably before the answer, and so are groups' settings; group
/// offsets are saved every few seconds.
struct registrar_state {
  registrar_state() = default;
  static inline const char* name = "registrar";

  void start(registrar_actor::stateful_pointer<registrar_state> actor, registrar_setup setup);

  caf::result<topic_info> create(const topic_info& wanted);
  caf::result<topic_info> update(const topic_info& wanted);
  caf::result<tombstone> remove(const std::string& topic);
  topic_list list() const;
  /// What the node was told last; shared, so asking costs nothing.
  topic_map snapshot();
  void seen(const std::string& topic, std::int32_t queue);
  caf::result<group_offset> fetch(const group_offset& which) const;
  caf::result<group_offset> store(const group_offset& what);
  group_list groups(const std::string& group) const;
  caf::result<group_settings> set_group(const group_settings& what);
  caf::result<group_settings> forget_group(const group_settings& which, bool offsets);
  void save_offsets();
  stop_report stop();
  void set_roles(const role_table& table);

private:
  storage::result<void> load();
  void removed(const tombstone& dead, const kept_promise<tombstone>& promise);
  storage::result<void> bury(const tombstone& dead);
  void keep(const std::string& topic);
  storage::result<void> save_groups(const std::string& group,
                                    const std::optional<boost::json::value>& before);
  std::shared_ptr<const std::map<std::string, topic_info>> all_topics() const;
  void announce();

  registrar_actor::stateful_pointer<registrar_state> self_;
  registrar_setup setup_;
  role_table roles_;
  std::optional<storage::topic_table> topics_;
  std::optional<storage::tombstone_table> tombstones_;
  std::optional<storage::offset_table> offsets_;
  std::optional<storage::group_table> groups_;
  bool has_roles_ = false;
  topic_map announced_;
  bool save_pending_ = false;
};

registrar_actor::behavior_type registrar(registrar_actor::stateful_pointer<registrar_state> self,
                                         registrar_setup setup);

} // namespace troupe
