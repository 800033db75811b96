#pragma once

#include "actors/interfaces.hpp"
#include "actors/options.hpp"
#include "actors/own_timer.hpp"
#include "actors/promise.hpp"
#include "storage/clock.hpp"
#include "storage/cores/transaction_core.hpp"
#include "storage/format/half_message.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe {

struct transactor_setup {
  node_options options;
  const storage::wall_clock* clock = nullptr;
};

/// Resolves transactions as their producers say, and asks those who do not: `transaction_core` says
/// which when, and this actor looks at the two queues and stores what follows.
///
/// A commit is the message and then the word that its half is done, in one bundle; a message that
/// is refused, because its topic was deleted or for want of room, leaves its half waiting. Between
/// the two there may be an end of the log, so for a half that was there before this actor was, and
/// for one that was written again, it looks first whether the message is stored already, by its
/// UNIQ_KEY. A commit that comes after its half was given up is carried out, too. When it does not
/// learn what became of something it forgets everything, and begins again.
///
/// How far it is, the registrar keeps as the progress of RocketMQ's group, and it never says more
/// than what the log holds durably.
struct transactor_state {
  transactor_state() = default;
  static inline const char* name = "transactor";

  void start(transactor_actor::stateful_pointer<transactor_state> actor, transactor_setup setup);

  caf::result<bool> resolve(transaction_end what);
  caf::result<bool> revive(log_offset offset);
  void add_asker(const caf::strong_actor_ptr& who);
  void asker_ended(const caf::actor_addr& who);
  void work();
  void retry();
  void save();
  caf::result<stop_report> stop();
  void set_roles(const role_table& table);

private:
  using core = storage::transaction_core;

  /// A half, with the record that its views are of.
  struct known_half {
    storage::slice record;
    storage::record_view view;
    storage::half_facts facts;
  };
  /// A request on its way.
  struct resolution {
    transaction_end what;
    kept_promise<bool> promise;
    caf::actor_clock::time_point since;
    std::optional<known_half> half;
    queue_offset at = 0;         ///< to be named as done
    bool given_up = false;       ///< it is done; but its message was not stored
    std::shared_ptr<void> place; ///< one of those that may be open
  };
  using shared_resolution = std::shared_ptr<resolution>;
  /// What is put because of halves: pairs of a message and the word about its half, or that alone.
  struct put_pair {
    queue_offset at = 0;
    bool alone = false;
    core::outcome then = core::outcome::done;
    std::optional<known_half> half; ///< to be asked about, if it is written again
    std::int32_t checks = 0;
  };

  core::moment now() const;
  using failed = std::function<void(const storage::error&)>;
  /// Neither is called when everything was forgotten meanwhile.
  template <class Answer, class Handle, class... Arguments>
  void ask(const Handle& to, milliseconds elsewhere, std::function<void(Answer&)> then, failed fail,
           Arguments... arguments);
  reader_actor next_reader();
  static std::optional<known_half> read(const storage::slice& record);

  // Beginning: transactor_begin.cpp
  void learn_state();
  void begin_again(const std::string& why);
  void catch_up(const std::function<void()>& then, const failed& fail);
  void fetch_progress(core::queue which, queue_offset half_begin);
  void look(const core::look& what);
  void pull(core::queue which, queue_offset from, std::uint32_t most, std::uint32_t wait_ms,
            std::function<void(const pull_response&)> then, std::function<void()> fail);
  void complete(read_request found, std::function<void(const pull_response&)> then,
                std::function<void()> fail);
  void see(core::queue which, const pull_response& answer);
  void save_later();
  void write_progress(core::queue which, queue_offset half, queue_offset op);
  void saved(const storage::error& why);
  void end_stop();

  // Resolving
  void find_half(const shared_resolution& it);
  void claim(const shared_resolution& it);
  void claim_waiting();
  void search(const shared_resolution& it);
  void search_late(const shared_resolution& it);
  void search_given_up(const shared_resolution& it);
  using is_wanted = bool (*)(const storage::record_view& found, const storage::record_view& half);
  void find_by_key(const shared_resolution& it, std::string_view topic, is_wanted wanted,
                   std::function<void(bool)> then);
  void carry_out(const shared_resolution& it, bool stored_already);
  void learn(const shared_resolution& it, const put_bundle_response& answer, bool with_message);
  void refuse(const shared_resolution& it, const storage::error& why);
  void let_go(const shared_resolution& it, const storage::error& why);
  void put_revived(const storage::slice& record, const kept_promise<bool>& promise);

  // Checking: transactor_checks.cpp
  void check(const std::vector<queue_offset>& halves);
  void check_found(const std::vector<queue_offset>& halves, const pull_response& answer);
  bool add_check(const known_half& half, put_bundle& bundle, std::vector<put_pair>& pairs);
  void say_done(const std::vector<queue_offset>& halves);
  void put_pairs(put_bundle bundle, std::vector<put_pair> pairs);
  void settle(const put_pair& pair, const put_response* message, const put_response& word);
  void ask_producer(const known_half& half, std::int32_t checks, log_offset offset,
                    queue_offset position);
  void try_asker(const transaction_check& question, std::size_t turn, std::size_t left);

  /// Nothing when its record is gone or the message could not be stored.
  std::optional<put_request> message_of(const known_half& half,
                                        const storage::half_outcome& outcome) const;
  /// That it is done; behind a message the word is stored with it, or not at all.
  put_request word_about(queue_offset half, bool behind_message) const;
  void say(const char* event, const std::string& reason);

  transactor_actor::stateful_pointer<transactor_state> self_;
  transactor_setup setup_;
  role_table roles_;
  bool has_roles_ = false;
  std::optional<core> core_; ///< nothing while it begins
  std::uint64_t life_ = 1;   ///< of the core: answers to the one before are of no use
  bool beginning_ = false;
  caf::actor_clock::time_point rest_until_; ///< it does not begin before
  std::size_t reader_turn_ = 0;
  own_timer timer_; ///< for `work`

  log_run run_ = 0;
  log_offset known_end_ = 0; ///< of the log, when the core began: what is behind it is ours
  log_offset seen_to_ = 0;   ///< in the log; what the progress speaks of lies before it
  log_offset durable_ = 0;
  queue_offset saved_half_ = -1; ///< what the registrar has
  queue_offset saved_op_ = -1;
  bool save_pending_ = false;
  bool saving_ = false;

  std::deque<shared_resolution> waiting_; ///< for their turn, or for the core
  std::shared_ptr<std::size_t> open_ = std::make_shared<std::size_t>(0); ///< with those
  std::vector<transaction_asker> askers_;
  std::size_t asker_turn_ = 0;
  std::string said_; ///< why nothing could be done, as said last
  bool stopping_ = false;
  kept_promise<stop_report> stop_promise_;
};

transactor_actor::behavior_type
transactor(transactor_actor::stateful_pointer<transactor_state> self, transactor_setup setup);

} // namespace troupe
