#include "sim/store/storage_check.hpp"

#include "sim/trace_hash.hpp"
#include "storage/format/queue_entry.hpp"

#include <algorithm>
#include <limits>
#include <vector>

namespace troupe::sim {

using storage::log_offset;

namespace {

std::string at(log_offset offset) {
  return " at " + std::to_string(offset);
}

std::string name(const storage_ledger::queue_name& queue) {
  return store_process::topic_name(queue.first) + "/" + std::to_string(queue.second);
}

check_result wrong(std::string what) {
  return {std::move(what), {}};
}

check_result unreadable(std::string what) {
  return {{}, std::move(what)};
}

check_result check_log(store_process& process, const storage_ledger& ledger) {
  auto expected = ledger.records().begin();
  auto last = ledger.records().end();
  finding found;
  auto walked = process.view().walk(
      process.min(), process.end(), storage::verify::structure_and_crc,
      [&](const storage::record_view& view) {
        if (expected == last)
          found = "P4: a record nobody put" + at(view.offset);
        else if (expected->offset != view.offset)
          found = "P4: a record" + at(view.offset) + " instead of" + at(expected->offset);
        else if (expected->bytes_hash != hash_of(view.bytes))
          found = "P4: an altered record" + at(view.offset);
        else
          ++expected;
        return !found;
      });
  if (found)
    return wrong(*found);
  if (!walked)
    return unreadable("P10: the log cannot be read: " + walked.error().message);
  if (walked.value().end != process.end())
    return wrong("P4: the log ends" + at(walked.value().end) + " and was recovered up to" +
                 at(process.end()) + ": " + walked.value().problem);
  if (expected != last)
    return wrong("P1: the record" + at(expected->offset) + " is missing");
  return {};
}

check_result check_queue(store_process& process, const storage_ledger::queue_name& queue,
                         storage::queue_offset next,
                         const std::vector<const put_record*>& records) {
  auto* found = process.queues().find(store_process::topic_name(queue.first), queue.second);
  if (found == nullptr) {
    auto kept = process.number_kept(queue);
    if (records.empty() && kept == next)
      return {}; // built again from a log that has none of its messages any more
    return wrong("P5: queue " + name(queue) + " is gone, it had " + std::to_string(next) +
                 " messages, and begins again with " + std::to_string(kept));
  }
  if (found->next() != next)
    return wrong("P5: queue " + name(queue) + " goes on with " + std::to_string(found->next()) +
                 " instead of " + std::to_string(next));
  auto min = records.empty() ? next : records.front()->queue_position;
  if (found->min() != min)
    return wrong("P5: queue " + name(queue) + " begins with " + std::to_string(found->min()) +
                 " instead of " + std::to_string(min));
  std::vector<storage::queue_entry> entries;
  auto count = static_cast<std::size_t>(next - min);
  if (auto read = found->read(min, count, entries); !read)
    return unreadable("P6: queue " + name(queue) + " cannot be read: " + read.error().message);
  if (entries.size() != records.size())
    return wrong("P5: queue " + name(queue) + " has " + std::to_string(entries.size()) +
                 " entries for " + std::to_string(records.size()) + " records");
  for (std::size_t i = 0; i < entries.size(); ++i)
    if (entries[i] !=
        storage::queue_entry{records[i]->offset, records[i]->size, records[i]->tags_code})
      return wrong("P6: entry " + std::to_string(min + static_cast<storage::queue_offset>(i)) +
                   " of " + name(queue) + " is not that of the record" + at(records[i]->offset));
  return {};
}

} // namespace

check_result check_queues(store_process& process, const storage_ledger& ledger) {
  std::map<storage_ledger::queue_name, std::vector<const put_record*>> records;
  for (auto& put : ledger.records())
    if (put.queued)
      records[{put.topic, put.queue_id}].push_back(&put);
  for (auto& [queue, next] : ledger.next())
    if (auto found = check_queue(process, queue, next, records[queue]); !found.good())
      return found;
  if (process.queues().queue_count() > ledger.next().size())
    return wrong("P6: there are queues without a message");
  return {};
}

check_result check_index(store_process& process, const storage_ledger& ledger) {
  constexpr auto for_ever = std::numeric_limits<std::int64_t>::max();
  auto& records = ledger.records();
  for (auto& put : records) {
    if (!put.keyed)
      continue;
    auto topic = store_process::topic_name(put.topic);
    auto answer = process.index().query(topic, put.key, storage::key_index::max_found, 0, for_ever);
    if (!answer)
      return unreadable("P6: the index cannot be read: " + answer.error().message);
    auto& offsets = answer.value();
    if (std::ranges::find(offsets, put.offset) == offsets.end())
      return wrong("P6: " + put.key + " of " + topic + " does not lead to its record" +
                   at(put.offset));
    for (auto offset : offsets) {
      auto there = std::ranges::lower_bound(records, offset, {}, &put_record::offset);
      if (offset >= process.min() && (there == records.end() || there->offset != offset))
        return wrong("P6: the index leads to" + at(offset) + ", where no record is");
    }
  }
  return {};
}

finding check_bounds(const storage_ledger& ledger, log_offset min, log_offset end) {
  if (end < ledger.written())
    return "P1/P2/P3: the log ends" + at(end) + ", but records up to " +
           std::to_string(ledger.written()) + " must be there";
  if (min < ledger.dropped() || min > ledger.dropping())
    return "P5: the log begins" + at(min) + " and not between " + std::to_string(ledger.dropped()) +
           " and " + std::to_string(ledger.dropping());
  return {};
}

finding check_bytes(store_process& process, const storage_ledger& ledger) {
  finding found;
  auto walked =
      process.view().walk(process.min(), process.end(), storage::verify::structure_and_crc,
                          [&](const storage::record_view& view) {
                            if (!ledger.ever_put(view.offset, hash_of(view.body)))
                              found = "P4: a body that was never put" + at(view.offset);
                            return !found;
                          });
  static_cast<void>(walked); // a log that cannot be read to its end shows nothing wrong
  return found;
}

check_result check_store(store_process& process, const storage_ledger& ledger) {
  if (process.applied() != process.end())
    return wrong("P6: the queues know the log up to" + at(process.applied()) + " and not" +
                 at(process.end()));
  if (auto found = check_log(process, ledger); !found.good())
    return found;
  if (auto found = check_queues(process, ledger); !found.good())
    return found;
  return check_index(process, ledger);
}

check_result check_read(store_process& process, const put_record& put) {
  if (auto message = process.view().read(put.offset)) {
    if (hash_of(message.value().view.bytes) != put.bytes_hash)
      return wrong("P4: an altered record is served" + at(put.offset));
  } else {
    return unreadable("P10: a record cannot be read: " + message.error().message);
  }
  if (!put.queued)
    return {};
  storage_ledger::queue_name queue{put.topic, put.queue_id};
  auto entry_name = "entry " + std::to_string(put.queue_position) + " of " + name(queue);
  auto* found = process.queues().find(store_process::topic_name(put.topic), put.queue_id);
  if (found == nullptr)
    return unreadable("P6: " + entry_name + " has no queue");
  std::vector<storage::queue_entry> entries;
  if (auto read = found->read(put.queue_position, 1, entries); !read)
    return unreadable("P10: " + entry_name + " cannot be read: " + read.error().message);
  if (entries.empty())
    return unreadable("P6: " + entry_name + " is not there");
  if (entries[0] != storage::queue_entry{put.offset, put.size, put.tags_code})
    return wrong("P6: " + entry_name + " is not that of the record" + at(put.offset));
  return {};
}

} // namespace troupe::sim
