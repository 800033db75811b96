#include "cli/store_usage.hpp"

#include "cli/message_json.hpp"
#include "net/quantity.hpp"
#include "storage/clock.hpp"
#include "storage/os/posix_file_system.hpp"
#include "storage/repair/retention_outlook.hpp"

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>

#include <sys/stat.h>

namespace troupe::cli {

namespace {

namespace fs = std::filesystem;
using storage::result;
using storage::retention_outlook;

struct space {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0; ///< by the lengths of the files
  std::uint64_t taken = 0; ///< blocks that the disk gave

  void add(const struct stat& file) {
    constexpr std::uint64_t block = 512; // stat(2), whatever the file system has
    files += 1;
    bytes += static_cast<std::uint64_t>(file.st_size);
    taken += static_cast<std::uint64_t>(file.st_blocks) * block;
  }
};

struct usage_of_kinds {
  std::map<std::string, space> kinds;
  std::map<std::string, space> topics; ///< of the queues
};

std::string kind_of(const std::string& folder) {
  if (folder == "commitlog")
    return "log";
  if (folder == "consumequeue")
    return "queues";
  for (auto* known : {"index", "config", "quarantine"})
    if (folder == known)
      return known;
  return "other";
}

/// Files that go meanwhile are left out.
result<usage_of_kinds> measure(const std::string& directory) {
  usage_of_kinds out;
  std::error_code failed;
  const fs::path root(directory);
  fs::recursive_directory_iterator at(root, failed);
  if (failed)
    return storage::system_error(failed.value(), "cannot read " + directory);
  for (fs::recursive_directory_iterator end; at != end; at.increment(failed)) {
    if (failed)
      return storage::system_error(failed.value(), "cannot read " + directory);
    struct stat file {};
    if (::lstat(at->path().c_str(), &file) != 0 || !S_ISREG(file.st_mode))
      continue;
    auto below = at->path().lexically_relative(root);
    auto part = below.begin();
    auto kind = at.depth() == 0 ? std::string("other") : kind_of(part->string());
    out.kinds[kind].add(file);
    if (kind == "queues" && at.depth() > 1)
      out.topics[std::next(part)->string()].add(file);
  }
  return out;
}

/// Of the node whose directory this is; the defaults when the configuration has none.
storage::options settings_of(const context& ctx, const std::string& directory, bool& known) {
  auto cluster = net::load_config(ctx.config_path);
  known = false;
  if (!cluster)
    return {};
  std::error_code failed;
  auto wanted = fs::weakly_canonical(directory, failed);
  for (auto& node : cluster.value().nodes)
    known = known || fs::weakly_canonical(node.directory, failed) == wanted;
  return known ? cluster.value().options.store : storage::options();
}

std::string space_json(const space& s) {
  return "\"files\":" + std::to_string(s.files) + ",\"bytes\":" + std::to_string(s.bytes) +
         ",\"taken\":" + std::to_string(s.taken);
}

std::string outlook_json(const retention_outlook& next, const storage::options& settings) {
  std::string line =
      "\"nextDeletion\":{\"files\":" + std::to_string(next.files) +
      ",\"logMinOffset\":" + std::to_string(next.until) +
      ",\"now\":" + (next.now ? "true" : "false") +
      ",\"unexpired\":" + (next.unexpired ? "true" : "false") +
      ",\"at\":" + (next.at_ms && next.files > 0 ? std::to_string(*next.at_ms) : "null") +
      ",\"fileReservedTime\":" + std::to_string(settings.file_reserved_time_ms) + ",\"losers\":[";
  for (auto& l : next.losers) {
    line += line.back() == '[' ? "{\"group\":" : ",{\"group\":";
    append_json_string(line, l.group);
    append_json_string(line += ",\"topic\":", l.topic);
    line += ",\"queueId\":" + std::to_string(l.queue_id) +
            ",\"offset\":" + std::to_string(l.stored) + ",\"unread\":" + std::to_string(l.unread) +
            "}";
  }
  return line + "]}";
}

std::string to_json(const std::string& directory, const usage_of_kinds& usage,
                    const retention_outlook& next, const storage::options& settings) {
  std::string line = "{\"directory\":";
  append_json_string(line, directory);
  line += ",\"kinds\":[";
  for (auto& [kind, s] : usage.kinds)
    line += (line.back() == '[' ? "{\"kind\":\"" : ",{\"kind\":\"") + kind + "\"," + space_json(s) +
            "}";
  line += "],\"topics\":[";
  for (auto& [topic, s] : usage.topics) {
    line += line.back() == '[' ? "{\"topic\":" : ",{\"topic\":";
    append_json_string(line, topic);
    line += "," + space_json(s) + "}";
  }
  return line + "]," + outlook_json(next, settings) + "}";
}

std::string padded(std::string text, std::size_t width) {
  text.resize(std::max(width, text.size() + 1), ' ');
  return text;
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::uint64_t enough = 10;
  for (auto unit : {storage::gib, storage::mib, storage::kib})
    if (bytes >= enough * unit)
      return net::size_text(static_cast<std::int64_t>(bytes / unit * unit));
  return std::to_string(bytes);
}

void print_space(const std::string& name, const space& s) {
  constexpr std::size_t name_width = 28;
  constexpr std::size_t number_width = 12;
  print_line(padded(name, name_width) + padded(bytes_text(s.taken), number_width) +
             padded(bytes_text(s.bytes), number_width) + std::to_string(s.files));
}

void print_outlook(const retention_outlook& next, const storage::options& settings, bool known) {
  print_line("");
  if (next.files == 0)
    return print_line("nothing is deleted next: the last file of the log never goes");
  auto when = next.now     ? std::string("at the next look of the cleaner")
              : next.at_ms ? "at " + net::moment_text(*next.at_ms)
                           : std::string("at no hour of delete-when");
  print_line("next deletion: " + std::to_string(next.files) +
             (next.files == 1 ? " file" : " files") + " of the log, below offset " +
             std::to_string(next.until) + ", " + when +
             (next.unexpired ? ", although not expired: the disk is too full" : ""));
  print_line("  (file-reserved-time = " + net::duration_text(settings.file_reserved_time_ms) +
             (known ? ", of the configuration)"
                    : ", the default: no configuration has a node on this directory; give "
                      "--config)"));
  for (auto& l : next.losers)
    print_line("  group " + l.group + " would lose " + std::to_string(l.unread) +
               " unread messages of queue " + std::to_string(l.queue_id) + " of " + l.topic +
               ", it is at " + std::to_string(l.stored));
  if (next.losers.empty())
    print_line("  no group would lose an unread message");
}

struct looked_at {
  storage::options settings;
  bool known = false; ///< they are of a configuration
  usage_of_kinds usage;
  retention_outlook next;
};

result<looked_at> look_at(const context& ctx, const std::string& directory) {
  auto& disk = storage::posix_file_system();
  auto ignore = [](const storage::finding&) {}; // `store verify` says it
  TROUPE_TRY(auto files, storage::find_store_files(disk, directory, {}, ignore));
  looked_at out;
  out.settings = settings_of(ctx, directory, out.known);
  TROUPE_TRY(out.usage, measure(directory));
  TROUPE_TRY(out.next,
             storage::look_ahead(disk, files, out.settings, storage::system_wall_clock().now_ms()));
  return out;
}

} // namespace

result<std::string> usage_json(const context& ctx, const std::string& directory) {
  TROUPE_TRY(auto found, look_at(ctx, directory));
  return to_json(directory, found.usage, found.next, found.settings);
}

result<exit_code> show_usage(const context& ctx, const std::string& directory) {
  TROUPE_TRY(auto found, look_at(ctx, directory));
  if (ctx.json()) {
    print_line(to_json(directory, found.usage, found.next, found.settings));
    return exit_code::done;
  }
  print_line("                            on disk     length      files");
  for (auto* kind : {"log", "queues", "index", "config", "quarantine", "other"}) {
    auto part = found.usage.kinds.find(kind);
    if (part == found.usage.kinds.end())
      continue;
    print_space(kind, part->second);
    if (part->first == "queues")
      for (auto& [topic, s] : found.usage.topics)
        print_space("  " + topic, s);
  }
  print_outlook(found.next, found.settings, found.known);
  return exit_code::done;
}

} // namespace troupe::cli
