#pragma once

#include "sim/node/node_clients.hpp"
#include "sim/node/node_scene.hpp"
#include "sim/node/node_transactions.hpp"

#include <map>
#include <string>
#include <vector>

namespace troupe::sim {

/// Looks at everything that a node has, and compares it with the ledger and with its own log.
class node_check {
public:
  node_check(node_scene& scene, node_clients& clients, node_transactions& transactions)
      : scene_(scene), clients_(clients), transactions_(transactions) {}

  /// After a start. `vouched` is where the log was durable, as the last checkpoint said. Of a store
  /// of which a process has lived on, messages may be `under_way`.
  void after_start(bool lost_power, log_offset vouched, bool under_way);
  /// All that was there when it was looked at last.
  const std::vector<seen_message>& found() const noexcept { return found_; }
  /// Of a node that nothing happened to for a while: its queues begin where its log does.
  void check_queue_begins();
  /// Of a node that is whole: what has waited comes, though nothing else happens.
  void await_deliveries();
  /// And all transactions end.
  void await_transactions();

private:
  struct found_queue {
    std::string topic;
    std::int32_t queue = 0;
  };
  std::vector<seen_message> read_everything(const session_actor& session);
  void read_queue(const session_actor& session, const std::string& topic, queue_bounds bounds,
                  std::vector<seen_message>& seen);
  void read_waiting(const session_actor& session, std::vector<seen_message>& seen);
  void read_unlisted(const session_actor& session, std::string_view topic, std::int32_t queue,
                     std::vector<seen_message>& seen);
  transaction_queues read_transactions(const session_actor& session);
  bool is_written(const session_actor& session);
  queue_offset pass_damage(const session_actor& session, const found_queue& where,
                           queue_offset from, const pull_response& answer);
  /// Where deleted topics end, as the disk has it.
  std::map<std::string, log_offset> tombstones() const;
  void check_topics(const session_actor& session,
                    const std::map<std::string, log_offset>& dead_before,
                    std::vector<seen_message>& seen, bool lost_power);
  void check_ledger(const std::vector<seen_message>& seen, missing_rule may,
                    const node_status& now);
  void check_hidden(const session_actor& session, const node_status& now);
  void check_replay(const std::vector<seen_message>& seen, log_offset known_end,
                    const node_status& now);
  void check_keys(const session_actor& session, const std::vector<seen_message>& seen);
  bool in_log(const ledger_entry& entry, log_offset min) const;
  void check_status(const node_status& status, log_offset vouched) const;
  void check_begin(const node_status& status) const;

  node_scene& scene_;
  node_clients& clients_;
  node_transactions& transactions_;
  std::vector<seen_message> found_;
  bool under_way_ = false;
};

} // namespace troupe::sim
