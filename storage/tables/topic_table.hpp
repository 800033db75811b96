#pragma once

#include "storage/format/record.hpp"
#include "storage/tables/config_file.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::storage {

/// What topics.json says of a topic, as far as this store uses it.
struct topic_config {
  std::string name;
  std::int32_t read_queues = 8;
  std::int32_t write_queues = 8;
  std::int32_t perm = 6; ///< bits: 4 read, 2 write, 1 inherit
};

/// The topics, in RocketMQ's file `config/topics.json`. Changes are in memory until `save`.
class topic_table {
public:
  /// A topic whose description cannot be right is left out, named in `warnings`, and stays in the
  /// file.
  static result<topic_table> load(file_system& fs, const options& o);

  const std::map<std::string, topic_config, std::less<>>& topics() const noexcept {
    return topics_;
  }
  const topic_config* find(std::string_view name) const noexcept;
  const std::vector<std::string>& warnings() const noexcept { return warnings_; }

  /// Adds the topic or changes it. Refuses a bad name, or numbers of queues out of 1..1024.
  result<void> put(const topic_config& topic);
  /// False when there was none.
  bool erase(std::string_view name);

  /// What there is of a topic, also in the file alone; and brings it back.
  struct description {
    std::optional<topic_config> config;
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
  std::map<std::string, topic_config, std::less<>> topics_;
  std::vector<std::string> warnings_;
};

/// A topic that was deleted: its records in the log count no more, and if it is made again its
/// queues go on numbering where they ended, so that no old message takes a new one's place.
struct tombstone {
  std::string topic;
  log_offset deleted_at = 0;              ///< records below are dead
  std::vector<queue_offset> next_offsets; ///< by queue id
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
