#pragma once

#include "net/remoting/queue_locks.hpp"
#include "storage/error.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Which queues a member of a group consumes and how, where the broker says it (RocketMQ 5's
/// QueryAssignmentProcessor and MessageRequestModeManager).
namespace troupe::remoting {

/// Body of SET_MESSAGE_REQUEST_MODE (401), and what is kept of it.
struct request_mode {
  std::string topic;
  std::string group;
  bool pop = false; ///< else its members pull
  /// How many members behind a member share its queues with it; below 1: all share all.
  std::int32_t share = 0;
};
storage::result<request_mode> read_request_mode(storage::byte_view body);

/// How groups consume topics, as operators set it. Bounded in entries.
class request_modes {
public:
  static constexpr std::size_t most = 10'000;

  /// Refused as busy when there are too many.
  storage::result<void> set(request_mode mode);
  /// Null: nobody set one, and they pull.
  const request_mode* find(const std::string& topic, const std::string& group) const;

  /// Java's messageRequestMode.json.
  std::string write() const;
  static storage::result<request_modes> read(std::string_view text);

private:
  std::map<std::string, std::map<std::string, request_mode>> topics_; ///< and by group
  std::size_t count_ = 0;
};

/// Body of QUERY_ASSIGNMENT (400).
struct assignment_query {
  std::string topic;
  std::string group;
  std::string client_id;
  std::string strategy;
  bool broadcast = false;
};
storage::result<assignment_query> read_assignment_query(storage::byte_view body);

/// A queue of any broker, in the order in which all members sort them.
struct broker_queue {
  std::string broker;
  std::int32_t queue_id = 0; ///< -1: any
  friend auto operator<=>(const broker_queue&, const broker_queue&) = default;
};

/// The member's queues. `queues` and `members` are sorted. Nothing, which leaves a client with what
/// it has: one of both is empty, or the strategy is none of RocketMQ's AVG and AVG_BY_CIRCLE.
std::optional<std::vector<broker_queue>> assign(const assignment_query& query, bool pop,
                                                std::int32_t share,
                                                const std::vector<broker_queue>& queues,
                                                const std::vector<std::string>& members);

/// Body of the answer to 400.
std::string write_assignment(const std::string& topic, bool pop,
                             const std::optional<std::vector<broker_queue>>& queues);

} // namespace troupe::remoting
