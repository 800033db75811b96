#pragma once

#include "sim/node_scene.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace troupe::sim {

/// What the clients of a run have asked for, and what they were answered: every answer is compared
/// with the ledger, and goes into it.
class node_clients {
public:
  explicit node_clients(node_scene& scene) : scene_(scene) {}

  void put(const node_event& event);
  /// The same beside all wires.
  void put(const node_event& event, const store_service& to);
  void read(const node_event& event);
  void probe(const node_event& event);
  /// Deletes the topic of the event's queue, or makes it; not while such a request is open.
  void remove_topic(const node_event& event);
  void create_topic(const node_event& event);

  /// Looks at the answers that have come.
  void collect();
  bool all_answered() const noexcept {
    return puts_.empty() && reads_.empty() && probes_.empty() && removals_.empty() &&
           creations_.empty();
  }

  void check_bound(const node_status& status) const;
  topic_info topic(std::uint32_t queue) const;

private:
  struct open_put {
    answer<put_response> response;
    std::vector<std::uint64_t> numbers;
    bool wait = true;
  };
  struct open_read {
    answer<pull_response> response;
    std::uint64_t removals = 0; ///< that were known when it was sent
  };
  struct open_probe {
    answer<node_status> response;
  };
  template <class Response>
  struct open_change {
    answer<Response> response;
    std::string topic;
  };

  bool changes(const std::string& topic) const;
  void collect_put(open_put& put);
  void collect_read(open_read& read);
  void collect_changes();
  void settle(std::uint64_t number, const message_result& result, bool wait);

  node_scene& scene_;
  std::vector<open_put> puts_;
  std::vector<open_read> reads_;
  std::vector<open_probe> probes_;
  std::vector<open_change<tombstone>> removals_;
  std::vector<open_change<topic_info>> creations_;
};

} // namespace troupe::sim
