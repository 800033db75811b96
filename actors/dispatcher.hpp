#pragma once

#include "actors/interfaces.hpp"
#include "storage/cores/dispatch_core.hpp"

namespace troupe {

/// Carries out what `dispatch_core` decides: turns messages and answers into its events, and its
/// actions into messages, questions and timers.
struct dispatcher_state {
  using core = storage::dispatch_core;

  dispatcher_state() = default;
  static inline const char* name = "dispatcher";

  void start(dispatcher_actor::stateful_pointer<dispatcher_state> actor) { self_ = actor; }

  void add(const position_list& list);
  void applied(std::uint32_t share, log_offset end) { carry_out(core_.applied(share, end)); }
  void resume(std::uint32_t share, log_offset from) { carry_out(core_.resume(share, from)); }
  void retry() { carry_out(core_.retry()); }
  dispatcher_status status() const;
  void set_roles(const role_table& table);

private:
  void carry_out(const core::actions& then);
  void act(const core::meet_writer& what);
  void act(const core::meet_queues& what);
  void act(const core::ask_end& what);
  void act(const core::read& what);
  void act(const core::pass& what);
  void act(const core::ended& what);
  void act(const core::credit& what);
  void act(const core::bar& what);
  void act(const core::warn& what);
  void act(const core::arm& what);

  dispatcher_actor::stateful_pointer<dispatcher_state> self_;
  role_table roles_;
  reader_actor asked_; ///< for a piece of the log
  core core_;
};

dispatcher_actor::behavior_type
dispatcher(dispatcher_actor::stateful_pointer<dispatcher_state> self);

} // namespace troupe
