#pragma once

#include "actors/admission.hpp"
#include "actors/credit.hpp"
#include "actors/interfaces.hpp"
#include "actors/options.hpp"
#include "actors/topic_numbers.hpp"
#include "actors/waiting_puts.hpp"
#include "storage/clock.hpp"
#include "storage/format/store_time.hpp"
#include "storage/log/commit_log.hpp"
#include "storage/recovery/producer_book.hpp"
#include "storage/recovery/recovery.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace troupe {

/// What a writer starts from.
struct writer_setup {
  node_options options;
  storage::file_system* files = nullptr;
  const storage::wall_clock* clock = nullptr;
  log_offset min = 0;
  log_offset end = 0;
  std::int64_t last_store_ms = 0;         ///< of the newest record
  std::shared_ptr<storage::file> current; ///< the log file that holds `end`, if there is one
  std::vector<tombstone> tombstones;
  std::set<std::string> topics; ///< that are there now: a tombstone only continues their numbering
  std::string read_only; ///< why nothing may be written, after a recovery that needs an operator
  std::vector<storage::log_gap> gaps; ///< damage before `end`, behind which no queue comes
  log_run run = 0;
  std::shared_ptr<storage::producer_book> producers; ///< as recovered; null: nobody is known
};

/// The writer's state and logic. Works through the bundles in arrival order: each request is
/// stored, refused, or stays in front until there is room. Messages are staged and then written
/// together, so whatever waits in the mailbox shares one write.
struct writer_state {
  writer_state() = default;
  static inline const char* name = "writer";

  void start(writer_actor::stateful_pointer<writer_state> actor, writer_setup setup);

  caf::result<put_bundle_response> accept(put_bundle bundle);
  void confirm(log_offset end);
  void set_queues(const queue_state& state);
  void file_ready(log_offset start);
  void flushed(const log_flushed& what);
  void flush_failed(const flush_failure& why);
  void refuse(const write_bar& why);
  caf::result<tombstone> retire(const std::string& topic);
  void revive(const tombstone& from);
  void drop(log_offset min) { min_ = std::max(min_, min); }
  writer_status status() const;
  log_state log() const;
  caf::result<log_offset> stop();
  void set_roles(const role_table& table);

  /// Stores as many waiting bundles as there is room for, and writes them.
  void work();
  /// The 1 ms timer: tries again those who were delayed.
  void retry();

private:
  /// What to do with the request at the front.
  enum class verdict { stored, wait_for_room, wait_for_file };

  /// An answer that is true once the log is durable up to `end`.
  struct waiting_answer {
    log_offset end = 0;
    put_bundle_response response;
    put_promise promise;
  };

  /// What a message's sequence says about it.
  enum class sequence_verdict { store, repeated, refused };

  verdict store_current(open_bundle& bundle);
  verdict store_messages(open_bundle& bundle);
  sequence_verdict judge_sequence(open_bundle& bundle, const storage::new_message& message);
  void refuse_sequence(open_bundle& bundle, const storage::producer_windows::judgement& judged);
  void note_sequence(const storage::record_place& place);
  void keep_sequences();
  void tell_flusher();
  void meet_flusher();
  void meet_dispatcher();
  void sync_alone();
  void meet_queues();
  void tell_node(const write_bar& why);
  void queues_met(const queue_manager_status& queues);
  void ask_queues(log_offset end);
  std::int64_t store_time_now();
  void refuse_current(open_bundle& bundle, errc code, const std::string& reason);
  bool stage_message(open_bundle& bundle, const storage::new_message& message,
                     std::vector<queue_offset>& numbers, std::int64_t now);
  void refuse_message(open_bundle& bundle, const storage::error& why);
  storage::result<bool> let_wait(storage::record_fields& fields);
  storage::result<bool> put_off_until(storage::record_fields& fields);
  storage::result<void> put_off(storage::record_fields& fields);
  storage::result<void> hold(storage::record_fields& fields);
  void add_position(const storage::record_fields& fields, const storage::record_place& place);
  void write_staged();
  void answer_written();
  void answer(open_bundle& bundle);
  void answer_flushed();
  void fail_stop(const storage::error& why);
  void expire_parked();
  std::string missing_room() const;
  bool flush_runs() const noexcept;
  void wake();
  void arm_retry();
  void want_file();
  void stop_if_idle();
  std::string refusal_text() const;

  writer_actor::stateful_pointer<writer_state> self_;
  node_options options_;
  storage::file_system* files_ = nullptr;
  const storage::wall_clock* clock_ = nullptr;
  std::unique_ptr<storage::commit_log> log_;
  role_table roles_;
  bool has_roles_ = false;

  log_run run_ = 0;
  log_offset start_ = 0; ///< where the log ended when this writer began
  std::vector<storage::log_gap> gaps_;
  topic_numbers numbers_;
  std::shared_ptr<storage::producer_book> producers_;
  storage::producer_sequence sequence_;  ///< of the message being stored, if it has one
  waiting_puts bundles_;                 ///< the front is being worked on
  verdict stuck_ = verdict::stored;      ///< why it is parked, if it is
  std::deque<open_bundle> written_;      ///< staged as a whole, answered after the write
  std::deque<waiting_answer> unflushed_; ///< written, answered after the flush; ends rise
  std::string flush_failure_;            ///< why nothing more becomes durable
  storage::position_builder positions_;
  std::string waiting_properties_; ///< of the message that has to wait
  position_credit credit_;
  std::uint64_t staged_positions_ = 0;

  write_bars bars_;
  bool node_knows_ = false; ///< that the queues do not get to the end of the log now
  log_offset min_ = 0;
  log_offset flushed_ = 0;
  log_offset flushing_ = 0; ///< somebody waits until the log is durable up to here
  log_offset told_ = 0;     ///< the flusher knows that the log goes up to here
  storage::store_time store_time_;
  bool work_pending_ = false;
  bool retry_pending_ = false;
  bool file_requested_ = false;
  bool stopping_ = false;
  kept_promise<log_offset> stop_promise_;
};

writer_actor::behavior_type writer(writer_actor::stateful_pointer<writer_state> self,
                                   writer_setup setup);

} // namespace troupe
