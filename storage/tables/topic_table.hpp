#pragma once

#include "storage/format/record.hpp"
#include "storage/tables/config_file.hpp"
#include "storage/tables/topic_info.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::storage {

/// The topics, in RocketMQ's file `config/topics.json`. Changes are in memory until `save`.
class topic_table {
public:
  /// A topic whose description cannot be right is left out, named in `warnings`, and stays in the
  /// file.
  static result<topic_table> load(file_system& fs, const options& o);

  const std::map<std::string, topic_info, std::less<>>& topics() const noexcept { return topics_; }
  const topic_info* find(std::string_view name) const noexcept;
  const std::vector<std::string>& warnings() const noexcept { return warnings_; }

  /// Adds the topic or changes it. Refuses a bad name, or numbers of queues out of 1..1024.
  result<void> put(const topic_info& topic);
  /// False when there was none.
  bool erase(std::string_view name);

  /// What there is of a topic, also in the file alone; and brings it back.
  struct description {
    std::optional<topic_info> config;
    std::optional<boost::json::value> json;
  };
  description describe(std::string_view name) const;
  void restore(const std::string& name, description before);

  /// Makes all changes durable.
  result<void> save(std::int64_t now_ms);

private:
  explicit topic_table(config_file file) : file_(std::move(file)) {}
  boost::json::object& entries();

  config_file file_;
  boost::json::object content_;
  std::map<std::string, topic_info, std::less<>> topics_;
  std::vector<std::string> warnings_;
};

/// The deleted topics, in our own file `config/troupe-tombstones.json`.
class tombstone_table {
public:
  static result<tombstone_table> load(file_system& fs, const options& o);

  std::vector<tombstone> all() const;
  const tombstone* find(std::string_view topic) const noexcept;
  const std::vector<std::string>& warnings() const noexcept { return warnings_; }
  void put(tombstone dead);
  bool erase(std::string_view topic);
  /// Makes all changes durable.
  result<void> save();

private:
  explicit tombstone_table(config_file file) : file_(std::move(file)) {}

  config_file file_;
  std::map<std::string, tombstone, std::less<>> dead_;
  std::vector<std::string> warnings_;
};

} // namespace troupe::storage
