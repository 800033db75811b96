#include "storage/repair/queue_check.hpp"

#include "storage/format/properties.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace troupe::storage {

namespace {

constexpr std::size_t open_queue_files = 512;
constexpr std::size_t piece_entries = 4096;

std::string shown(const queue_entry& e) {
  return "log offset " + std::to_string(e.offset) + ", size " + std::to_string(e.size) +
         ", tags code " + std::to_string(e.tags_code);
}

std::string shown(std::string_view topic, std::int32_t id, queue_offset number) {
  return "entry " + std::to_string(number) + " of queue " + std::string(topic) + "/" +
         std::to_string(id);
}

/// What the entry of this record must be.
queue_entry entry_of(const record_view& m, const delay_levels& levels) {
  return {m.offset, m.size,
          tags_code(m.topic, indexed_properties(m.properties), m.store_timestamp, levels)};
}

/// The levels may have been others when the message came: then it is due at another time.
bool says_when_due(const record_view& m, const queue_entry& found, const queue_entry& right) {
  return m.topic == delay_topic && found.offset == right.offset && found.size == right.size &&
         found.tags_code >= m.store_timestamp;
}

std::int64_t byte_of(queue_offset number) {
  return number * static_cast<std::int64_t>(queue_entry_bytes);
}

} // namespace

queue_check::queue_check(file_system& fs, const store_files& files, const tombstone_table* deleted,
                         finding_sink report)
    : files_(files), deleted_(deleted), report_(std::move(report)),
      open_(fs, files.settings.queue_file_size_bytes, open_queue_files,
            queue_files::mode::read_only) {
  std::uint32_t number = 0;
  for (auto& queue : files.queues) {
    auto& state = queues_[{queue.topic, queue.id}];
    state.number = number++;
    state.files = &queue;
  }
}

queue_check::queue_state& queue_check::state_of(const record_view& message) {
  if (last_ == nullptr || last_->first.second != message.queue_id ||
      last_->first.first != message.topic) {
    auto number = static_cast<std::uint32_t>(queues_.size());
    auto [found, added] =
        queues_.try_emplace({std::string(message.topic), message.queue_id}, queue_state{});
    if (added)
      found->second.number = number;
    last_ = &*found;
  }
  return last_->second;
}

result<void> queue_check::add(const record_view& message) {
  if (!message.has_queue_entry())
    return boost::outcome_v2::success();
  auto* dead = deleted_ != nullptr ? deleted_->find(message.topic) : nullptr;
  if (dead != nullptr && message.offset < dead->deleted_at)
    return boost::outcome_v2::success();
  auto& state = state_of(message);
  auto number = message.queue_position;
  auto largest = std::numeric_limits<std::int64_t>::max() / byte_of(1) - 1;
  if (number < 0 || number > largest) {
    auto in_file = message.offset % static_cast<log_offset>(files_.settings.log_file_size_bytes);
    report_({log_file_path(files_.settings, message.offset), in_file,
             "a record with queue offset " + std::to_string(number) + ", which no queue can have"});
    return boost::outcome_v2::success();
  }
  TROUPE_TRY(auto found, entry_at(state, number));
  if (!found.valid() || found.filler()) {
    note_missing(*last_, message);
    return boost::outcome_v2::success();
  }
  auto first = state.files->files.front().start / byte_of(1);
  auto place = static_cast<std::size_t>(number - first);
  if (state.seen.size() <= place)
    state.seen.resize(std::max(place + 1, state.seen.size() * 2));
  state.seen[place] = true;
  if (auto right = entry_of(message, files_.settings.delays);
      found != right && !says_when_due(message, found, right))
    report_({path_of(last_->first, number),
             byte_of(number) % static_cast<std::int64_t>(open_.file_size_bytes()),
             shown(message.topic, message.queue_id, number) + " says " + shown(found) +
                 "; its record has " + shown(right)});
  return boost::outcome_v2::success();
}

/// The entry as it is in the files; zeros when there is none.
result<queue_entry> queue_check::entry_at(const queue_state& state, queue_offset number) {
  if (state.files == nullptr)
    return queue_entry{};
  auto size = static_cast<std::int64_t>(open_.file_size_bytes());
  auto at = byte_of(number);
  auto& files = state.files->files;
  auto file = std::ranges::find(files, at - at % size, &store_files::queue_file::start);
  if (file == files.end())
    return queue_entry{};
  TROUPE_TRY(auto opened, open_.open({state.number, file->start}, file->path));
  std::array<std::byte, queue_entry_bytes> bytes{};
  TROUPE_TRY(auto count, opened->read_at(static_cast<std::uint64_t>(at % size), bytes));
  return count == bytes.size() ? load_entry(bytes.data()) : queue_entry{};
}

void queue_check::note_missing(named_queue& queue, const record_view& message) {
  auto& runs = queue.second.missing;
  auto number = message.queue_position;
  if (!runs.empty() && runs.back().to + 1 == number)
    runs.back().to = number;
  else
    runs.push_back({number, number, message.offset, path_of(queue.first, number)});
}

std::string queue_check::path_of(const queue_name& name, queue_offset number) const {
  auto at = byte_of(number);
  return queue_directory(files_.settings) + "/" + name.first + "/" + std::to_string(name.second) +
         "/" + offset_file_name(at - at % static_cast<std::int64_t>(open_.file_size_bytes()));
}

result<queue_check::outcome> queue_check::finish(const walked_log& log) {
  outcome out;
  for (auto& queue : queues_)
    if (queue.second.files != nullptr) {
      TROUPE_TRY(check_entries(queue, log, out));
    }
  for (auto& queue : queues_)
    report_missing(queue, out);
  return out;
}

result<void> queue_check::check_entries(named_queue& queue, const walked_log& log, outcome& out) {
  auto ended = false;
  auto expected = std::int64_t{-1};
  for (auto& file : queue.second.files->files) {
    if (expected >= 0 && file.start != expected)
      report_({file.path, 0,
               "the file before it is missing: the queue has a hole from entry " +
                   std::to_string(expected / byte_of(1))});
    expected = file.start + static_cast<std::int64_t>(open_.file_size_bytes());
    TROUPE_TRY(check_file(queue, file, log, out, ended));
  }
  return boost::outcome_v2::success();
}

result<void> queue_check::check_file(named_queue& queue, const store_files::queue_file& file,
                                     const walked_log& log, outcome& out, bool& ended) {
  TROUPE_TRY(auto opened, open_.open({queue.second.number, file.start}, file.path));
  std::vector<std::byte> piece(piece_entries * queue_entry_bytes);
  for (std::uint64_t at = 0; at < opened->size();) {
    if (auto data = opened->next_data(at); ended && data > at)
      at = data - data % queue_entry_bytes;
    TROUPE_TRY(auto count, opened->read_at(at, piece));
    if (count < queue_entry_bytes)
      break;
    for (std::size_t i = 0; i + queue_entry_bytes <= count; i += queue_entry_bytes) {
      auto entry = load_entry(piece.data() + i);
      finding place{file.path, static_cast<std::int64_t>(at + i), {}};
      auto number = (file.start + place.at) / byte_of(1);
      if (entry.empty()) {
        ended = true;
      } else if (ended) {
        place.what = shown(queue.first.first, queue.first.second, number) +
                     " lies behind the queue's end: " + shown(entry);
        report_(std::move(place));
      } else {
        check_entry(queue, place, number, entry, log, out);
      }
    }
    at += count - count % queue_entry_bytes;
  }
  return boost::outcome_v2::success();
}

void queue_check::check_entry(const named_queue& queue, const finding& place, queue_offset number,
                              const queue_entry& entry, const walked_log& log, outcome& out) {
  if (entry.filler())
    return;
  auto complain = [&](const std::string& what) {
    report_(
        {place.file, place.at,
         shown(queue.first.first, queue.first.second, number) + " " + what + ": " + shown(entry)});
  };
  if (!entry.valid() || entry.offset > std::numeric_limits<log_offset>::max() - entry.size)
    return complain("is damaged");
  if (entry.offset < log.min)
    return; // its record expired
  out.entries += 1;
  auto first = queue.second.files->files.front().start / byte_of(1);
  auto flag = static_cast<std::size_t>(number - first);
  auto seen = flag < queue.second.seen.size() && queue.second.seen[flag];
  if (entry.end() > log.end)
    complain("points beyond the log's end " + std::to_string(log.end));
  else if (!seen)
    complain("points to no record of its own");
  else
    out.highest_end = std::max(out.highest_end, entry.end());
}

void queue_check::report_missing(const named_queue& queue, outcome& out) {
  for (auto& run : queue.second.missing) {
    auto count = static_cast<std::uint64_t>(run.to - run.from + 1);
    if (files_.abort_marker && out.highest_end >= 0 && run.first_record >= out.highest_end) {
      out.not_dispatched += count;
      continue;
    }
    auto& [topic, id] = queue.first;
    auto what = count == 1
                    ? shown(topic, id, run.from) + " is missing"
                    : "entries " + std::to_string(run.from) + " to " + std::to_string(run.to) +
                          " of queue " + topic + "/" + std::to_string(id) + " are missing";
    report_({run.place, byte_of(run.from) % static_cast<std::int64_t>(open_.file_size_bytes()),
             what + "; the first record lies at log offset " + std::to_string(run.first_record)});
  }
}

} // namespace troupe::storage
