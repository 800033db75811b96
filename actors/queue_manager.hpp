#pragma once

#include "actors/interfaces.hpp"
#include "actors/options.hpp"
#include "actors/own_timer.hpp"
#include "actors/parked_pulls.hpp"
#include "actors/promise.hpp"
#include "actors/queue_reader.hpp"
#include "storage/cores/apply_core.hpp"
#include "storage/cores/sync_rhythm.hpp"
#include "storage/recovery/queue_recovery.hpp"

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace troupe {

struct queue_manager_setup {
  node_options options;
  storage::file_system* files = nullptr;
  const storage::wall_clock* clock = nullptr;
  log_offset log_min = 0;
  log_offset log_end = 0;
  log_offset flushed = 0;         ///< durable in the log
  storage::checkpoint checkpoint; ///< as found at start
  bool trust_queues = false;      ///< the last stop was an orderly one
  bool read_only = false;         ///< the log is damaged: leave the files as they are
  bool restarted = false;         ///< the node serves already, and the log has gone on
  bool replacement = false;       ///< another one came before: what is said above may be old
  std::vector<tombstone> tombstones;
  log_run run = 0;
  /// The queues have a directory of their own, away from the log's files. Then the checkpoint is
  /// found there, and nothing else is looked up on disk.
  bool log_is_here = true;
  std::uint32_t share = 0; ///< the queues of this number, of so many (actors/queue_share.hpp)
  std::uint32_t shares = 1;
};

/// Owns the consume queues and the key index: applies positions in the order of the log, finds
/// messages, and has what it wrote made durable. What it holds in memory is bounded, and everything
/// can be built again from the log.
struct queue_manager_state {
  queue_manager_state() = default;
  static inline const char* name = "queue-manager";

  void start(queue_manager_actor::stateful_pointer<queue_manager_state> actor,
             queue_manager_setup setup);

  // Applying: queue_manager.cpp. Making it durable: queue_sync.cpp.
  void add(const position_list& list);
  void retry();
  void pulse();
  void sync_soon();
  void flushed(const log_flushed& what);
  void log_ends(log_offset end);
  void log_unreadable(const write_bar& why);
  void damaged(const damaged_message& what);
  tombstone remove(const tombstone& dead);
  void drop(log_offset min);
  caf::result<queue_manager_status> meet(log_run run, log_offset cut);
  caf::result<queue_state> state_at(log_offset end);
  caf::result<stop_report> stop();
  queue_manager_status status() const;
  void set_roles(const role_table& table);

  // Entries in doubt: queue_doubt.cpp.
  caf::result<read_request> compare(read_request& request);
  void suspect(const entry_suspicion& what);

  // Looking up: queue_lookup.cpp.
  caf::result<read_request> pull(const pull_request& request);
  caf::result<key_read> query(const key_query& query);
  using wanted_queue = std::optional<std::int32_t>; ///< none: every one
  caf::result<bounds_read> bounds(const std::string& topic, wanted_queue queue, log_offset end);
  caf::result<queue_offset> search(const std::string& topic, std::int32_t queue,
                                   std::int64_t time_ms);

private:
  using time_point = caf::actor_clock::time_point;

  /// A pull that waits for a message.
  struct parked_pull {
    pull_request request;
    kept_promise<read_request> promise;
    time_point deadline;
  };
  enum class pull_stage : std::uint8_t {
    asked, ///< it has just come
    woken, ///< it waits, and something has changed
    ended, ///< it has waited for long enough
  };
  struct waiting_state {
    log_offset end = 0;
    kept_promise<queue_state> promise;
  };
  /// Somebody wants the bounds of a topic with everything that is in the log now.
  struct waiting_bounds {
    log_offset end = 0;
    std::string topic;
    std::optional<std::int32_t> queue; ///< none: all
    kept_promise<bounds_read> promise;
    time_point deadline;
  };
  /// An entry that does not say what the log says, while a reader looks there.
  struct entry_doubt {
    std::string topic;
    std::int32_t queue = 0;
    storage::suspect_entries suspects;
    read_request pull; ///< with the one entry in doubt
    kept_promise<read_request> promise;
  };

  void look_again(queue_manager_setup& setup) const;
  storage::result<void> open(const queue_manager_setup& setup);
  void rebuild(const std::string& why);
  void let_go();
  log_offset applied() const noexcept { return order_.applied(); }
  void work();
  void confirm_soon(const position_list& applied);
  void confirm();
  storage::result<bool> apply(const storage::position_batch& batch);
  std::optional<storage::position_batch> without_dead(const storage::position_batch& batch) const;
  std::optional<storage::position_batch> own_of(const storage::position_batch& batch) const;
  storage::result<bool> apply_own(const storage::position_batch& batch);
  storage::result<bool> agrees(const storage::position_batch& batch);
  void build_again(const std::string& why);
  void read_again();
  void stop_comparing();
  /// Carries out what the rhythm of the syncs answered; `why`: the error that it was asked about.
  void act(const storage::sync_rhythm::actions& then, const storage::error& why = {});
  void give_up(const storage::error& why);
  void blocked(const storage::error& why);
  void tell_obstacle();
  void unblocked();
  void report_known_topics();
  void report_topics(const storage::position_batch& batch);
  void answer_states();
  queue_state current_state() const;
  bool may_sync() const noexcept { return rhythm_.may_sync(); }
  /// Number of the first message of a queue that has none: a topic that was deleted goes on.
  queue_offset first_number(const std::string& topic, std::int32_t queue) const;
  /// True if a queue has messages of the topic that came behind the deletion.
  bool has_living(const tombstone& dead) const;
  /// Where a queue begins for those who read.
  queue_offset first_living(const std::string& topic, const storage::consume_queue& queue) const;
  /// When there is something to do without anybody's word; nothing if that is never.
  std::optional<time_point> next_due(time_point now) const;
  void arm_pulse();
  void sync();
  /// What one sync is to make durable.
  struct running_sync {
    storage::unsynced_queue_files queues;
    storage::unsynced_index_files index;
    storage::queue_table::totals totals;
    log_offset applied = 0;
  };
  void synced(const running_sync& done, const queue_synced& answer);
  queue_sync sync_request(const running_sync& sync) const;

  log_offset visible_log_end() const noexcept;
  queue_sight sight_of(const std::string& topic, std::int32_t id,
                       const storage::consume_queue* queue) const;
  storage::result<read_request> find(const pull_request& request);
  void find_elsewhere(parked_pull pull, pull_stage at, int tries);
  /// Answers the pull, or parks it.
  void settle(parked_pull pull, pull_stage at, storage::result<read_request> found, int tries = 0);
  void answer_asked(parked_pull pull, read_request found);
  void answer_parked(parked_pull pull, pull_stage at, read_request found);
  void find_again(parked_pull pull, pull_stage at);
  void park(parked_pull pull);
  void wake(const std::string& topic, std::int32_t queue);
  void wake_all();
  void wake_flushed();
  /// True as long as the queues may know less than clients have seen.
  bool behind() const noexcept { return catch_up_to_ > visible_log_end(); }
  /// The same, and it passes by itself.
  bool catching_up() const noexcept {
    return behind() && log_readable_ && !read_only_ && failure_.empty();
  }
  /// Only complete queues may say that an offset lies beyond their end.
  bool complete() const noexcept { return !behind() && log_readable_ && !read_only_; }
  bool denies_too_much(const pull_response& answer) const noexcept;
  caf::error incomplete() const;
  void ask_catch_up_end();
  void answer_waiting();
  storage::result<waiting_bounds_find> find_bounds(const std::string& topic,
                                                   wanted_queue only) const;
  void answer_bounds_of(const waiting_bounds& waiting, int tries = 0);
  key_read candidates(const key_query& query, std::vector<log_offset> offsets) const;
  void answer_bounds();
  const reader_actor& next_reader();
  storage::result<storage::suspect_entries>
  around(const storage::consume_queue& queue, const std::string& topic, queue_offset number) const;
  void look_in_log(std::shared_ptr<entry_doubt> doubt);
  void missed_in_log(const std::shared_ptr<entry_doubt>& doubt,
                     const storage::right_entries& right);
  void compared(entry_doubt& doubt, const storage::right_entries& right);
  void correct(const entry_doubt& doubt, const storage::right_entries& right);

  queue_manager_actor::stateful_pointer<queue_manager_state> self_;
  node_options options_;
  storage::file_system* files_ = nullptr;
  const storage::wall_clock* clock_ = nullptr;
  role_table roles_;
  std::unique_ptr<storage::queue_table> table_;
  std::unique_ptr<storage::key_index> index_;
  std::uint64_t cold_reads_ = 0;
  queue_reader_actor queue_reader_;       ///< for look-ups that have to wait for the disk
  queue_reader_actor search_reader_;      ///< for those that may take seconds: of keys and times
  std::map<std::string, tombstone> dead_; ///< topics that were deleted, also those made again
  /// Of queues without files whose messages have all expired; set from the opening on.
  std::optional<storage::queue_numbers> numbers_;

  std::uint32_t share_ = 0;
  std::uint32_t shares_ = 1;
  log_run run_ = 0;
  log_offset log_min_ = 0;
  log_offset flushed_ = 0;
  std::int64_t last_store_ms_ = 0;
  std::deque<position_list> waiting_; ///< not applied yet: a write failed; bounded by the credit
  storage::apply_core order_;         ///< what is applied, and what comes next
  std::size_t unconfirmed_ = 0;       ///< positions that the dispatcher does not know are applied
  std::optional<time_point> confirm_at_; ///< set while there are any
  std::size_t added_ = 0;                ///< entries that were new
  bool read_only_ = false;               ///< what is missing in the files is added in memory alone
  bool log_readable_ = true;             ///< the dispatcher gets on
  bool ask_end_again_ = false; ///< the writer did not say in time how far clients have seen it
  bool node_knows_obstacle_ = false;
  bool topics_reported_ = false;
  bool stopping_ = false;
  log_offset catch_up_to_ = 0; ///< clients have seen the log up to here
  std::string failure_;
  /// By what the writer refuses while something keeps the queues from being written that may pass:
  /// no code of the flusher or the cleaner, who take theirs back when it suits them.
  static constexpr errc obstacle_code = errc::busy;
  std::string obstacle_;

  std::vector<waiting_state> states_;
  parked_pulls<parked_pull> parked_;
  /// Queues for which pulls are parked and of which something is not visible before a flush.
  std::set<std::pair<std::string, std::int32_t>> unflushed_;
  std::set<std::string> damaged_; ///< places that pulls have met; bounded
  /// Places whose entries stay as they are, although they have been compared with the log; bounded.
  std::set<std::string> compared_;
  std::size_t doubts_ = 0;             ///< that a reader looks at; bounded
  std::vector<waiting_bounds> bounds_; ///< all wait as long, so by deadline too
  std::size_t reader_turn_ = 0;
  own_timer timer_;             ///< for `next_due`
  storage::sync_rhythm rhythm_; ///< when all this is made durable
  kept_promise<stop_report> stop_promise_;
};

queue_manager_actor::behavior_type
queue_manager(queue_manager_actor::stateful_pointer<queue_manager_state> self,
              queue_manager_setup setup);

} // namespace troupe
