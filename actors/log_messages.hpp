#pragma once

#include "actors/error.hpp"
#include "actors/status.hpp"
#include "storage/format/position.hpp"

#include <memory>
#include <string>

namespace troupe::storage {

template <class Inspector>
auto inspect(Inspector& f, position& x) {
  return troupe::fields(f, "position", x.offset, x.queue_position, x.tags_code, x.store_timestamp,
                        x.size, x.queue_id, x.topic, x.keys, x.has_queue_entry);
}

template <class Inspector>
auto inspect(Inspector& f, position_batch& x) {
  return troupe::fields(f, "position_batch", x.from, x.to, x.topics, x.positions, x.key_hashes);
}

} // namespace troupe::storage

/// What writer, flusher and dispatcher say of the log.
namespace troupe {

/// Positions of consecutive records, shared.
struct position_list {
  std::shared_ptr<const storage::position_batch> batch;
  log_run run = 0;
  bool awaited = false; ///< somebody goes on when it is confirmed
};
template <class Inspector>
auto inspect(Inspector& f, position_list& x) {
  if constexpr (is_loading<Inspector>) {
    auto batch = std::make_shared<storage::position_batch>();
    auto err = f(x.run, x.awaited, *batch);
    x.batch = std::move(batch);
    return err;
  } else {
    // Saving only reads.
    return f(x.run, x.awaited, const_cast<storage::position_batch&>(*x.batch));
  }
}

/// What the writer says of the log to a role that begins.
struct log_state {
  log_run run = 0;
  log_offset min = 0;
  log_offset start = 0;      ///< where this run began
  log_offset end = 0;        ///< written
  log_offset flushed = 0;    ///< known to be durable
  std::int64_t store_ms = 0; ///< of the newest record
  std::string read_only;     ///< why nothing may be written before an operator has decided
  /// The queues have not been met in this run: what they have behind `start` is of another.
  bool queues_unknown = false;
};
template <class Inspector>
auto inspect(Inspector& f, log_state& x) {
  return fields(f, "log_state", x.run, x.min, x.start, x.end, x.flushed, x.store_ms, x.read_only,
                x.queues_unknown);
}

/// The log has been written up to `end`; its newest record was stored at `store_ms`.
struct log_written {
  log_offset end = 0;
  std::int64_t store_ms = 0;
};
template <class Inspector>
auto inspect(Inspector& f, log_written& x) {
  return fields(f, "log_written", x.end, x.store_ms);
}

/// Everything in the log below `end` is durable.
struct log_flushed {
  log_offset end = 0;
  std::int64_t store_ms = 0;
  log_run run = 0;
};
template <class Inspector>
auto inspect(Inspector& f, log_flushed& x) {
  return fields(f, "log_flushed", x.end, x.store_ms, x.run);
}

/// Where the log ends is not known: its writer did not say so when it stopped.
inline constexpr log_offset unknown_log_end = -1;

/// The log is not made durable any more, for this reason.
struct flush_failure {
  std::string reason;
};
template <class Inspector>
auto inspect(Inspector& f, flush_failure& x) {
  return fields(f, "flush_failure", x.reason);
}

/// Who keeps the log from being written to.
enum class bar_source : std::uint8_t {
  writer,     ///< the log is damaged, or writing to it failed
  node,       ///< a role that stopped for good
  flusher,    ///< what was written is in doubt
  log_file,   ///< the next file of the log cannot be made
  cleaner,    ///< the disk is full, or the directory is gone
  dispatcher, ///< the queues cannot follow the log
  queues,     ///< a queue-manager cannot write, by its number
};

/// Why nothing may be written any more. Only its source lifts it, by the same words without a
/// reason: bars of others, or of the same with another code, stay.
struct write_bar {
  bar_source source = bar_source::writer;
  errc code = errc::none;
  std::string reason;
  std::uint32_t share = 0; ///< of several queue-managers the one that says it
};
template <class Inspector>
auto inspect(Inspector& f, write_bar& x) {
  return fields(f, "write_bar", x.source, x.code, x.reason, x.share);
}

/// How an orderly stop ended; empty: everything is durable.
struct stop_report {
  std::string left_over;
};
template <class Inspector>
auto inspect(Inspector& f, stop_report& x) {
  return fields(f, "stop_report", x.left_over);
}

} // namespace troupe
