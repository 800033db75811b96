#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace troupe {

/// Those who wait for a message of a queue until a deadline, each in two orders: by queue, where
/// they came one after the other, and by deadline. Whoever is woken or has waited for long enough
/// is found at once, and nobody else is looked at.
///
/// Knows no actors and no clock: what waits is anything that can be moved, and time is handed in.
template <class Waiting>
class parked_pulls {
public:
  using time_point = std::chrono::steady_clock::time_point;

  std::size_t size() const noexcept { return by_deadline_.size(); }
  bool empty() const noexcept { return by_deadline_.empty(); }

  /// When the next one has waited for long enough; nothing if nobody waits.
  std::optional<time_point> next_deadline() const noexcept {
    if (empty())
      return std::nullopt;
    return by_deadline_.begin()->first.first;
  }

  void add(const std::string& topic, std::int32_t queue, time_point deadline, Waiting&& what) {
    auto place = by_queue_.try_emplace({topic, queue}).first;
    place->second.emplace(next_number_, entry{deadline, std::move(what)});
    by_deadline_.emplace(std::pair{deadline, next_number_++}, place);
  }

  /// Takes those of one queue, as they came.
  std::vector<Waiting> take(const std::string& topic, std::int32_t queue) {
    std::vector<Waiting> taken;
    auto place = by_queue_.find({topic, queue});
    if (place == by_queue_.end())
      return taken;
    taken.reserve(place->second.size());
    for (auto& [number, waiting] : place->second) {
      by_deadline_.erase({waiting.deadline, number});
      taken.push_back(std::move(waiting.what));
    }
    by_queue_.erase(place);
    return taken;
  }

  /// Takes all, queue by queue.
  std::vector<Waiting> take_all() {
    std::vector<Waiting> taken;
    taken.reserve(size());
    for (auto& [queue, entries] : by_queue_)
      for (auto& [number, waiting] : entries)
        taken.push_back(std::move(waiting.what));
    by_queue_.clear();
    by_deadline_.clear();
    return taken;
  }

  /// Takes those whose deadline has come, by deadline and then as they came.
  std::vector<Waiting> take_expired(time_point now) {
    std::vector<Waiting> taken;
    while (!empty() && by_deadline_.begin()->first.first <= now) {
      auto [key, place] = *by_deadline_.begin();
      auto found = place->second.find(key.second);
      taken.push_back(std::move(found->second.what));
      place->second.erase(found);
      if (place->second.empty())
        by_queue_.erase(place);
      by_deadline_.erase(by_deadline_.begin());
    }
    return taken;
  }

private:
  using arrival = std::uint64_t; ///< in the order in which they came
  struct entry {
    time_point deadline;
    Waiting what;
  };
  using queues = std::map<std::pair<std::string, std::int32_t>, std::map<arrival, entry>>;

  queues by_queue_; ///< none of them is empty
  std::map<std::pair<time_point, arrival>, typename queues::iterator> by_deadline_;
  arrival next_number_ = 0;
};

} // namespace troupe
