#pragma once

#include "actors/pull_messages.hpp"
#include "net/remoting/sql_filter.hpp"

#include <cstdint>

namespace troupe::net {

/// Its number in its queue, as a whole record has it.
queue_offset number_in_queue(const storage::slice& record);

/// Leaves of what a pull has found the messages that pass, at most so many: what is behind those
/// is for the next pull.
void keep_passing(const remoting::sql_filter& filter, std::uint32_t most, pull_response& found);

} // namespace troupe::net
