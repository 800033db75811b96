#pragma once

#include "actors/interfaces.hpp"
#include "actors/options.hpp"
#include "actors/own_timer.hpp"
#include "actors/promise.hpp"
#include "storage/clock.hpp"
#include "storage/cores/delay_core.hpp"
#include "storage/tables/delay_offsets.hpp"
#include "storage/tables/recalled_messages.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace troupe {

struct delayer_setup {
  node_options options;
  storage::file_system* files = nullptr;
  const storage::wall_clock* clock = nullptr;
};

/// Delivers the messages that wait in the delay topic: `delay_core` says when, and this actor looks
/// at the queues, stores what is due once more, in its own topic, and keeps how far it is in
/// RocketMQ's file.
///
/// The file never says more than what the log holds durably: after a power cut a message may come
/// twice, and none is lost. So it does after a kill between a delivery and the next save.
struct delayer_state {
  delayer_state() = default;
  static inline const char* name = "delayer";

  void start(delayer_actor::stateful_pointer<delayer_state> actor, delayer_setup setup);

  void work();
  void save();
  caf::result<stop_report> stop();
  void set_roles(const role_table& table);
  caf::result<bool> recall(message_recall what);

private:
  using core = storage::delay_core;
  using question = std::uint64_t;

  /// What the actor does for one lane now.
  struct lane_work {
    question asked = 0; ///< whose answer is awaited; 0: none
    caf::actor_addr whom;
    std::map<queue_offset, storage::slice> records; ///< of the last look
    std::vector<core::outcome> outcomes;            ///< of the delivery, in its order
    std::vector<std::size_t> sent;                  ///< those of them that the writer has
    std::uint32_t most = 0; ///< messages to look at: few, unless all of them were due
  };

  struct level_progress {
    queue_offset next = 0;
    std::optional<core::window> window;
  };

  /// Whoever recalled a message waits until that is durable, and until what the writer had at the
  /// time is answered.
  struct open_recall {
    storage::recalled_message what;
    kept_promise<bool> promise;
    std::vector<std::pair<std::int32_t, question>> under_way; ///< lanes, and what they asked
    bool saved = false;
  };

  storage::result<void> load_recalled();
  bool is_recalled(const storage::record_view& waiting, const std::string& topic) const;
  void answer_recalls();
  std::optional<std::int64_t> recalled_until() const;
  void forget_recalled(std::optional<std::int64_t> until);

  core::moment now() const;
  lane_work& of(std::int32_t lane) { return lanes_[static_cast<std::size_t>(lane) - 1]; }
  void look(const core::look& what);
  void complete(std::int32_t lane, read_request found);
  void see(std::int32_t lane, const pull_response& answer);
  void deliver(const core::delivery& what);
  std::optional<put_request> request_for(const storage::slice& record, core::outcome& became);
  void hand_over(std::int32_t lane, put_bundle bundle);
  void learn(std::int32_t lane, const put_bundle_response& answer);
  core::outcome outcome_of(const message_result& result, const storage::error& failure);
  void settle(std::int32_t lane);
  template <class Handle>
  void lose(const Handle& before);
  void fail_look(std::int32_t lane);

  template <class Answer, class Handle, class Request, class Then, class Fail>
  void ask(std::int32_t lane, const Handle& to, milliseconds elsewhere, Request request, Then then,
           Fail fail);

  void ask_run();
  void save_later();
  void write(const std::vector<level_progress>& progress);
  void saved(const storage::result<void>& done);
  void end_stop();
  void say(const char* event, const std::string& reason);

  delayer_actor::stateful_pointer<delayer_state> self_;
  delayer_setup setup_;
  role_table roles_;
  bool has_roles_ = false;
  core core_{storage::delay_levels{}};
  std::optional<storage::delay_offsets> offsets_;
  std::optional<storage::recalled_messages> recalled_;
  std::vector<open_recall> recalls_;
  std::optional<std::int64_t> recalled_until_; ///< what is being saved lets those before go
  std::vector<lane_work> lanes_{static_cast<std::size_t>(core::lanes())};
  question next_question_ = 1;
  std::size_t reader_turn_ = 0;
  own_timer timer_; ///< for `work`

  std::optional<log_run> run_; ///< of the log; the flusher wants to know which is meant
  log_offset stored_to_ = 0;   ///< in the log; what was delivered lies before it
  log_offset durable_ = 0;     ///< that much of it, as far as was asked
  bool save_pending_ = false;  ///< `save_atom` is on its way
  bool saving_ = false;        ///< the flusher has been asked
  bool save_again_ = false;    ///< more was delivered meanwhile
  std::string said_;           ///< why nothing could be delivered, as said last
  kept_promise<stop_report> stop_promise_;
  bool stopping_ = false;
};

delayer_actor::behavior_type delayer(delayer_actor::stateful_pointer<delayer_state> self,
                                     delayer_setup setup);

} // namespace troupe
