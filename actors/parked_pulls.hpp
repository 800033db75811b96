#pragma once

#include "actors/interfaces.hpp"
#include "actors/promise.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace troupe {

/// A pull that waits for a message.
struct parked_pull {
  pull_request request;
  kept_promise<read_request> promise;
  caf::actor_clock::time_point deadline;
};

/// Pulls that wait, by the queue they wait for.
class parked_pulls {
public:
  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }

  void add(parked_pull pull) {
    ++size_;
    by_queue_[{pull.request.topic, pull.request.queue_id}].push_back(std::move(pull));
  }

  /// Takes those of one queue.
  std::vector<parked_pull> take(const std::string& topic, std::int32_t queue) {
    auto found = by_queue_.find({topic, queue});
    if (found == by_queue_.end())
      return {};
    auto pulls = std::move(found->second);
    by_queue_.erase(found);
    size_ -= pulls.size();
    return pulls;
  }

  std::vector<parked_pull> take_all() {
    std::vector<parked_pull> pulls;
    for (auto& [queue, waiting] : by_queue_)
      std::move(waiting.begin(), waiting.end(), std::back_inserter(pulls));
    by_queue_.clear();
    size_ = 0;
    return pulls;
  }

  std::vector<parked_pull> take_expired(caf::actor_clock::time_point now) {
    std::vector<parked_pull> expired;
    for (auto at = by_queue_.begin(); at != by_queue_.end();) {
      auto& waiting = at->second;
      auto late = std::stable_partition(waiting.begin(), waiting.end(),
                                        [now](const parked_pull& p) { return p.deadline > now; });
      std::move(late, waiting.end(), std::back_inserter(expired));
      waiting.erase(late, waiting.end());
      at = waiting.empty() ? by_queue_.erase(at) : std::next(at);
    }
    size_ -= expired.size();
    return expired;
  }

private:
  std::map<std::pair<std::string, std::int32_t>, std::vector<parked_pull>> by_queue_;
  std::size_t size_ = 0;
};

} // namespace troupe
