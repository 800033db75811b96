#pragma once

// How the messages of actors/messages.hpp are written and read between processes. Included there.

namespace troupe {

// A slice crosses as its bytes and arrives as an owned block.
template <class Inspector>
typename Inspector::result_type inspect_slice(Inspector& f, storage::slice& x) {
  if constexpr (is_saving<Inspector>) {
    return save_block(f, x.bytes().data(), x.size());
  } else if constexpr (is_loading<Inspector>) {
    std::shared_ptr<std::vector<std::byte>> block;
    auto err = load_block(f, [&](std::size_t size) {
      block = std::make_shared<std::vector<std::byte>>(size);
      return static_cast<void*>(block->data());
    });
    if (!err) {
      storage::byte_view bytes{*block};
      x = storage::slice{std::shared_ptr<const void>{std::move(block)}, bytes};
    }
    return err;
  } else {
    auto size = x.size();
    return f(caf::meta::type_name("slice"), size);
  }
}

// Many slices cross as their lengths and one block, and arrive as parts of one owned block. If a
// file of theirs was lost meanwhile they arrive empty, which no record is.
template <class Inspector>
typename Inspector::result_type inspect_slices(Inspector& f, std::vector<storage::slice>& xs) {
  if constexpr (is_saving<Inspector>) {
    std::vector<std::uint32_t> sizes;
    std::size_t total = 0;
    for (auto& x : xs) {
      sizes.push_back(static_cast<std::uint32_t>(x.size()));
      total += x.size();
    }
    if (total > max_block_bytes)
      return caf::sec::invalid_argument;
    auto length = static_cast<std::uint32_t>(total);
    if (auto err = f(sizes, length))
      return err;
    bool damaged = false;
    for (auto& x : xs) {
      if (auto err = f.apply_raw(x.size(), const_cast<std::byte*>(x.bytes().data())))
        return err;
      damaged |= x.damaged(); // known only after its bytes were read
    }
    return f(damaged);
  } else if constexpr (is_loading<Inspector>) {
    std::vector<std::uint32_t> sizes;
    if (auto err = f(sizes))
      return err;
    storage::slice all;
    if (auto err = inspect_slice(f, all))
      return err;
    bool damaged = false;
    if (auto err = f(damaged))
      return err;
    std::size_t at = 0;
    xs.clear();
    for (auto size : sizes) {
      if (size > all.size() - at)
        return caf::sec::invalid_argument;
      xs.push_back(damaged ? storage::slice{} : all.part(at, size));
      at += size;
    }
    return caf::error{};
  } else {
    auto count = xs.size();
    return f(caf::meta::type_name("slices"), count);
  }
}

// Wraps the two for use among other members.
struct slice_field {
  storage::slice& value;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, slice_field& x) {
  return inspect_slice(f, x.value);
}
struct slices_field {
  std::vector<storage::slice>& value;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, slices_field& x) {
  return inspect_slices(f, x.value);
}

template <class Inspector>
auto inspect(Inspector& f, put_request& x) {
  slice_field messages{x.messages};
  return fields(f, "put_request", x.topic, messages, x.count, x.wait, x.born_host.address,
                x.born_host.v6, x.born_host.port, x.time_left_ms);
}

template <class Inspector>
auto inspect(Inspector& f, message_result& x) {
  return fields(f, "message_result", x.code, x.offset, x.queue_position);
}

template <class Inspector>
auto inspect(Inspector& f, put_response& x) {
  return fields(f, "put_response", x.results, x.failure.code, x.failure.message);
}

template <class Inspector>
auto inspect(Inspector& f, put_group& x) {
  return fields(f, "put_group", x.requests, x.sent_ms);
}

template <class Inspector>
auto inspect(Inspector& f, put_group_response& x) {
  return fields(f, "put_group_response", x.responses);
}

} // namespace troupe

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

namespace troupe {

template <class Inspector>
auto inspect(Inspector& f, position_list& x) {
  if constexpr (is_loading<Inspector>) {
    auto batch = std::make_shared<storage::position_batch>();
    auto err = f(x.run, *batch);
    x.batch = std::move(batch);
    return err;
  } else {
    // Saving only reads.
    return f(x.run, const_cast<storage::position_batch&>(*x.batch));
  }
}

template <class Inspector>
auto inspect(Inspector& f, log_state& x) {
  return fields(f, "log_state", x.run, x.min, x.start, x.end, x.flushed, x.store_ms, x.read_only,
                x.queues_unknown);
}

template <class Inspector>
auto inspect(Inspector& f, queue_state& x) {
  return fields(f, "queue_state", x.applied, x.next_offsets);
}

template <class Inspector>
auto inspect(Inspector& f, pull_request& x) {
  return fields(f, "pull_request", x.topic, x.queue_id, x.from, x.max_messages, x.max_bytes,
                x.tag_hashes, x.wait_ms);
}

template <class Inspector>
auto inspect(Inspector& f, pull_response& x) {
  slices_field records{x.records};
  return fields(f, "pull_response", x.status, x.next, x.min, x.max, records, x.damaged, x.warning);
}

template <class Inspector>
auto inspect(Inspector& f, record_location& x) {
  return fields(f, "record_location", x.offset, x.size, x.position, x.tags_code, x.compared);
}

template <class Inspector>
auto inspect(Inspector& f, entry_search& x) {
  return fields(f, "entry_search", x.topic, x.queue_id, x.suspects);
}

template <class Inspector>
auto inspect(Inspector& f, entry_suspicion& x) {
  return fields(f, "entry_suspicion", x.topic, x.queue_id, x.where);
}

template <class Inspector>
auto inspect(Inspector& f, damaged_message& x) {
  return fields(f, "damaged_message", x.place, x.reason);
}

template <class Inspector>
auto inspect(Inspector& f, read_request& x) {
  return fields(f, "read_request", x.topic, x.queue_id, x.records, x.answer);
}

template <class Inspector>
auto inspect(Inspector& f, key_query& x) {
  return fields(f, "key_query", x.topic, x.key, x.max, x.begin_ms, x.end_ms);
}

template <class Inspector>
auto inspect(Inspector& f, key_read& x) {
  return fields(f, "key_read", x.query, x.offsets);
}

template <class Inspector>
auto inspect(Inspector& f, bounds_read& x) {
  return fields(f, "bounds_read", x.queues, x.last_records);
}

template <class Inspector>
auto inspect(Inspector& f, record_batch& x) {
  slices_field records{x.records};
  return fields(f, "record_batch", records, x.left_out);
}

template <class Inspector>
auto inspect(Inspector& f, queue_bounds& x) {
  return fields(f, "queue_bounds", x.queue_id, x.min, x.max, x.last_store_ms, x.first);
}

template <class Inspector>
auto inspect(Inspector& f, topic_info& x) {
  return fields(f, "topic_info", x.name, x.read_queues, x.write_queues, x.perm);
}

template <class Inspector>
auto inspect(Inspector& f, topic_map& x) {
  if constexpr (is_loading<Inspector>) {
    auto topics = std::make_shared<std::map<std::string, topic_info>>();
    auto err = f(*topics);
    x.topics = std::move(topics);
    return err;
  } else {
    return f(const_cast<std::map<std::string, topic_info>&>(*x.topics));
  }
}

template <class Inspector>
auto inspect(Inspector& f, topic_list& x) {
  return fields(f, "topic_list", x.topics);
}

template <class Inspector>
auto inspect(Inspector& f, topic_description& x) {
  return fields(f, "topic_description", x.info, x.queues);
}

template <class Inspector>
auto inspect(Inspector& f, welcome& x) {
  return fields(f, "welcome", x.node, x.credit_messages, x.credit_bytes);
}

template <class Inspector>
auto inspect(Inspector& f, tombstone& x) {
  return fields(f, "tombstone", x.topic, x.deleted_at, x.next_offsets);
}

template <class Inspector>
auto inspect(Inspector& f, deleted_topics& x) {
  return fields(f, "deleted_topics", x.topics);
}

template <class Inspector>
auto inspect(Inspector& f, group_offset& x) {
  return fields(f, "group_offset", x.group, x.topic, x.queue_id, x.offset);
}

template <class Inspector>
auto inspect(Inspector& f, group_settings& x) {
  return fields(f, "group_settings", x.group, x.json);
}

template <class Inspector>
auto inspect(Inspector& f, group_list& x) {
  return fields(f, "group_list", x.settings, x.offsets);
}

template <class Inspector>
auto inspect(Inspector& f, log_written& x) {
  return fields(f, "log_written", x.end, x.store_ms);
}

template <class Inspector>
auto inspect(Inspector& f, log_flushed& x) {
  return fields(f, "log_flushed", x.end, x.store_ms, x.run);
}

template <class Inspector>
auto inspect(Inspector& f, flush_failure& x) {
  return fields(f, "flush_failure", x.reason);
}
template <class Inspector>
auto inspect(Inspector& f, write_refusal& x) {
  return fields(f, "write_refusal", x.code, x.reason, x.share);
}

template <class Inspector>
auto inspect(Inspector& f, queue_sync& x) {
  return fields(f, "queue_sync", x.files, x.directories, x.run, x.applied, x.last_store_ms,
                x.queue_count, x.entry_total, x.index_files);
}

template <class Inspector>
auto inspect(Inspector& f, queue_synced& x) {
  return fields(f, "queue_synced", x.durable, x.disk_ms);
}

template <class Inspector>
auto inspect(Inspector& f, writer_status& x) {
  return fields(f, "writer_status", x.open, x.end, x.min, x.refusal, x.backlog, x.backlog_max,
                x.delayed_requests, x.delayed_ms, x.parked_requests, x.dirty_bytes);
}

template <class Inspector>
auto inspect(Inspector& f, flusher_status& x) {
  return fields(f, "flusher_status", x.flushed, x.flushes, x.failure);
}

template <class Inspector>
auto inspect(Inspector& f, dispatcher_status& x) {
  return fields(f, "dispatcher_status", x.next, x.applied, x.replayed, x.pauses);
}

template <class Inspector>
auto inspect(Inspector& f, queue_share_status& x) {
  return fields(f, "queue_share_status", x.share, x.applied, x.durable);
}

template <class Inspector>
auto inspect(Inspector& f, queue_manager_status& x) {
  return fields(f, "queue_manager_status", x.run, x.applied, x.durable, x.queues, x.entries,
                x.parked_pulls, x.damaged_messages, x.failure, x.share, x.parts, x.missing);
}

template <class Inspector>
auto inspect(Inspector& f, cleaner_status& x) {
  return fields(f, "cleaner_status", x.disk_used_percent, x.files_deleted, x.failure, x.clock);
}

template <class Inspector>
auto inspect(Inspector& f, role_status& x) {
  return fields(f, "role_status", x.role, x.state, x.restarts, x.node, x.since_ms);
}

template <class Inspector>
auto inspect(Inspector& f, link_status& x) {
  return fields(f, "link_status", x.node, x.state, x.since_ms, x.incarnation, x.reason);
}
template <class Inspector>
auto inspect(Inspector& f, node_view& x) {
  return fields(f, "node_view", x.node, x.roles, x.state, x.since_ms, x.reason, x.links);
}
template <class Inspector>
auto inspect(Inspector& f, node_status& x) {
  return fields(f, "node_status", x.node, x.cluster, x.directory, x.flush, x.uptime_ms, x.sessions,
                x.max_message_bytes, x.roles, x.writer, x.flusher, x.dispatcher, x.queues,
                x.cleaner, x.waits_for, x.links, x.nodes, x.backlog_capacity);
}

template <class Inspector>
auto inspect(Inspector& f, stop_report& x) {
  return fields(f, "stop_report", x.left_over);
}

} // namespace troupe
