#pragma once

#include "actors/log_messages.hpp"
#include "actors/pull_messages.hpp"
#include "actors/put_messages.hpp"
#include "actors/queue_messages.hpp"
#include "actors/status.hpp"
#include "actors/topic_messages.hpp"

/// Every message that actors exchange, with how it crosses between processes beside it in the
/// headers above. Plain values; bytes are counted slices that are shared inside a process and
/// copied between processes.
namespace troupe {

/// Version of the messages: two ends that differ refuse each other.
inline constexpr std::uint32_t protocol_version = 12;

/// What a node grants to a client: beyond it, requests are refused as busy.
struct welcome {
  std::string node;
  std::uint64_t credit_messages = 0; ///< open at a time; another request counts as one
  std::uint64_t credit_bytes = 0;    ///< of messages, sent or to be answered
};
template <class Inspector>
auto inspect(Inspector& f, welcome& x) {
  return fields(f, "welcome", x.node, x.credit_messages, x.credit_bytes);
}

} // namespace troupe

CAF_BEGIN_TYPE_ID_BLOCK(troupe, caf::first_custom_type_id)
CAF_ADD_TYPE_ID(troupe, (troupe::put_request))
CAF_ADD_TYPE_ID(troupe, (troupe::put_response))
CAF_ADD_TYPE_ID(troupe, (troupe::put_bundle))
CAF_ADD_TYPE_ID(troupe, (troupe::put_bundle_response))
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
CAF_ADD_TYPE_ID(troupe, (troupe::write_bar))
CAF_ADD_TYPE_ID(troupe, (troupe::queue_sync))
CAF_ADD_TYPE_ID(troupe, (troupe::queue_synced))
CAF_ADD_TYPE_ID(troupe, (troupe::writer_status))
CAF_ADD_TYPE_ID(troupe, (troupe::flusher_status))
CAF_ADD_TYPE_ID(troupe, (troupe::dispatcher_status))
CAF_ADD_TYPE_ID(troupe, (troupe::queue_manager_status))
CAF_ADD_TYPE_ID(troupe, (troupe::cleaner_status))
CAF_ADD_TYPE_ID(troupe, (troupe::node_status))
CAF_ADD_TYPE_ID(troupe, (troupe::stop_report))
// To itself an actor says: `work`, what has gathered is dealt with, behind what is in the mailbox
// now; `retry`, what could not be done is tried again; `pulse`, its rhythm; `save`, a table is due
// to be written. What the others ask for, actors/interfaces.hpp says with each.
CAF_ADD_ATOM(troupe, troupe, hello_atom, "hello")
CAF_ADD_ATOM(troupe, troupe, work_atom, "work")
CAF_ADD_ATOM(troupe, troupe, retry_atom, "retry")
CAF_ADD_ATOM(troupe, troupe, pulse_atom, "pulse")
CAF_ADD_ATOM(troupe, troupe, save_atom, "save")
CAF_ADD_ATOM(troupe, troupe, create_atom, "create")
CAF_ADD_ATOM(troupe, troupe, extend_atom, "extend")
CAF_ADD_ATOM(troupe, troupe, extended_atom, "extended")
CAF_ADD_ATOM(troupe, troupe, ended_atom, "ended")
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
