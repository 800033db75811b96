#pragma once

#include "sim/node/node_scene.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe::sim {

/// What its producer wants of a message of a transaction. He never changes his mind.
enum class half_wish : std::uint8_t {
  commit,
  rollback,
  nothing, ///< he has vanished: nobody will ever answer for it
};

/// A message of a transaction, and what its producer knows about it.
struct half_entry {
  std::uint64_t number = 0; ///< in its body
  std::int32_t queue = 0;   ///< of the topic that it is for
  std::uint32_t size = 0;
  std::int64_t born_ms = 0; ///< by the node's wall clock
  half_wish wish = half_wish::commit;
  put_state state = put_state::open; ///< as a half
  bool durable = false;              ///< has to survive a power cut
  log_offset offset = -1;
  queue_offset position = -1; ///< in the half queue
  bool end_sent = false;      ///< it may be committed, or rolled back
  bool ended = false;         ///< that was acknowledged, and no power cut can have undone it
  std::chrono::milliseconds ended_at{0}; ///< of the world
};

/// What was read of the queues that transactions touch. The op queue is read first: what its words
/// speak of is in the others then.
struct transaction_queues {
  std::vector<seen_message> op, halves, visible, unresolved;
};

struct producers_state;

/// Producers of transactions as RocketMQ's are, and what they were promised: what is acknowledged
/// as committed is seen once, however often it is said; what was not committed never; what nobody
/// answers for is asked about, and at last is where an operator finds it.
///
/// Their messages have a topic of their own. Whoever is asked about them is a door of the node, an
/// actor in its process, made anew with it.
class node_transactions {
public:
  using problem = std::optional<std::string>;

  explicit node_transactions(node_scene& scene);
  ~node_transactions();
  node_transactions(const node_transactions&) = delete;
  node_transactions& operator=(const node_transactions&) = delete;

  static constexpr std::string_view topic = "x";
  static constexpr std::int32_t queue_count = 2;

  /// To be made before anything else.
  static topic_info its_topic() { return {std::string(topic), queue_count, queue_count, 6}; }

  void send(const node_event& event);
  void end(const node_event& event);

  /// Looks at the answers that have come, and for a node that is new. Throws what went wrong.
  void collect();
  bool all_answered() const noexcept { return open_.empty(); }
  /// Without synchronous flush, what was acknowledged may be undone.
  void power_lost();

  /// To be asked for before the queues are read: what is acknowledged later need not be in them.
  const std::vector<half_entry>& known() const noexcept;
  /// `whole`: nothing of the log is gone, and the queues have all of it. `settled`: everybody has
  /// had time enough.
  problem check(const std::vector<half_entry>& known, const transaction_queues& found, bool whole,
                bool settled) const;

private:
  struct open_half {
    answer<put_response> response;
    std::uint64_t number = 0;
    bool wait = true;
    std::uint64_t cuts = 0; ///< of the power before it was sent
  };
  void attach();
  void settle(open_half& sent);

  node_scene& scene_;
  std::shared_ptr<producers_state> state_;
  std::vector<open_half> open_;
  node_actor node_; ///< to whom the door belongs
  door_actor door_;
};

} // namespace troupe::sim
