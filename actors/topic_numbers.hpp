#pragma once

#include "actors/messages.hpp"

#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace troupe {

/// Which number the next message of each queue gets. A deleted topic keeps its numbers: made again,
/// it goes on with them, so that no old record comes back as a new one.
class topic_numbers {
public:
  topic_numbers() = default;
  /// Of those that were deleted, the ones among `living` were made again later.
  topic_numbers(std::vector<tombstone> deleted, const std::set<std::string>& living);

  /// True once the queues have said how far they are; before, no number is known.
  bool known() const noexcept { return known_; }
  /// Only the first table counts: afterwards this object knows best.
  void learn(const queue_state& queues);

  /// The next numbers of a topic, by queue id; a queue beyond the end has had no message.
  std::vector<queue_offset>& of(const std::string& topic) { return next_[topic]; }

  bool retired(const std::string& topic) const { return retired_.count(topic) > 0; }
  /// The topic is deleted at this place of the log.
  tombstone retire(const std::string& topic, log_offset at);
  /// It is there again, and goes on behind what the tombstone says.
  void revive(const tombstone& from);

private:
  void continue_behind(const tombstone& from);

  std::unordered_map<std::string, std::vector<queue_offset>> next_;
  std::map<std::string, tombstone> retired_;
  std::vector<tombstone> deleted_; ///< as found at start
  bool known_ = false;
};

} // namespace troupe
