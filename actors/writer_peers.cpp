// What the other roles tell the writer, and how it meets them.

#include "actors/writer.hpp"

#include "storage/logging.hpp"
#include "storage/mutant.hpp"

#include <algorithm>

namespace troupe {

void writer_state::set_roles(const role_table& table) {
  auto other_queues = table.queue_manager != roles_.queue_manager;
  roles_ = table;
  has_roles_ = true;
  file_requested_ = false;
  if (log_->bytes_left_in_file() == 0 && log_->wants_file())
    want_file();
  if (other_queues && !numbers_.known())
    meet_queues();
}

/// Numbers go on where the queues end, once they have all that the log held at the start.
void writer_state::meet_queues() {
  if (!roles_.queue_manager)
    return;
  self_->request(roles_.queue_manager, caf::infinite, status_atom_v)
      .then(
          [this](const queue_manager_status& queues) {
            auto end = storage::readable_until(gaps_, start_, queues.applied);
            if (queues.applied < end)
              storage::log_info("queues.catching_up", {{"from", queues.applied}, {"to", end}});
            ask_queues(end);
          },
          [](const caf::error&) {}); // it died: another one comes
}

void writer_state::ask_queues(log_offset end) {
  self_->request(roles_.queue_manager, caf::infinite, resume_atom_v, end)
      .then([this](const queue_state& complete) { set_queues(complete); },
            [this](const caf::error& e) {
              auto why = from_caf(e);
              if (why.code == errc::connection_lost) // it died: another one comes
                return;
              storage::log_error("queues.not_ready", {{"reason", render(why)}});
              self_->send(roles_.node, failed_atom_v, write_refusal{why.code, why.message});
            });
}

void writer_state::set_queues(const queue_state& state) {
  if (!numbers_.known())
    self_->send(roles_.node, state);
  numbers_.learn(state);
  work();
}

void writer_state::confirm(log_offset end) {
  credit_.confirm(end);
}

void writer_state::flushed(const log_flushed& what) {
  flushed_ = std::max(flushed_, what.end);
  answer_flushed();
  if (!groups_.empty() && !flush_runs())
    wake();
}

void writer_state::flush_failed(const flush_failure& why) {
  flush_failure_ = why.reason;
  answer_flushed();
  refuse({errc::write_stopped, why.reason});
}

void writer_state::refuse(const write_refusal& why) {
  if (why.reason.empty())
    refusals_.erase(why.code);
  else
    refusals_[why.code] = why.reason;
  if (!groups_.empty()) // some may wait for a flush that does not come any more
    wake();
}

caf::result<tombstone> writer_state::retire(const std::string& topic) {
  if (log_->failed()) // what it left behind the end may be found and taken for a new message
    return make_caf_error(errc::write_stopped,
                          "a write to the log failed; restart the node, it will recover");
  if (auto damaged = refusals_.find(errc::needs_repair); damaged != refusals_.end())
    return make_caf_error(errc::needs_repair, damaged->second);
  return numbers_.retire(topic, log_->end());
}

void writer_state::revive(const tombstone& from) {
  numbers_.revive(from);
}

} // namespace troupe
