#pragma once

#include "actors/interfaces.hpp"
#include "actors/options.hpp"
#include "actors/promise.hpp"
#include "storage/recovery/checkpoint.hpp"

#include <memory>
#include <optional>
#include <string>

namespace troupe {

struct queue_flusher_setup {
  node_options options;
  storage::file_system* files = nullptr;
};

/// Makes what the queue-manager wrote durable, many files at a time, and then says so in the
/// checkpoint: never before the log itself is durable up to the same place.
struct queue_flusher_state {
  queue_flusher_state() = default;
  static inline const char* name = "queue-flusher";

  void start(queue_flusher_actor::stateful_pointer<queue_flusher_state> actor,
             queue_flusher_setup setup);

  caf::result<queue_synced> sync(queue_sync request);

  void set_roles(const role_table& table);

private:
  void ask_log();
  void finish(const queue_sync& request, const kept_promise<queue_synced>& promise);
  storage::result<void> sync_files(const queue_sync& request);
  storage::result<void> save(const queue_sync& request, const log_flushed& log);

  queue_flusher_actor::stateful_pointer<queue_flusher_state> self_;
  node_options options_;
  storage::file_system* files_ = nullptr;
  std::size_t threads_ = 1;
  std::optional<log_flushed> log_; ///< the last word of the log's flusher
  storage::error failed_;          ///< a failed sync is final until a restart
  role_table roles_;
  /// Waits until the log is durable as far as the queues have it. One at a time: the queue-manager
  /// asks for the next when this one is done.
  struct waiting_sync {
    std::shared_ptr<queue_sync> request;
    kept_promise<queue_synced> promise;
  };
  std::optional<waiting_sync> waiting_;
  std::uint64_t questions_ = 0; ///< to the log's flusher; the last one counts
};

queue_flusher_actor::behavior_type
queue_flusher(queue_flusher_actor::stateful_pointer<queue_flusher_state> self,
              queue_flusher_setup setup);

} // namespace troupe
