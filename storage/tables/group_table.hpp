#pragma once

#include "storage/tables/config_file.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::storage {

/// Settings of consumer groups, in RocketMQ's file `config/subscriptionGroup.json`. A group that is
/// not there has RocketMQ's defaults. Changes are in memory until `save`.
class group_table {
public:
  /// What cannot be a group's settings is left out, named in `warnings`, and stays in the file.
  static result<group_table> load(file_system& fs, const options& o);

  /// Each group's settings, RocketMQ's SubscriptionGroupConfig, as a JSON object on one line.
  const std::map<std::string, std::string, std::less<>>& groups() const noexcept { return groups_; }
  const std::vector<std::string>& warnings() const noexcept { return warnings_; }

  /// Gives the group settings, a JSON object: its members are set, others stay as they were, or get
  /// RocketMQ's defaults in a new group. Refuses bad names, values that cannot be, and more than
  /// the file may hold.
  result<void> put(std::string_view group, std::string_view settings);
  /// False when there was none.
  bool erase(std::string_view group);
  /// What the file has of the group, also what is no use; and brings it back.
  std::optional<boost::json::value> find(std::string_view group);
  void restore(const std::string& group, const std::optional<boost::json::value>& before);

  /// Makes all changes durable.
  result<void> save(std::int64_t now_ms);

private:
  explicit group_table(config_file file) : file_(std::move(file)) {}
  boost::json::object& entries();
  void set(const std::string& group, std::string text);

  config_file file_;
  boost::json::object content_;
  std::map<std::string, std::string, std::less<>> groups_;
  std::size_t all_bytes_ = 0; ///< of `groups_`
  std::vector<std::string> warnings_;
};

} // namespace troupe::storage
