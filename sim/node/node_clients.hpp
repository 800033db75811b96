#pragma once

#include "sim/node/node_scene.hpp"
#include "storage/format/producer_sequence.hpp"

#include <cstdint>
#include <map>
#include <memory>
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
  /// Producers that number their messages send again what is not stored and not under way.
  void send_rest();
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

  /// Why a message was not stored, or may be not, the last time.
  const std::string& last_refusal() const noexcept { return last_refusal_; }

  void check_bound(const node_status& status) const;
  topic_info topic(std::uint32_t queue) const;

private:
  /// What a producer that numbers its messages sends until it is stored.
  struct numbered_batch {
    std::uint32_t producer = 0;
    std::uint64_t first = 0;            ///< its number of the first message
    std::vector<std::uint64_t> numbers; ///< in the ledger
    bool wait = true;
    bool doubt = false;     ///< it may be stored
    errc code = errc::none; ///< the last answer
  };
  struct numbered_producer {
    storage::producer_sequence newest; ///< of the last message that got a number
    std::vector<std::shared_ptr<numbered_batch>> failed;
    std::size_t open = 0;
  };
  struct open_put {
    answer<put_response> response;
    std::vector<std::uint64_t> numbers;
    bool wait = true;
    std::shared_ptr<numbered_batch> numbered = {};
  };
  struct open_read {
    answer<pull_response> response;
    node_ledger::moment asked;
  };
  struct open_probe {
    answer<node_status> response;
    node_ledger::moment asked;
  };
  template <class Response>
  struct open_change {
    answer<Response> response;
    std::string topic;
  };

  std::vector<std::uint64_t> add_messages(const node_event& event);
  put_request request_of(const std::vector<std::uint64_t>& numbers, bool wait,
                         storage::producer_sequence* sequence);
  bool put_numbered(const node_event& event);
  void send_again(numbered_producer& who);
  void send_numbered(numbered_producer& who, std::shared_ptr<numbered_batch> batch, bool renumber);
  void collect_numbered(open_put& put);
  void settle_numbered(const numbered_batch& batch, std::uint64_t number,
                       const message_result& result);
  bool changes(const std::string& topic) const;
  void collect_put(open_put& put);
  void collect_read(open_read& read);
  void collect_changes();
  void settle(std::uint64_t number, const message_result& result, bool wait);

  node_scene& scene_;
  std::string last_refusal_;
  std::map<std::uint32_t, numbered_producer> numbered_;
  std::vector<open_put> puts_;
  std::vector<open_read> reads_;
  std::vector<open_probe> probes_;
  std::vector<open_change<tombstone>> removals_;
  std::vector<open_change<topic_info>> creations_;
};

} // namespace troupe::sim
