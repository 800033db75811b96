#include "actors/session.hpp"

#include "actors/unexpected.hpp"
#include "storage/format/message_batch.hpp"
#include "storage/format/properties.hpp"
#include "storage/format/system_topics.hpp"
#include "storage/mutant.hpp"

#include <algorithm>
#include <utility>

namespace troupe {

namespace {

/// How often deadlines are looked at; they are seconds long.
constexpr auto pulse_interval = std::chrono::milliseconds(100);

/// Of a message in a batch: what stands before its body (storage/format/message_batch.hpp).
constexpr std::size_t least_message_bytes = 44;

put_response refused(const put_request& request, const storage::error& why) {
  put_response response;
  message_result result;
  result.code = why.code;
  // The count comes from the client: it is answered only as far as the batch could be that long.
  auto most = request.messages.size() / least_message_bytes;
  auto count = std::min<std::size_t>(request.count, most);
  response.results.assign(std::max<std::size_t>(count, 1), result);
  response.failure = why;
  return response;
}

/// What this node cannot do with a message, and must not do wrongly.
const char* unsupported(const storage::new_message& message) {
  if ((message.sysflag & storage::sysflag::transaction_mask) != 0)
    return "transactions are not supported by this node";
  return storage::unsupported_request(message.properties);
}

std::int64_t clock_ms(caf::actor_clock::time_point at) {
  return std::chrono::duration_cast<milliseconds>(at.time_since_epoch()).count();
}

} // namespace

void session_state::start(session_actor::stateful_pointer<session_state> actor,
                          const session_setup& setup) {
  self_ = actor;
  options_ = setup.options;
  roles = setup.roles;
  topics = setup.topics;
  if (setup.client != nullptr) {
    self_->set_down_handler([this](const caf::down_msg&) { self_->quit(); });
    self_->monitor(caf::actor_cast<caf::actor>(setup.client));
  }
}

// -- open requests -------------------------------------------------------------------------------

storage::result<void> session_state::admit(const charge& wanted) const {
  auto fits = [](std::uint64_t open, std::uint64_t more, std::uint64_t limit) {
    return open <= limit && more <= limit - open;
  };
  if (stopping_)
    return storage::error{errc::unavailable, "the node is stopping"};
  if (open_messages_ == 0 ||
      (fits(open_messages_, wanted.messages, options_.session.credit_messages) &&
       (wanted.bytes == 0 || fits(open_bytes_, wanted.bytes, options_.session.credit_bytes))))
    return boost::outcome_v2::success();
  return storage::error{errc::busy, "this client has " + std::to_string(open_messages_) +
                                        " messages and " + std::to_string(open_bytes_) +
                                        " bytes open; wait for answers first"};
}

void session_state::take(const charge& taken) {
  open_messages_ += taken.messages;
  open_bytes_ += taken.bytes;
  arm_pulse();
}

void session_state::give_back(const charge& taken) {
  open_messages_ -= taken.messages;
  open_bytes_ -= taken.bytes;
}

session_state::request_id session_state::open(std::function<void(const storage::error&)> fail,
                                              const charge& taken, milliseconds more_time) {
  auto deadline = self_->clock().now() + options_.session.deadline + more_time;
  open_[next_id_] = {deadline, std::move(fail), taken, {}};
  take(taken);
  return next_id_++;
}

bool session_state::close(request_id id) {
  auto found = open_.find(id);
  if (found == open_.end())
    return false;
  give_back(found->second.taken);
  open_.erase(found);
  return true;
}

session_state::request_id session_state::open_put(kept_promise<put_response> promise,
                                                  const put_request& request) {
  // Parked requests have a deadline of their own in the writer, so its time is added here.
  auto deadline =
      self_->clock().now() + options_.session.deadline + options_.writer.parked_deadline;
  puts_.push_back({deadline, std::move(promise), {request.count, request.messages.size()}});
  take(puts_.back().taken);
  return first_put_ + puts_.size() - 1;
}

void session_state::answer_put(request_id id, put_response response) {
  if (id < first_put_ || puts_[id - first_put_].closed)
    return;
  puts_[id - first_put_].promise.deliver(std::move(response));
  close_put(id);
}

void session_state::close_put(request_id id) {
  auto& put = puts_[id - first_put_];
  put.closed = true;
  give_back(put.taken);
  while (!puts_.empty() && puts_.front().closed) {
    puts_.pop_front();
    ++first_put_;
  }
}

void session_state::arm_pulse() {
  if (pulse_pending_)
    return;
  pulse_pending_ = true;
  self_->delayed_send(self_, pulse_interval, pulse_atom_v);
}

void session_state::expire() {
  pulse_pending_ = false;
  auto now = self_->clock().now();
  storage::error late{errc::maybe_stored, "no answer within " +
                                              std::to_string(options_.session.deadline.count()) +
                                              " ms: the request may have taken effect"};
  // In the order in which they came, so the first one that has time left ends the search.
  while (!puts_.empty() && puts_.front().deadline <= now) {
    puts_.front().promise.deliver(to_caf(late));
    close_put(first_put_);
  }
  std::erase_if(open_, [&](auto& entry) {
    auto& request = entry.second;
    if (request.deadline > now)
      return false;
    request.fail(late);
    give_back(request.taken);
    return true;
  });
  if (!open_.empty() || !puts_.empty())
    arm_pulse();
  if (stopping_ && !owes_changes())
    stop_promise_.deliver(true);
}

/// Whoever reads asks again elsewhere or later, and may wait for long; a change that is not
/// answered is in doubt.
bool session_state::owes_changes() const {
  auto registrar = caf::actor_cast<caf::actor_addr>(roles.registrar);
  return !puts_.empty() || held_puts_ > 0 ||
         std::any_of(open_.begin(), open_.end(), [&](auto& entry) {
           return roles.registrar && entry.second.asked == registrar;
         });
}

caf::result<bool> session_state::stop() {
  stopping_ = true;
  if (!owes_changes())
    return true;
  stop_promise_ = kept_promise<bool>{self_};
  arm_pulse();
  return stop_promise_;
}

// -- producing -----------------------------------------------------------------------------------

/// Beside checking, takes the messages at their word when all of them say WAIT=false.
storage::result<void> session_state::check(put_request& request) const {
  if (!storage::takes_messages(request.topic))
    return brokers_own(request.topic);
  auto found = topics.topics->find(request.topic);
  if (found == topics.topics->end()) {
    TROUPE_TRY(storage::check_topic_name(request.topic));
    return storage::error{errc::not_found, "there is no topic " + request.topic +
                                               "; create it with: troupe topic create " +
                                               request.topic};
  }
  auto& topic = found->second;
  if ((topic.perm & 2) == 0)
    return storage::error{errc::invalid_argument, "topic " + topic.name + " is not writable"};
  if (request.count > options_.session.credit_messages)
    return storage::error{errc::too_large,
                          "more messages in one batch than a client may have open (" +
                              std::to_string(options_.session.credit_messages) + ")"};
  storage::record_fields fields;
  fields.topic = request.topic;
  storage::message_batch_reader messages{request.messages.bytes()};
  std::uint32_t count = 0;
  bool none_waits = options_.store.flush == storage::flush_policy::sync && request.wait;
  for (;; ++count) {
    TROUPE_TRY(auto message, messages.next());
    if (!message)
      break;
    if (auto* why = unsupported(*message))
      return storage::error{errc::invalid_argument, why};
    if (message->queue_id < 0 || message->queue_id >= topic.write_queues)
      return storage::error{errc::invalid_argument, "topic " + topic.name + " has no queue " +
                                                        std::to_string(message->queue_id) +
                                                        ", only 0 to " +
                                                        std::to_string(topic.write_queues - 1)};
    fields.queue_id = message->queue_id;
    fields.body = message->body;
    fields.properties = message->properties;
    if (auto good = storage::check_fields(fields, options_.store); !good)
      return storage::error{good.error().code, "message " + std::to_string(count) +
                                                   " of the batch: " + good.error().message};
    none_waits = none_waits &&
                 storage::find_property(message->properties, storage::property::wait) == "false";
  }
  if (count != request.count || count == 0)
    return storage::error{errc::invalid_argument, "a batch of " + std::to_string(count) +
                                                      " messages was announced as " +
                                                      std::to_string(request.count)};
  if (none_waits)
    request.wait = false;
  return boost::outcome_v2::success();
}

caf::result<put_response> session_state::put(put_request request) {
  kept_promise<put_response> promise{self_};
  // Those behind one that is held wait with it, or they would be stored before it.
  if (held_puts_ == 0 && topics.topics->count(request.topic) > 0) {
    store(std::move(request), promise);
    return promise;
  }
  // The topic may have been created a moment ago through another session.
  auto id = open(promise, {1, request.messages.size()});
  if (!id)
    return promise;
  ++held_puts_;
  auto held = std::make_shared<put_request>(std::move(request));
  auto since = self_->clock().now();
  refresh_topics([this, id = *id, held, promise, since] {
    --held_puts_;
    if (!close(id))
      return;
    if (spend_time(*held, since))
      store(std::move(*held), promise);
    else
      promise.deliver(
          refused(*held, {errc::busy, "not stored: the topics were not known in time"}));
  });
  return promise;
}

/// Takes the time since then from what the producer waits; false when nothing is left.
bool session_state::spend_time(put_request& request, caf::actor_clock::time_point since) const {
  if (request.time_left_ms == 0)
    return true;
  auto left =
      std::int64_t{request.time_left_ms} - (clock_ms(self_->clock().now()) - clock_ms(since));
  if (left <= 0)
    return false;
  request.time_left_ms = static_cast<std::uint32_t>(left);
  return true;
}

/// Learns the topics, all that was created before included; without an answer `then` goes on with
/// what was known.
void session_state::refresh_topics(std::function<void()> then) {
  refreshes_[next_refresh_] = std::move(then);
  ask_topics(next_refresh_++);
}

void session_state::ask_topics(std::uint64_t refresh) {
  // The answer is as good for those who asked before: their question, or the answer, may be lost,
  // and what is held is passed on in its order.
  auto go_on = [this, refresh] {
    while (!refreshes_.empty() && refreshes_.begin()->first <= refresh)
      refreshes_.extract(refreshes_.begin()).mapped()();
  };
  self_->request(roles.registrar, patience(self_, roles.registrar, longest_patience), watch_atom_v)
      .then(
          [this, go_on](const topic_map& newest) {
            topics = newest;
            go_on();
          },
          [this, go_on, whom = roles.registrar](const caf::error&) {
            if (whom == roles.registrar)
              go_on();
          });
}

void session_state::store(put_request request, kept_promise<put_response> promise) {
  if (auto good = check(request); !good) {
    promise.deliver(refused(request, good.error()));
    return;
  }
  if (auto room = admit({request.count, request.messages.size()}); !room) {
    promise.deliver(refused(request, {room.error().code, "not stored: " + room.error().message}));
    return;
  }
  auto& gathered = gathered_.bundle.requests;
  bool full = is_elsewhere(self_, roles.writer) &&
              gathered_.bytes + request.messages.size() > largest_piece;
  if (!gathered.empty() && (full || gathered.front().wait != request.wait))
    send_gathered(); // messages of one client keep their order, whether they wait or not
  gathered_.bytes += request.messages.size();
  gathered_.ids.push_back(open_put(std::move(promise), request));
  gathered.push_back(std::move(request));
  if (!send_pending_) {
    send_pending_ = true;
    self_->send(self_, work_atom_v); // what is in the mailbox now goes along
  }
}

void session_state::send_gathered() {
  send_pending_ = false;
  if (gathered_.ids.empty())
    return;
  auto sent = std::exchange(gathered_, {});
  if (!is_elsewhere(self_, roles.writer)) // another machine has another clock
    sent.bundle.sent_ms = clock_ms(self_->clock().now());
  if (!roles.writer) {
    auto why = not_reachable<writer_actor>(roles);
    if (roles.writer_ended)
      why = {errc::write_stopped, "the writer stopped; restart the node"};
    why.message.insert(0, "not stored: ");
    for (std::size_t i = 0; i < sent.ids.size(); ++i)
      answer_put(sent.ids[i], refused(sent.bundle.requests[i], why));
    return;
  }
  auto ids = std::make_shared<const std::vector<request_id>>(std::move(sent.ids));
  self_
      ->request(roles.writer, patience(self_, roles.writer, longest_patience),
                std::move(sent.bundle))
      .then([this, ids](put_bundle_response& answer) { answer_bundle(*ids, answer); },
            [this, ids](const caf::error& why) {
              put_response doubt;
              doubt.failure = {errc::maybe_stored, "maybe stored: " + from_caf(why).message};
              for (auto id : *ids)
                answer_put(id, doubt);
            });
}

void session_state::answer_bundle(const std::vector<request_id>& ids, put_bundle_response& answer) {
  for (std::size_t i = 0; i < ids.size(); ++i) {
    put_response missing;
    missing.failure = {errc::maybe_stored, "the writer's answer is incomplete"};
    answer_put(ids[i], i < answer.responses.size() ? std::move(answer.responses[i]) : missing);
  }
}

// -- other processes -----------------------------------------------------------------------------

/// What was asked of an actor in another process that is out of reach now is answered by nobody.
template <class Handle>
void session_state::replace(const Handle& before, const Handle& now) {
  if (!before || before == now || !is_elsewhere(self_, before))
    return;
  storage::error lost{errc::connection_lost, std::string("the connection to the ") +
                                                 role_name<Handle> +
                                                 " broke: the request may have taken effect"};
  auto who = caf::actor_cast<caf::actor_addr>(before);
  std::erase_if(open_, [&](auto& entry) {
    auto& request = entry.second;
    if (request.asked != who)
      return false;
    request.fail(lost);
    give_back(request.taken);
    return true;
  });
}

void session_state::set_roles(const role_table& table) {
  auto before = std::exchange(roles, table);
  if (before.writer && TROUPE_MUTANT("old-writer-kept"))
    roles.writer = before.writer;
  replace(before.queue_manager, roles.queue_manager);
  replace(before.registrar, roles.registrar);
  if (before.registrar != roles.registrar) // who was asked before may not have heard of it
    for (auto& [refresh, then] : refreshes_)
      ask_topics(refresh);
  replace(before.flusher, roles.flusher);
  for (auto& one : before.readers)
    if (std::find(roles.readers.begin(), roles.readers.end(), one) == roles.readers.end())
      replace(one, reader_actor{});
  if (!before.writer || before.writer == roles.writer || !is_elsewhere(self_, before.writer))
    return;
  put_response doubt;
  doubt.failure = {errc::maybe_stored, "maybe stored: the connection to the writer broke"};
  auto unsent = gathered_.ids.empty() ? first_put_ + puts_.size() : gathered_.ids.front();
  for (auto id = first_put_; id < unsent; ++id)
    answer_put(id, doubt);
}

session_actor::behavior_type session(session_actor::stateful_pointer<session_state> self,
                                     const session_setup& setup) {
  auto& state = self->state;
  state.start(self, setup);
  ignore_unexpected(self, "session");
  return {
      [&state](put_request& request) { return state.put(std::move(request)); },
      [&state](pull_request& request) { return state.pull(std::move(request)); },
      [&state](const key_query& query) { return state.query(query); },
      [&state](fetch_atom, log_offset offset) { return state.fetch(offset); },
      [&state](search_atom, const std::string& topic, std::int32_t queue, std::int64_t time_ms) {
        return state.forward<queue_offset>(0, state.roles.queue_manager, search_atom_v, topic,
                                           queue, time_ms);
      },
      [&state](create_atom, const topic_info& topic) { return state.create(topic); },
      [&state](update_atom, const topic_info& topic) {
        return state.change<topic_info>(topic.name, update_atom_v, topic);
      },
      [&state](remove_atom, const std::string& topic) {
        return state.change<tombstone>(topic, remove_atom_v, topic);
      },
      [&state](list_atom) {
        return state.forward<topic_list>(0, state.roles.registrar, list_atom_v);
      },
      [&state](bounds_atom, const std::string& topic) { return state.describe(topic); },
      [&state](bounds_atom, const std::string& topic, std::int32_t queue) {
        return state.describe(topic, queue);
      },
      [&state](fetch_atom, const group_offset& which) {
        return state.forward<group_offset>(0, state.roles.registrar, fetch_atom_v, which);
      },
      [&state](store_atom, const group_offset& what) {
        return state.forward<group_offset>(0, state.roles.registrar, store_atom_v, what);
      },
      [&state](list_atom, const std::string& group) {
        return state.forward<group_list>(0, state.roles.registrar, list_atom_v, group);
      },
      [&state](store_atom, const group_settings& what) {
        return state.forward<group_settings>(0, state.roles.registrar, store_atom_v, what);
      },
      [&state](remove_atom, const group_settings& which, bool offsets) {
        return state.forward<group_settings>(0, state.roles.registrar, remove_atom_v, which,
                                             offsets);
      },
      [&state](status_atom) {
        return state.forward<node_status>(0, state.roles.node, status_atom_v);
      },
      [&state](group_join& request) { return state.join(std::move(request)); },
      [&state](const group_claim& request) {
        return state.forward<group_claim>(0, state.roles.membership, request);
      },
      [&state](const group_leave& request) {
        return state.forward<bool>(0, state.roles.membership, request);
      },
      [&state](const topic_map& topics) { state.topics = topics; },
      [&state](watch_atom) {
        return state.forward<topic_map>(0, state.roles.registrar, watch_atom_v);
      },
      [&state](const role_table& roles) { state.set_roles(roles); },
      [&state](stop_atom) { return state.stop(); },
      [&state](work_atom) { state.send_gathered(); },
      [&state](pulse_atom) { state.expire(); },
  };
}

} // namespace troupe
