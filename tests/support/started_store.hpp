#pragma once

#include "storage/log/log_view.hpp"
#include "storage/os/posix_file_system.hpp"
#include "storage/recovery/queue_recovery.hpp"
#include "storage/recovery/store.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/failing_file_system.hpp"

namespace troupe::test {

using namespace storage;

inline constexpr std::int64_t later = 1'800'000'000'000; // after the golden stores were written

class fixed_clock final : public wall_clock {
public:
  std::int64_t now_ms() const override { return later; }
};
inline const fixed_clock clock_of_tests;

/// The machine does not fail in these tests: nothing has to wait for the disk.
inline file_system& fast_files() {
  static failing_file_system fs = [] {
    failing_file_system made(posix_file_system());
    made.skip_syncs();
    return made;
  }();
  return fs;
}

/// A store that is open, its queues as far as the log.
struct running {
  opened_store store;
  recovered_queues queues;
  result<void> caught_up = boost::outcome_v2::success();
};

inline result<void> catch_up(const options& o, running& node) {
  auto& log = node.store.log;
  log_view view(fast_files(), o, log.min_offset);
  for (auto at = node.queues.applied; at < log.end;) {
    TROUPE_TRY(auto batch, view.positions(at, log.end, 1000));
    queue_table::applied done;
    TROUPE_TRY(node.queues.table->apply(batch, 0, done, [](auto&, auto&) {}));
    REQUIRE_FALSE(done.gap);
    TROUPE_TRY(node.queues.index->add(batch));
    at = batch.to;
  }
  TROUPE_TRY(node.queues.table->write_out());
  return node.queues.index->write_out();
}

inline running start(const options& o) {
  running node;
  auto opened = open_store(fast_files(), o, clock_of_tests);
  INFO((opened.has_error() ? opened.error().message : ""));
  REQUIRE(opened.has_value());
  node.store = std::move(opened).value();
  auto& log = node.store.log;
  REQUIRE_FALSE(log.needs_repair);
  auto queues =
      recover_queues(fast_files(), o, {}, clock_of_tests,
                     {log.min_offset, log.end, node.store.known, node.store.after_orderly_stop});
  INFO((queues.has_error() ? queues.error().message : ""));
  REQUIRE(queues.has_value());
  node.queues = std::move(queues).value();
  node.caught_up = catch_up(o, node);
  return node;
}

/// With a checkpoint that vouches for everything, as a node writes it.
inline void save_own_checkpoint(const options& o, const running& node) {
  auto known = node.store.known;
  known.log_time = known.queue_time = node.store.log.last_store_timestamp;
  known.safe_offset = node.store.log.end;
  known.queue_count = static_cast<std::uint32_t>(node.queues.table->queue_count());
  known.entry_total = node.queues.table->entry_total();
  known.index_files = static_cast<std::uint32_t>(node.queues.index->file_count());
  known.sizes = file_sizes::of(o);
  REQUIRE(save_checkpoint(fast_files(), checkpoint_path(o), known));
}

inline void stop(const options& o) {
  REQUIRE(close_store(fast_files(), o));
}

} // namespace troupe::test
