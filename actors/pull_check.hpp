#pragma once

#include "actors/interfaces.hpp"
#include "actors/options.hpp"

#include <cstdint>
#include <optional>

namespace troupe {

/// Of one client: one in each queue of the two largest topics. All of the node's are bounded by
/// `parked-pulls`, of which no client takes all.
inline constexpr std::size_t most_waiting_pulls = 2048;

/// No pull waits longer: who wants to wait on asks again.
inline constexpr std::uint32_t longest_pull_wait_ms = 30'000;

/// Whether a client may ask for this, in a topic that is null if it is not known. Made once, where
/// the request comes in; the actors behind it see only what passes, with all its numbers in bounds
/// and its tags sorted. `in_pieces`: the messages come from another process.
storage::result<void> check_pull(pull_request& request, const topic_info* topic,
                                 const node_options& options, bool in_pieces);

/// Beyond the client's credit, of which so much is open, the answer ends sooner: with a message or
/// two a consumer goes on, and comes back for the rest. What cannot even begin is refused as busy,
/// as everything else is then; but of a client that has no bytes open the first message is let in,
/// however large. The bytes that are left, or nothing.
std::optional<std::uint64_t> cut_to_credit(read_request& found, std::uint64_t open_bytes,
                                           const node_options& options);

} // namespace troupe
