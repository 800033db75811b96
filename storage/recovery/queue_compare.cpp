#include "storage/recovery/queue_compare.hpp"

#include "storage/log/log_scan.hpp"
#include "storage/log/log_view.hpp"
#include "storage/logging.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>
#include <vector>

namespace troupe::storage {

namespace {

constexpr std::size_t records_a_piece = 4096;
constexpr std::int64_t progress_interval_ms = 5'000;
/// Entries that are read at a time, and of how many queues they are kept.
constexpr std::size_t entries_ahead = 512;
constexpr std::size_t most_blocks = 512;

std::string shown(const std::string& topic, const position& record) {
  return "message " + std::to_string(record.queue_position) + " of queue " + topic + "/" +
         std::to_string(record.queue_id) + " (log offset " + std::to_string(record.offset) + ")";
}

void tell_corrected(const std::string& topic, const position& record) {
  log_warning("queue.corrected", {{"topic", topic},
                                  {"queue", record.queue_id},
                                  {"message", record.queue_position},
                                  {"offset", record.offset}});
}

/// One comparison at work.
class comparison {
public:
  comparison(file_system& fs, const options& o, queue_table& table, const wall_clock& clock,
             const compare_scope& scope)
      : fs_(fs), options_(o), table_(table), clock_(clock), scope_(scope),
        view_(fs, o, scope.log_min), told_ms_(clock.now_ms()) {}

  result<queue_comparison> run();

private:
  result<void> compare(const position_batch& batch);
  result<void> compare(const std::string& topic, const position& record);
  result<bool> of_former_life(const std::string& topic, const consume_queue& queue,
                              const position& record);
  result<queue_entry> entry_of(const consume_queue& queue, queue_offset number);
  void look_for_strays();
  void tell(log_offset at);

  /// Neighbouring entries of a queue.
  struct block {
    queue_offset first = 0;
    std::vector<queue_entry> entries;
  };

  file_system& fs_;
  const options& options_;
  queue_table& table_;
  const wall_clock& clock_;
  const compare_scope& scope_;
  log_view view_;
  std::int64_t told_ms_;
  bool damaged_ = false; ///< a part of the log could not be compared
  std::unordered_map<const consume_queue*, block> blocks_;       ///< where each was read last
  std::unordered_map<const consume_queue*, queue_offset> found_; ///< entries with their record
  queue_comparison out_;
};

result<queue_comparison> comparison::run() {
  TROUPE_TRY(auto log, list_log(fs_, options_));
  if (log.listing.files.empty())
    return out_;
  log_scan scan(fs_, options_, std::move(log.listing.files));
  auto at = std::max(scope_.from, scope_.log_min);
  bool at_record = at == scope_.log_min;
  while (at < scope_.to && out_.reason.empty()) {
    if (!at_record) {
      TROUPE_TRY(auto next, scan.find(at));
      if (!next)
        break;
      at = next->offset;
      if (at >= scope_.to)
        break;
    }
    auto batch = view_.positions(at, scope_.to, records_a_piece);
    if (batch.has_error() && batch.error().code != errc::corrupt)
      return std::move(batch).error();
    at_record = batch.has_value() && batch.value().to > at;
    if (!at_record) {
      damaged_ = true;
      at += 1;
      continue;
    }
    TROUPE_TRY(compare(batch.value()));
    at = batch.value().to;
    tell(at);
  }
  if (out_.reason.empty() && !damaged_ && scope_.from <= scope_.log_min)
    look_for_strays();
  return out_;
}

result<void> comparison::compare(const position_batch& batch) {
  for (auto& record : batch.positions) {
    auto& topic = batch.topics[record.topic];
    auto dead = scope_.dead.find(topic);
    bool is_dead = dead != scope_.dead.end() && record.offset < dead->second;
    if (!record.has_queue_entry || is_dead || !queue_table::usable(record) ||
        check_topic_name(topic).has_error())
      continue;
    out_.records += 1;
    TROUPE_TRY(compare(topic, record));
    if (!out_.reason.empty())
      break;
  }
  return boost::outcome_v2::success();
}

result<void> comparison::compare(const std::string& topic, const position& record) {
  auto* queue = table_.find(topic, record.queue_id);
  if (queue == nullptr) {
    if (table_.find(topic) != nullptr || !scope_.topics || scope_.topics->count(topic) > 0)
      out_.reason = shown(topic, record) + " has no queue";
    return boost::outcome_v2::success();
  }
  const queue_entry right{record.offset, record.size, record.tags_code};
  auto number = record.queue_position;
  bool there = number >= queue->min() && number < queue->next();
  queue_entry entry;
  if (there) {
    TROUPE_TRY(entry, entry_of(*queue, number));
  }
  if (entry != right) {
    TROUPE_TRY(auto former, of_former_life(topic, *queue, record));
    if (former)
      return boost::outcome_v2::success();
    if (!there) {
      out_.reason = shown(topic, record) + " has no entry in its queue";
      return boost::outcome_v2::success();
    }
    TROUPE_TRY(auto corrected, queue->correct(number, {&right, 1}));
    if (!corrected) {
      out_.reason = "the entry of " + shown(topic, record) + " is wrong";
      return boost::outcome_v2::success();
    }
    blocks_.erase(queue);
    out_.corrected += 1;
    tell_corrected(topic, record);
  }
  found_[queue] += 1;
  return boost::outcome_v2::success();
}

/// The records of a queue come in the order of its entries, so those behind are asked for next.
result<queue_entry> comparison::entry_of(const consume_queue& queue, queue_offset number) {
  if (blocks_.size() > most_blocks)
    blocks_.clear();
  auto& known = blocks_[&queue];
  auto place = static_cast<std::size_t>(number - known.first);
  if (number < known.first || place >= known.entries.size()) {
    known = {number, {}};
    (void)queue.read(number, entries_ahead, known.entries);
    if (known.entries.empty())
      return queue.entry(number); // a damaged one, as it is; or why it cannot be read
    place = 0;
  }
  return known.entries[place];
}

/// RocketMQ numbers the messages of a topic that was deleted and made again from 0 on; those of
/// before stay in the log and have no entries. They lie before the queue's first message, if that
/// is the one its entry names.
result<bool> comparison::of_former_life(const std::string& topic, const consume_queue& queue,
                                        const position& record) {
  auto number = queue.min();
  if (number >= queue.next() || record.queue_position < number)
    return false;
  TROUPE_TRY(auto first, queue.entry(number));
  if (!first.valid() || first.filler() || first.offset <= record.offset)
    return false;
  auto message = view_.read(first.offset);
  if (message.has_error())
    return false;
  auto& view = message.value().view;
  return view.queue_position == number && view.queue_id == record.queue_id && view.topic == topic;
}

/// Every record has its entry: as many entries have their record, if none leads elsewhere.
void comparison::look_for_strays() {
  table_.for_each([&](const queue_table::topic_queues& topic, const consume_queue& queue) {
    auto strays = queue.next() - queue.min() - found_[&queue];
    if (strays != 0 && out_.reason.empty())
      out_.reason = std::to_string(strays) + " entries of queue " + topic.name + "/" +
                    std::to_string(queue.queue_id()) + " lead to no message of its own";
  });
}

void comparison::tell(log_offset at) {
  auto now = clock_.now_ms();
  if (now - told_ms_ < progress_interval_ms)
    return;
  told_ms_ = now;
  log_info("queues.comparing", {{"at", at}, {"to", scope_.to}, {"records", out_.records}});
}

} // namespace

result<queue_comparison> compare_records(queue_table& table, const position_batch& records,
                                         log_offset until) {
  queue_comparison out;
  for (auto& record : records.positions) {
    auto& topic = records.topics[record.topic];
    const queue_entry right{record.offset, record.size, record.tags_code};
    if (!record.has_queue_entry || !queue_table::usable(record) || right.end() > until ||
        check_topic_name(topic).has_error())
      continue;
    out.records += 1;
    auto* queue = table.find(topic, record.queue_id);
    auto number = record.queue_position;
    if (queue == nullptr || number < queue->min() || number >= queue->next()) {
      out.reason = shown(topic, record) + " has no entry in its queue";
      break;
    }
    TROUPE_TRY(auto entry, queue->entry(number));
    if (entry == right)
      continue;
    TROUPE_TRY(auto corrected, queue->correct(number, {&right, 1}));
    if (!corrected) {
      out.reason = "the entry of " + shown(topic, record) + " is wrong";
      break;
    }
    tell_corrected(topic, record);
    out.corrected += 1;
  }
  return out;
}

result<queue_comparison> compare_queues(file_system& fs, const options& o, queue_table& table,
                                        const wall_clock& clock, const compare_scope& scope) {
  return comparison(fs, o, table, clock, scope).run();
}

} // namespace troupe::storage
