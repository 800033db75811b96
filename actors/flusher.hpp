#pragma once

#include "actors/interfaces.hpp"
#include "actors/options.hpp"
#include "actors/own_timer.hpp"
#include "actors/promise.hpp"
#include "storage/cores/flush_core.hpp"
#include "storage/log/log_file.hpp"

#include <map>
#include <memory>
#include <string>

namespace troupe {

struct flusher_setup {
  node_options options;
  storage::file_system* files = nullptr;
  log_offset end = 0;        ///< everything below is durable: recovery has seen to it
  std::int64_t store_ms = 0; ///< of the newest record below `end`
  bool read_only = false;    ///< damage in the log: nothing will be written
  log_run run = 0;
  /// Nobody else writes the checkpoint of the log's directory: the queues have one of their own.
  bool keeps_checkpoint = false;
};

/// Makes the log durable. What is written while a flush runs shares the next one. A flush that
/// fails is final: nothing is called durable any more until a restart has recovered. Who waits for
/// the flush waits at the writer, which is told how far it got.
struct flusher_state {
  flusher_state() = default;
  static inline const char* name = "flusher";

  void start(flusher_actor::stateful_pointer<flusher_state> actor, flusher_setup setup);

  caf::result<log_flushed> flush_to(log_run run, log_offset end);
  void attach(const log_state& log);
  void written(const log_written& what);
  void pulse();
  void create(log_offset start);
  void retry_create();
  void drop(log_offset min);
  void keep_checkpoint();
  stop_report stop(log_offset end);
  flusher_status status() const;
  void set_roles(const role_table& table);

private:
  void begin(const log_state& log);
  /// Carries out what `core_` answered.
  void act(const storage::flush_core::actions& then);
  void answer(const storage::flush_core::answer& what);
  void wake(storage::flush_core::wake_up when);
  log_flushed flushed() const;
  storage::result<void> sync(const storage::flush_core::flush& flush);
  storage::result<std::shared_ptr<storage::file>> file_of(log_offset start);
  void tell_file();
  storage::result<std::shared_ptr<storage::file>> make_file(log_offset start);
  storage::result<std::shared_ptr<storage::file>> made_before(log_offset start);
  void fail(const storage::error& why);
  void arm_checkpoint();
  void save_checkpoint();

  flusher_actor::stateful_pointer<flusher_state> self_;
  node_options options_;
  storage::file_system* files_ = nullptr;
  role_table roles_;
  storage::flush_core core_;           ///< what is written, durable, waited for
  own_timer rest_;                     ///< for a flush that nobody waits for
  caf::actor_clock::time_point began_; ///< the last flush
  std::map<log_offset, std::shared_ptr<storage::file>> open_;  ///< by start; opened before their
                                                               ///< first byte is written
  std::map<std::uint64_t, kept_promise<log_flushed>> waiting_; ///< as `core_` knows them
  std::uint64_t last_waiting_ = 0;
  std::string failure_; ///< why `core_` has failed
  storage::histogram flush_us_{storage::flush_us_bounds};
  storage::histogram flush_bytes_{storage::flush_bytes_bounds};
  log_offset wanted_file_ = -1; ///< could not be created yet
  bool barred_ = false;         ///< and the writer was told why
  bool keeps_checkpoint_ = false;
  bool checkpoint_pending_ = false; ///< a timer runs
  log_offset checkpoint_ = 0;       ///< what the last one said
};

flusher_actor::behavior_type flusher(flusher_actor::stateful_pointer<flusher_state> self,
                                     flusher_setup setup);

} // namespace troupe
