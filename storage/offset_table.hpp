#pragma once

#include "storage/config_file.hpp"
#include "storage/record.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::storage {

/// How far each consumer group has come, in RocketMQ's file `config/consumerOffset.json`. Changes
/// are in memory until `save`.
class offset_table {
public:
  /// Entries that cannot be right are left out and named in `warnings`.
  static result<offset_table> load(file_system& fs, const options& o);

  const std::vector<std::string>& warnings() const noexcept { return warnings_; }

  /// Offset of the next message that the group wants, if it has ever stored one.
  std::optional<queue_offset> find(std::string_view group, std::string_view topic,
                                   std::int32_t queue_id) const;
  /// Refuses bad names, queue ids and negative offsets. An offset may also go back.
  result<void> store(std::string_view group, std::string_view topic, std::int32_t queue_id,
                     queue_offset offset);
  void remove_topic(std::string_view topic);
  void remove_group(std::string_view group);

  /// True when there is something that `save` would make durable.
  bool changed() const noexcept { return changed_; }
  result<void> save(std::int64_t now_ms);

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
  explicit offset_table(config_file file) : file_(std::move(file)) {}
  void load_entry(std::string_view name, const boost::json::value& from);
  template <class Matches>
  void remove_if(Matches&& matches);

  config_file file_;
  boost::json::object content_;                        ///< what else is in the file
  std::map<std::string, queues, std::less<>> offsets_; ///< by "topic@group"
  std::vector<std::string> warnings_;
  bool changed_ = false;
};

/// Refuses an empty, too long or wrongly spelt name of a consumer group.
result<void> check_group_name(std::string_view group);

} // namespace troupe::storage
