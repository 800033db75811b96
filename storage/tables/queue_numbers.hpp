#pragma once

#include "storage/format/record.hpp"
#include "storage/tables/config_file.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::storage {

/// Next numbers of queues whose messages have all expired and whose files were then discarded: the
/// log does not know them any more. In our own file `config/troupe-queue-numbers.json`, which only
/// the owner of the queues writes.
class queue_numbers {
public:
  static result<queue_numbers> load(file_system& fs, const options& o);

  /// By queue id; a queue beyond the end is not known here.
  const std::map<std::string, std::vector<queue_offset>, std::less<>>& all() const noexcept {
    return next_;
  }
  /// The number that the queue's next message has at least; 0 if nothing is known.
  queue_offset of(std::string_view topic, std::int32_t queue_id) const noexcept;
  /// Notes that the queue's next message has at least this number. Not durable before `save`.
  void raise(const std::string& topic, std::int32_t queue_id, queue_offset number);
  /// Makes all changes durable; nothing is written if there are none.
  result<void> save();

private:
  explicit queue_numbers(config_file file) : file_(std::move(file)) {}

  config_file file_;
  std::map<std::string, std::vector<queue_offset>, std::less<>> next_;
  bool changed_ = false;
};

} // namespace troupe::storage
