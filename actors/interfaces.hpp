#pragma once

#include "actors/group_messages.hpp"
#include "actors/messages.hpp"
#include "actors/recall_messages.hpp"
#include "actors/transaction_messages.hpp"

/// Every actor of a node and what it answers. `handles<A(B)>` reads "answers B with A"; with `void`
/// the message is a notification. Requests that fail are answered with an error of category
/// "troupe" (actors/error.hpp). Handles are given to the actors by the node in a `role_table`.
namespace troupe {

struct role_table;
struct peer_hello;
struct peer_welcome;
struct peer_up;
struct peer_down;
struct link_report;

/// Appends to the commit log, and is the only one that does. Owns the count of positions between
/// log and queues: a request that would pass `mailbox-capacity` waits here, in order, 1 ms at a
/// time.
using writer_actor = caf::typed_actor<
    /// Appends the messages and answers when they are as durable as the node's policy says.
    handles<put_bundle_response(put_bundle)>,
    /// Everything in the log below the offset is in the queues: gives the credit back.
    handles<void(applied_atom, log_offset)>,
    /// The queues with everything that the log had at the start; without it nothing is appended.
    handles<void(queue_state)>,
    /// The log file that starts at the offset is there.
    handles<void(extended_atom, log_offset)>,
    /// What is durable: answers those who wait for it, and counts against the dirty budget.
    handles<void(log_flushed)>,
    /// Nothing more becomes durable: what waits for it may be stored, and nobody will know.
    handles<void(flush_failure)>,
    /// Refuse writes for this reason, or no longer for it.
    handles<void(write_bar)>,
    /// Forget a deleted topic; answers where in the log, and how far its queues were.
    handles<tombstone(remove_atom, std::string)>,
    /// The topic is there again and continues its numbering.
    handles<void(revive_atom, tombstone)>,
    /// Files that end at or below are gone.
    handles<void(drop_atom, log_offset)>, handles<writer_status(status_atom)>,
    /// What a role that begins has to know of the log.
    handles<log_state(follow_atom)>,
    /// Refuse everything from now on; answers when all that was accepted is written.
    handles<log_offset(stop_atom)>, handles<void(role_table)>,
    // Its own timers and wake-ups.
    handles<void(work_atom)>, handles<void(retry_atom)>>;

/// Makes the log durable: one `fdatasync` for everything that was written meanwhile. Also creates
/// the log's files.
using flusher_actor = caf::typed_actor<
    /// Answers when the log of this run is durable up to the offset.
    handles<log_flushed(flush_atom, log_run, log_offset)>,
    /// This is the log to be flushed from now on. May come more than once.
    handles<void(attach_atom, log_state)>,
    /// The log has grown; flushed soon.
    handles<void(log_written)>,
    /// Creates the log file that starts here and tells the writer, or why it cannot.
    handles<void(extend_atom, log_offset)>,
    /// Files that end at or below are gone.
    handles<void(drop_atom, log_offset)>, handles<flusher_status(status_atom)>,
    /// Flushes the rest; when the log is known to end at the offset, removes what was made ahead of
    /// it. With `unknown_log_end` nothing is removed.
    handles<stop_report(stop_atom, log_offset)>, handles<void(role_table)>,
    // Its own timers.
    handles<void(pulse_atom)>, handles<void(retry_atom)>, handles<void(save_atom)>>;

/// Makes the queues and the index durable, then writes the checkpoint.
using queue_flusher_actor =
    caf::typed_actor<handles<queue_synced(queue_sync)>, handles<void(role_table)>>;

/// The one ordered way from the log to the queues. Finds gaps and reads them from the log.
using dispatcher_actor = caf::typed_actor<handles<void(position_list)>,
                                          /// The queue-manager (its number, of several) has
                                          /// applied everything below.
                                          handles<void(applied_atom, std::uint32_t, log_offset)>,
                                          /// It goes on from here, and not where it was.
                                          handles<void(resume_atom, std::uint32_t, log_offset)>,
                                          handles<dispatcher_status(status_atom)>,
                                          handles<void(role_table)>, handles<void(retry_atom)>>;

/// Owns consume queues and the key index. Several may share the queues (actors/queue_shares.hpp).
using queue_manager_actor = caf::typed_actor<
    handles<void(position_list)>,
    /// Where the messages lie: whoever asked lets a reader complete the answer, unless it names
    /// none. Waits for a message as long as the request allows.
    handles<read_request(pull_request)>, handles<key_read(key_query)>,
    /// Once everything in the log below the offset is visible, or a second has passed.
    handles<bounds_read(bounds_atom, std::string, log_offset)>,
    /// Of one queue; nothing if it has had no message.
    handles<bounds_read(bounds_atom, std::string, std::int32_t, log_offset)>,
    /// First message of a queue stored at or after a time.
    handles<queue_offset(search_atom, std::string, std::int32_t, std::int64_t)>,
    /// What is durable in the log: on a node with synchronous flush only that is visible.
    handles<void(log_flushed)>,
    /// The log has been read to its end, which is here: nobody has seen more of it.
    handles<void(ended_atom, log_offset)>,
    /// The log cannot be read any further for this reason, or can again (empty).
    handles<void(failed_atom, write_bar)>,
    /// A reader has left out this message.
    handles<void(damaged_message)>,
    /// A pull of one message whose entry leads to no message of its own: compares it with the log.
    /// Then a reader can complete the pull.
    handles<read_request(read_request)>,
    /// An entry whose tags code its record does not have, although that is the one it names.
    handles<void(entry_suspicion)>,
    /// The topic is deleted: its records before the tombstone's offset are dead, and none of them
    /// is shown after the answer. May come more than once.
    handles<tombstone(remove_atom, tombstone)>,
    /// Forget what lies below the offset in the log.
    handles<void(drop_atom, log_offset)>,
    /// A run of the log begins, or is met again: what the queues have behind the offset is of
    /// another one. If they have to forget it the actor ends, to be started again.
    handles<queue_manager_status(meet_atom, log_run, log_offset)>,
    /// The state of the queues, once everything in the log below the offset is applied.
    handles<queue_state(resume_atom, log_offset)>, handles<queue_manager_status(status_atom)>,
    /// Somebody waits until the queues are durable: the disk rests no longer.
    handles<void(flush_atom)>,
    /// Writes and syncs everything, with a checkpoint.
    handles<stop_report(stop_atom)>, handles<void(role_table)>, handles<void(pulse_atom)>,
    handles<void(retry_atom)>>;

/// Reads records of the log; a few of them, each with a thread of its own.
using reader_actor = caf::typed_actor<
    handles<pull_response(read_request)>, handles<record_batch(key_read)>,
    handles<std::vector<queue_bounds>(bounds_read)>, handles<record_batch(fetch_atom, log_offset)>,
    /// What the log says of entries that are in doubt.
    handles<storage::right_entries(entry_search)>,
    handles<std::int64_t(search_atom, log_offset)>, ///< store time of one record
    handles<position_list(replay_atom, log_offset, log_offset, std::uint32_t)>,
    handles<void(drop_atom, log_offset)>, handles<void(role_table)>, handles<void(pulse_atom)>>;

/// Topics, and how far consumer groups are.
using registrar_actor = caf::typed_actor<
    handles<topic_info(create_atom, topic_info)>,
    /// Creates the topic, or changes its numbers.
    handles<topic_info(update_atom, topic_info)>, handles<tombstone(remove_atom, std::string)>,
    handles<topic_list(list_atom)>, handles<deleted_topics(deleted_atom)>,
    /// Every topic now; the node gets a new map after each change.
    handles<topic_map(watch_atom)>,
    /// A topic that was only found in the log.
    handles<void(seen_atom, std::string, std::int32_t)>,
    handles<group_offset(fetch_atom, group_offset)>,
    handles<group_offset(store_atom, group_offset)>,
    /// Of this group, or of all when the name is empty.
    handles<group_list(list_atom, std::string)>,
    handles<group_settings(store_atom, group_settings)>,
    /// Forgets the group's settings, and its offsets if that is wanted.
    handles<group_settings(remove_atom, group_settings, bool)>,
    /// Where the queues end: groups that are beyond are set back.
    handles<void(queue_state)>, handles<stop_report(stop_atom)>, handles<void(role_table)>,
    // Its own timers.
    handles<void(save_atom)>, handles<void(work_atom)>>;

/// Delivers delayed messages.
using delayer_actor = caf::typed_actor<
    /// Delivers nothing more; answers when it is known how what was begun ended, and saved.
    handles<stop_report(stop_atom)>, handles<void(role_table)>,
    /// `busy` when too many are recalled.
    handles<bool(message_recall)>,
    // Its own timers.
    handles<void(work_atom)>, handles<void(save_atom)>>;

/// A door that knows producers: true when one of the group has been asked.
using transaction_asker = caf::typed_actor<handles<bool(transaction_check)>>;

/// Resolves transactions, and lets producers be asked about those that stay open.
using transactor_actor = caf::typed_actor<
    /// Answers when what that takes is stored, or was before. `not_found` when no half lies there,
    /// `invalid_argument` when it is not the one that is meant.
    handles<bool(transaction_end)>,
    /// What nobody resolved, and lies there now, is checked again from the beginning.
    handles<bool(revive_atom, log_offset)>,
    /// This `transaction_asker` knows producers, until it ends.
    handles<void(watch_atom, caf::strong_actor_ptr)>,
    /// Begins nothing more; answers when it is known how what was begun ended, and saved.
    handles<stop_report(stop_atom)>, handles<void(role_table)>,
    // Its own timers.
    handles<void(work_atom)>, handles<void(retry_atom)>, handles<void(save_atom)>>;

/// Decides what is deleted, and when the disk is too full to write.
using cleaner_actor = caf::typed_actor<handles<cleaner_status(status_atom)>,
                                       handles<void(role_table)>, handles<void(pulse_atom)>>;

/// Wants to know the members of groups: each list has those of all doors but its own.
using member_watcher = caf::typed_actor<handles<void(group_members)>>;

/// Knows the members of consumer groups at this node; one in each process that has sessions.
using membership_actor =
    caf::typed_actor<handles<group_members(group_join)>, handles<group_claim(group_claim)>,
                     /// False: it was none.
                     handles<bool(group_leave)>,
                     /// The sender, a door, has these members in the group, and no others any more.
                     handles<void(group_members)>,
                     /// This `member_watcher` learns of all groups, now and with each change.
                     handles<void(watch_atom, caf::strong_actor_ptr)>,
                     // Its own timer.
                     handles<void(pulse_atom)>>;

/// What a node does for a client, here or behind a connection (net/client.hpp).
using store_service = caf::typed_actor<
    /// Stores messages; answers each one's result.
    handles<put_response(put_request)>, handles<pull_response(pull_request)>,
    handles<record_batch(key_query)>,
    /// The message at an offset of the log.
    handles<record_batch(fetch_atom, log_offset)>,
    /// First message of a queue stored at or after a time (ms since 1970).
    handles<queue_offset(search_atom, std::string, std::int32_t, std::int64_t)>,
    /// Creates the topic if there is none of that name; answers with the topic as it is then, which
    /// may have other numbers than were wished.
    handles<topic_info(create_atom, topic_info)>, handles<topic_info(update_atom, topic_info)>,
    handles<tombstone(remove_atom, std::string)>, handles<topic_list(list_atom)>,
    handles<topic_description(bounds_atom, std::string)>,
    /// The same with one queue alone; none if the topic has no such queue.
    handles<topic_description(bounds_atom, std::string, std::int32_t)>,
    handles<group_offset(fetch_atom, group_offset)>,
    handles<group_offset(store_atom, group_offset)>,
    /// What is kept of this group, or of all when the name is empty.
    handles<group_list(list_atom, std::string)>,
    handles<group_settings(store_atom, group_settings)>,
    handles<group_settings(remove_atom, group_settings, bool)>, handles<node_status(status_atom)>,
    // Groups that share queues (net/subscription.hpp):
    handles<group_members(group_join)>, handles<group_claim(group_claim)>,
    handles<bool(group_leave)>>;

/// Who speaks to roles on behalf of clients: the node tells it who plays which, and which topics
/// there are, at first and with each change.
using door_actor = caf::typed_actor<handles<void(topic_map)>, handles<void(role_table)>>;

/// One for each client: checks its requests, bounds what it may have open, and owns deadlines.
using session_actor =
    store_service::extend<handles<void(topic_map)>, handles<void(role_table)>,
                          /// Every topic now, all that was created before included.
                          handles<topic_map(watch_atom)>,
                          /// Refuse everything from now on; answers when all that changes
                          /// something is answered.
                          handles<bool(stop_atom)>, handles<void(work_atom)>,
                          handles<void(pulse_atom)>>;

/// The only actor that is published: gives each client that speaks our version a session.
using front_actor = caf::typed_actor<
    caf::replies_to<hello_atom, std::uint32_t, std::string,
                    std::string>::with<caf::strong_actor_ptr, welcome>,
    /// Another node of the store wants a link (actors/link_messages.hpp).
    handles<peer_welcome(peer_hello)>,
    /// The process is to stop: version, cluster and node (empty: whichever this
    /// is). Answers with the one who reports how that ends (actors/stop_desk.hpp).
    handles<caf::strong_actor_ptr(stop_atom, std::uint32_t, std::string, std::string)>>;

/// Reports to those who ordered a stop, who may be in other processes.
using stop_reports = caf::typed_actor<
    /// How the stop ended, once it has.
    handles<stop_report(fetch_atom)>,
    /// For what it waits now, in words.
    handles<std::string(status_atom)>>;

/// Takes orders to stop the process.
using stop_desk_actor = stop_reports::extend<
    /// This client orders it. Answers with the one who reports: this actor.
    handles<caf::strong_actor_ptr(stop_atom, caf::strong_actor_ptr)>,
    /// It has stopped so. Answers when all who ordered it know, as their going shows, or do not
    /// come for it; then the actor ends.
    handles<bool(stop_report)>, handles<void(pulse_atom)>>;

/// Starts, watches and stops all the others.
using node_actor = caf::typed_actor<
    /// The node's name, once it serves.
    handles<std::string(ready_atom)>, handles<node_status(status_atom)>,
    /// A session for this client, which ends with the client.
    handles<session_actor(hello_atom, caf::strong_actor_ptr)>, handles<void(topic_map)>,
    /// A door that is no session; known until it ends.
    handles<void(attach_atom, door_actor)>,
    /// The writer takes messages from now on; the queues are these.
    handles<void(queue_state)>,
    /// The queues cannot follow: the log is unreadable for this reason, or readable again (empty).
    handles<void(failed_atom, write_bar)>, handles<stop_report(stop_atom)>,
    /// Of a store that is spread over several processes: who keeps the links to the others
    /// (net/switchboard.hpp), and what it says of them.
    handles<void(attach_atom, caf::strong_actor_ptr)>, handles<void(peer_up)>,
    handles<void(peer_down)>,
    /// Its own links, for the status of another node.
    handles<link_report(list_atom)>,
    /// The `membership_actor` of this process.
    handles<caf::strong_actor_ptr(fetch_atom)>,
    // Its own timer.
    handles<void(retry_atom)>>;

/// Who plays which role now. Sent to every actor at start, and again when one was replaced.
struct role_table {
  writer_actor writer;
  flusher_actor flusher;
  queue_flusher_actor queue_flusher; ///< of whom the table is sent to
  dispatcher_actor dispatcher;
  queue_manager_actor queue_manager;
  std::vector<reader_actor> readers;
  registrar_actor registrar;
  cleaner_actor cleaner;
  delayer_actor delayer;       ///< of the same process, where the registrar is
  transactor_actor transactor; ///< of the same process, where the doors are
  node_actor node;             ///< of the same process
  membership_actor membership; ///< of the same process
  /// The writer has ended, not only its process out of reach: nobody writes to the log.
  bool writer_ended = false;
  /// The nodes of roles that are placed in other processes, by role.
  std::map<std::string, std::string> elsewhere;
};

template <class Inspector>
auto inspect(Inspector& f, role_table& x) {
  return fields(f, "role_table", x.writer, x.flusher, x.queue_flusher, x.dispatcher,
                x.queue_manager, x.readers, x.registrar, x.cleaner, x.delayer, x.transactor, x.node,
                x.membership, x.writer_ended, x.elsewhere);
}

/// Each role as people name it.
template <class Handle>
constexpr const char* role_name = "node";
template <>
inline constexpr const char* role_name<writer_actor> = "writer";
template <>
inline constexpr const char* role_name<flusher_actor> = "flusher";
template <>
inline constexpr const char* role_name<queue_flusher_actor> = "queue-flusher";
template <>
inline constexpr const char* role_name<dispatcher_actor> = "dispatcher";
template <>
inline constexpr const char* role_name<queue_manager_actor> = "queue-manager";
template <>
inline constexpr const char* role_name<reader_actor> = "reader";
template <>
inline constexpr const char* role_name<registrar_actor> = "registrar";
template <>
inline constexpr const char* role_name<cleaner_actor> = "cleaner";
template <>
inline constexpr const char* role_name<delayer_actor> = "delayer";
template <>
inline constexpr const char* role_name<transactor_actor> = "transactor";
template <>
inline constexpr const char* role_name<membership_actor> = "membership";

/// Why a request to a role of which there is no handle was not even sent.
template <class Handle>
storage::error not_reachable(const role_table& roles) {
  std::string name = role_name<Handle>;
  auto place = roles.elsewhere.find(name);
  if (place == roles.elsewhere.end())
    return {errc::unavailable, "no " + name + " runs any more; restart the node"};
  return {errc::unavailable, "the " + name + " (node " + place->second + ") is not reachable"};
}

} // namespace troupe

CAF_BEGIN_TYPE_ID_BLOCK(troupe_roles, caf::id_block::troupe::end)
CAF_ADD_TYPE_ID(troupe_roles, (troupe::role_table))
CAF_ADD_TYPE_ID(troupe_roles, (troupe::entry_search))
CAF_ADD_TYPE_ID(troupe_roles, (troupe::entry_suspicion))
CAF_ADD_TYPE_ID(troupe_roles, (troupe::storage::right_entries))
CAF_ADD_TYPE_ID(troupe_roles, (troupe::flush_failure))
CAF_ADD_TYPE_ID(troupe_roles, (troupe::log_state))
CAF_ADD_TYPE_ID(troupe_roles, (troupe::group_members))
CAF_ADD_TYPE_ID(troupe_roles, (troupe::group_join))
CAF_ADD_TYPE_ID(troupe_roles, (troupe::group_claim))
CAF_ADD_TYPE_ID(troupe_roles, (troupe::group_leave))
CAF_ADD_TYPE_ID(troupe_roles, (troupe::transaction_end))
CAF_ADD_TYPE_ID(troupe_roles, (troupe::transaction_check))
CAF_ADD_TYPE_ID(troupe_roles, (troupe::message_recall))
CAF_END_TYPE_ID_BLOCK(troupe_roles)
