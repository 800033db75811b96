#pragma once

#include "storage/format/record.hpp"
#include "storage/tables/config_file.hpp"
#include "storage/tables/offset_journal.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::storage {

/// How far each consumer group has come, in RocketMQ's file `config/consumerOffset.json`, and since
/// it was written in a journal beside it. Changes are in memory until `commit` or `save`.
class offset_table {
public:
  /// What new entries may make the file: far from what `config_file` refuses to write, as what is
  /// there already may always change. About a million queues.
  static constexpr std::size_t max_file_bytes = 32 * mib;

  /// Entries that cannot be right are left out, named in `warnings`, and stay in the file.
  static result<offset_table> load(file_system& fs, const options& o);

  const std::vector<std::string>& warnings() const noexcept { return warnings_; }

  /// Offset of the next message that the group wants, if it has ever stored one.
  std::optional<queue_offset> find(std::string_view group, std::string_view topic,
                                   std::int32_t queue_id) const;
  /// Refuses bad names, queue ids and negative offsets, and a new entry (`too_large`) when the file
  /// is full. An offset may also go back.
  result<void> store(std::string_view group, std::string_view topic, std::int32_t queue_id,
                     queue_offset offset);
  void remove_topic(std::string_view topic);
  void remove_group(std::string_view group);

  /// Writes all changes since the last time to the journal: from then on they survive the process,
  /// and on a node with synchronous flush the machine. On error stored offsets are again what they
  /// were; what was removed stays so.
  result<void> commit();
  /// True when the file does not have everything yet.
  bool changed() const noexcept { return changed_; }
  /// Bytes in the journal, which a `save` makes unnecessary.
  std::uint64_t journal_bytes() const noexcept { return journal_.size(); }
  /// Writes the file, durably.
  result<void> save(std::int64_t now_ms);
  /// Instead of a `save` that failed: makes the journal durable. Fails when it does not have
  /// everything that the file lacks.
  result<void> sync_journal();

  std::size_t size() const noexcept { return queues_; } ///< offsets, of all groups

  using queues = std::map<std::int32_t, queue_offset>;
  /// Calls `visit(topic, group, queues)` for each pair that has stored an offset.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (auto& [name, offsets] : offsets_) {
      std::string_view text(name);
      auto at = text.find('@');
      visit(text.substr(0, at), text.substr(at + 1), offsets);
    }
  }

private:
  /// What a stored offset was before.
  struct former {
    std::string name;
    std::int32_t queue_id;
    std::optional<queue_offset> offset;
  };

  offset_table(file_system& fs, const options& o);
  void load_entry(std::string_view name, const boost::json::value& from);
  void load_queues(std::string_view name, const boost::json::object& from);
  void ignore(std::string_view name, const std::string& what);
  result<void> replay();
  void apply(const offset_change& change);
  result<void> check_room(const std::string& name, std::int32_t queue_id) const;
  void set(const std::string& name, std::int32_t queue_id, std::optional<queue_offset> offset);
  template <class Matches>
  void remove_if(Matches&& matches);
  boost::json::object entries_to_write() const;

  config_file file_;
  offset_journal journal_;
  boost::json::object content_;                        ///< what else is in the file
  boost::json::object foreign_;                        ///< entries or parts that are not understood
  std::map<std::string, queues, std::less<>> offsets_; ///< by "topic@group"
  std::size_t foreign_bytes_ = 0;                      ///< of `content_` and `foreign_`
  std::size_t entry_bytes_ = 0;                        ///< of `offsets_`, at their longest
  std::size_t queues_ = 0;
  std::vector<former> undo_; ///< of what is staged, oldest first
  std::vector<std::string> warnings_;
  bool changed_ = false;
  bool journal_has_all_ = true; ///< what the file lacks
};

/// Refuses an empty, too long or wrongly spelt name of a consumer group.
result<void> check_group_name(std::string_view group);

} // namespace troupe::storage
