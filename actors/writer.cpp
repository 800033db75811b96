#include "actors/writer.hpp"

#include "actors/patience.hpp"
#include "storage/check.hpp"
#include "storage/format/properties.hpp"
#include "storage/logging.hpp"
#include "storage/mutant.hpp"

#include <algorithm>

namespace troupe {

namespace {

/// Staged bytes that are written at once. The kernel copies them again: more than this no longer
/// lies in the processor's cache by then, and a put costs twice as much.
constexpr std::size_t write_size_bytes = 256 * storage::kib;

/// How long to wait before a file that could not be opened is tried again.
constexpr auto open_retry = std::chrono::seconds(1);

} // namespace

void writer_state::start(writer_actor::stateful_pointer<writer_state> actor, writer_setup setup) {
  self_ = actor;
  options_ = setup.options;
  files_ = setup.files;
  clock_ = setup.clock;
  min_ = setup.min;
  flushed_ = told_ = setup.end;
  start_ = setup.end;
  run_ = setup.run;
  gaps_ = std::move(setup.gaps);
  credit_ = position_credit{options_.dispatcher.mailbox_capacity};
  log_ = std::make_unique<storage::commit_log>(options_.store, setup.end, std::move(setup.current));
  store_time_ = storage::store_time(setup.last_store_ms);
  numbers_ = topic_numbers{std::move(setup.tombstones), setup.topics};
  producers_ = setup.producers ? std::move(setup.producers)
                               : std::make_shared<storage::producer_book>(*files_, options_.store);
  bundles_ = waiting_puts{options_.writer};
  if (!setup.read_only.empty())
    bars_.note({bar_source::writer, errc::needs_repair, setup.read_only});
  positions_ = storage::position_builder{options_.store.delays};
  positions_.start(setup.end);
}

// -- accepting -----------------------------------------------------------------------------------

caf::result<put_bundle_response> writer_state::accept(put_bundle bundle) {
  put_promise promise{self_};
  open_bundle entry{std::move(bundle), promise, self_->clock().now()};
  auto wait = entry.wait();
  if (stopping_) {
    entry.refuse_rest(errc::write_stopped, "the node is stopping");
    answer(entry);
    return promise;
  }
  if (!bundles_.has_room_for(entry)) {
    entry.refuse_rest(errc::busy, "not stored: " + std::to_string(bundles_.bytes()) +
                                      " bytes wait already (parked-bytes); try again later");
    answer(entry);
    return promise;
  }
  bundles_.push(std::move(entry));
  // While a flush runs, those who want the next one gather for it: one write, one flush.
  auto gather = wait && flush_runs() && bars_.empty() && bundles_.bytes() < write_size_bytes;
  if (!gather)
    wake();
  return promise;
}

bool writer_state::flush_runs() const noexcept {
  return flushed_ < flushing_;
}

void writer_state::wake() {
  // Whatever else is in the mailbox now joins this write.
  if (!work_pending_ && !bundles_.parked()) {
    work_pending_ = true;
    self_->send(self_, work_atom_v);
  }
}

void writer_state::work() {
  work_pending_ = false;
  auto now = self_->clock().now();
  while (!bundles_.empty()) {
    auto& bundle = bundles_.front();
    if (!bundle.done()) {
      stuck_ = store_current(bundle);
      if (log_->staged_bytes() >= write_size_bytes)
        write_staged();
      if (bundles_.empty()) // the write failed, and everyone has been answered
        break;
      if (stuck_ != verdict::stored) {
        bundles_.park();
        arm_retry();
        break;
      }
    }
    if (bundle.done())
      written_.push_back(bundles_.pop(now));
  }
  write_staged();
  if (log_->wants_file() && log_->bytes_left_in_file() < options_.store.log_file_size_bytes / 2)
    want_file();
  stop_if_idle();
}

writer_state::verdict writer_state::store_current(open_bundle& bundle) {
  auto& request = bundle.current();
  if (auto* why = bundle.former_refusal()) {
    refuse_current(bundle, why->code, why->message);
    return verdict::stored;
  }
  admission_case now{
      .count = request.count,
      .deleted = numbers_.retired(request.topic),
      .ready = numbers_.known() && has_roles_,
      .too_late = bundle.too_late(self_->clock().now()),
      .has_room = bundle.reserved,
      .capacity = credit_.capacity(),
      .used = credit_.used(),
      .dirty = static_cast<std::uint64_t>(log_->staged_end() - flushed_),
      .dirty_budget = options_.flusher.dirty_budget_bytes,
  };
  storage::error why;
  switch (admit(now, bars_, request.topic, why)) {
  case admission::refuse:
    refuse_current(bundle, why.code, why.message);
    return verdict::stored;
  case admission::wait:
    if (!TROUPE_MUTANT("bound-ignored"))
      return verdict::wait_for_room;
    [[fallthrough]];
  case admission::take:
    bundle.reserved = bundle.reserved || credit_.reserve(request.count);
  }
  if (!bundle.messages) {
    bundle.messages.emplace(request.messages.read());
    bundle.answer().results.reserve(request.count);
  }
  return store_messages(bundle);
}

writer_state::verdict writer_state::store_messages(open_bundle& bundle) {
  auto& request = bundle.current();
  auto now = store_time_now();
  auto& numbers = numbers_.of(request.topic);
  auto& results = bundle.answer().results;
  while (results.size() < request.count) {
    // A copy of the cursor: a message that has to wait for a file is read again.
    auto cursor = *bundle.messages;
    auto message = cursor.next();
    if (!message || !message.value()) {
      refuse_current(bundle, errc::invalid_argument,
                     message ? "fewer messages than announced" : message.error().message);
      return verdict::stored;
    }
    auto sequenced = (message.value()->sysflag & storage::sysflag::sequenced) != 0;
    if (sequenced) {
      auto judged = judge_sequence(bundle, *message.value());
      if (judged == sequence_verdict::refused)
        return verdict::stored;
      if (judged == sequence_verdict::repeated) {
        bundle.messages = cursor;
        continue;
      }
    }
    if (!stage_message(bundle, *message.value(), numbers, now)) {
      want_file();
      return verdict::wait_for_file;
    }
    if (sequenced && results.back().code != errc::none) { // those behind it would leave a gap
      refuse_current(bundle, results.back().code, bundle.answer().failure.message);
      return verdict::stored;
    }
    bundle.messages = cursor;
    store_time_.note(now);
  }
  bundle.next_request();
  return verdict::stored;
}

/// Said once a jump: what follows carries the clock's time again.
std::int64_t writer_state::store_time_now() {
  auto now = clock_->now_ms();
  if (store_time_.set_back(now))
    storage::log_warning("clock.set_back", {{"from_ms", store_time_.last()}, {"to_ms", now}});
  return store_time_.at(now);
}

void writer_state::refuse_current(open_bundle& bundle, errc code, const std::string& reason) {
  if (bundle.reserved) // for messages that will not come any more
    credit_.give_back(bundle.current().count - bundle.answer().results.size());
  bundle.refuse_current(code, reason);
}

bool writer_state::stage_message(open_bundle& bundle, const storage::new_message& message,
                                 std::vector<queue_offset>& own_numbers, std::int64_t now) {
  auto& request = bundle.current();
  auto& results = bundle.answer().results;
  auto queue = static_cast<std::size_t>(message.queue_id);
  message_result result;
  if (message.queue_id < 0 || queue >= storage::max_queues_per_topic) {
    refuse_message(bundle, {errc::invalid_argument,
                            "no queue " + std::to_string(message.queue_id) + " in a topic"});
    return true;
  }
  auto fields = fields_of(request, message, options_.store);
  auto waits = let_wait(fields);
  if (!waits) {
    refuse_message(bundle, waits.error());
    return true;
  }
  if (waits.value())
    queue = static_cast<std::size_t>(fields.queue_id);
  auto type = fields.sysflag & storage::sysflag::transaction_mask;
  bool queued = type == 0 || type == storage::sysflag::transaction_commit;
  auto& numbers = waits.value() ? numbers_.of(std::string(fields.topic)) : own_numbers;
  if (numbers.size() <= queue)
    numbers.resize(queue + 1, 0);
  storage::record_place place;
  place.queue_position = queued ? numbers[queue] : 0;
  if (TROUPE_MUTANT("number-before-room"))
    ++numbers[queue];
  place.store_timestamp = now;
  switch (log_->stage(fields, place)) {
  case storage::commit_log::stage_result::needs_file:
    return false;
  case storage::commit_log::stage_result::too_large:
    refuse_message(bundle,
                   {errc::too_large, "a record must fit into a log file of " +
                                         std::to_string(options_.store.log_file_size_bytes) +
                                         " bytes (mapped-file-size-commit-log)"});
    return true;
  case storage::commit_log::stage_result::staged:
    if (queued && !TROUPE_MUTANT("number-before-room"))
      ++numbers[queue];
    result.offset = place.offset;
    result.queue_position = place.queue_position;
    add_position(fields, place);
    if ((message.sysflag & storage::sysflag::sequenced) != 0)
      note_sequence(place);
    break;
  }
  results.push_back(result);
  return true;
}

void writer_state::refuse_message(open_bundle& bundle, const storage::error& why) {
  message_result result;
  result.code = why.code;
  bundle.answer().results.push_back(result);
  bundle.answer().failure = why;
  credit_.give_back(1);
}

void writer_state::add_position(const storage::record_fields& fields,
                                const storage::record_place& place) {
  storage::record_view view;
  view.topic = fields.topic;
  view.queue_id = fields.queue_id;
  view.sysflag = fields.sysflag;
  view.properties = fields.properties;
  view.offset = place.offset;
  view.queue_position = place.queue_position;
  view.store_timestamp = place.store_timestamp;
  view.size = static_cast<std::uint32_t>(log_->staged_end() - place.offset);
  positions_.add(view);
  ++staged_positions_;
}

// -- writing -------------------------------------------------------------------------------------

void writer_state::write_staged() {
  if (log_->staged_bytes() > 0) {
    if (auto done = log_->commit(); !done) {
      fail_stop(done.error());
      return;
    }
    auto end = log_->end();
    position_list list{std::make_shared<const storage::position_batch>(positions_.take(end)), run_};
    credit_.sent(end, staged_positions_);
    staged_positions_ = 0;
    positions_.start(end);
    self_->send(roles_.dispatcher, std::move(list));
    tell_flusher();
    keep_sequences();
  }
  answer_written();
}

void writer_state::answer_written() {
  for (auto& bundle : written_)
    answer(bundle);
  written_.clear();
}

void writer_state::answer(open_bundle& bundle) {
  bool flushed = bundle.wait() && options_.store.flush == storage::flush_policy::sync;
  if (!bundle.stored() || !flushed || TROUPE_MUTANT("ack-before-flush")) {
    bundle.promise.deliver(std::move(bundle.response));
    return;
  }
  flushing_ = log_->end();
  unflushed_.push_back({flushing_, std::move(bundle.response), std::move(bundle.promise)});
  answer_flushed();
}

/// In the order of the log. What will never be known to be durable is told as "maybe stored".
void writer_state::answer_flushed() {
  auto final = !flush_failure_.empty();
  while (!unflushed_.empty() && (final || unflushed_.front().end <= flushed_)) {
    auto& first = unflushed_.front();
    if (first.end > flushed_ && !TROUPE_MUTANT("failed-flush-acknowledged"))
      doubt(first.response, "maybe stored: " + flush_failure_);
    first.promise.deliver(std::move(first.response));
    unflushed_.pop_front();
  }
  stop_if_idle();
}

void writer_state::fail_stop(const storage::error& why) {
  auto reason = "writing the commit log failed (" + why.message +
                "); restart the node to recover: reads go on";
  bars_.note({bar_source::writer, errc::write_stopped, reason});
  // What reached the file is unknown, so nobody is told "not stored".
  for (auto& bundle : written_) {
    doubt(bundle.response, "maybe stored: " + reason);
    bundle.promise.deliver(std::move(bundle.response));
  }
  written_.clear();
  while (!bundles_.empty()) {
    auto bundle = bundles_.pop(self_->clock().now());
    doubt(bundle.response, "maybe stored: " + reason);
    bundle.refuse_rest(errc::write_stopped, "not stored: " + reason);
    bundle.promise.deliver(std::move(bundle.response));
  }
}

// -- waiting -------------------------------------------------------------------------------------

void writer_state::arm_retry() {
  if (retry_pending_)
    return;
  retry_pending_ = true;
  self_->delayed_send(self_, options_.dispatcher.backpressure, retry_atom_v);
}

void writer_state::retry() {
  retry_pending_ = false;
  if (bundles_.parked())
    expire_parked();
  work();
}

void writer_state::expire_parked() {
  auto now = self_->clock().now();
  while (bundles_.late(now)) {
    auto bundle = bundles_.pop(now);
    auto reason = "not stored: waited " + std::to_string(options_.writer.parked_deadline.count()) +
                  " ms for " + missing_room() + "; try again later";
    refuse_current(bundle, errc::busy, reason);
    bundle.refuse_rest(errc::busy, reason);
    answer(bundle);
  }
}

std::string writer_state::missing_room() const {
  if (stuck_ == verdict::wait_for_file)
    return "the log file that begins at " + std::to_string(log_->next_file_start()) +
           ", which the flusher has not made yet";
  return "room; " + std::to_string(credit_.used()) + " positions are not in the queues yet and " +
         std::to_string(log_->end() - flushed_) + " bytes are not flushed";
}

void writer_state::want_file() {
  // Nothing new goes into a log that is damaged in the middle.
  if (file_requested_ || !has_roles_ ||
      bars_.find(bar_source::writer, errc::needs_repair) != nullptr)
    return;
  file_requested_ = true;
  self_->send(roles_.flusher, extend_atom_v, log_->next_file_start());
}

void writer_state::file_ready(log_offset start) {
  if (start != log_->next_file_start())
    return; // an answer to a question that was asked twice
  auto path = storage::log_file_path(options_.store, start);
  auto opened = files_->open(path, storage::open_mode::read_write);
  if (!opened) {
    // For the flusher the file is made: it has to be asked again to say so again.
    self_->delayed_send(roles_.flusher, open_retry, extend_atom_v, start);
    if (opened.error().code != errc::not_found) // made for a run before this one: not made yet
      refuse({bar_source::log_file, errc::no_space, opened.error().message});
    return;
  }
  file_requested_ = false;
  bars_.lift(bar_source::log_file, errc::no_space);
  log_->add_file(start, std::move(opened.value()));
  work();
}

// -- state -------------------------------------------------------------------------------------

writer_status writer_state::status() const {
  writer_status s;
  s.open = numbers_.known();
  s.end = log_->end();
  s.min = min_;
  s.refusal = refusal_text();
  s.backlog = credit_.used();
  s.backlog_max = credit_.highest();
  auto counted = bundles_.counted(self_->clock().now());
  s.delayed_requests = counted.delayed;
  s.delayed_ms = counted.delayed_ms;
  s.parked_requests = counted.waiting;
  s.dirty_bytes = static_cast<std::uint64_t>(std::max<log_offset>(0, log_->end() - flushed_));
  return s;
}

log_state writer_state::log() const {
  log_state l;
  l.run = run_;
  l.min = min_;
  l.start = start_;
  l.end = log_->end();
  l.flushed = flushed_;
  l.store_ms = store_time_.last();
  if (auto* damaged = bars_.find(bar_source::writer, errc::needs_repair))
    l.read_only = damaged->reason;
  l.queues_unknown = !numbers_.known();
  return l;
}

/// What only a restart mends comes before what may pass.
std::string writer_state::refusal_text() const {
  auto* bar = bars_.gravest();
  return bar == nullptr ? std::string{} : bar->reason;
}

// -- stopping ------------------------------------------------------------------------------------

caf::result<log_offset> writer_state::stop() {
  stopping_ = true;
  stop_promise_ = kept_promise<log_offset>{self_};
  auto answer = stop_promise_;
  work();
  // A flusher elsewhere may be stopping too, or be out of reach.
  if (!roles_.flusher || is_elsewhere(self_, roles_.flusher))
    sync_alone();
  return answer;
}

void writer_state::stop_if_idle() {
  if (stopping_ && bundles_.empty() && unflushed_.empty() && stop_promise_.pending()) {
    if (!log_->failed())
      producers_->close(log_->end(), flushed_);
    stop_promise_.deliver(log_->end());
  }
}

writer_actor::behavior_type writer(writer_actor::stateful_pointer<writer_state> self,
                                   writer_setup setup) {
  auto& state = self->state;
  state.start(self, std::move(setup));
  return {
      [&state](put_bundle& bundle) { return state.accept(std::move(bundle)); },
      [&state](applied_atom, log_offset end) { state.confirm(end); },
      [&state](const queue_state& queues) { state.set_queues(queues); },
      [&state](extended_atom, log_offset start) { state.file_ready(start); },
      [&state](const log_flushed& what) { state.flushed(what); },
      [&state](const flush_failure& why) { state.flush_failed(why); },
      [&state](const write_bar& why) { state.refuse(why); },
      [&state](remove_atom, const std::string& topic) { return state.retire(topic); },
      [&state](revive_atom, const tombstone& from) { state.revive(from); },
      [&state](drop_atom, log_offset min) { state.drop(min); },
      [&state](status_atom) { return state.status(); },
      [&state](follow_atom) { return state.log(); },
      [&state](stop_atom) { return state.stop(); },
      [&state](const role_table& table) { state.set_roles(table); },
      [&state](work_atom) { state.work(); },
      [&state](retry_atom) { state.retry(); },
  };
}

} // namespace troupe
