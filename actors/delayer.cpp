#include "actors/delayer.hpp"

#include "actors/patience.hpp"
#include "storage/big_endian.hpp"
#include "storage/format/delayed_message.hpp"
#include "storage/format/message_batch.hpp"
#include "storage/format/properties.hpp"
#include "storage/format/timer_message.hpp"
#include "storage/logging.hpp"
#include "storage/mutant.hpp"

#include <algorithm>
#include <utility>

namespace troupe {

namespace {

constexpr milliseconds save_pause{100};
/// What is still done after the wait of a look, or at all, by another process.
constexpr milliseconds others_patience{10'000};
constexpr milliseconds writer_patience{120'000};
/// How long one look waits for a message.
constexpr std::uint32_t look_wait_ms = 30'000;
/// Of one level at a time. Whoever waits for the next message need not read those behind it.
constexpr std::uint32_t least_messages = 16;
constexpr std::uint32_t most_messages = 256;
constexpr std::uint64_t most_bytes = storage::mib;

const std::string waiting_topic(storage::delay_topic);

/// Of a record that a reader has checked.
storage::record_view view_of(const storage::slice& record) {
  auto bytes = record.bytes();
  if (bytes.size() < storage::record_layout::fixed_bytes_v1)
    return {};
  auto* own_offset = bytes.data() + storage::record_layout::own_offset_at;
  auto offset = storage::big_endian::load<log_offset>(own_offset);
  return storage::decode_record(bytes, offset, storage::verify::structure).view;
}

std::string place_of(const storage::record_view& waiting) {
  return place_in_queue(waiting_topic, waiting.queue_id, waiting.queue_position);
}

} // namespace

void delayer_state::start(delayer_actor::stateful_pointer<delayer_state> actor,
                          delayer_setup setup) {
  self_ = actor;
  setup_ = std::move(setup);
  core_ = core{setup_.options.store.delays};
  auto loaded = storage::delay_offsets::load(*setup_.files, setup_.options.store);
  if (!loaded) {
    storage::log_error("delayer.unreadable", {{"reason", loaded.error().message}});
    return self_->quit(to_caf(loaded.error()));
  }
  offsets_ = std::move(loaded.value());
  if (auto good = load_recalled(); !good) {
    storage::log_error("delayer.unreadable", {{"reason", good.error().message}});
    return self_->quit(to_caf(good.error()));
  }
  for (auto& text : offsets_->warnings())
    storage::log_warning("delayer.ignored", {{"what", text}});
  for (std::int32_t level = 1; level <= core::levels(); ++level) {
    if (auto window = offsets_->window(level))
      core_.begin_with(level, *window);
    else
      core_.begin_at(level, offsets_->find(level).value_or(0));
  }
}

delayer_state::core::moment delayer_state::now() const {
  auto steady = self_->clock().now().time_since_epoch();
  return {setup_.clock->now_ms(), std::chrono::duration_cast<milliseconds>(steady).count()};
}

void delayer_state::work() {
  timer_.came(self_->clock().now());
  answer_recalls();
  if (!has_roles_)
    return;
  auto todo = core_.work(now());
  for (auto& one : todo.looks)
    look(one);
  for (auto& one : todo.deliveries)
    deliver(one);
  if (auto sleep = core_.sleep_ms(now()))
    timer_.arm(self_, self_->clock().now() + milliseconds{*sleep}, work_atom_v);
  end_stop();
}

/// Only the first one who could not be reached, or would not, is worth a line.
void delayer_state::say(const char* event, const std::string& reason) {
  if (std::exchange(said_, reason) != reason)
    storage::log_warning(event, {{"reason", reason}});
}

template <class Answer, class Handle, class Request, class Then, class Fail>
void delayer_state::ask(std::int32_t lane, const Handle& to, milliseconds elsewhere,
                        Request request, Then then, Fail fail) {
  auto asked = next_question_++;
  of(lane).asked = asked;
  of(lane).whom = caf::actor_cast<caf::actor_addr>(to);
  auto awaited = [this, lane, asked] {
    return of(lane).asked == asked && std::exchange(of(lane).asked, 0) == asked;
  };
  self_->request(to, patience(self_, to, elsewhere), std::move(request))
      .then(
          [awaited, then](Answer& answer) mutable {
            if (awaited())
              then(answer);
          },
          [awaited, fail](const caf::error& why) mutable {
            if (awaited())
              fail(from_caf(why));
          });
}

// -- looking -------------------------------------------------------------------------------------

void delayer_state::look(const core::look& what) {
  of(what.lane).records.clear();
  auto& queues = roles_.queue_manager;
  if (!queues || roles_.readers.empty())
    return core_.look_failed(what.lane, now());
  pull_request pull;
  pull.topic = waiting_topic;
  pull.queue_id = storage::delay_queue(core_.level_of(what.lane));
  pull.from = what.from;
  auto least = core::is_walk(what.lane) ? least_messages : most_messages;
  pull.max_messages = of(what.lane).most = std::max(of(what.lane).most, least);
  pull.max_bytes = most_bytes;
  if (is_elsewhere(self_, roles_.readers.front()) || is_elsewhere(self_, roles_.writer))
    pull.max_bytes = largest_piece;
  pull.wait_ms = what.wait ? look_wait_ms : 0;
  auto lane = what.lane;
  ask<read_request>(
      lane, queues, milliseconds{pull.wait_ms} + others_patience, std::move(pull),
      [this, lane](read_request& found) { complete(lane, std::move(found)); },
      [this, lane](const storage::error&) { fail_look(lane); });
}

void delayer_state::fail_look(std::int32_t lane) {
  core_.look_failed(lane, now());
  work();
}

/// A reader adds the records, unless the queue-manager has to compare the first entry with the log.
void delayer_state::complete(std::int32_t lane, read_request found) {
  if (found.records.empty())
    return see(lane, found.answer);
  if (roles_.readers.empty())
    return fail_look(lane);
  read_request one{found.topic, found.queue_id, {found.records.front()}, {}};
  auto then = [this, lane, one](pull_response& answer) mutable {
    if (answer.status != pull_status::in_doubt)
      return see(lane, answer);
    if (!roles_.queue_manager)
      return fail_look(lane);
    one.answer = std::move(answer);
    one.answer.status = pull_status::found;
    one.answer.next = one.records.front().position + 1;
    ask<read_request>(
        lane, roles_.queue_manager, others_patience, std::move(one),
        [this, lane](read_request& again) { complete(lane, std::move(again)); },
        [this, lane](const storage::error&) { fail_look(lane); });
  };
  auto& reader = roles_.readers[reader_turn_++ % roles_.readers.size()];
  ask<pull_response>(lane, reader, others_patience, std::move(found), std::move(then),
                     [this, lane](const storage::error& why) {
                       say("delay.unreadable", why.message);
                       fail_look(lane);
                     });
}

void delayer_state::see(std::int32_t lane, const pull_response& answer) {
  auto before = core_.progress(core_.level_of(lane));
  if (answer.status == pull_status::offset_too_small ||
      answer.status == pull_status::offset_too_large) {
    storage::log_warning("delay.moved", {{"level", core_.level_of(lane)},
                                         {"from", before},
                                         {"to", answer.next},
                                         {"reason", "the queue does not have the place"}});
    core_.moved(lane, answer.next, now());
  } else {
    core::sight sight{{}, answer.next, answer.max};
    auto& records = of(lane).records;
    for (auto& record : answer.records) {
      auto view = view_of(record);
      auto time = storage::waits_until(view.properties);
      sight.messages.push_back({view.queue_position, view.store_timestamp, time.value_or(0)});
      if (time) // it may be kept and passed over, so it has to stay where it is as well
        stored_to_ = std::max(stored_to_, view.offset + static_cast<log_offset>(view.size));
      records.emplace(view.queue_position, record);
    }
    if (answer.damaged > 0)
      storage::log_warning("delay.skipped",
                           {{"messages", answer.damaged}, {"reason", answer.warning}});
    core_.found(lane, sight, now());
  }
  if (core_.progress(core_.level_of(lane)) != before)
    save_later();
  work();
  of(lane).records.clear(); // those that are due have been copied
}

// -- delivering ----------------------------------------------------------------------------------

void delayer_state::deliver(const core::delivery& what) {
  auto& level = of(what.lane);
  bool all_due = what.positions.size() >= level.most;
  level.most = all_due ? std::min(2 * level.most, most_messages) : least_messages;
  level.outcomes.assign(what.positions.size(), core::outcome::later);
  level.sent.clear();
  put_bundle bundle;
  for (std::size_t i = 0; i < what.positions.size(); ++i) {
    auto record = level.records.find(what.positions[i]);
    if (record == level.records.end())
      continue;
    auto request = request_for(record->second, level.outcomes[i]);
    if (request) {
      level.sent.push_back(i);
      bundle.requests.push_back(std::move(*request));
    } else if (level.outcomes[i] == core::outcome::later) {
      break; // its bytes are gone; what is behind it waits for it
    }
  }
  hand_over(what.lane, std::move(bundle));
}

/// The bytes are copied: the log's file may go while the writer has them.
std::optional<put_request> delayer_state::request_for(const storage::slice& record,
                                                      core::outcome& became) {
  auto view = view_of(record);
  auto due = storage::due(view, setup_.clock->now_ms());
  if (record.damaged())
    return std::nullopt;
  // One that is left out has to stay where it is too: another one in its place would be passed
  // over.
  stored_to_ = std::max(stored_to_, view.offset + static_cast<log_offset>(view.size));
  if (!due) {
    storage::log_warning("delay.skipped",
                         {{"message", place_of(view)}, {"reason", due.error().message}});
    became = core::outcome::never;
    return std::nullopt;
  }
  auto& message = due.value();
  if (is_recalled(view, message.topic)) {
    became = core::outcome::never;
    return std::nullopt;
  }
  storage::new_message copy;
  copy.queue_id = message.queue_id;
  copy.flag = view.flag;
  copy.sysflag = message.sysflag;
  copy.born_timestamp = view.born_timestamp;
  copy.reconsume_times = view.reconsume_times;
  copy.prepared_transaction_offset = view.prepared_transaction_offset;
  copy.body = view.body;
  copy.properties = message.properties;
  storage::message_batch_builder batch;
  batch.add(copy);
  put_request request;
  request.topic = message.topic;
  request.count = 1;
  request.messages = batch.take();
  request.born_host = view.born_host;
  if (record.damaged()) // asked last, as they may have gone while they were copied
    return std::nullopt;
  return request;
}

void delayer_state::hand_over(std::int32_t lane, put_bundle bundle) {
  if (bundle.requests.empty())
    return settle(lane);
  if (!roles_.writer) {
    say("delay.waiting", not_reachable<writer_actor>(roles_).message);
    return settle(lane);
  }
  ask<put_bundle_response>(
      lane, roles_.writer, writer_patience, std::move(bundle),
      [this, lane](put_bundle_response& answer) { learn(lane, answer); },
      [this, lane](const storage::error& why) {
        storage::log_warning("delay.in_doubt",
                             {{"level", core_.level_of(lane)},
                              {"messages", of(lane).sent.size()},
                              {"reason", why.message + "; they are delivered again"}});
        settle(lane);
      });
}

void delayer_state::learn(std::int32_t lane, const put_bundle_response& answer) {
  auto& work = of(lane);
  for (std::size_t i = 0; i < work.sent.size() && i < answer.responses.size(); ++i) {
    auto& one = answer.responses[i];
    if (!one.results.empty())
      work.outcomes[work.sent[i]] = outcome_of(one.results.front(), one.failure);
    if (work.outcomes[work.sent[i]] == core::outcome::never)
      storage::log_warning("delay.skipped",
                           {{"level", core_.level_of(lane)}, {"reason", one.failure.message}});
  }
  settle(lane);
}

delayer_state::core::outcome delayer_state::outcome_of(const message_result& result,
                                                       const storage::error& failure) {
  switch (result.code) {
  case errc::none:
    stored_to_ = std::max(stored_to_, result.offset + 1);
    said_.clear();
    return core::outcome::stored;
  case errc::not_found: // its topic was deleted
  case errc::invalid_argument:
  case errc::too_large:
    return core::outcome::never;
  case errc::maybe_stored:
  case errc::connection_lost:
    if (TROUPE_MUTANT("doubt-taken-for-delivery"))
      return core::outcome::stored;
    say("delay.in_doubt", failure.message + "; it is delivered again");
    return core::outcome::later;
  case errc::unavailable: // the writer is not open yet, as at each start
    return core::outcome::later;
  default:
    say("delay.waiting", failure.message);
    return core::outcome::later;
  }
}

void delayer_state::settle(std::int32_t lane) {
  auto before = core_.progress(core_.level_of(lane));
  core_.delivered(lane, of(lane).outcomes, now());
  if (core_.progress(core_.level_of(lane)) != before || core::is_rest(lane))
    save_later();
  self_->send(self_, work_atom_v); // behind the answers of other levels
}

// -- keeping how far it is -----------------------------------------------------------------------

void delayer_state::save_later() {
  if (saving_)
    save_again_ = true;
  else if (!std::exchange(save_pending_, true))
    self_->delayed_send(self_, save_pause, save_atom_v);
}

/// What is said to be delivered has to be durable first. With synchronous flush it is.
void delayer_state::save() {
  save_pending_ = false;
  if (saving_)
    return;
  std::vector<level_progress> progress;
  for (std::int32_t level = 1; level <= core::levels(); ++level)
    progress.push_back({core_.progress(level), core_.window_of(level)});
  recalled_until_ = recalled_until();
  auto to = stored_to_;
  bool durable = to <= durable_ || setup_.options.store.flush == storage::flush_policy::sync ||
                 TROUPE_MUTANT("delivery-not-flushed");
  saving_ = true;
  if (durable)
    return write(progress);
  if (!run_ || !roles_.flusher) {
    ask_run();
    return saved(not_reachable<flusher_actor>(roles_));
  }
  self_
      ->request(roles_.flusher, patience(self_, roles_.flusher, others_patience), flush_atom_v,
                *run_, to)
      .then(
          [this, to, progress](const log_flushed&) {
            durable_ = std::max(durable_, to);
            write(progress);
          },
          [this](const caf::error& why) {
            ask_run();
            saved(from_caf(why));
          });
}

void delayer_state::write(const std::vector<level_progress>& progress) {
  for (std::int32_t level = 1; level <= core::levels(); ++level) {
    auto& [next, window] = progress[static_cast<std::size_t>(level) - 1];
    offsets_->set_window(level, window);
    if (next != offsets_->find(level).value_or(0))
      offsets_->set(level, next);
  }
  storage::result<void> done = boost::outcome_v2::success();
  if (offsets_->changed())
    done = offsets_->save(setup_.clock->now_ms());
  if (done)
    forget_recalled(recalled_until_);
  saved(done);
}

void delayer_state::saved(const storage::result<void>& done) {
  saving_ = false;
  if (stop_promise_.pending() && !core_.delivering()) {
    if (done && std::exchange(save_again_, false))
      return save();
    stop_promise_.deliver(
        stop_report{done ? std::string{}
                         : "how far delayed messages are delivered is not saved, so some may come "
                           "twice: " +
                               done.error().message});
    return;
  }
  if (!done)
    say("delay.not_saved", done.error().message);
  if (std::exchange(save_again_, false) || !done)
    save_later();
}

/// Which log it is that the flusher is asked for.
void delayer_state::ask_run() {
  if (!roles_.writer)
    return;
  self_->request(roles_.writer, patience(self_, roles_.writer, others_patience), follow_atom_v)
      .then([this](const log_state& log) { run_ = log.run; }, [](const caf::error&) {});
}

// -- others --------------------------------------------------------------------------------------

/// What was asked of an actor that is not there any more may be answered by nobody.
template <class Handle>
void delayer_state::lose(const Handle& before) {
  if (!before)
    return;
  auto whom = caf::actor_cast<caf::actor_addr>(before);
  for (std::int32_t lane = 1; lane <= core::lanes(); ++lane) {
    auto& work = of(lane);
    if (work.asked == 0 || work.whom != whom)
      continue;
    work.asked = 0;
    if (core_.delivering(lane)) {
      say("delay.in_doubt", "the connection to the writer broke; what it had is delivered again");
      settle(lane);
    } else {
      core_.look_failed(lane, now());
    }
  }
}

void delayer_state::set_roles(const role_table& table) {
  auto before = std::exchange(roles_, table);
  has_roles_ = true;
  if (before.queue_manager != roles_.queue_manager) {
    lose(before.queue_manager);
    core_.look_again();
  }
  for (auto& one : before.readers)
    if (std::find(roles_.readers.begin(), roles_.readers.end(), one) == roles_.readers.end())
      lose(one);
  if (before.writer != roles_.writer) {
    lose(before.writer);
    ask_run();
  }
  work();
}

caf::result<stop_report> delayer_state::stop() {
  stop_promise_ = kept_promise<stop_report>{self_};
  auto answer = stop_promise_;
  core_.stop();
  end_stop();
  return answer;
}

/// Once what is under way has been answered.
void delayer_state::end_stop() {
  if (!stop_promise_.pending() || core_.delivering() || std::exchange(stopping_, true))
    return;
  if (TROUPE_MUTANT("deliveries-not-kept"))
    saved(boost::outcome_v2::success());
  else if (saving_)
    save_again_ = true;
  else
    save();
}

delayer_actor::behavior_type delayer(delayer_actor::stateful_pointer<delayer_state> self,
                                     delayer_setup setup) {
  auto& state = self->state;
  state.start(self, std::move(setup));
  return {
      [&state](stop_atom) { return state.stop(); },
      [&state](const role_table& table) { state.set_roles(table); },
      [&state](message_recall what) { return state.recall(std::move(what)); },
      [&state](work_atom) { state.work(); },
      [&state](save_atom) { state.save(); },
  };
}

} // namespace troupe
