#pragma once

#include "actors/interfaces.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <string>

namespace troupe {

/// The one ordered way from the log to the queues. Passes on what continues where it stopped; a gap
/// (a lost message, a restart) is read again from the log. Holds nothing that the log does not.
struct dispatcher_state {
  dispatcher_state() = default;
  static inline const char* name = "dispatcher";

  void start(dispatcher_actor::stateful_pointer<dispatcher_state> actor) { self_ = actor; }

  void add(const position_list& list);
  void applied(std::uint32_t share, log_offset end);
  void resume(log_offset from);
  void retry();
  dispatcher_status status() const;
  void set_roles(const role_table& table);

private:
  void meet_writer();
  void writer_met(const log_state& log);
  void meet_queues();
  void give_credit();
  void drop_known();
  void pass_on(const position_list& list);
  void work();
  void find_end();
  void caught_up();
  void read_log();
  void replayed(const position_list& list);
  void pause(const storage::error& why);
  void tell_unreadable(const storage::error& why);
  void tell_all(const write_bar& what);
  void tell_writer();
  void readable_again();

  dispatcher_actor::stateful_pointer<dispatcher_state> self_;
  role_table roles_;
  /// What reading the log again is waiting for.
  enum class catching_up {
    no,           ///< the writer's batches continue where the last one ended
    asking,       ///< the writer has been asked how far the log is written
    asking_again, ///< it did not answer in time: a timer runs
    reading,      ///< a reader has been asked
    feeding,      ///< the queues work on what was read
    pausing,      ///< the reader could not answer: a timer runs
  };
  bool started_ = false;
  bool meet_writer_again_ = false; ///< it did not answer in time, or not at all: a timer runs
  bool meet_again_ = false; ///< the queue-manager did not say in time how far it is: a timer runs
  std::uint64_t meetings_ = 0; ///< with queue-managers that were begun
  bool writer_met_ = false;    ///< the writer is known to be in `run_`
  log_run run_ = 0;
  reader_actor asked_; ///< for a piece of the log
  catching_up catching_up_ = catching_up::no;
  log_offset next_ = 0;    ///< where the next batch must begin
  log_offset applied_ = 0; ///< everything below is in the queues, as far as they are there
  /// Of several queue-managers: how far those are that have spoken since the last `resume`.
  std::map<std::uint32_t, log_offset> applied_by_;
  std::size_t queue_managers_ = 1; ///< that are there
  std::uint32_t missing_ = 0;      ///< and that are not: no credit is given without them
  log_offset written_ = 0;         ///< the log is known to be written up to here
  std::deque<position_list>
      held_; ///< arrived while the log is read; not confirmed, so the writer's credit bounds it
  std::uint64_t replayed_ = 0;
  std::uint64_t pauses_ = 0; ///< since the log could be read last
  std::uint64_t all_pauses_ = 0;
  caf::actor_clock::time_point unreadable_since_;
  write_bar unreadable_;    ///< what the node was told of a log that cannot be read; none: empty
  std::uint64_t epoch_ = 0; ///< a new one at each `resume`, to know answers to older questions
};

dispatcher_actor::behavior_type
dispatcher(dispatcher_actor::stateful_pointer<dispatcher_state> self);

} // namespace troupe
