#pragma once

#include "actors/caf.hpp"
#include "actors/error.hpp"
#include "actors/status.hpp"
#include "storage/format/position.hpp"
#include "storage/options.hpp"
#include "storage/os/slice.hpp"
#include "storage/queues/entry_search.hpp"

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

/// Every message that actors exchange. Plain values; bytes are counted slices that are shared
/// inside a process and copied between processes.
namespace troupe {

using storage::queue_offset;

/// Version of the messages: two ends that differ refuse each other.
inline constexpr std::uint32_t protocol_version = 9;

/// What a node grants to a client: beyond it, requests are refused as busy.
struct welcome {
  std::string node;
  std::uint64_t credit_messages = 0; ///< open at a time; another request counts as one
  std::uint64_t credit_bytes = 0;    ///< of messages, sent or to be answered
};

// -- producing -----------------------------------------------------------------------------------

/// Messages of one producer for one topic, as `storage::message_batch_builder` packs them.
struct put_request {
  std::string topic;
  storage::slice messages;
  std::uint32_t count = 0;
  bool wait = true; ///< on a node with synchronous flush: answer after the flush
  storage::host born_host;
  /// How long the producer still waits for an answer; 0: for as long as it takes. What is not
  /// stored by then is refused as busy: the producer has sent it again.
  std::uint32_t time_left_ms = 0;
};

/// What became of one message.
struct message_result {
  errc code = errc::none;
  log_offset offset = -1;
  queue_offset queue_position = -1;
};

/// Answer to a `put_request`: one result per message, in order.
struct put_response {
  std::vector<message_result> results;
  storage::error failure; ///< the reason when a result is not `none`
};

/// What one session has for the writer at one time; all with the same `wait`.
struct put_group {
  std::vector<put_request> requests;
  std::int64_t sent_ms = 0; ///< in the actor clock; 0: their time counts from their arrival
};
struct put_group_response {
  std::vector<put_response> responses;
};

// -- from the log to the queues ------------------------------------------------------------------

/// Positions of consecutive records, shared.
struct position_list {
  std::shared_ptr<const storage::position_batch> batch;
  log_run run = 0;
};

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

/// Where the queues stand: after start and after a restart of the queue-manager.
struct queue_state {
  log_offset applied = 0; ///< everything in the log below is in the queues
  std::map<std::string, std::vector<queue_offset>> next_offsets;
};

// -- consuming -----------------------------------------------------------------------------------

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

/// Where the records of a pull lie; a reader completes the answer with them.
struct record_location {
  log_offset offset = 0;
  std::uint32_t size = 0;    ///< 0: the queue entry is damaged
  queue_offset position = 0; ///< in its queue
  std::int64_t tags_code = 0;
  /// The entry has been compared with the log: what it still says wrongly stays so.
  bool compared = false;
};
struct read_request {
  std::string topic;
  std::int32_t queue_id = 0;
  std::vector<record_location> records;
  pull_response answer;
};

/// An entry that leads to no message of its own, with those around it: a reader looks in the log
/// for what they should be.
struct entry_search {
  std::string topic;
  std::int32_t queue_id = 0;
  storage::suspect_entries suspects;
};

/// An entry that does not say all that its record does, though it leads to it.
struct entry_suspicion {
  std::string topic;
  std::int32_t queue_id = 0;
  record_location where;
};

/// A message that no pull can bring any more, since its record or its queue entry is damaged.
struct damaged_message {
  std::string place; ///< as `place_in_queue` says it
  std::string reason;
};

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

struct record_batch {
  std::vector<storage::slice> records;
  std::uint32_t left_out = 0; ///< more that match, for which the answer had no room
};

/// Bytes of the records in one answer to a key query; one record always fits.
inline constexpr std::uint64_t max_query_bytes = 16 * storage::mib;

/// Candidates of a key query: the reader leaves out what does not hold the key.
struct key_read {
  key_query query;
  std::vector<log_offset> offsets;
};

struct queue_bounds {
  std::int32_t queue_id = 0;
  queue_offset min = 0;
  queue_offset max = 0;
  std::int64_t last_store_ms = -1; ///< of the newest message; -1 without one
  /// Of its first message since the topic was made; `min` is larger when retention was there.
  queue_offset first = 0;
};

/// Bounds of which the reader fills in the last store time, from the record at the offset.
struct bounds_read {
  std::vector<queue_bounds> queues;
  std::vector<log_offset> last_records; ///< -1: the queue is empty
};

// -- topics and groups ---------------------------------------------------------------------------

struct topic_info {
  std::string name;
  std::int32_t read_queues = 8;
  std::int32_t write_queues = 8;
  std::int32_t perm = 6; ///< 4 read, 2 write
};

/// Every topic at one moment, shared by those who ask often.
struct topic_map {
  std::shared_ptr<const std::map<std::string, topic_info>> topics;
};

struct topic_list {
  std::vector<topic_info> topics;
};

struct topic_description {
  topic_info info;
  std::vector<queue_bounds> queues;
};

/// A deleted topic: its records before `deleted_at` are dead, and its numbering goes on.
struct tombstone {
  std::string topic;
  log_offset deleted_at = 0;
  std::vector<queue_offset> next_offsets;
};

/// All that were deleted, also those made again.
struct deleted_topics {
  std::vector<tombstone> topics;
};

/// Progress of a group in one queue.
struct group_offset {
  std::string group;
  std::string topic;
  std::int32_t queue_id = 0;
  queue_offset offset = -1; ///< next to consume; -1: none is stored
};

/// A consumer group's settings: RocketMQ's SubscriptionGroupConfig as the text of a JSON object.
struct group_settings {
  std::string group;
  std::string json;
};

/// What is kept of consumer groups.
struct group_list {
  std::vector<group_settings> settings; ///< of the groups that were given some
  std::vector<group_offset> offsets;
};

// -- flushing ------------------------------------------------------------------------------------

/// The log has been written up to `end`; its newest record was stored at `store_ms`.
struct log_written {
  log_offset end = 0;
  std::int64_t store_ms = 0;
};

/// Everything in the log below `end` is durable.
struct log_flushed {
  log_offset end = 0;
  std::int64_t store_ms = 0;
  log_run run = 0;
};

/// Where the log ends is not known: its writer did not say so when it stopped.
inline constexpr log_offset unknown_log_end = -1;

/// The log is not made durable any more, for this reason.
struct flush_failure {
  std::string reason;
};

/// Why nothing may be written any more; an empty reason takes the refusal back.
struct write_refusal {
  errc code = errc::none;
  std::string reason;
  std::uint32_t share = 0; ///< of several queue-managers the one that says it
};

/// What the queue-manager has written and wants durable, together with the state it stands for.
struct queue_sync {
  std::vector<std::string> files;
  std::vector<std::string> directories; ///< to be synced after the files
  log_run run = 0;
  log_offset applied = 0;
  std::int64_t last_store_ms = 0;
  std::uint64_t queue_count = 0;
  std::uint64_t entry_total = 0;
  std::uint32_t index_files = 0;
};

struct queue_synced {
  log_offset durable = 0;
  std::uint32_t disk_ms = 0; ///< what the files took, without any wait for the log
};

/// How an orderly stop ended; empty: everything is durable.
struct stop_report {
  std::string left_over;
};

} // namespace troupe

#include "actors/inspect.hpp"

CAF_BEGIN_TYPE_ID_BLOCK(troupe, caf::first_custom_type_id)
CAF_ADD_TYPE_ID(troupe, (troupe::put_request))
CAF_ADD_TYPE_ID(troupe, (troupe::put_response))
CAF_ADD_TYPE_ID(troupe, (troupe::put_group))
CAF_ADD_TYPE_ID(troupe, (troupe::put_group_response))
CAF_ADD_TYPE_ID(troupe, (troupe::position_list))
CAF_ADD_TYPE_ID(troupe, (troupe::queue_state))
CAF_ADD_TYPE_ID(troupe, (troupe::pull_request))
CAF_ADD_TYPE_ID(troupe, (troupe::pull_response))
CAF_ADD_TYPE_ID(troupe, (troupe::read_request))
CAF_ADD_TYPE_ID(troupe, (troupe::damaged_message))
CAF_ADD_TYPE_ID(troupe, (troupe::key_query))
CAF_ADD_TYPE_ID(troupe, (troupe::record_batch))
CAF_ADD_TYPE_ID(troupe, (troupe::key_read))
CAF_ADD_TYPE_ID(troupe, (troupe::bounds_read))
CAF_ADD_TYPE_ID(troupe, (troupe::queue_bounds))
CAF_ADD_TYPE_ID(troupe, (std::vector<troupe::queue_bounds>))
CAF_ADD_TYPE_ID(troupe, (troupe::topic_info))
CAF_ADD_TYPE_ID(troupe, (troupe::topic_map))
CAF_ADD_TYPE_ID(troupe, (troupe::topic_list))
CAF_ADD_TYPE_ID(troupe, (troupe::topic_description))
CAF_ADD_TYPE_ID(troupe, (troupe::tombstone))
CAF_ADD_TYPE_ID(troupe, (troupe::deleted_topics))
CAF_ADD_TYPE_ID(troupe, (troupe::welcome))
CAF_ADD_TYPE_ID(troupe, (troupe::group_offset))
CAF_ADD_TYPE_ID(troupe, (troupe::group_settings))
CAF_ADD_TYPE_ID(troupe, (troupe::group_list))
CAF_ADD_TYPE_ID(troupe, (troupe::log_written))
CAF_ADD_TYPE_ID(troupe, (troupe::log_flushed))
CAF_ADD_TYPE_ID(troupe, (troupe::write_refusal))
CAF_ADD_TYPE_ID(troupe, (troupe::queue_sync))
CAF_ADD_TYPE_ID(troupe, (troupe::queue_synced))
CAF_ADD_TYPE_ID(troupe, (troupe::writer_status))
CAF_ADD_TYPE_ID(troupe, (troupe::flusher_status))
CAF_ADD_TYPE_ID(troupe, (troupe::dispatcher_status))
CAF_ADD_TYPE_ID(troupe, (troupe::queue_manager_status))
CAF_ADD_TYPE_ID(troupe, (troupe::cleaner_status))
CAF_ADD_TYPE_ID(troupe, (troupe::node_status))
CAF_ADD_TYPE_ID(troupe, (troupe::stop_report))
CAF_ADD_ATOM(troupe, troupe, hello_atom, "hello")
CAF_ADD_ATOM(troupe, troupe, commit_atom, "commit")
CAF_ADD_ATOM(troupe, troupe, retry_atom, "retry")
CAF_ADD_ATOM(troupe, troupe, pulse_atom, "pulse")
CAF_ADD_ATOM(troupe, troupe, write_atom, "write")
CAF_ADD_ATOM(troupe, troupe, create_atom, "create")
CAF_ADD_ATOM(troupe, troupe, update_atom, "update")
CAF_ADD_ATOM(troupe, troupe, remove_atom, "remove")
CAF_ADD_ATOM(troupe, troupe, ready_atom, "ready")
CAF_ADD_ATOM(troupe, troupe, failed_atom, "failed")
CAF_ADD_ATOM(troupe, troupe, flush_atom, "flush")
CAF_ADD_ATOM(troupe, troupe, applied_atom, "applied")
CAF_ADD_ATOM(troupe, troupe, resume_atom, "resume")
CAF_ADD_ATOM(troupe, troupe, replay_atom, "replay")
CAF_ADD_ATOM(troupe, troupe, drop_atom, "drop")
CAF_ADD_ATOM(troupe, troupe, bounds_atom, "bounds")
CAF_ADD_ATOM(troupe, troupe, search_atom, "search")
CAF_ADD_ATOM(troupe, troupe, fetch_atom, "fetch")
CAF_ADD_ATOM(troupe, troupe, list_atom, "list")
CAF_ADD_ATOM(troupe, troupe, watch_atom, "watch")
CAF_ADD_ATOM(troupe, troupe, seen_atom, "seen")
CAF_ADD_ATOM(troupe, troupe, revive_atom, "revive")
CAF_ADD_ATOM(troupe, troupe, store_atom, "store")
CAF_ADD_ATOM(troupe, troupe, status_atom, "status")
CAF_ADD_ATOM(troupe, troupe, stop_atom, "stop")
CAF_ADD_ATOM(troupe, troupe, follow_atom, "follow")
CAF_ADD_ATOM(troupe, troupe, attach_atom, "attach")
CAF_ADD_ATOM(troupe, troupe, meet_atom, "meet")
CAF_ADD_ATOM(troupe, troupe, deleted_atom, "deleted")
CAF_END_TYPE_ID_BLOCK(troupe)
