#pragma once

#include "net/remoting/admin_bodies.hpp"
#include "net/remoting/admin_headers.hpp"
#include "net/remoting/batch_body.hpp"
#include "net/remoting/fields.hpp"
#include "net/remoting/frame.hpp"
#include "net/remoting/headers.hpp"
#include "net/remoting/heartbeat.hpp"
#include "net/remoting/queue_locks.hpp"
#include "net/remoting/route.hpp"
#include "net/remoting/subscription.hpp"
#include "storage/format/properties.hpp"
#include "tests/fuzz/hostile.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

/// What must be true of any bytes that come in at the gateway's door.
namespace troupe::fuzz {

/// What was understood must mean the same after it was written and read again, in either form.
inline void check_again(remoting::command c) {
  for (auto type : {remoting::header_type::json, remoting::header_type::binary}) {
    c.type = type;
    std::string out;
    remoting::append_frame_head(out, c, 0);
    remoting::frame_splitter splitter;
    auto room = splitter.room();
    if (out.size() > room.size() || c.ext.size() > 100)
      continue;
    std::memcpy(room.data(), out.data(), out.size());
    splitter.received(out.size());
    auto f = must(splitter.next());
    require(f.has_value(), "a frame that was written is whole");
    // Bytes that are no UTF-8 pass through, but a language that has no name becomes OTHER.
    auto again = must(remoting::decode_header(f->type, f->header.bytes()));
    require(again.ext == c.ext && again.opaque == c.opaque && again.remark == c.remark,
            "a header that was written reads equal");
  }
}

template <class Header>
void check_fields(const remoting::command& c) {
  if (auto header = remoting::read_fields<Header>(c); header.has_error())
    require(!header.error().message.empty(), "fields that are refused have a message");
}

template <class... Headers>
void check_each(const remoting::command& c) {
  (check_fields<Headers>(c), ...);
}

inline void check_properties(std::string_view text) {
  std::size_t bytes = 0;
  storage::for_each_property(text, [&](std::string_view name, std::string_view value) {
    bytes += name.size() + value.size();
  });
  require(bytes <= text.size(), "properties lie inside of their text");
  (void)storage::property_problem(text);
  (void)storage::find_property(text, storage::property::wait);
  (void)storage::java_hash(text);
}

inline void check_headers(const remoting::command& c) {
  using namespace remoting;
  if (auto header = read_send_header(c))
    check_properties(header.value().properties);
  else
    require(!header.error().message.empty(), "a header that is refused has a message");
  if (auto header = read_fields<pull_header>(c))
    (void)tag_hashes(header.value().subscription);
  check_each<queue_header, search_header, offset_header, group_queue_header, commit_header,
             key_header, group_header, unregister_header, route_header>(c);
  check_each<topic_config_header, topic_header, cluster_header, consume_stats_header,
             producer_group_header, delete_group_header, reset_header, reset_one_header,
             stats_header>(c);
  (void)dialect_for(c, false);
}

inline void check_body(storage::byte_view body) {
  using namespace remoting;
  if (auto h = read_heartbeat(body)) {
    auto text = write_heartbeat(h.value());
    must(read_heartbeat(std::as_bytes(std::span(text))));
    for (auto& group : h.value().consumers)
      for (auto& each : group.subscriptions)
        (void)tag_hashes(each.expression);
  }
  (void)read_lock_body(body);
  (void)read_group_name(body);
  batch_body_reader batch(body);
  for (;;) {
    auto next = batch.next();
    if (next.has_error() || !next.value())
      break;
    require(next.value()->body.size() + next.value()->properties.size() <= body.size(),
            "a message of a batch lies inside of its body");
    check_properties(next.value()->properties);
  }
}

inline void check_frame(const remoting::frame& f) {
  auto c = remoting::decode_header(f.type, f.header.bytes());
  if (!c)
    return require(!c.error().message.empty(), "a header that is refused has a message");
  check_again(c.value());
  check_headers(c.value());
  check_body(f.body.bytes());
}

/// A stream that comes in pieces of at most so many bytes: every frame lies inside of it, every
/// header and body is understood or refused with a message, and memory is bounded by what came.
/// Returns how many frames it had.
inline std::size_t check_stream(storage::byte_view stream, std::size_t piece) {
  remoting::frame_splitter splitter;
  std::size_t taken = 0, frames = 0;
  for (std::size_t at = 0; at < stream.size();) {
    auto announced = splitter.next_held_bytes();
    auto room = splitter.room();
    require(splitter.held_bytes() == announced, "the splitter says beforehand what it will hold");
    require(splitter.held_bytes() <= 2 * stream.size() + (std::size_t{512} << 10),
            "memory grows with what came");
    auto count = std::min({piece, stream.size() - at, room.size()});
    std::memcpy(room.data(), stream.data() + at, count);
    splitter.received(count);
    at += count;
    for (;;) {
      auto f = splitter.next();
      if (f.has_error()) {
        require(!f.error().message.empty(), "a stream that is refused has a message");
        return frames;
      }
      if (!f.value())
        break;
      ++frames;
      taken += f.value()->bytes;
      require(taken <= stream.size(), "frames lie inside of their stream");
      check_frame(*f.value());
    }
    splitter.give_back();
    require(splitter.pending() > 0 || splitter.held_bytes() == 0, "an idle stream holds nothing");
  }
  return frames;
}

} // namespace troupe::fuzz
