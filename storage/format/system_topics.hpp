#pragma once

#include <string_view>

namespace troupe::storage {

// RocketMQ's own topics, by the rules of its TopicValidator. TBW102, whose settings new topics
// have, takes no messages here, since nobody reads them.

/// True for a topic that nobody makes, changes or deletes: brokers do.
bool is_system_topic(std::string_view topic) noexcept;

/// False for a topic that at most a broker writes to. Others of its own are filled by clients, such
/// as the traces of theirs.
bool takes_messages(std::string_view topic) noexcept;

} // namespace troupe::storage
