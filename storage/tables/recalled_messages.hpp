#pragma once

#include "storage/tables/config_file.hpp"

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace troupe::storage {

/// A timer message as who recalls it names it.
struct recalled_message {
  std::string topic;
  std::string unique_key;
  std::int64_t deliver_ms = 0;
  friend bool operator==(const recalled_message&, const recalled_message&) = default;
  bool operator<(const recalled_message& other) const {
    return std::tie(deliver_ms, topic, unique_key) <
           std::tie(other.deliver_ms, other.topic, other.unique_key);
  }
};

/// Timer messages that are not to come any more, in our own file
/// `config/troupe-recalled.json`: {"recalled":[["topic","unique key",time]]}. Of no more than
/// `most`, with names of no more than `most_bytes` together.
class recalled_messages {
public:
  static constexpr std::size_t most = 10'000;
  static constexpr std::size_t most_bytes = 2 * mib;

  /// Entries that cannot be right are left out, and named in `warnings`.
  static result<recalled_messages> load(file_system& fs, const options& o);

  const std::vector<std::string>& warnings() const noexcept { return warnings_; }
  bool empty() const noexcept { return all_.empty(); }
  bool holds(const recalled_message& one) const { return all_.count(one) > 0; }
  /// Of the first that is to come; there must be one.
  std::int64_t first_ms() const { return all_.begin()->deliver_ms; }

  /// `busy` when there is no room. Not durable before it is saved.
  result<void> add(recalled_message one);
  void remove(const recalled_message& one);
  /// Those that were to come before that time. True when there were any.
  bool remove_before(std::int64_t deliver_ms);
  /// Writes the file, atomically and durably.
  result<void> save();

private:
  recalled_messages(file_system& fs, const options& o) : file_(fs, o, "troupe-recalled.json") {}
  static std::size_t bytes_of(const recalled_message& one) {
    return one.topic.size() + one.unique_key.size();
  }

  config_file file_;
  std::set<recalled_message> all_;
  std::size_t bytes_ = 0;
  std::vector<std::string> warnings_;
};

} // namespace troupe::storage
