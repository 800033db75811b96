#include "storage/inspect.hpp"

#include "storage/big_endian.hpp"

#include <algorithm>
#include <array>

namespace troupe::storage {

namespace {

/// How many entries the index files hold by their headers.
result<std::uint64_t> count_index_entries(file_system& fs, const store_files& files) {
  constexpr std::uint64_t next_entry_at = 36;
  std::uint64_t entries = 0;
  for (auto& path : files.indexes) {
    TROUPE_TRY(auto opened, fs.open(path, open_mode::read));
    std::array<std::byte, 4> bytes{};
    TROUPE_TRY(auto count, opened->read_at(next_entry_at, bytes));
    auto next = big_endian::load<std::int32_t>(bytes.data());
    if (count == bytes.size() && next > 1)
      entries += static_cast<std::uint64_t>(next) - 1;
  }
  return entries;
}

} // namespace

std::size_t store_summary::queue_count() const noexcept {
  std::size_t count = 0;
  for (auto& [name, topic] : topics)
    count += topic.queues.size();
  return count;
}

result<store_summary> summarize(file_system& fs, const store_files& files,
                                const finding_sink& report) {
  store_summary out;
  for (auto& queue : files.queues)
    out.topics[queue.topic].queues.insert(queue.id);
  auto add = [&](const record_view& message) {
    out.record_bytes += message.size;
    out.body_bytes += message.body.size();
    if (out.first_store_time == 0)
      out.first_store_time = message.store_timestamp;
    out.last_store_time = std::max(out.last_store_time, message.store_timestamp);
    auto topic = out.topics.find(message.topic);
    if (topic == out.topics.end())
      topic = out.topics.try_emplace(std::string(message.topic)).first;
    topic->second.messages += 1;
    topic->second.bytes += message.size;
    if (message.has_queue_entry())
      topic->second.queues.insert(message.queue_id);
  };
  TROUPE_TRY(out.log, walk_messages(fs, files, report, add));
  TROUPE_TRY(out.index_entries, count_index_entries(fs, files));
  return out;
}

result<verified_store> verify_store(file_system& fs, const store_files& files,
                                    const finding_sink& report) {
  verified_store out;
  queue_check queues(fs, files, report);
  result<void> failure = boost::outcome_v2::success();
  TROUPE_TRY(out.log, walk_messages(fs, files, report, [&](const record_view& message) {
               if (failure.has_value())
                 failure = queues.add(message);
             }));
  TROUPE_TRY(std::move(failure));
  if (out.log.torn_tail && !files.abort_marker)
    report(*out.log.torn_tail);
  TROUPE_TRY(out.queues, queues.finish(out.log));
  TROUPE_TRY(out.index, index_check(fs, files, report).run());
  return out;
}

} // namespace troupe::storage
