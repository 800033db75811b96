#include "actors/transactor.hpp"

#include "actors/transactor_ask.hpp"
#include "storage/big_endian.hpp"
#include "storage/format/message_batch.hpp"
#include "storage/format/properties.hpp"
#include "storage/logging.hpp"
#include "storage/mutant.hpp"

#include <algorithm>
#include <span>
#include <utility>

namespace troupe {

namespace {

constexpr milliseconds others_patience{10'000};
constexpr milliseconds writer_patience{120'000};
/// What the writer has not stored by then it refuses.
constexpr std::uint32_t put_time_ms = 5000;
/// For a request's turn.
constexpr milliseconds longest_wait{10'000};
constexpr milliseconds look_at_waiting{500};
constexpr std::size_t most_open = 65'536;
/// Messages with one UNIQ_KEY.
constexpr std::uint32_t most_found = 64;

using storage::error;

const std::string nothing_there = "Find prepared transaction message failed";

} // namespace

void transactor_state::start(transactor_actor::stateful_pointer<transactor_state> actor,
                             transactor_setup setup) {
  self_ = actor;
  setup_ = std::move(setup);
  self_->set_down_handler([this](const caf::down_msg& down) { asker_ended(down.source); });
}

transactor_state::core::moment transactor_state::now() const {
  auto steady = self_->clock().now().time_since_epoch();
  return {setup_.clock->now_ms(), std::chrono::duration_cast<milliseconds>(steady).count()};
}

reader_actor transactor_state::next_reader() {
  return roles_.readers.empty() ? reader_actor{}
                                : roles_.readers[reader_turn_++ % roles_.readers.size()];
}

/// Only the first one who could not be reached, or would not, is worth a line.
void transactor_state::say(const char* event, const std::string& reason) {
  if (std::exchange(said_, reason) != reason)
    storage::log_warning(event, {{"reason", reason}});
}

/// Of a record that a reader has checked.
std::optional<transactor_state::known_half> transactor_state::read(const storage::slice& record) {
  auto bytes = record.bytes();
  if (bytes.size() < storage::record_layout::fixed_bytes_v1)
    return std::nullopt;
  auto* own_offset = bytes.data() + storage::record_layout::own_offset_at;
  auto offset = storage::big_endian::load<log_offset>(own_offset);
  auto decoded = storage::decode_record(bytes, offset, storage::verify::structure);
  if (decoded.kind != storage::record_kind::message || record.damaged())
    return std::nullopt;
  return known_half{record, decoded.view, storage::facts_of(decoded.view)};
}

void transactor_state::work() {
  timer_.came(self_->clock().now());
  if (!core_)
    return learn_state();
  claim_waiting();
  auto todo = core_->work(now());
  for (auto& one : todo.looks)
    look(one);
  if (!todo.doubles.empty())
    say_done(todo.doubles);
  if (!todo.checks.empty())
    check(todo.checks);
  if (!core_) // forgotten meanwhile
    return;
  if (auto sleep = core_->sleep_ms(now()))
    timer_.arm(self_, self_->clock().now() + milliseconds{*sleep}, work_atom_v);
  save_later();
  end_stop();
}

void transactor_state::retry() {
  learn_state();
  claim_waiting();
}

void transactor_state::set_roles(const role_table& table) {
  roles_ = table;
  has_roles_ = true;
  work();
}

// -- resolving -----------------------------------------------------------------------------------

caf::result<bool> transactor_state::resolve(transaction_end what) {
  if (stopping_)
    return make_caf_error(errc::unavailable, "the node is stopping");
  if (*open_ >= most_open)
    return make_caf_error(errc::busy, "too many transactions are being resolved; try again later");
  ++*open_;
  auto it = std::make_shared<resolution>();
  it->place = {nullptr, [count = open_](void*) { --*count; }};
  it->what = std::move(what);
  it->promise = kept_promise<bool>{self_};
  it->since = self_->clock().now();
  auto answer = it->promise;
  if (core_) {
    find_half(it);
  } else {
    waiting_.push_back(it);
    timer_.arm(self_, self_->clock().now() + look_at_waiting, work_atom_v);
    learn_state();
  }
  return answer;
}

void transactor_state::refuse(const shared_resolution& it, const error& why) {
  it->promise.deliver(to_caf(why));
}

/// The same of one that was claimed.
void transactor_state::let_go(const shared_resolution& it, const error& why) {
  core_->release(it->half->facts.first);
  refuse(it, why);
}

/// It must be the half that is meant: anybody may name any place of the log.
void transactor_state::find_half(const shared_resolution& it) {
  ask<record_batch>(
      next_reader(), others_patience,
      [this, it](record_batch& found) {
        auto half = found.records.empty() ? std::nullopt : read(found.records.front());
        if (!half || half->view.topic != storage::half_topic)
          return refuse(it, {errc::not_found, nothing_there});
        if (half->facts.group != it->what.group)
          return refuse(it, {errc::invalid_argument, "The producer group wrong"});
        if (half->view.queue_position != it->what.position)
          return refuse(it, {errc::invalid_argument, "The transaction state table offset wrong"});
        if (half->view.offset != it->what.offset)
          return refuse(it, {errc::invalid_argument, "The commit log offset wrong"});
        it->half = std::move(half);
        claim(it);
      },
      [this, it](const error& why) {
        refuse(it, why.code == errc::not_found ? error{errc::not_found, nothing_there} : why);
      },
      fetch_atom_v, it->what.offset);
}

void transactor_state::claim(const shared_resolution& it) {
  auto mine = core_->claim_for(it->half->facts.first);
  switch (mine.what) {
  case core::answer::done:
    return search_late(it);
  case core::answer::later:
    return refuse(it, {errc::busy, "too many transactions are open; try again later"});
  case core::answer::wait:
    waiting_.push_back(it);
    return timer_.arm(self_, self_->clock().now() + look_at_waiting, work_atom_v);
  case core::answer::go:
    break;
  }
  it->at = mine.at;
  if (!it->what.commit && TROUPE_MUTANT("rollback-forgotten")) {
    core_->resolved(it->half->facts.first);
    return it->promise.deliver(true);
  }
  bool may_be_there = (it->half->facts.written_again || it->half->view.offset < known_end_) &&
                      !TROUPE_MUTANT("commit-not-looked-for");
  if (it->what.commit && may_be_there && !it->half->facts.unique_key.empty())
    search(it);
  else
    carry_out(it, false);
}

void transactor_state::claim_waiting() {
  auto before = self_->clock().now() - longest_wait;
  for (auto& it : std::exchange(waiting_, {})) {
    if (it->since <= before)
      refuse(it, {errc::busy, "transactions cannot be resolved now; try again later"});
    else if (!core_)
      waiting_.push_back(it);
    else if (it->half)
      claim(it);
    else
      find_half(it);
  }
  if (!waiting_.empty())
    timer_.arm(self_, self_->clock().now() + look_at_waiting, work_atom_v);
}

/// One that is there already is not stored again.
void transactor_state::search(const shared_resolution& it) {
  auto topic = storage::find_property(it->half->view.properties, storage::property::real_topic);
  find_by_key(it, topic, storage::is_commit_of, [this, it](bool there) { carry_out(it, there); });
}

/// A commit of what is done: it was committed before, or rolled back, and stays so; or nobody had
/// answered for it. What tells has to be in the queues first.
void transactor_state::search_late(const shared_resolution& it) {
  if (!it->what.commit || it->half->facts.unique_key.empty())
    return it->promise.deliver(true);
  if (!core_->hold(it->half->facts.first)) {
    waiting_.push_back(it);
    return timer_.arm(self_, self_->clock().now() + look_at_waiting, work_atom_v);
  }
  ask<bounds_read>(
      roles_.queue_manager, others_patience, [this, it](bounds_read&) { search_given_up(it); },
      [this, it](const error& why) { let_go(it, why); }, bounds_atom_v,
      std::string(storage::half_topic), seen_to_);
}

void transactor_state::search_given_up(const shared_resolution& it) {
  auto known = [this, it] {
    core_->release(it->half->facts.first);
    it->promise.deliver(true);
  };
  auto topic = storage::find_property(it->half->view.properties, storage::property::real_topic);
  find_by_key(it, topic, storage::is_commit_of, [this, it, known](bool there) {
    if (there)
      return known();
    find_by_key(it, storage::unresolved_topic, storage::is_given_up, [this, it, known](bool lost) {
      if (!lost)
        return known();
      it->given_up = true;
      carry_out(it, false);
    });
  });
}

/// A message that belongs to the half; the request is refused when nobody can say.
void transactor_state::find_by_key(const shared_resolution& it, std::string_view topic,
                                   is_wanted wanted, std::function<void(bool)> then) {
  auto fail = [this, it](const error& why) { let_go(it, why); };
  key_query query;
  query.topic = topic;
  query.key = it->half->facts.unique_key;
  query.max = most_found;
  ask<key_read>(
      roles_.queue_manager, others_patience,
      [this, it, wanted, then, fail](key_read& found) {
        if (found.offsets.empty())
          return then(false);
        ask<record_batch>(
            next_reader(), others_patience,
            [it, wanted, then](record_batch& all) {
              then(std::ranges::any_of(all.records, [&](auto& record) {
                auto one = read(record);
                return one && wanted(one->view, it->half->view);
              }));
            },
            fail, std::move(found));
      },
      fail, std::move(query));
}

/// The message first: what is done is seen.
void transactor_state::carry_out(const shared_resolution& it, bool stored_already) {
  put_bundle bundle;
  bool with_message = it->what.commit && !stored_already;
  if (with_message) {
    auto outcome = storage::committed(it->half->view);
    auto request = outcome ? message_of(*it->half, outcome.value()) : std::nullopt;
    if (!request) {
      core_->release(it->half->facts.first);
      return refuse(it, outcome ? error{errc::unavailable, nothing_there}
                                : error{errc::invalid_argument, outcome.error().message});
    }
    bundle.requests.push_back(std::move(*request));
  }
  if (!it->given_up)
    bundle.requests.push_back(word_about(it->at, with_message));
  if (TROUPE_MUTANT("word-before-message"))
    std::swap(bundle.requests.front(), bundle.requests.back());
  ask<put_bundle_response>(
      roles_.writer, writer_patience,
      [this, it, with_message](put_bundle_response& answer) {
        learn(it, answer, with_message);
        work();
      },
      [this, it](const error& why) {
        core_->release(it->half->facts.first);
        refuse(it, why);
        if (why.code != errc::unavailable || roles_.writer)
          begin_again(why.message);
      },
      std::move(bundle));
}

void transactor_state::learn(const shared_resolution& it, const put_bundle_response& answer,
                             bool with_message) {
  auto first = it->half->facts.first;
  auto wanted = with_message && !it->given_up ? std::size_t{2} : std::size_t{1};
  if (answer.responses.size() != wanted) {
    refuse(it, {errc::maybe_stored, "the writer answered less than it was asked"});
    return begin_again("the writer answered less than it was asked");
  }
  auto& message = answer.responses.front();
  auto& word = answer.responses.back(); // of one that was given up: the message
  if (is_stored(word))
    seen_to_ = std::max(seen_to_, word.results.front().offset + 1);
  if (is_stored(message) && is_stored(word)) {
    core_->resolved(first);
    return it->promise.deliver(true);
  }
  if (is_refused(message) && is_refused(word)) { // it waits on, and its producer is asked again
    core_->release(first);
    say("transaction.refused", message.failure.message);
    return refuse(it, message.failure);
  }
  auto& why = is_stored(message) ? word.failure : message.failure;
  refuse(it, {errc::maybe_stored, why.message});
  begin_again(why.message);
}

caf::result<bool> transactor_state::revive(log_offset offset) {
  if (stopping_ || !core_)
    return make_caf_error(errc::unavailable, "transactions are not known yet; try again later");
  kept_promise<bool> promise{self_};
  ask<record_batch>(
      next_reader(), others_patience,
      [this, promise](record_batch& found) {
        if (found.records.empty())
          return promise.deliver(make_caf_error(errc::not_found, nothing_there));
        put_revived(found.records.front(), promise);
      },
      [promise](const error& why) { promise.deliver(to_caf(why)); }, fetch_atom_v, offset);
  return promise;
}

void transactor_state::put_revived(const storage::slice& record,
                                   const kept_promise<bool>& promise) {
  auto half = read(record);
  if (!half || !storage::may_wait_again(half->view))
    return promise.deliver(make_caf_error(
        errc::invalid_argument, "the message is not of a transaction: it names no producer group, "
                                "or no topic that it is for"));
  auto request = message_of(*half, storage::half_again(half->view, 0));
  if (!request)
    return promise.deliver(make_caf_error(errc::too_large, "the message has no room for more"));
  put_bundle bundle;
  bundle.requests.push_back(std::move(*request));
  ask<put_bundle_response>(
      roles_.writer, writer_patience,
      [promise](put_bundle_response& answer) {
        if (answer.responses.size() == 1 && is_stored(answer.responses.front()))
          return promise.deliver(true);
        std::string why = "the writer did not answer";
        if (!answer.responses.empty())
          why = answer.responses.front().failure.message;
        promise.deliver(make_caf_error(errc::unavailable, why));
      },
      [promise](const error& why) { promise.deliver(to_caf(why)); }, std::move(bundle));
}

// -- what is stored ------------------------------------------------------------------------------

/// The bytes are copied: the log's file may go while the writer has them.
std::optional<put_request>
transactor_state::message_of(const known_half& half, const storage::half_outcome& outcome) const {
  storage::new_message copy;
  copy.queue_id = outcome.queue_id;
  copy.flag = half.view.flag;
  copy.sysflag = outcome.sysflag;
  copy.born_timestamp = half.view.born_timestamp;
  copy.reconsume_times = half.view.reconsume_times;
  copy.prepared_transaction_offset = outcome.prepared_transaction_offset;
  copy.body = half.view.body;
  copy.properties = outcome.properties;
  storage::record_fields fields;
  fields.topic = outcome.topic;
  fields.body = copy.body;
  fields.properties = copy.properties;
  fields.born_host = half.view.born_host;
  auto& store = setup_.options.store;
  auto size = storage::encoded_size(fields, store.record_crc) + storage::blank_header_bytes;
  if (outcome.properties.size() > storage::max_properties_bytes || size > store.log_file_size_bytes)
    return std::nullopt;
  storage::message_batch_builder batch;
  batch.add(copy);
  put_request request;
  request.topic = outcome.topic;
  request.count = 1;
  request.messages = batch.take();
  request.born_host = half.view.born_host;
  request.time_left_ms = put_time_ms;
  if (half.record.damaged()) // asked last, as its bytes may have gone while they were copied
    return std::nullopt;
  return request;
}

put_request transactor_state::word_about(queue_offset half, bool behind_message) const {
  auto body = storage::op_body(half);
  storage::new_message word;
  word.born_timestamp = setup_.clock->now_ms();
  word.body = std::as_bytes(std::span(body.data(), body.size()));
  word.properties = storage::op_properties;
  storage::message_batch_builder batch;
  batch.add(word);
  put_request request;
  request.topic = storage::op_topic;
  request.count = 1;
  request.messages = batch.take();
  auto& store = setup_.options.store;
  request.born_host = storage::host::ipv4(store.store_host_ipv4, store.store_port);
  request.time_left_ms = put_time_ms;
  request.with_former = behind_message;
  return request;
}

transactor_actor::behavior_type
transactor(transactor_actor::stateful_pointer<transactor_state> self, transactor_setup setup) {
  auto& state = self->state;
  state.start(self, std::move(setup));
  return {
      [&state](transaction_end& what) { return state.resolve(std::move(what)); },
      [&state](revive_atom, log_offset offset) { return state.revive(offset); },
      [&state](watch_atom, const caf::strong_actor_ptr& who) { state.add_asker(who); },
      [&state](stop_atom) { return state.stop(); },
      [&state](const role_table& table) { state.set_roles(table); },
      [&state](work_atom) { state.work(); },
      [&state](retry_atom) { state.retry(); },
      [&state](save_atom) { state.save(); },
  };
}

} // namespace troupe
