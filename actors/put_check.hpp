#pragma once

#include "actors/interfaces.hpp"
#include "actors/options.hpp"

#include <string>

namespace troupe {

/// Whether the writer can carry out what a client wants to be stored: topic (null if there is none
/// of that name), queues, and each field of each message. Made once, where the request comes in;
/// the actors behind it see only what passes. Takes the messages at their word when all of them say
/// WAIT=false.
storage::result<void> check_put(put_request& request, const topic_info* topic,
                                const node_options& options);

/// Of RocketMQ's own topics, which no client fills or changes.
storage::error brokers_own(const std::string& topic);

/// The answer to a put of which nothing is stored, for this reason.
put_response refused(const put_request& request, const storage::error& why);

} // namespace troupe
