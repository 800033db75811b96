#pragma once

#include "storage/config_file.hpp"

#include <cstdint>
#include <map>
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
  /// RocketMQ's defaults in a new group. Refuses bad names, and numbers that cannot be.
  result<void> put(std::string_view group, std::string_view settings);
  /// False when there was none.
  bool erase(std::string_view group);

  /// Makes all changes durable.
  result<void> save(std::int64_t now_ms);

private:
  explicit group_table(config_file file) : file_(std::move(file)) {}
  boost::json::object& entries();

  config_file file_;
  boost::json::object content_;
  std::map<std::string, std::string, std::less<>> groups_;
  std::vector<std::string> warnings_;
};

} // namespace troupe::storage
