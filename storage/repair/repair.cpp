#include "storage/repair/repair.hpp"

#include "storage/log/quarantine.hpp"
#include "storage/recovery/abort_marker.hpp"
#include "storage/recovery/checkpoint.hpp"
#include "storage/recovery/queues_end.hpp"

#include <algorithm>
#include <array>
#include <thread>
#include <utility>

namespace troupe::storage {

namespace {

/// There from the first change to the last: whoever finds it does all of the repair again.
constexpr auto unfinished_mark = "repair";
} // namespace

void sleep_for(std::chrono::milliseconds span) {
  std::this_thread::sleep_for(span);
}

result<store_repair> store_repair::open(file_system& fs, const std::string& directory,
                                        const index_shape& geometry, const wall_clock& clock,
                                        const progress_sink& progress, repair_pause pause) {
  store_repair made(fs, clock);
  made.directory_ = directory;
  made.geometry_ = geometry;
  made.progress_ = progress;
  made.pause_ = std::move(pause);
  // Before the lock creates its file in what may be no store at all.
  TROUPE_TRY(auto files, find_store_files(fs, directory, geometry, [](const finding&) {}));
  TROUPE_TRY(made.lock_, fs.lock(directory + "/lock"));
  options where;
  where.directory = directory;
  TROUPE_TRY(auto known, load_checkpoint(fs, checkpoint_path(where)));
  made.vouched_.log_time_ms = known.log_time;
  if (known.extension_valid)
    made.vouched_.safe_offset = known.safe_offset;
  else if (!abort_marker_exists(fs, directory)) {
    TROUPE_TRY(made.vouched_.queue_end, end_known_to_queues(fs, files.settings));
  }
  TROUPE_TRY(made.look());
  return made;
}

result<std::vector<std::string>> store_repair::run() {
  if (plan_.nothing_to_do())
    return kept_;
  TROUPE_TRY(begin());
  if (!plan_.wrong_lengths.empty() || !plan_.misnamed.empty() || !plan_.unreadable.empty()) {
    TROUPE_TRY(fit_files());
    TROUPE_TRY(look()); // now that all of the log can be read
    if (!plan_.unreadable.empty())
      return error{errc::io_error, plan_.unreadable +
                                       " still cannot be read; copy the store to another disk and "
                                       "repair it there"};
  }
  TROUPE_TRY(bridge());
  TROUPE_TRY(finish());
  return kept_;
}

/// From here on a start trusts nothing but the log.
result<void> store_repair::begin() {
  TROUPE_TRY(create_abort_marker(*fs_, directory_));
  TROUPE_TRY(auto mark, fs_->open(directory_ + "/" + unfinished_mark, open_mode::create));
  TROUPE_TRY(mark->sync());
  TROUPE_TRY(fs_->sync_directory(directory_));
  return set_aside("checkpoint");
}

result<void> store_repair::fit_files() {
  for (auto& name : plan_.misnamed) {
    TROUPE_TRY(set_aside("commitlog/" + name));
  }
  auto size = settings_.log_file_size_bytes;
  for (auto& wrong : plan_.wrong_lengths) {
    auto path = log_directory(settings_) + "/" + wrong.name;
    TROUPE_TRY(auto file, fs_->open(path, open_mode::read_write));
    if (file->size() > size) {
      TROUPE_TRY(auto copy, copy_to_quarantine(*fs_, settings_, *file, size, clock_->now_ms()));
      kept_.push_back(std::move(copy));
    }
    TROUPE_TRY(file->allocate(size, blocks::sparse));
    TROUPE_TRY(file->sync());
  }
  return plan_.unreadable.empty() ? boost::outcome_v2::success() : clear_unreadable();
}

/// Pages that cannot be read are gone: written anew they can be, as zeros. No others than the plan
/// has named.
result<void> store_repair::clear_unreadable() {
  TROUPE_TRY(auto file, fs_->open(plan_.unreadable, open_mode::read_write));
  const std::array<std::byte, repair_page_bytes> zeros{};
  for (auto at : plan_.lost_pages) {
    std::array<byte_view, 1> parts{byte_view(zeros).first(
        static_cast<std::size_t>(std::min<std::uint64_t>(zeros.size(), file->size() - at)))};
    TROUPE_TRY(file->write_at(at, parts));
  }
  return file->sync();
}

result<void> store_repair::bridge() {
  std::size_t number = 0;
  for (auto& gap : plan_.gaps) {
    TROUPE_TRY(auto copy, copy_to_quarantine(*fs_, settings_, gap.from, gap.to, clock_->now_ms()));
    kept_.push_back(std::move(copy));
    for (auto& piece : gap.pieces) {
      TROUPE_TRY(bridge(piece, plan_.lost.by_piece[number], gap.store_timestamp));
      ++number;
    }
  }
  return boost::outcome_v2::success();
}

result<void> store_repair::bridge(const gap_piece& piece, const std::vector<lost_run>& lost,
                                  std::int64_t store_timestamp) {
  auto size = static_cast<log_offset>(settings_.log_file_size_bytes);
  auto start = piece.from - piece.from % size;
  TROUPE_TRY(auto file, fs_->open(log_file_path(settings_, start), open_mode::create));
  if (file->size() != settings_.log_file_size_bytes) { // missing, or half made by us
    TROUPE_TRY(file->allocate(settings_.log_file_size_bytes, blocks::sparse));
  }
  TROUPE_TRY(fill_piece(*file, start, piece, lost, store_timestamp));
  TROUPE_TRY(file->sync());
  return fs_->sync_directory(log_directory(settings_));
}

result<void> store_repair::finish() {
  TROUPE_TRY(set_aside("consumequeue"));
  TROUPE_TRY(set_aside("index"));
  TROUPE_TRY(fs_->remove(directory_ + "/" + unfinished_mark));
  return fs_->sync_directory(directory_);
}

result<void> store_repair::set_aside(const std::string& name) {
  TROUPE_TRY(auto path, move_to_quarantine(*fs_, settings_, name, clock_->now_ms()));
  if (!path.empty())
    kept_.push_back(std::move(path));
  return boost::outcome_v2::success();
}

} // namespace troupe::storage
