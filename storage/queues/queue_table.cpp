#include "storage/queues/queue_table.hpp"

#include "storage/log/log_file.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <utility>

namespace troupe::storage {

namespace {

/// A table that must not write keeps in memory what it takes.
constexpr std::size_t no_limit = SIZE_MAX / queue_entry_bytes;

/// Numbers above would overflow as byte offsets.
constexpr queue_offset max_queue_offset = std::numeric_limits<queue_offset>::max() / 64;

/// A queue's directory is its id, written the one way Java writes it.
std::optional<std::int32_t> parse_queue_id(std::string_view name) {
  std::int32_t id = -1;
  auto [stop, failure] = std::from_chars(name.data(), name.data() + name.size(), id);
  if (failure != std::errc{} || id < 0 || std::to_string(id) != name)
    return std::nullopt;
  return id;
}

/// Which queue entry is in the way, and what can be done.
error number_taken(const consume_queue& queue, const position& added) {
  auto number = std::to_string(added.queue_position);
  auto entry = queue.entry(added.queue_position);
  auto other = entry ? std::to_string(entry.value().offset) : std::string("another place");
  return {errc::needs_repair,
          queue.directory() + ": the log holds two messages with number " + number +
              ", at log offsets " + other + " and " + std::to_string(added.offset) +
              ", and a queue can name only one of them. Nothing is dropped: put the queue's files "
              "back as they were, or save what is needed (both can be read by their ids), delete "
              "the topic and start again"};
}

} // namespace

bool queue_table::usable(const position& added) noexcept {
  return added.queue_id >= 0 && added.queue_id < static_cast<std::int32_t>(max_queues_per_topic) &&
         added.queue_position >= 0 && added.queue_position <= max_queue_offset &&
         added.offset >= 0 && added.size > 0 && added.size < 0x7fffffff &&
         added.offset <= std::numeric_limits<log_offset>::max() - added.size;
}

queue_table::queue_table(file_system& fs, const options& o, const queue_table_options& own)
    : root_(queue_directory(o)), options_(own),
      files_(fs, o.queue_file_size_bytes, own.open_files,
             own.read_only ? queue_files::mode::read_only : queue_files::mode::writable) {
  if (own.read_only)
    options_.tail_entries = no_limit;
}

result<std::unique_ptr<queue_table>> queue_table::open(file_system& fs, const options& o,
                                                       const queue_table_options& own,
                                                       const consume_queue::log_bounds& log) {
  if (o.queue_file_size_bytes == 0 || o.queue_file_size_bytes % queue_entry_bytes != 0)
    return error{errc::invalid_argument, "mapped-file-size-consume-queue must be a multiple of 20"};
  std::unique_ptr<queue_table> table(new queue_table(fs, o, own));
  if (!own.read_only) {
    TROUPE_TRY(make_directories(fs, table->root_));
  }
  TROUPE_TRY(auto topics, fs.list(table->root_));
  for (auto& found : topics) {
    if (!found.directory || check_topic_name(found.name).has_error()) {
      table->warnings_.push_back(table->root_ + "/" + found.name +
                                 " is no topic's directory and is ignored");
      continue;
    }
    TROUPE_TRY(table->load_topic(found.name, log));
  }
  return table;
}

result<void> queue_table::load_topic(const std::string& name,
                                     const consume_queue::log_bounds& log) {
  TROUPE_TRY(auto* topic, create(name));
  TROUPE_TRY(auto queues, files_.fs().list(topic->directory));
  for (auto& found : queues) {
    auto id = parse_queue_id(found.name);
    if (!found.directory || !id || *id >= static_cast<std::int32_t>(max_queues_per_topic)) {
      warnings_.push_back(topic->directory + "/" + found.name +
                          " is no queue's directory and is ignored");
      continue;
    }
    TROUPE_TRY(load_queue(*topic, *id, log));
  }
  return boost::outcome_v2::success();
}

result<void> queue_table::load_queue(topic_queues& topic, std::int32_t id,
                                     const consume_queue::log_bounds& log) {
  auto& queue = make_queue(topic, id);
  auto loaded = queue.load(log, warnings_);
  if (loaded.has_error() && loaded.error().code == errc::corrupt) {
    damaged_.push_back({topic.name, id, loaded.error().message});
    drop_queue(topic, id);
    return boost::outcome_v2::success();
  }
  return loaded;
}

consume_queue& queue_table::make_queue(topic_queues& topic, std::int32_t id) {
  const auto place = static_cast<std::size_t>(id);
  if (topic.by_id.size() <= place)
    topic.by_id.resize(place + 1);
  topic.by_id[place] = std::make_unique<consume_queue>(files_, topic.directory, id, next_number_++);
  ++queue_count_;
  return *topic.by_id[place];
}

void queue_table::drop_queue(topic_queues& topic, std::int32_t id) {
  auto& queue = topic.by_id[static_cast<std::size_t>(id)];
  std::erase(unwritten_, queue.get());
  queue.reset();
  --queue_count_;
}

result<void> queue_table::discard_damaged() {
  while (!damaged_.empty()) {
    auto& broken = damaged_.back();
    TROUPE_TRY(auto* topic, create(broken.topic));
    consume_queue queue(files_, topic->directory, broken.queue_id, next_number_++);
    TROUPE_TRY(queue.remove_files());
    damaged_.pop_back();
  }
  return boost::outcome_v2::success();
}

queue_table::topic_queues* queue_table::find(std::string_view topic) noexcept {
  auto found = topics_.find(topic);
  return found == topics_.end() ? nullptr : found->second.get();
}

consume_queue* queue_table::find(std::string_view topic, std::int32_t queue_id) noexcept {
  auto* found = find(topic);
  const auto place = static_cast<std::size_t>(queue_id);
  return found != nullptr && queue_id >= 0 && place < found->by_id.size()
             ? found->by_id[place].get()
             : nullptr;
}

result<queue_table::topic_queues*> queue_table::create(std::string_view topic) {
  if (auto* found = find(topic))
    return found;
  TROUPE_TRY(check_topic_name(topic));
  auto made = std::make_unique<topic_queues>();
  made->name = topic;
  made->directory = root_ + "/" + made->name;
  return topics_.emplace(made->name, std::move(made)).first->second.get();
}

result<queue_table::append_result> queue_table::append(topic_queues& topic, const position& added) {
  if (!added.has_queue_entry)
    return append_result::duplicate;
  if (!usable(added))
    return append_result::unusable;
  const auto place = static_cast<std::size_t>(added.queue_id);
  auto& queue = place < topic.by_id.size() && topic.by_id[place]
                    ? *topic.by_id[place]
                    : make_queue(topic, added.queue_id);
  const queue_entry entry{added.offset, added.size, added.tags_code};
  auto done = queue.append(added.queue_position, entry, options_.tail_entries);
  if (done == consume_queue::append_result::full) {
    TROUPE_TRY(queue.write_out());
    done = queue.append(added.queue_position, entry, options_.tail_entries);
  }
  if (done == consume_queue::append_result::gap)
    return append_result::gap;
  if (done == consume_queue::append_result::taken)
    return append_result::taken;
  if (done == consume_queue::append_result::duplicate)
    return append_result::duplicate;
  if (!queue.listed_) {
    queue.listed_ = true;
    unwritten_.push_back(&queue);
  }
  return append_result::appended;
}

result<void> queue_table::apply(const position_batch& batch, std::size_t first, applied& done,
                                const std::function<void(topic_queues&, consume_queue&)>& added) {
  std::vector<topic_queues*> topics(batch.topics.size());
  for (done = {first, false}; done.count < batch.positions.size(); ++done.count) {
    auto& one = batch.positions[done.count];
    if (!one.has_queue_entry || one.topic >= topics.size())
      continue;
    auto& topic = topics[one.topic];
    if (topic == nullptr) {
      auto made = create(batch.topics[one.topic]);
      if (made.has_error())
        continue; // no store writes such a name; its record stays readable by offset
      topic = made.value();
    }
    TROUPE_TRY(auto outcome, append(*topic, one));
    if (outcome == append_result::gap) {
      done.gap = true;
      break;
    }
    if (outcome == append_result::taken)
      return number_taken(*topic->by_id[static_cast<std::size_t>(one.queue_id)], one);
    if (outcome == append_result::appended)
      added(*topic, *topic->by_id[static_cast<std::size_t>(one.queue_id)]);
  }
  return boost::outcome_v2::success();
}

result<void> queue_table::write_out(std::size_t queues) {
  auto outcome = files_.check_synced();
  if (!outcome)
    return outcome;
  std::size_t done = 0;
  while (done < unwritten_.size() && done < queues) {
    outcome = unwritten_[done]->write_out();
    if (outcome.has_error())
      break;
    unwritten_[done]->listed_ = false;
    ++done;
  }
  unwritten_.erase(unwritten_.begin(), unwritten_.begin() + static_cast<std::ptrdiff_t>(done));
  return outcome;
}

void queue_table::distrust() {
  files_.changed_directory(root_);
  for (auto& [name, topic] : topics_) {
    files_.changed_directory(topic->directory);
    for (auto& queue : topic->by_id) {
      if (!queue)
        continue;
      files_.changed_directory(queue->directory());
      if (queue->has_files())
        files_.inherited(queue->path(queue->last_file_));
    }
  }
}

template <class Change>
result<void> queue_table::change_all(Change&& change) {
  for (auto& [name, topic] : topics_) {
    for (auto& queue : topic->by_id) {
      if (queue) {
        TROUPE_TRY(change(*queue));
      }
    }
  }
  return boost::outcome_v2::success();
}

result<void> queue_table::truncate(log_offset log_end) {
  return change_all([log_end](consume_queue& queue) { return queue.truncate(log_end); });
}

result<void> queue_table::remove_empty() {
  for (auto& [name, topic] : topics_) {
    for (auto& queue : topic->by_id) {
      if (queue && !queue->has_entries()) {
        TROUPE_TRY(queue->remove_files());
        drop_queue(*topic, queue->queue_id());
      }
    }
  }
  return boost::outcome_v2::success();
}

result<void> queue_table::drop_until(log_offset log_min) {
  return change_all([log_min](consume_queue& queue) { return queue.drop_until(log_min); });
}

result<void> queue_table::remove(std::string_view topic) {
  auto found = topics_.find(topic);
  if (found == topics_.end())
    return boost::outcome_v2::success();
  auto& queues = *found->second;
  for (auto& queue : queues.by_id) {
    if (!queue)
      continue;
    TROUPE_TRY(queue->remove_files());
    drop_queue(queues, queue->queue_id());
  }
  std::erase_if(damaged_, [&](auto& broken) { return broken.topic == topic; });
  TROUPE_TRY(files_.fs().remove(queues.directory));
  files_.changed_directory(root_);
  topics_.erase(found);
  return boost::outcome_v2::success();
}

log_offset queue_table::log_end() const noexcept {
  log_offset highest = 0;
  for_each([&](const topic_queues&, const consume_queue& queue) {
    highest = std::max(highest, queue.log_end());
  });
  return highest;
}

queue_table::totals queue_table::all_totals() const noexcept {
  return {queue_count_, entry_total()};
}

result<queue_table::totals> queue_table::totals_until(log_offset log_end) const {
  totals sum;
  for (auto& [name, topic] : topics_) {
    for (auto& queue : topic->by_id) {
      if (!queue)
        continue;
      TROUPE_TRY(auto next, queue->next_until(log_end));
      sum.queues += next > 0 ? 1 : 0;
      sum.entries += static_cast<std::uint64_t>(next);
    }
  }
  return sum;
}

std::uint64_t queue_table::entry_total() const noexcept {
  std::uint64_t total = 0;
  for_each([&](const topic_queues&, const consume_queue& queue) {
    total += static_cast<std::uint64_t>(queue.next());
  });
  return total;
}

} // namespace troupe::storage
