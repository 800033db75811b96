#pragma once

#include "sim/node/node.hpp"
#include "sim/node/node_ledger.hpp"
#include "sim/node/node_plan.hpp"
#include "sim/node/node_rot.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace troupe::sim {

/// A broken promise ends the run from wherever it is seen.
struct broken {
  std::string what;
};

/// A node with its clients' wires and what is known about it: what the parts of a run share.
struct node_scene {
  explicit node_scene(const node_plan& p);

  std::string topic_of(std::uint32_t queue) const {
    return "t" + std::to_string(queue / plan.queues);
  }
  simulated_link& wire(std::uint32_t client) { return *wires[client % wires.size()]; }
  /// On the node itself, beside all wires.
  session_actor open_session();
  /// The message of a record that a client got, as it is to be compared with what was sent. Where
  /// no CRC tells that bits of the record turned over, as when its CRC is damaged itself, this is
  /// the message without them; so only what rot cannot explain counts as altered.
  seen_message as_sent(const storage::slice& record) const;

  /// Asks a node with which nothing is wrong. Where a link between its processes is made anew at
  /// this moment, again: what was lost on the way had no effect that matters.
  template <class Result, class... Arguments>
  answer<Result> ask_again(const session_actor& session, Arguments... arguments) {
    for (int more = node.net() != nullptr ? 20 : 0;; --more) {
      auto given = w.ask<Result>(session, arguments...);
      if (!given.there() || more == 0 || !passes(given.code()))
        return given;
      w.run_for(std::chrono::milliseconds(200));
    }
  }
  template <class Result, class... Arguments>
  Result ask(const session_actor& session, Arguments... arguments) {
    auto given = ask_again<Result>(session, std::move(arguments)...);
    if (!given.there())
      throw broken{"a request was not answered within a minute"};
    if (given.code() != errc::none)
      throw broken{"a healthy node answers: " + given.reason()};
    return std::move(given.value());
  }
  static bool passes(errc code) noexcept {
    return code == errc::unavailable || code == errc::connection_lost || code == errc::maybe_stored;
  }

  const node_plan& plan;
  world w;
  simulated_node node;
  std::vector<std::unique_ptr<simulated_link>> wires;
  node_ledger ledger;
  node_rot rot;
  bool disk_lied = false;     ///< a sync may have done nothing: of the ledger little can be held
  bool disk_was_full = false; ///< files may go before their time
  std::uint64_t compared = 0; ///< messages that came back
};

/// A record as a client got it; a torn or short one is a broken promise.
seen_message decode_message(const storage::slice& record);

} // namespace troupe::sim
