#pragma once

#include "actors/caf.hpp"
#include "storage/format/position.hpp"
#include "storage/histogram.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::storage {

template <class Inspector>
auto inspect(Inspector& f, histogram_counts& x) {
  return fields(f, "histogram_counts", x.counts, x.sum);
}

} // namespace troupe::storage

/// What actors say of themselves, for people and for each other.
namespace troupe {

using storage::log_offset;

/// One life of the commit log, from a start of its writer to the next, which may have had to cut
/// its end: an offset of one run may mean something else in another. Only compared.
using log_run = std::uint64_t;

/// Requests that were refused for one cause, or may be stored, as `name_of` its code says.
struct refusal_count {
  std::string cause;
  std::uint64_t requests = 0;
};
template <class Inspector>
auto inspect(Inspector& f, refusal_count& x) {
  return fields(f, "refusal_count", x.cause, x.requests);
}

struct writer_status {
  bool open = true; ///< false: it waits for the queues, and takes no messages yet
  log_offset end = 0;
  log_offset min = 0;
  std::string refusal; ///< empty: writable
  std::uint64_t backlog = 0;
  std::uint64_t backlog_max = 0;
  std::uint64_t delayed_requests = 0;
  std::uint64_t delayed_ms = 0;
  std::uint64_t parked_requests = 0;
  std::uint64_t dirty_bytes = 0;
  std::vector<refusal_count> refusals = {};
};
template <class Inspector>
auto inspect(Inspector& f, writer_status& x) {
  return fields(f, "writer_status", x.open, x.end, x.min, x.refusal, x.backlog, x.backlog_max,
                x.delayed_requests, x.delayed_ms, x.parked_requests, x.dirty_bytes, x.refusals);
}

struct flusher_status {
  log_offset flushed = 0;
  std::uint64_t flushes = 0;
  std::string failure;
  storage::histogram_counts flush_us = {};    ///< by `flush_us_bounds`
  storage::histogram_counts flush_bytes = {}; ///< that one made durable, by `flush_bytes_bounds`
};
template <class Inspector>
auto inspect(Inspector& f, flusher_status& x) {
  return fields(f, "flusher_status", x.flushed, x.flushes, x.failure, x.flush_us, x.flush_bytes);
}

struct dispatcher_status {
  log_offset next = 0;
  log_offset applied = 0;
  std::uint64_t replayed = 0; ///< positions read from the log instead of from the writer
  std::uint64_t pauses = 0;   ///< times that the log could not be read
};
template <class Inspector>
auto inspect(Inspector& f, dispatcher_status& x) {
  return fields(f, "dispatcher_status", x.next, x.applied, x.replayed, x.pauses);
}

/// How far one of several queue-managers is.
struct queue_share_status {
  std::uint32_t share = 0;
  log_offset applied = 0;
  log_offset durable = 0;
};
template <class Inspector>
auto inspect(Inspector& f, queue_share_status& x) {
  return fields(f, "queue_share_status", x.share, x.applied, x.durable);
}

struct queue_manager_status {
  log_run run = 0;
  log_offset applied = 0;
  log_offset durable = 0;
  std::uint64_t queues = 0;
  std::uint64_t entries = 0;
  std::uint64_t parked_pulls = 0;
  std::uint64_t damaged_messages = 0; ///< met by pulls and left out, each counted once
  std::string failure;
  std::uint32_t share = 0;
  /// Of several, whose numbers these are together: each that is there, and how many are not.
  std::vector<queue_share_status> parts;
  std::uint32_t missing = 0;
  std::uint64_t cold_reads = 0; ///< look-ups that had to wait for the disk
};
template <class Inspector>
auto inspect(Inspector& f, queue_manager_status& x) {
  return fields(f, "queue_manager_status", x.run, x.applied, x.durable, x.queues, x.entries,
                x.parked_pulls, x.damaged_messages, x.failure, x.share, x.parts, x.missing,
                x.cold_reads);
}

struct cleaner_status {
  std::int32_t disk_used_percent = 0;
  std::uint64_t files_deleted = 0;
  std::string failure;
  std::string clock; ///< why no file counts as expired; empty: the clock is believed
};
template <class Inspector>
auto inspect(Inspector& f, cleaner_status& x) {
  return fields(f, "cleaner_status", x.disk_used_percent, x.files_deleted, x.failure, x.clock);
}

inline constexpr const char* role_running = "running";
inline constexpr const char* role_stopped = "stopped";
inline constexpr const char* role_silent = "not answering";
inline constexpr const char* role_waiting = "waiting"; ///< for what it has to know
inline constexpr const char* role_away = "not reachable";

struct role_status {
  std::string role;
  std::string state; ///< one of the above; what only the role knows is known if it is "running"
  std::uint32_t restarts = 0;
  std::string node;          ///< where it is placed
  std::int64_t since_ms = 0; ///< for how long it is in that state
};
template <class Inspector>
auto inspect(Inspector& f, role_status& x) {
  return fields(f, "role_status", x.role, x.state, x.restarts, x.node, x.since_ms);
}

/// The link to another node of the store.
struct link_status {
  std::string node;
  std::string state;             ///< as `name_of` says it
  std::int64_t since_ms = 0;     ///< for how long
  std::uint64_t incarnation = 0; ///< of the peer, the newest known; 0: none
  std::string reason;            ///< why there is no link; empty: nothing is known to be wrong
};
template <class Inspector>
auto inspect(Inspector& f, link_status& x) {
  return fields(f, "link_status", x.node, x.state, x.since_ms, x.incarnation, x.reason);
}

/// One node of a store that is spread over several, as the one that was asked sees it.
struct node_view {
  std::string node;
  std::string roles;              ///< that cluster.ini gives it
  std::string state;              ///< as of a role
  std::int64_t since_ms = 0;      ///< for how long it is in that state
  std::string reason;             ///< why it is not reachable
  std::vector<link_status> links; ///< its own word, if its state is "running"
};
template <class Inspector>
auto inspect(Inspector& f, node_view& x) {
  return fields(f, "node_view", x.node, x.roles, x.state, x.since_ms, x.reason, x.links);
}

struct node_status {
  std::string node;
  std::string cluster;
  std::string directory;
  std::string flush;
  std::int64_t uptime_ms = 0;
  std::uint32_t sessions = 0;
  std::uint64_t max_message_bytes = 0; ///< of one body
  std::vector<role_status> roles;
  writer_status writer;
  flusher_status flusher;
  dispatcher_status dispatcher;
  queue_manager_status queues;
  cleaner_status cleaner;
  std::string waits_for;              ///< without whom the node does not serve; empty: it does
  std::vector<link_status> links;     ///< of a store that is spread over several processes
  std::vector<node_view> nodes;       ///< of the same, itself included
  std::uint64_t backlog_capacity = 0; ///< positions that may be between writer and queues
};
template <class Inspector>
auto inspect(Inspector& f, node_status& x) {
  return fields(f, "node_status", x.node, x.cluster, x.directory, x.flush, x.uptime_ms, x.sessions,
                x.max_message_bytes, x.roles, x.writer, x.flusher, x.dispatcher, x.queues,
                x.cleaner, x.waits_for, x.links, x.nodes, x.backlog_capacity);
}

/// "queue-manager 2" is one of several that play "queue-manager".
inline bool plays(const role_status& who, std::string_view role) {
  return who.role == role || (who.role.starts_with(role) && who.role[role.size()] == ' ');
}

/// False when what only the role knows is not known: then the numbers of its part say nothing. Of
/// several who play it all have to be there.
inline bool answers(const node_status& status, std::string_view role) {
  bool there = false;
  for (auto& r : status.roles) {
    if (!plays(r, role))
      continue;
    if (r.state != role_running)
      return false;
    there = true;
  }
  return there;
}

} // namespace troupe
