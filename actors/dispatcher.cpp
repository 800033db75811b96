#include "actors/dispatcher.hpp"

#include "actors/patience.hpp"
#include "storage/logging.hpp"

#include <algorithm>
#include <chrono>
#include <utility>
#include <variant>

namespace troupe {

namespace {

constexpr auto writer_patience = std::chrono::seconds(1);
constexpr auto queues_patience = std::chrono::seconds(1);
constexpr auto replay_timeout = std::chrono::seconds(30);

storage::dispatch_core::batch batch_of(const position_list& list) {
  auto& content = *list.batch;
  return {list.run, content.from, content.to, content.positions.size(), list.batch};
}

} // namespace

void dispatcher_state::add(const position_list& list) {
  carry_out(core_.arrived(batch_of(list)));
}

dispatcher_status dispatcher_state::status() const {
  return {core_.next(), core_.applied(), core_.replayed_positions(), core_.pauses()};
}

void dispatcher_state::set_roles(const role_table& table) {
  core::roles now;
  now.writer = static_cast<bool>(table.writer);
  now.writer_ended = table.writer_ended;
  now.queues = static_cast<bool>(table.queue_manager);
  now.readers = !table.readers.empty();
  now.other_writer = table.writer != roles_.writer;
  now.other_queues = table.queue_manager != roles_.queue_manager;
  now.asked_reader_gone = std::ranges::find(table.readers, asked_) == table.readers.end();
  roles_ = table;
  carry_out(core_.roles_changed(now));
}

void dispatcher_state::carry_out(const core::actions& then) {
  for (auto& one : then)
    std::visit([this](auto& what) { act(what); }, one);
}

void dispatcher_state::act(const core::meet_writer&) {
  auto whom = roles_.writer;
  self_->request(whom, writer_patience, follow_atom_v)
      .then(
          [this, whom](const log_state& log) {
            if (whom == roles_.writer)
              carry_out(core_.writer_met(log.run, log.end));
          },
          [this, whom](const caf::error&) {
            if (whom == roles_.writer)
              carry_out(core_.writer_silent());
          });
}

void dispatcher_state::act(const core::meet_queues& what) {
  self_->request(roles_.queue_manager, queues_patience, status_atom_v)
      .then(
          [this, meeting = what.meeting](const queue_manager_status& queues) {
            carry_out(core_.queues_met(
                meeting, {queues.run, queues.applied, queues.parts.size(), queues.missing}));
          },
          [this, meeting = what.meeting](const caf::error&) {
            carry_out(core_.queues_silent(meeting));
          });
}

void dispatcher_state::act(const core::ask_end& what) {
  self_->request(roles_.writer, writer_patience, status_atom_v)
      .then([this, question = what.question](
                const writer_status& writer) { carry_out(core_.end_known(question, writer.end)); },
            [this, question = what.question](const caf::error& why) {
              carry_out(
                  core_.end_unanswered(question, shows_writer_ended(self_, roles_, from_caf(why))));
            });
}

void dispatcher_state::act(const core::read& what) {
  asked_ = roles_.readers.front();
  self_->request(asked_, replay_timeout, replay_atom_v, what.from, what.to, what.count)
      .then(
          [this, question = what.question](const position_list& list) {
            carry_out(core_.replayed(question, batch_of(list), self_->clock().now()));
          },
          [this, question = what.question](const caf::error& why) {
            carry_out(core_.unreadable(question, from_caf(why), self_->clock().now()));
          });
}

void dispatcher_state::act(const core::pass& what) {
  self_->send(roles_.queue_manager, position_list{what.what.content, what.what.run, what.awaited});
}

void dispatcher_state::act(const core::ended& what) {
  self_->send(roles_.queue_manager, ended_atom_v, what.end);
}

void dispatcher_state::act(const core::credit& what) {
  self_->send(roles_.writer, applied_atom_v, what.end);
}

void dispatcher_state::act(const core::bar& what) {
  write_bar said{bar_source::dispatcher, what.code, what.reason};
  if (what.to == core::bar::audience::writer) {
    self_->send(roles_.writer, said);
    return;
  }
  self_->send(roles_.node, failed_atom_v, said);
  self_->send(roles_.queue_manager, failed_atom_v, said);
}

void dispatcher_state::act(const core::warn& what) {
  storage::log_warning("log.unreadable", {{"from", what.from}, {"reason", render(what.why)}});
}

void dispatcher_state::act(const core::arm&) {
  self_->delayed_send(self_, core::pause, retry_atom_v);
}

dispatcher_actor::behavior_type
dispatcher(dispatcher_actor::stateful_pointer<dispatcher_state> self) {
  auto& state = self->state;
  state.start(self);
  return {
      [&state](const position_list& list) { state.add(list); },
      [&state](applied_atom, std::uint32_t share, log_offset end) { state.applied(share, end); },
      [&state](resume_atom, std::uint32_t share, log_offset from) { state.resume(share, from); },
      [&state](status_atom) { return state.status(); },
      [&state](const role_table& table) { state.set_roles(table); },
      [&state](retry_atom) { state.retry(); },
  };
}

} // namespace troupe
