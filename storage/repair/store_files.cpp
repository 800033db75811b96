#include "storage/repair/store_files.hpp"

#include "storage/format/queue_entry.hpp"
#include "storage/recovery/checkpoint.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

namespace troupe::storage {

namespace {

constexpr std::uint64_t index_header_bytes = 40;
constexpr std::uint64_t index_slot_bytes = 4;
constexpr std::uint64_t index_entry_bytes = 20;
constexpr std::uint64_t entries_per_slot = 4;
constexpr auto unfinished_file = "was just being made at a crash; the next start removes it";

using file_names = std::vector<directory_entry>;

/// An absent directory is an empty one.
result<file_names> list_if_there(file_system& fs, const std::string& path) {
  auto found = fs.list(path);
  if (found.has_error() && found.error().code == errc::not_found)
    return file_names{};
  return found;
}

/// The length that most files have; of two the larger. Nothing if all are empty.
class usual_length {
public:
  void add(std::uint64_t length) {
    if (length != 0)
      ++counts_[length];
  }
  std::uint64_t get(std::uint64_t if_none) const {
    auto best = std::pair<std::uint64_t, std::size_t>{if_none, 0};
    for (auto& [length, count] : counts_)
      if (count >= best.second)
        best = {length, count};
    return best.first;
  }

private:
  std::map<std::uint64_t, std::size_t> counts_;
};

/// Files named by the offset of their first byte, all of one length.
struct offset_files {
  std::string directory;
  file_names names;
};

template <class Take>
void take_well_formed(const offset_files& files, std::uint64_t length, const finding_sink& report,
                      Take take) {
  for (auto& entry : files.names) {
    auto path = files.directory + "/" + entry.name;
    auto start = parse_offset_file_name(entry.name);
    if (entry.directory || !start) {
      report({path, 0, "is no file of this store; it is ignored", true});
    } else if (entry.size == 0 && &entry == &files.names.back()) {
      report({path, 0, unfinished_file, true});
    } else if (entry.size != length) {
      report({path, 0,
              "has " + std::to_string(entry.size) + " bytes instead of " + std::to_string(length)});
    } else if (*start % static_cast<std::int64_t>(length) != 0) {
      report({path, 0, "its name is no multiple of its length " + std::to_string(length)});
    } else {
      take(*start, entry, path);
    }
  }
}

result<void> find_log(file_system& fs, store_files& out, const finding_sink& report) {
  offset_files files{log_directory(out.settings), {}};
  TROUPE_TRY(files.names, fs.list(files.directory));
  usual_length length;
  for (auto& entry : files.names)
    length.add(entry.size);
  auto usual = length.get(out.settings.log_file_size_bytes);
  out.settings.log_file_size_bytes = usual;
  take_well_formed(files, usual, report,
                   [&](log_offset start, const directory_entry& entry, const std::string&) {
                     out.log.push_back({start, entry.modified_ms});
                   });
  for (std::size_t i = 1; i < out.log.size(); ++i)
    if (auto expected = out.log[i - 1].start + static_cast<log_offset>(usual);
        out.log[i].start != expected)
      report({log_file_path(out.settings, expected), 0,
              "is missing: the log has a hole up to " + offset_file_name(out.log[i].start)});
  return boost::outcome_v2::success();
}

std::optional<std::int32_t> parse_queue_id(std::string_view name) {
  std::int32_t id = 0;
  auto [rest, failure] = std::from_chars(name.data(), name.data() + name.size(), id);
  if (failure != std::errc{} || rest != name.data() + name.size() || id < 0)
    return std::nullopt;
  return id;
}

options in_directory(const store_files& files, const std::string& directory) {
  auto settings = files.settings;
  settings.directory = directory;
  return settings;
}

result<void> find_queues(file_system& fs, const std::string& directory, store_files& out,
                         const finding_sink& report) {
  auto root = queue_directory(in_directory(out, directory));
  const auto first = out.queues.size();
  TROUPE_TRY(auto topics, list_if_there(fs, root));
  std::vector<offset_files> files;
  usual_length length;
  for (auto& topic : topics) {
    auto topic_path = root + "/" + topic.name;
    if (!topic.directory) {
      report({topic_path, 0, "is no topic's directory; it is ignored", true});
      continue;
    }
    TROUPE_TRY(auto queues, list_if_there(fs, topic_path));
    for (auto& queue : queues) {
      auto id = parse_queue_id(queue.name);
      if (!queue.directory || !id) {
        report(
            {topic_path + "/" + queue.name, 0, "is no queue of this topic; it is ignored", true});
        continue;
      }
      out.queues.push_back({topic.name, *id, {}});
      auto& found = files.emplace_back();
      found.directory = topic_path + "/" + queue.name;
      TROUPE_TRY(found.names, fs.list(found.directory));
      for (auto& entry : found.names)
        length.add(entry.size);
    }
  }
  auto usual = length.get(out.settings.queue_file_size_bytes);
  out.settings.queue_file_size_bytes = usual;
  if (usual % queue_entry_bytes != 0)
    return error{errc::corrupt, root + ": the files have " + std::to_string(usual) +
                                    " bytes, no multiple of 20; this is no store's directory"};
  for (std::size_t i = 0; i < files.size(); ++i)
    take_well_formed(files[i], usual, report,
                     [&](std::int64_t start, const directory_entry&, const std::string& path) {
                       out.queues[first + i].files.push_back({start, path});
                     });
  return boost::outcome_v2::success();
}

/// Slots and entries that make a file of that length; nothing if none do.
std::optional<std::pair<std::uint64_t, std::uint64_t>> geometry_of(std::uint64_t length,
                                                                   const index_shape& given) {
  if (length < index_header_bytes)
    return std::nullopt;
  auto rest = length - index_header_bytes;
  std::uint64_t slots = given.slots.value_or(0);
  std::uint64_t entries = given.entries.value_or(0);
  if (!given.slots && !given.entries)
    slots = rest / (index_slot_bytes + entries_per_slot * index_entry_bytes);
  else if (!given.slots && rest >= entries * index_entry_bytes)
    slots = (rest - entries * index_entry_bytes) / index_slot_bytes;
  if (!given.entries && !given.slots)
    entries = slots * entries_per_slot;
  else if (!given.entries && rest >= slots * index_slot_bytes)
    entries = (rest - slots * index_slot_bytes) / index_entry_bytes;
  if (slots == 0 || slots * index_slot_bytes + entries * index_entry_bytes != rest)
    return std::nullopt;
  return std::pair{slots, entries};
}

bool is_index_name(std::string_view name) {
  return name.size() == 17 && name.find_first_not_of("0123456789") == std::string_view::npos;
}

result<void> find_indexes(file_system& fs, const std::string& directory, store_files& out,
                          const index_shape& geometry, const finding_sink& report) {
  auto root = index_directory(in_directory(out, directory));
  TROUPE_TRY(auto names, list_if_there(fs, root));
  usual_length length;
  for (auto& entry : names)
    length.add(entry.size);
  auto usual = length.get(0);
  auto sizes = geometry_of(usual, geometry);
  if (usual != 0 && !sizes)
    return error{errc::invalid_argument,
                 root + ": files of " + std::to_string(usual) +
                     " bytes do not fit the slots and entries; give --max-hash-slot-num and "
                     "--max-index-num as the store had them"};
  if (sizes) {
    out.settings.index_slots = static_cast<std::uint32_t>(sizes->first);
    out.settings.index_entries = static_cast<std::uint32_t>(sizes->second);
  }
  for (auto& entry : names) {
    auto path = root + "/" + entry.name;
    if (entry.directory || !is_index_name(entry.name))
      report({path, 0, "is no index file; it is ignored", true});
    else if (entry.size == 0)
      report({path, 0, unfinished_file, true});
    else if (entry.size != usual)
      report({path, 0,
              "has " + std::to_string(entry.size) + " bytes instead of " + std::to_string(usual)});
    else
      out.indexes.push_back(path);
  }
  return boost::outcome_v2::success();
}

} // namespace

std::vector<std::vector<log_file_entry>> store_files::contiguous_log() const {
  std::vector<std::vector<log_file_entry>> runs;
  auto size = static_cast<log_offset>(settings.log_file_size_bytes);
  for (auto& entry : log) {
    if (runs.empty() || runs.back().back().start + size != entry.start)
      runs.emplace_back();
    runs.back().push_back(entry);
  }
  return runs;
}

result<store_files> find_store_files(file_system& fs, const std::string& directory,
                                     const index_shape& geometry, const finding_sink& report,
                                     const std::vector<std::string>& queues) {
  store_files out;
  out.settings.directory = directory;
  TROUPE_TRY(auto entries, fs.list(directory));
  auto has = [&](std::string_view name) {
    return std::ranges::any_of(entries, [&](auto& entry) { return entry.name == name; });
  };
  if (!has("commitlog"))
    return error{errc::not_found, directory +
                                      " holds no commitlog directory; give the directory of a "
                                      "message store"};
  out.abort_marker = has("abort");
  TROUPE_TRY(find_log(fs, out, report));
  TROUPE_TRY(auto known, load_checkpoint(fs, checkpoint_path(out.settings)));
  out.queues_elsewhere = known.only_log();
  out.queues_looked_at = !out.queues_elsewhere || !queues.empty();
  auto directories = queues;
  if (directories.empty() && !out.queues_elsewhere)
    directories.push_back(directory);
  for (auto& each : directories) {
    auto settings = in_directory(out, each);
    if (!queues.empty() && !fs.list(queue_directory(settings)))
      return error{errc::not_found, each +
                                        " holds no consumequeue directory; give the directory of "
                                        "a queue-manager, such as queues-1-of-3 below that of "
                                        "its node"};
    TROUPE_TRY(find_queues(fs, each, out, report));
    TROUPE_TRY(find_indexes(fs, each, out, geometry, report));
  }
  std::ranges::sort(out.queues, {}, [](const store_files::queue& q) {
    return std::pair<std::string_view, std::int32_t>(q.topic, q.id);
  });
  if (out.queues_elsewhere && queues.empty())
    report({directory, 0,
            "the queues and the index are kept in other directories; they are not "
            "looked at unless --queues names those",
            true});
  return out;
}

} // namespace troupe::storage
