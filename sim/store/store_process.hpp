#pragma once

#include "sim/store/storage_ledger.hpp"
#include "sim/store/storage_load.hpp"
#include "storage/clock.hpp"
#include "storage/cores/apply_core.hpp"
#include "storage/cores/dispatch_core.hpp"
#include "storage/cores/flush_core.hpp"
#include "storage/cores/sync_rhythm.hpp"
#include "storage/format/store_time.hpp"
#include "storage/index/key_index.hpp"
#include "storage/log/commit_log.hpp"
#include "storage/log/log_view.hpp"
#include "storage/queues/queue_table.hpp"
#include "storage/recovery/store.hpp"
#include "storage/tables/queue_numbers.hpp"

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe::sim {

/// A clock that a run sets.
class run_clock final : public storage::wall_clock {
public:
  std::int64_t now_ms() const override { return now; }
  std::int64_t now = 1'700'000'000'000;
};

/// One process with a store open: does with the parts of `troupe::storage` what the actors of a
/// node do, in the same order, but each step when it is told to. What is decided on the way (when
/// to sync, what is durable, what goes to the queues and is applied next) the same cores decide
/// (storage/cores/). What it promises to anybody it notes in the ledger.
class store_process {
public:
  store_process(storage::file_system& disk, const storage::options& o, const run_knobs& knobs,
                run_clock& clock, storage_ledger& ledger);

  /// Opens the store and recovers log and queues.
  storage::result<void> recover();
  /// Applies what the queues lack of the log, and is ready to write.
  storage::result<void> catch_up();

  /// Carries out a step; an error is one of the disk. Whatever failed stays failed as in a node.
  storage::result<void> append(random_source random);
  storage::result<void> flush();
  storage::result<void> dispatch(random_source random);
  storage::result<void> begin_sync();
  storage::result<void> finish_sync();
  storage::result<void> clean(random_source random);
  storage::result<void> stop();

  storage::log_offset min() const noexcept { return min_; }
  storage::log_offset end() const noexcept { return log_ ? log_->end() : recovered_.log.end; }
  storage::log_offset applied() const noexcept { return order_.applied(); }
  storage::queue_table& queues() noexcept { return *table_; }
  storage::key_index& index() noexcept { return *index_; }
  storage::log_view& view() noexcept { return *view_; }
  /// True if the queues were emptied and built again from the log.
  bool rebuilt() const noexcept { return order_.rebuilt(); }
  /// The number that a queue without entries goes on with.
  storage::queue_offset number_kept(const storage_ledger::queue_name& queue) const {
    return numbers_->of(topic_name(queue.first), queue.second);
  }

  static std::string topic_name(std::uint32_t number) { return "topic-" + std::to_string(number); }

private:
  /// Of the log; each process has a flusher of its own.
  static constexpr std::uint64_t run = 1;
  /// Positions read from the log at a time.
  static constexpr std::uint32_t piece = 7;

  struct running_sync {
    storage::unsynced_queue_files queues;
    storage::unsynced_index_files index;
    storage::checkpoint content;
  };
  struct drawn_message;

  /// True when nothing can be written any more.
  bool stopped() const noexcept {
    return write_failed_ || flusher_.has_failed() || queues_failed();
  }
  bool queues_failed() const noexcept { return rhythm_.given_up(); }
  storage::sync_rhythm::time_point now() const noexcept {
    return storage::sync_rhythm::time_point(std::chrono::milliseconds(clock_.now));
  }
  drawn_message draw_message(random_source& random);
  storage::result<bool> stage(const drawn_message& message);
  storage::result<void> write_staged();
  storage::result<void> add_file();
  storage::result<void> flush_to(storage::log_offset end);
  storage::result<void> sync_log(const storage::flush_core::flush& flush);
  storage::result<std::shared_ptr<storage::file>> flusher_file(storage::log_offset start);
  storage::result<void> carry_out(const storage::dispatch_core::actions& then);
  storage::result<void> replay(const storage::dispatch_core::read& asked);
  storage::result<void> apply_next();
  storage::result<void> apply_waiting();
  storage::result<void> apply(const storage::position_batch& batch);
  storage::result<bool> try_apply(const storage::position_batch& batch);
  storage::result<void> read_again();
  storage::result<void> write_out();
  storage::result<void> sync_queue_files(const running_sync& sync);

  storage::file_system& disk_;
  const storage::options& options_;
  const run_knobs& knobs_;
  run_clock& clock_;
  storage_ledger& ledger_;

  storage::opened_store recovered_;
  storage::log_offset min_ = 0;

  // The writer's.
  std::unique_ptr<storage::commit_log> log_;
  storage::position_builder positions_;
  storage_ledger::queue_ends next_;
  std::vector<put_record> staged_;
  storage::store_time store_time_;
  bool write_failed_ = false;

  // The flusher's.
  std::map<storage::log_offset, std::shared_ptr<storage::file>> open_;
  storage::flush_core flusher_;

  // The dispatcher's.
  storage::dispatch_core follow_{piece};
  bool retry_due_ = false; ///< the log could not be read

  // The queue-manager's.
  std::deque<std::shared_ptr<const storage::position_batch>> waiting_;
  std::unique_ptr<storage::queue_table> table_;
  std::unique_ptr<storage::key_index> index_;
  std::optional<storage::queue_numbers> numbers_; ///< set from the recovery on
  std::unique_ptr<storage::log_view> view_;
  std::int64_t applied_ms_ = 0;
  storage::apply_core order_;
  storage::sync_rhythm rhythm_;
  std::optional<running_sync> syncing_;
};

} // namespace troupe::sim
