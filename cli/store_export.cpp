#include "cli/store_export.hpp"

#include "cli/message_json.hpp"
#include "cli/process.hpp"
#include "cli/progress.hpp"
#include "storage/big_endian.hpp"
#include "storage/os/dry_run.hpp"
#include "storage/os/posix_file_system.hpp"
#include "storage/repair/message_walk.hpp"
#include "storage/tables/topic_table.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <string_view>

namespace troupe::cli {

namespace {

using storage::finding;
using storage::record_view;
using storage::result;

void note_finding(const finding& f) {
  print_note(f.file + ":" + std::to_string(f.at) + ": " + f.what);
}

/// Writes what is wanted, and counts it.
class exporter {
public:
  exporter(const export_arguments& args, const storage::tombstone_table& dead)
      : args_(args), dead_(dead) {}

  void take(const record_view& m) {
    if ((!args_.topic.empty() && m.topic != args_.topic) ||
        (args_.begin_ms && m.store_timestamp < *args_.begin_ms) ||
        (args_.end_ms && m.store_timestamp > *args_.end_ms))
      return;
    // What was deleted with its topic lies in the log still.
    if (auto* grave = dead_.find(m.topic); grave != nullptr && m.offset < grave->deleted_at)
      return;
    write(m);
    messages_ += 1;
    bytes_ += m.body.size();
  }
  std::uint64_t messages() const noexcept { return messages_; }
  std::uint64_t bytes() const noexcept { return bytes_; }
  std::uint64_t broken_lines() const noexcept { return broken_lines_; }

private:
  void write(const record_view& m) {
    std::string_view body(reinterpret_cast<const char*>(m.body.data()), m.body.size());
    switch (args_.how) {
    case export_arguments::form::lines:
      broken_lines_ += body.find('\n') == std::string_view::npos ? 0 : 1;
      return print_line(body);
    case export_arguments::form::json:
      line_.clear();
      append_message_json(line_, m);
      return print_line(line_);
    case export_arguments::form::length:
      break;
    }
    std::array<std::byte, 4> length{};
    storage::big_endian::store(length.data(), static_cast<std::uint32_t>(body.size()));
    std::fwrite(length.data(), 1, length.size(), stdout);
    std::fwrite(body.data(), 1, body.size(), stdout);
  }

  const export_arguments& args_;
  const storage::tombstone_table& dead_;
  std::string line_;
  std::uint64_t messages_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t broken_lines_ = 0;
};

/// Files whose last write is older than the messages that are wanted hold none of them. The last
/// one, which may be written now, stays.
void skip_old_files(storage::store_files& files, std::int64_t begin_ms) {
  auto first = std::ranges::find_if(files.log, [begin_ms](const storage::log_file_entry& file) {
    return file.modified_ms >= begin_ms;
  });
  if (first == files.log.end() && first != files.log.begin())
    --first;
  files.log.erase(files.log.begin(), first);
}

} // namespace

result<exit_code> export_store(const export_arguments& args) {
  if (args.begin_ms && args.end_ms && *args.begin_ms > *args.end_ms)
    return storage::error{storage::errc::invalid_argument, "--begin is later than --end"};
  end_with_the_reader();
  auto& disk = storage::posix_file_system();
  TROUPE_TRY(auto files, storage::find_store_files(disk, args.directory, {}, note_finding));
  if (args.begin_ms)
    skip_old_files(files, *args.begin_ms);
  storage::dry_run_file_system untouched(disk);
  TROUPE_TRY(auto dead, storage::tombstone_table::load(untouched, files.settings));
  exporter out(args, dead);
  byte_progress shown("exporting");
  auto from = files.log.empty() ? 0 : files.log.front().start;
  auto total = files.log.size() * files.settings.log_file_size_bytes;
  TROUPE_TRY(auto walked,
             storage::walk_messages(disk, files, note_finding, [&](const record_view& m) {
               shown.show(static_cast<std::uint64_t>(m.offset - from), total);
               out.take(m);
             }));
  shown.clear();
  if (walked.torn_tail)
    note_finding(*walked.torn_tail);
  if (out.broken_lines() > 0)
    print_note(std::to_string(out.broken_lines()) +
               " bodies hold line breaks: nobody can tell where they end; take --format json or "
               "length");
  print_note(std::to_string(out.messages()) + " messages, " + std::to_string(out.bytes()) +
             " bytes in bodies");
  return walked.gaps == 0 ? exit_code::done : exit_code::failed;
}

} // namespace troupe::cli
