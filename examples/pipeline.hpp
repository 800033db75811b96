// What the three programs of the pipeline share: source -> topic A -> transform -> topic B -> sink.
//
// Each message carries its position in the source (1, 2, 3, ...) as its key, also behind the
// transform. By it every step knows after a restart how far it was, and drops what it has seen.
#pragma once

#include "net/ask.hpp"
#include "net/client.hpp"
#include "net/consumer.hpp"
#include "net/producer.hpp"

#include <charconv>
#include <iostream>
#include <string>
#include <thread>

namespace pipeline {

using namespace troupe;
using namespace std::chrono_literals;
using storage::result;

/// Asks until the node answers. Only for questions that may be asked twice.
template <class Result, class... Arguments>
result<Result> insist(caf::scoped_actor& self, const store_service& node, Arguments... arguments) {
  for (;; std::this_thread::sleep_for(100ms)) {
    auto answer = client::ask<Result>(self, node, arguments...);
    if (answer)
      return answer;
    auto code = answer.error().code;
    if (code != errc::connection_lost && code != errc::unavailable && code != errc::maybe_stored &&
        code != errc::busy)
      return answer;
  }
}

/// The position that a message carries.
inline result<std::int64_t> position_of(const storage::record_view& message) {
  auto key = client::keys_of(message);
  std::int64_t position = 0;
  if (std::from_chars(key.data(), key.data() + key.size(), position).ec != std::errc{})
    return storage::error{errc::corrupt, "a message without a position: not of this pipeline"};
  return position;
}

/// Decides for each position that arrives: true for the next one, false for one that was seen.
inline result<bool> is_next(std::int64_t position, std::int64_t& last) {
  if (position <= last)
    return false;
  if (position != last + 1)
    return storage::error{errc::corrupt, "position " + std::to_string(position) + " follows " +
                                             std::to_string(last) + ": messages are missing"};
  last = position;
  return true;
}

/// Which position the newest message of the topic carries; 0 if there is none. One queue is one
/// order, so topics of a pipeline have only one; it is made if it is not there.
inline result<std::int64_t> last_position(caf::scoped_actor& self, const store_service& node,
                                          const std::string& topic) {
  TROUPE_TRY(insist<topic_info>(self, node, create_atom_v, topic_info{topic, 1, 1}));
  TROUPE_TRY(auto known, insist<topic_description>(self, node, bounds_atom_v, topic));
  pull_request newest;
  newest.topic = topic;
  newest.from = known.queues.at(0).max - 1;
  if (newest.from < known.queues.at(0).min)
    return 0;
  TROUPE_TRY(auto answer, insist<pull_response>(self, node, newest));
  if (answer.records.empty())
    return storage::error{errc::corrupt, "the newest message of " + topic + " cannot be read"};
  TROUPE_TRY(auto message, client::decode(answer.records.back()));
  return position_of(message);
}

/// A consumer of a topic's queue that goes on where the group was, and never ends.
inline result<client::consumer> follow(caf::actor_system& system, caf::scoped_actor& self,
                                       const store_service& node, const std::string& topic,
                                       const std::string& group) {
  TROUPE_TRY(auto known,
             insist<group_offset>(self, node, fetch_atom_v, group_offset{group, topic}));
  client::consumer_options options;
  options.topic = topic;
  options.queue = 0;
  options.from = client::start_offset{std::max<queue_offset>(known.offset, 0)};
  options.follow = true;
  auto note = [](const std::string& text) { std::cerr << text << "\n"; };
  return client::consumer::open(system, node, options, note);
}

/// A producer that repeats until the node has a batch: in order, and each message once. After a
/// start of its program it is another one.
inline client::producer_options patient() {
  client::producer_options options;
  options.repeat_for = 10min;
  options.idempotent = client::producer_identity::draw();
  return options;
}

/// Runs one step on a connection to the doors; its error goes to standard error.
template <class Step>
int run(const char* doors, Step step) {
  auto address = client::parse_address(doors);
  if (!address) {
    std::cerr << address.error().message << "\n";
    return 2;
  }
  caf::actor_system_config config;
  client::configure(config);
  caf::actor_system system{config};
  auto node = client::connect(system, address.value());
  result<void> done = step(system, node);
  caf::anon_send(node, stop_atom_v); // else the connection would keep the program alive
  if (!done)
    std::cerr << done.error().message << "\n";
  return done ? 0 : 1;
}

} // namespace pipeline
