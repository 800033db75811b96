#include "sim/node/node_scene.hpp"

#include "sim/net/net.hpp"
#include "storage/big_endian.hpp"
#include "storage/format/properties.hpp"

#include <algorithm>

namespace troupe::sim {

namespace {

node_options options_of(const node_plan& plan) {
  auto options = small_node_options();
  options.store.flush =
      plan.sync_flush ? storage::flush_policy::sync : storage::flush_policy::async;
  options.store.log_file_size_bytes = plan.log_file_bytes;
  options.store.max_message_size_bytes =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(plan.log_file_bytes / 2, 8192));
  options.store.record_crc = plan.record_crc;
  options.store.delays = storage::delay_levels::parse("0s 1s 2s 3s").value();
  if (plan.transactions)
    options.transaction = {std::chrono::milliseconds(300), std::chrono::milliseconds(500), 3};
  options.dispatcher.mailbox_capacity = plan.capacity;
  options.queue_manager.tail_entries = plan.tail_entries;
  if (plan.cleaner_ms > 0)
    options.cleaner.interval = std::chrono::milliseconds(plan.cleaner_ms);
  if (plan.reserved_ms > 0) {
    options.store.file_reserved_time_ms = plan.reserved_ms;
    for (int hour = 0; hour < 24; ++hour)
      options.store.delete_when_hours.push_back(hour);
    // What is not durable in the queues does not go.
    options.flusher.queue_interval = std::chrono::milliseconds(100);
  }
  return options;
}

seen_message decode(storage::byte_view bytes) {
  if (bytes.size() < storage::record_layout::fixed_bytes_v1)
    throw broken{"a record that is too short was served"};
  auto* own_offset = bytes.data() + storage::record_layout::own_offset_at;
  auto offset = storage::big_endian::load<log_offset>(own_offset);
  auto found = storage::decode_record(bytes, offset, storage::verify::structure_and_crc);
  if (found.kind != storage::record_kind::message)
    throw broken{"a torn message was served, offset " + std::to_string(offset)};
  auto& view = found.view;
  auto property = [&](std::string_view name) {
    return std::string(storage::find_property(view.properties, name));
  };
  auto* body = reinterpret_cast<const char*>(view.body.data());
  return {std::string(view.topic),
          view.queue_id,
          view.queue_position,
          view.offset,
          std::string(body, view.body.size()),
          property(storage::property::keys),
          property(storage::property::tags),
          view.store_timestamp};
}

} // namespace

node_scene::node_scene(const node_plan& p)
    : plan(p), w(p.seed), node(w, 1, options_of(p), "n1", p.placement, p.queue_places) {
  if (node.net() != nullptr)
    node.net()->set_delay(std::chrono::milliseconds(plan.net_delay_ms));
  node.set_link_window(plan.link_window);
  w.between_steps = [this] {
    node.disk().set_time_ms(node.clock().now_ms());
    if (node.running() && node.crashed())
      node.kill();
  };
  for (std::uint32_t i = 0; i <= plan.producers; ++i)
    wires.push_back(node.connect());
}

session_actor node_scene::open_session() {
  auto given = w.ask<session_actor>(node.actor(), hello_atom_v, caf::strong_actor_ptr{});
  if (!given.there() || given.code() != errc::none)
    throw broken{"a healthy node gives no session"};
  return given.value();
}

seen_message node_scene::as_sent(const storage::slice& record) const {
  auto shown = decode_message(record);
  auto written = rot.as_written(shown.offset, record.bytes());
  bool same = written.data() == record.bytes().data();
  return same ? shown : decode(written);
}

seen_message decode_message(const storage::slice& record) {
  return decode(record.bytes());
}

} // namespace troupe::sim
