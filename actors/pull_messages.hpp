#pragma once

#include "actors/error.hpp"
#include "actors/slice_inspect.hpp"
#include "storage/options.hpp"
#include "storage/queues/entry_search.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace troupe::storage {

template <class Inspector>
auto inspect(Inspector& f, queue_entry& x) {
  return troupe::fields(f, "queue_entry", x.offset, x.size, x.tags_code);
}

template <class Inspector>
auto inspect(Inspector& f, suspect_entries& x) {
  return troupe::fields(f, "suspect_entries", x.first, x.entries, x.suspect, x.log_begin,
                        x.log_end);
}

template <class Inspector>
auto inspect(Inspector& f, right_entries& x) {
  return troupe::fields(f, "right_entries", x.first, x.entries, x.missing);
}

} // namespace troupe::storage

/// What consumers ask for, and how it is found.
namespace troupe {

using storage::log_offset;
using storage::queue_offset;

/// Tags that one pull may ask for: each entry of the queue is compared with them.
inline constexpr std::size_t most_pull_tags = 64;

struct pull_request {
  std::string topic;
  std::int32_t queue_id = 0;
  queue_offset from = 0;
  std::uint32_t max_messages = 32;
  std::uint64_t max_bytes = std::uint64_t{256} * 1024;
  std::vector<std::int32_t> tag_hashes; ///< empty: every message; at most `most_pull_tags`
  std::uint32_t wait_ms = 0;            ///< how long to wait for a message if there is none
};
template <class Inspector>
auto inspect(Inspector& f, pull_request& x) {
  return fields(f, "pull_request", x.topic, x.queue_id, x.from, x.max_messages, x.max_bytes,
                x.tag_hashes, x.wait_ms);
}

enum class pull_status : std::uint8_t {
  found,
  nothing_new,      ///< `from` is the end of the queue
  filtered,         ///< none of the scanned messages matched
  offset_too_small, ///< retention was faster: go on at `next`
  offset_too_large, ///< beyond the end: go on at `next`
  no_queue,         ///< the queue has never had a message
  in_doubt,         ///< of a reader only: the queue-manager has to look at the first entry
};

struct pull_response {
  pull_status status = pull_status::nothing_new;
  queue_offset next = 0;
  queue_offset min = 0;
  queue_offset max = 0;
  std::vector<storage::slice> records; ///< whole records as they lie in the log
  std::uint32_t damaged = 0;           ///< records left out because they are damaged
  std::string warning;                 ///< about those, with file and offset
};
template <class Inspector>
auto inspect(Inspector& f, pull_response& x) {
  slices_field records{x.records};
  return fields(f, "pull_response", x.status, x.next, x.min, x.max, records, x.damaged, x.warning);
}

/// Where the records of a pull lie; a reader completes the answer with them.
struct record_location {
  log_offset offset = 0;
  std::uint32_t size = 0;    ///< 0: the queue entry is damaged
  queue_offset position = 0; ///< in its queue
  std::int64_t tags_code = 0;
  /// The entry has been compared with the log: what it still says wrongly stays so.
  bool compared = false;
};
template <class Inspector>
auto inspect(Inspector& f, record_location& x) {
  return fields(f, "record_location", x.offset, x.size, x.position, x.tags_code, x.compared);
}
struct read_request {
  std::string topic;
  std::int32_t queue_id = 0;
  std::vector<record_location> records;
  pull_response answer;
};
template <class Inspector>
auto inspect(Inspector& f, read_request& x) {
  return fields(f, "read_request", x.topic, x.queue_id, x.records, x.answer);
}

/// An entry that leads to no message of its own, with those around it: a reader looks in the log
/// for what they should be.
struct entry_search {
  std::string topic;
  std::int32_t queue_id = 0;
  storage::suspect_entries suspects;
};
template <class Inspector>
auto inspect(Inspector& f, entry_search& x) {
  return fields(f, "entry_search", x.topic, x.queue_id, x.suspects);
}

/// An entry that does not say all that its record does, though it leads to it.
struct entry_suspicion {
  std::string topic;
  std::int32_t queue_id = 0;
  record_location where;
};
template <class Inspector>
auto inspect(Inspector& f, entry_suspicion& x) {
  return fields(f, "entry_suspicion", x.topic, x.queue_id, x.where);
}

/// A message that no pull can bring any more, since its record or its queue entry is damaged.
struct damaged_message {
  std::string place; ///< as `place_in_queue` says it
  std::string reason;
};
template <class Inspector>
auto inspect(Inspector& f, damaged_message& x) {
  return fields(f, "damaged_message", x.place, x.reason);
}

/// Where a message is, for people.
inline std::string place_in_queue(const std::string& topic, std::int32_t queue,
                                  queue_offset position) {
  return topic + " queue " + std::to_string(queue) + " offset " + std::to_string(position);
}

struct key_query {
  std::string topic;
  std::string key;
  std::uint32_t max = 32;
  std::int64_t begin_ms = 0;
  std::int64_t end_ms = INT64_MAX;
};
template <class Inspector>
auto inspect(Inspector& f, key_query& x) {
  return fields(f, "key_query", x.topic, x.key, x.max, x.begin_ms, x.end_ms);
}

struct record_batch {
  std::vector<storage::slice> records;
  std::uint32_t left_out = 0; ///< more that match, for which the answer had no room
};
template <class Inspector>
auto inspect(Inspector& f, record_batch& x) {
  slices_field records{x.records};
  return fields(f, "record_batch", records, x.left_out);
}

/// Bytes of the records in one answer to a key query; one record always fits.
inline constexpr std::uint64_t max_query_bytes = 16 * storage::mib;

/// Candidates of a key query: the reader leaves out what does not hold the key.
struct key_read {
  key_query query;
  std::vector<log_offset> offsets;
};
template <class Inspector>
auto inspect(Inspector& f, key_read& x) {
  return fields(f, "key_read", x.query, x.offsets);
}

struct queue_bounds {
  std::int32_t queue_id = 0;
  queue_offset min = 0;
  queue_offset max = 0;
  std::int64_t last_store_ms = -1; ///< of the newest message; -1 without one
  /// Of its first message since the topic was made; `min` is larger when retention was there.
  queue_offset first = 0;
};
template <class Inspector>
auto inspect(Inspector& f, queue_bounds& x) {
  return fields(f, "queue_bounds", x.queue_id, x.min, x.max, x.last_store_ms, x.first);
}

/// Bounds of which the reader fills in the last store time, from the record at the offset.
struct bounds_read {
  std::vector<queue_bounds> queues;
  std::vector<log_offset> last_records; ///< -1: the queue is empty
};
template <class Inspector>
auto inspect(Inspector& f, bounds_read& x) {
  return fields(f, "bounds_read", x.queues, x.last_records);
}

} // namespace troupe
