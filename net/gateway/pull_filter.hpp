#pragma once

#include "actors/pull_messages.hpp"
#include "net/remoting/subscription.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace troupe::net {

/// The expressions over properties that came in requests of late, compiled once.
class expression_cache {
public:
  /// As `remoting::filter_of`.
  storage::result<remoting::subscription_filter> filter_of(const std::string& type,
                                                           const std::string& expression);

private:
  std::map<std::string, std::shared_ptr<const remoting::sql_filter>> expressions_;
};

/// Its number in its queue, as a whole record has it.
queue_offset number_in_queue(const storage::slice& record);

/// Leaves of what a pull has found the messages that pass, at most so many: what is behind those
/// is for the next pull.
void keep_passing(const remoting::sql_filter& filter, std::uint32_t most, pull_response& found);

} // namespace troupe::net
