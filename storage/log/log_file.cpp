#include "storage/log/log_file.hpp"

#include "storage/check.hpp"
#include "storage/mutant.hpp"
#include "storage/os/sparse_file.hpp"

#include <charconv>
#include <iterator>
#include <limits>
#include <utility>

namespace troupe::storage {

namespace {

constexpr std::size_t offset_digits = 20;

/// Of a file with another length than the setting says; what helps depends on where it is.
error wrong_log_size(const options& o, const std::string& path, std::uint64_t size) {
  auto wanted = o.log_file_size_bytes;
  auto text = path + " has " + std::to_string(size) + " bytes instead of " +
              std::to_string(wanted) +
              ": if mapped-file-size-commit-log was changed, set it back to " +
              std::to_string(size) + "; else ";
  text += size > wanted ? "run `troupe store repair`, which keeps a copy of what is too much"
                        : "put the whole file back, or run `troupe store repair`";
  return {errc::corrupt, std::move(text)};
}

} // namespace

std::string offset_file_name(std::int64_t offset) {
  TROUPE_CHECK(offset >= 0);
  auto digits = std::to_string(offset);
  return std::string(offset_digits - digits.size(), '0') + digits;
}

std::optional<std::int64_t> parse_offset_file_name(std::string_view name) {
  if (name.size() != offset_digits || name.front() == '-')
    return std::nullopt;
  std::int64_t offset = 0;
  auto* last = name.data() + name.size();
  auto [stop, failure] = std::from_chars(name.data(), last, offset);
  if (failure != std::errc{} || stop != last)
    return std::nullopt;
  return offset;
}

std::string log_directory(const options& o) {
  return o.directory + "/commitlog";
}

std::string log_file_path(const options& o, log_offset offset) {
  auto start = offset - offset % static_cast<log_offset>(o.log_file_size_bytes);
  return log_directory(o) + "/" + offset_file_name(start);
}

std::string queue_directory(const options& o) {
  return o.directory + "/consumequeue";
}

std::string index_directory(const options& o) {
  return o.directory + "/index";
}

result<std::shared_ptr<file>> create_log_file(file_system& fs, const options& o, log_offset start) {
  auto directory = log_directory(o);
  auto path = directory + "/" + offset_file_name(start);
  auto size = o.log_file_size_bytes;
  if (static_cast<std::uint64_t>(std::numeric_limits<log_offset>::max() - start) < size)
    return error{errc::too_large, path + " would go beyond the last offset a log can have"};
  TROUPE_TRY(auto made, fs.open(path, open_mode::create));
  if (made->size() != 0)
    return error{errc::exists, path + " is there already; nothing was changed"};
  auto finish = [&]() -> result<void> {
    TROUPE_TRY(made->allocate(size, blocks::reserved));
    TROUPE_TRY(made->sync());
    if (TROUPE_MUTANT("directory-not-synced"))
      return boost::outcome_v2::success();
    return fs.sync_directory(directory);
  };
  if (auto finished = finish(); finished.has_error()) {
    auto removed = fs.remove(path); // recovery removes it if this fails: it holds nothing
    static_cast<void>(removed);
    return std::move(finished).error();
  }
  return made;
}

result<void> remove_unused_log_files(file_system& fs, const options& o,
                                     std::map<log_offset, std::shared_ptr<file>>& open,
                                     log_offset end) {
  while (!open.empty()) {
    auto newest = std::prev(open.end());
    if (newest->first == 0 || newest->first < end)
      break;
    TROUPE_TRY(fs.remove(log_file_path(o, newest->first)));
    TROUPE_TRY(fs.sync_directory(log_directory(o)));
    open.erase(newest);
  }
  return boost::outcome_v2::success();
}

result<log_directory_state> list_log(file_system& fs, const options& o) {
  auto directory = log_directory(o);
  auto entries = fs.list(directory);
  if (entries.has_error() && entries.error().code == errc::not_found)
    return log_directory_state{};
  TROUPE_TRY(auto found, std::move(entries));
  log_directory_state state;
  auto& files = state.listing.files;
  auto size = o.log_file_size_bytes;
  std::vector<std::pair<log_offset, directory_entry>> named;
  for (auto& entry : found) {
    auto start = parse_offset_file_name(entry.name);
    if (start && !entry.directory)
      named.emplace_back(*start, std::move(entry));
    else
      state.listing.warnings.push_back(directory + "/" + entry.name +
                                       " is no log file and was ignored");
  }
  for (auto& [start, entry] : named) {
    auto path = directory + "/" + entry.name;
    if (entry.size < size && start == named.back().first) {
      TROUPE_TRY(auto content, fs.open(path, open_mode::read));
      TROUPE_TRY(auto unfinished, holds_only_zeros(*content, 0, content->size()));
      if (unfinished) {
        state.empty_tail = path;
        break;
      }
    } else if (entry.size != size) {
      return wrong_log_size(o, path, entry.size);
    }
    if (static_cast<std::uint64_t>(start) % size != 0)
      return error{errc::corrupt, path + " does not start at a multiple of " +
                                      std::to_string(size) +
                                      "; correct mapped-file-size-commit-log"};
    if (!files.empty() && static_cast<std::uint64_t>(start - files.back().start) != size)
      return error{errc::needs_repair,
                   "no log file " + directory + "/" +
                       offset_file_name(files.back().start + static_cast<log_offset>(size)) +
                       " before " + entry.name + "; put it back, or run `troupe store repair`"};
    if (entry.size == size)
      files.push_back({start, entry.modified_ms});
    else
      state.short_tail = {start, entry.modified_ms};
  }
  return state;
}

log_offset log_start(file_system& fs, const options& o, log_offset otherwise) {
  auto listed = list_log(fs, o);
  if (!listed || listed.value().listing.files.empty())
    return otherwise;
  return listed.value().listing.files.front().start;
}

} // namespace troupe::storage
