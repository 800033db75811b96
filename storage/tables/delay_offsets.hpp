#pragma once

#include "storage/cores/delay_core.hpp"
#include "storage/format/record.hpp"
#include "storage/tables/config_file.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::storage {

/// How far the delivery of each delay level has come, in RocketMQ's file `config/delayOffset.json`.
///
/// What is settled behind that is in a member of our own, `windows`: by level its offset again, as
/// RocketMQ, which takes no notice of it, may have gone on since; and of `delay_core::window` next,
/// noticed and the open ones. Without it timer messages of the last second would come twice.
class delay_offsets {
public:
  /// Entries that cannot be right are left out, named in `warnings`, and stay in the file.
  static result<delay_offsets> load(file_system& fs, const options& o);

  const std::vector<std::string>& warnings() const noexcept { return warnings_; }

  /// Number in the level's queue of the next message to be delivered, if that is known.
  std::optional<queue_offset> find(std::int32_t level) const;
  /// Levels from 1 to `delay_levels::most`, offsets from 0.
  void set(std::int32_t level, queue_offset offset);

  std::optional<delay_core::window> window(std::int32_t level) const;
  /// Nothing: all before the level's offset is settled, and nothing behind it.
  void set_window(std::int32_t level, std::optional<delay_core::window> window);

  /// True when the file does not have everything yet.
  bool changed() const noexcept { return changed_; }
  /// Writes the file, atomically and durably.
  result<void> save(std::int64_t now_ms);

private:
  delay_offsets(file_system& fs, const options& o) : file_(fs, o, "delayOffset.json") {}
  void load_entry(std::string_view name, const boost::json::value& from);
  void load_window(std::string_view name, const boost::json::value& from);

  config_file file_;
  boost::json::object content_; ///< what else is in the file
  boost::json::object foreign_; ///< entries that are not understood
  std::map<std::int32_t, queue_offset> offsets_;
  std::map<std::int32_t, delay_core::window> windows_;
  std::vector<std::string> warnings_;
  bool changed_ = false;
};

} // namespace troupe::storage
