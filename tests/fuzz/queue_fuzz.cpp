#include "sim/disk/disk.hpp"
#include "storage/log/log_file.hpp"
#include "storage/queues/queue_table.hpp"
#include "tests/fuzz/hostile.hpp"

#include <limits>
#include <memory>
#include <string>
#include <vector>

using namespace troupe;
using namespace troupe::storage;
using fuzz::must;
using fuzz::require;

namespace {

constexpr auto highest = std::numeric_limits<std::int64_t>::max();
constexpr std::size_t max_files = 4;
const std::string topic = "TopicOrders";

/// All entries from the minimum on that can be read, after a check that they may be there.
std::vector<queue_entry> readable(const consume_queue& queue,
                                  const consume_queue::log_bounds& log) {
  require(queue.min() >= 0 && queue.min() <= queue.next(), "the minimum is not above the end");
  require(queue.written() == queue.next(), "what was loaded is in the files");
  require(queue.log_end() >= 0 && queue.log_end() <= log.end, "a queue ends within the log");
  std::vector<queue_entry> found;
  for (auto number = queue.min(); number < queue.next(); ++number) {
    auto count = found.size();
    auto outcome = queue.read(number, 1, found);
    if (outcome.has_error()) {
      require(outcome.error().message.starts_with(queue.directory()), "a refusal names the file");
      break;
    }
    require(found.size() == count + 1, "a number between minimum and end has an entry");
    auto& entry = found.back();
    require(entry.valid() && !entry.filler(), "an entry that is handed out is no damaged one");
    require(entry.offset <= log.end - entry.size, "an entry points into the log");
  }
  return found;
}

struct loaded {
  std::unique_ptr<queue_table> table;
  consume_queue* queue = nullptr; ///< null: damaged, and not in the table
};

loaded load(file_system& disk, const options& o, const consume_queue::log_bounds& log,
            bool read_only) {
  loaded result;
  result.table = must(queue_table::open(disk, o, {.read_only = read_only}, log));
  result.queue = result.table->find(topic, 0);
  for (auto& broken : result.table->damaged())
    require(broken.reason.starts_with(queue_directory(o)), "damage is told with its file");
  require((result.queue == nullptr) == !result.table->damaged().empty(),
          "a queue is in the table, or it is damaged");
  return result;
}

/// True unless there is damage among the entries that a checkpoint vouches for, where a start does
/// not look: filler, then entries of rising offsets.
bool sound(const consume_queue& queue, queue_offset first) {
  log_offset reached = 0;
  for (auto number = first; number < queue.next(); ++number) {
    auto entry = must(queue.entry(number));
    if (entry.filler() ? reached != 0 : !entry.valid() || entry.offset < reached)
      return false;
    reached = entry.end();
  }
  return true;
}

/// What a load left is what the next one finds.
void check_again(file_system& disk, const options& o, const consume_queue::log_bounds& log,
                 const consume_queue& before) {
  auto again = load(disk, o, log, false);
  require(again.queue != nullptr, "a queue that was loaded can be loaded again");
  require(again.queue->next() == before.next() && again.queue->min() == before.min() &&
              again.queue->log_end() == before.log_end(),
          "another start finds the same queue");
}

void check_append(file_system& disk, const options& o, queue_table& table, consume_queue& queue) {
  position added;
  added.offset = queue.log_end();
  added.size = 100;
  added.queue_position = queue.next();
  auto* home = table.find(topic);
  auto outcome = must(table.append(*home, added));
  if (outcome == queue_table::append_result::unusable)
    return; // at the end of all numbers
  require(outcome == queue_table::append_result::appended, "the next message has a place");
  must(table.write_out());
  const auto log_end = queue.log_end();
  auto again = load(disk, o, {0, log_end, log_end}, false);
  require(again.queue != nullptr && again.queue->log_end() == log_end &&
              again.queue->next() == added.queue_position + 1,
          "what was written is found by the next start");
}

} // namespace

/// The files of a queue, behind what a start knows of the log and the name of the first file:
/// whatever they hold, the queue is damaged, or all that can be read of it lies in the log. If its
/// entries are sound, another start finds the same, and it goes on with the next message.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  options o;
  o.directory = "/store";
  o.queue_file_size_bytes = 20 * queue_entry_bytes;
  fuzz::input in(data, size);
  consume_queue::log_bounds log;
  log.end = in.number_up_to(highest);
  log.min = in.number_up_to(log.end);
  log.trusted_end = in.number_up_to(log.end);
  const auto first_start = in.number_up_to(highest);
  auto start = first_start;
  const auto cut = in.number_up_to(log.end);
  sim::simulated_disk disk;
  for (std::size_t i = 0; i < max_files && !in.rest().empty(); ++i) {
    auto path = queue_directory(o) + "/" + topic + "/0/" + offset_file_name(start);
    fuzz::place_file(disk, path, in.take(o.queue_file_size_bytes), o.queue_file_size_bytes);
    if (start > highest - static_cast<std::int64_t>(o.queue_file_size_bytes))
      break;
    start += static_cast<std::int64_t>(o.queue_file_size_bytes);
  }
  must(make_directories(disk, queue_directory(o) + "/" + topic + "/0"));

  if (auto looked = load(disk, o, log, true); looked.queue != nullptr)
    readable(*looked.queue, log);
  auto found = load(disk, o, log, false);
  if (found.queue == nullptr) {
    must(found.table->discard_damaged());
    auto emptied = must(queue_table::open(disk, o, {}, log));
    require(emptied->queue_count() == 0 && emptied->damaged().empty(),
            "what was discarded is gone");
    return 0;
  }
  readable(*found.queue, log);
  const auto first = first_start / static_cast<queue_offset>(queue_entry_bytes);
  const bool was_sound = sound(*found.queue, first);
  if (was_sound)
    check_again(disk, o, log, *found.queue);
  if (auto outcome = found.queue->truncate(cut); outcome.has_error()) {
    require(outcome.error().code == errc::corrupt, "only damage keeps a queue from being cut");
    return 0;
  }
  require(found.queue->log_end() <= cut, "a queue that was cut ends there");
  if (was_sound)
    check_append(disk, o, *found.table, *found.queue);
  return 0;
}
