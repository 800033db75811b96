#pragma once

#include "net/subscription.hpp"

#include <deque>
#include <map>

namespace troupe::client {

/// One queue of the topic, as far as this member has to do with it.
struct shared_queue {
  using time_point = caf::actor_clock::time_point;
  enum class stage {
    out,      ///< not ours
    starting, ///< ours; where to begin is asked
    running,
    ending ///< ours until the answer for what was delivered is there and stored
  };

  stage at = stage::out;
  bool wanted = false;     ///< in our share
  bool asking = false;     ///< where to begin
  bool pulling = false;    ///< its answer counts if it is of this turn:
  std::uint64_t turn = 0;  ///< another one whenever what is on its way is of no use any more
  bool delivering = false; ///< the consumer has not answered; outlasts the loss of the queue
  bool storing = false;
  bool begun = false;                  ///< the three below are known
  queue_offset next = 0;               ///< to be pulled
  queue_offset acknowledged = 0;       ///< everything before
  queue_offset stored = 0;             ///< on the node, by us; never beyond `acknowledged`
  bool never_stored = false;           ///< the group has no offset: others would begin elsewhere
  std::deque<consumer::message> ready; ///< pulled, for the next deliveries
  time_point pause_until;
  time_point store_due;
  time_point give_up; ///< ending: the answer is not waited for any longer
};

struct subscription_state {
  using pointer = subscription_actor::stateful_pointer<subscription_state>;
  using time_point = caf::actor_clock::time_point;
  using stage = shared_queue::stage;

  subscription_state() = default;
  static inline const char* name = "subscription";

  void start(pointer actor, store_service service, delivery_consumer consumer,
             subscription_options options);
  caf::result<bool> stop();
  subscription_status status() const;
  void pulse();

private:
  // -- the group (subscription.cpp)
  void join();
  void joined(const group_members& now);
  void lost(const storage::error& why);
  void ask_topic();
  void divide();
  void claim();
  void claimed(const std::vector<std::int32_t>& held);
  void begin_end();
  void leave_if_done();
  void finish();
  void note_once(const std::string& text);

  // -- queues (subscription_queues.cpp)
  void step(std::int32_t id);
  void find_start(std::int32_t id);
  void start_at_option(std::int32_t id, std::uint64_t turn);
  void begin(std::int32_t id, queue_offset stored, bool never_stored);
  void pull(std::int32_t id);
  void pulled(std::int32_t id, pull_response& answer);
  storage::result<void> keep(shared_queue& q, pull_response& answer);
  void deliver_all();
  bool deliver(std::int32_t id);
  void answered(std::int32_t id, bool done, queue_offset first, queue_offset end,
                std::size_t messages, std::size_t bytes);
  void settle(shared_queue& q);
  void store(std::int32_t id);
  void end(std::int32_t id);
  void drop(shared_queue& q);

  pointer self_ = nullptr;
  store_service service_;
  delivery_consumer consumer_;
  subscription_options options_;
  std::vector<std::int32_t> tag_hashes_;
  group_members members_;
  topic_description topic_;
  bool joined_ = false;
  bool joining_ = false;
  std::uint64_t life_ = 0; ///< between two losses of the connection
  bool asking_topic_ = false;
  bool claiming_ = false;
  bool claim_wanted_ = false; ///< again, at the next pulse
  time_point join_at_;
  time_point topic_at_;
  std::map<std::int32_t, shared_queue> queues_;
  std::int32_t turn_ = 0; ///< the queue that delivered last
  std::size_t open_messages_ = 0;
  std::size_t open_bytes_ = 0;
  std::uint64_t acknowledged_ = 0;
  bool stopping_ = false;
  bool leaving_ = false;
  std::string said_;
  std::vector<caf::typed_response_promise<bool>> stops_;
};

} // namespace troupe::client
