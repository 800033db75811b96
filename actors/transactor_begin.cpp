// How a transactor learns what there is, and keeps how far it is.

#include "actors/transactor.hpp"
#include "actors/transactor_ask.hpp"
#include "storage/logging.hpp"

#include <algorithm>
#include <utility>

namespace troupe {

namespace {

constexpr milliseconds others_patience{10'000};
constexpr milliseconds begin_rest{500};
/// What was sent to the writer is not stored any more when this has passed.
constexpr milliseconds doubt_rest{6000};
constexpr milliseconds save_pause{1000};
/// How long one look waits for a message.
constexpr std::uint32_t look_wait_ms = 30'000;
constexpr std::uint32_t most_messages = 256;
constexpr std::uint64_t most_bytes = storage::mib;

const std::string& topic_of(storage::transaction_core::queue which) {
  static const std::string half(storage::half_topic);
  static const std::string op(storage::op_topic);
  return which == storage::transaction_core::queue::half ? half : op;
}

} // namespace

void transactor_state::learn_state() {
  if (core_ || beginning_ || stopping_ || !has_roles_ || self_->clock().now() < rest_until_)
    return;
  beginning_ = true;
  ++life_;
  catch_up([this] { fetch_progress(core::queue::half, -1); },
           [this](const storage::error& why) {
             say("transaction.waiting", why.code == errc::connection_lost
                                            ? "a role has ended that it needs"
                                            : why.message);
             beginning_ = false;
             self_->delayed_send(self_, begin_rest, retry_atom_v);
           });
}

/// What there is when it begins, and is durable: all that another one has stored before.
void transactor_state::catch_up(const std::function<void()>& then, const failed& fail) {
  auto visible = [this, then, fail](log_offset end) {
    ask<bounds_read>(
        roles_.queue_manager, others_patience,
        [this, then, end](bounds_read&) {
          known_end_ = seen_to_ = durable_ = end;
          then();
        },
        fail, bounds_atom_v, topic_of(core::queue::half), std::int32_t{0}, end);
  };
  auto applied = [this, visible, fail](log_offset end) {
    ask<queue_state>(
        roles_.queue_manager, others_patience, [visible, end](queue_state&) { visible(end); }, fail,
        resume_atom_v, end);
  };
  ask<log_state>(
      roles_.writer, others_patience,
      [this, applied, fail](log_state& log) {
        run_ = log.run;
        ask<log_flushed>(
            roles_.flusher, others_patience,
            [applied, end = log.end](log_flushed&) { applied(end); }, fail, flush_atom_v, log.run,
            log.end);
      },
      fail, follow_atom_v);
}

void transactor_state::fetch_progress(core::queue which, queue_offset half_begin) {
  group_offset wanted{std::string(storage::transaction_group), topic_of(which), 0, -1};
  ask<group_offset>(
      roles_.registrar, others_patience,
      [this, which, half_begin](group_offset& known) {
        if (which == core::queue::half)
          return fetch_progress(core::queue::op, known.offset);
        saved_half_ = half_begin;
        saved_op_ = known.offset;
        core::settings limits;
        limits.timeout_ms = setup_.options.transaction.timeout.count();
        limits.check_interval_ms = setup_.options.transaction.check_interval.count();
        core_.emplace(limits);
        core_->begin_at(half_begin, known.offset);
        beginning_ = false;
        said_.clear();
        work();
      },
      [this](const storage::error& why) {
        say("transaction.waiting", why.message);
        beginning_ = false;
        self_->delayed_send(self_, begin_rest, retry_atom_v);
      },
      fetch_atom_v, std::move(wanted));
}

/// Nobody knows what became of something: what is stored by then tells.
void transactor_state::begin_again(const std::string& why) {
  storage::log_warning("transaction.in_doubt",
                       {{"reason", why + "; what is stored is read again"}});
  ++life_;
  core_.reset();
  beginning_ = saving_ = false;
  rest_until_ = self_->clock().now() + doubt_rest;
  self_->delayed_send(self_, doubt_rest, retry_atom_v);
  end_stop();
}

// -- looking -------------------------------------------------------------------------------------

void transactor_state::look(const core::look& what) {
  auto which = what.which;
  pull(
      which, what.from, most_messages, core_->is_ready() ? look_wait_ms : 0,
      [this, which](const pull_response& answer) {
        see(which, answer);
        work();
      },
      [this, which] {
        core_->look_failed(which, now());
        work();
      });
}

void transactor_state::pull(core::queue which, queue_offset from, std::uint32_t most,
                            std::uint32_t wait_ms, std::function<void(const pull_response&)> then,
                            std::function<void()> fail) {
  pull_request wanted;
  wanted.topic = topic_of(which);
  wanted.from = from;
  wanted.max_messages = most;
  wanted.max_bytes = most_bytes;
  if (is_elsewhere(self_, next_reader()) || is_elsewhere(self_, roles_.writer))
    wanted.max_bytes = largest_piece;
  wanted.wait_ms = wait_ms;
  ask<read_request>(
      roles_.queue_manager, milliseconds{wait_ms} + others_patience,
      [this, then, fail](read_request& found) { complete(std::move(found), then, fail); },
      [fail](const storage::error&) { fail(); }, std::move(wanted));
}

/// A reader adds the records, unless the queue-manager has to compare the first entry with the log.
void transactor_state::complete(read_request found, std::function<void(const pull_response&)> then,
                                std::function<void()> fail) {
  if (found.records.empty())
    return then(found.answer);
  read_request one{found.topic, found.queue_id, {found.records.front()}, {}};
  ask<pull_response>(
      next_reader(), others_patience,
      [this, then, fail, one](pull_response& answer) mutable {
        if (answer.status != pull_status::in_doubt)
          return then(answer);
        one.answer = std::move(answer);
        one.answer.status = pull_status::found;
        one.answer.next = one.records.front().position + 1;
        ask<read_request>(
            roles_.queue_manager, others_patience,
            [this, then, fail](read_request& again) { complete(std::move(again), then, fail); },
            [fail](const storage::error&) { fail(); }, std::move(one));
      },
      [this, fail](const storage::error& why) {
        say("transaction.unreadable", why.message);
        fail();
      },
      std::move(found));
}

void transactor_state::see(core::queue which, const pull_response& answer) {
  if (answer.status == pull_status::offset_too_small ||
      answer.status == pull_status::offset_too_large) {
    storage::log_warning("transaction.moved",
                         {{"topic", topic_of(which)},
                          {"to", answer.next},
                          {"reason", "the queue does not have the place that was next"}});
    return core_->moved(which, answer.next, now());
  }
  if (answer.damaged > 0)
    storage::log_warning("transaction.skipped",
                         {{"messages", answer.damaged}, {"reason", answer.warning}});
  std::vector<core::half> halves;
  std::vector<queue_offset> done;
  for (auto& record : answer.records) {
    auto half = read(record);
    if (!half)
      return core_->look_failed(which, now());
    seen_to_ = std::max(seen_to_, half->view.offset + 1);
    if (which == core::queue::half) {
      auto& facts = half->facts;
      halves.push_back({half->view.queue_position, facts.first, half->view.store_timestamp,
                        facts.immunity_ms, facts.written_again});
    } else {
      for (auto at : storage::done_by(half->view))
        done.push_back(at);
    }
  }
  bool none = answer.status == pull_status::no_queue;
  auto next = none ? 0 : answer.next;
  auto end = none ? 0 : answer.max;
  if (which == core::queue::half)
    core_->found(halves, next, end, now());
  else
    core_->found_done(done, next, end, now());
}

// -- keeping how far it is -----------------------------------------------------------------------

void transactor_state::save_later() {
  if (saving_ || save_pending_ || !core_)
    return;
  auto differs = [](queue_offset is, queue_offset saved) {
    return std::max<queue_offset>(saved, 0) != is;
  };
  if (!differs(core_->progress(core::queue::half), saved_half_) &&
      !differs(core_->progress(core::queue::op), saved_op_))
    return;
  save_pending_ = true;
  self_->delayed_send(self_, save_pause, save_atom_v);
}

/// What is said to be done has to be durable first.
void transactor_state::save() {
  save_pending_ = false;
  if (saving_ || !core_)
    return;
  saving_ = true;
  auto half = core_->progress(core::queue::half);
  auto op = core_->progress(core::queue::op);
  auto to = seen_to_;
  if (to <= durable_)
    return write_progress(core::queue::half, half, op);
  ask<log_flushed>(
      roles_.flusher, others_patience,
      [this, half, op, to](log_flushed&) {
        durable_ = std::max(durable_, to);
        write_progress(core::queue::half, half, op);
      },
      [this](const storage::error& why) { saved(why); }, flush_atom_v, run_, to);
}

/// First of the halves: words about those before are of no use any more.
void transactor_state::write_progress(core::queue which, queue_offset half, queue_offset op) {
  bool first = which == core::queue::half;
  auto& kept = first ? saved_half_ : saved_op_;
  auto is = first ? half : op;
  auto next = [this, first, half, op] {
    return first ? write_progress(core::queue::op, half, op) : saved({});
  };
  if (std::max<queue_offset>(kept, 0) == is)
    return next();
  group_offset wanted{std::string(storage::transaction_group), topic_of(which), 0, is};
  ask<group_offset>(
      roles_.registrar, others_patience,
      [&kept, is, next](group_offset&) {
        kept = is;
        next();
      },
      [this](const storage::error& why) { saved(why); }, store_atom_v, std::move(wanted));
}

void transactor_state::saved(const storage::error& why) {
  saving_ = false;
  if (stopping_) {
    if (stop_promise_.pending())
      stop_promise_.deliver(
          stop_report{why.code == errc::none
                          ? std::string{}
                          : "how far transactions are resolved is not saved: " + why.message});
    return;
  }
  if (why.code != errc::none)
    say("transaction.not_saved", why.message);
  save_later();
}

caf::result<stop_report> transactor_state::stop() {
  stop_promise_ = kept_promise<stop_report>{self_};
  auto answer = stop_promise_;
  stopping_ = true;
  if (core_)
    core_->stop();
  for (auto& it : std::exchange(waiting_, {}))
    it->promise.deliver(make_caf_error(errc::unavailable, "the node is stopping"));
  end_stop();
  return answer;
}

/// Once what is under way has been answered.
void transactor_state::end_stop() {
  if (!stop_promise_.pending() || (core_ && (core_->is_busy() || saving_)))
    return;
  if (core_)
    save();
  else
    stop_promise_.deliver(stop_report{});
}

} // namespace troupe
