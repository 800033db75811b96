#include "net/gateway/gateway_state.hpp"

#include "net/remoting/codes.hpp"
#include "net/remoting/frame.hpp"
#include "storage/mutant.hpp"

#include <span>

namespace troupe::net {

namespace {

namespace request_code = remoting::request_code;
namespace response_code = remoting::response_code;

/// Producers try another broker on 2 and 14; consumers ask again.
std::int32_t response_for(errc code) noexcept {
  switch (code) {
  case errc::busy:
    return response_code::system_busy;
  case errc::no_space:
  case errc::too_many_files:
  case errc::write_stopped:
  case errc::disk_full:
  case errc::unavailable:
  case errc::connection_lost:
    return response_code::service_not_available;
  default:
    return response_code::system_error;
  }
}

/// Java clients read no larger frame than 16 MiB.
constexpr std::size_t most_text = 16 * storage::mib - 64 * storage::kib;

/// Clients give up on a send after 3 s and send again, and on most others after 5 s or later.
constexpr std::chrono::milliseconds producer_patience{2500};
constexpr std::chrono::milliseconds client_patience{10'000};

bool is_send(std::int32_t code) noexcept {
  return code == request_code::send_message || code == request_code::send_message_v2 ||
         code == request_code::send_batch_message;
}

/// Requests that are carried out although their client is gone.
bool is_write(std::int32_t code) noexcept {
  return is_send(code) || code == request_code::update_consumer_offset;
}

/// Requests that are looked up and answered one by one. Sends and pulls have bounds of their own,
/// routes are looked up for all who ask together, and what only tells us something is done at once.
bool is_question(std::int32_t code) noexcept {
  switch (code) {
  case request_code::pull_message:
  case request_code::lite_pull_message:
  case request_code::heart_beat:
  case request_code::unregister_client:
  case request_code::unlock_batch_mq:
  case request_code::get_routeinfo_by_topic:
  case request_code::get_broker_cluster_info:
    return false;
  default:
    return !is_write(code);
  }
}

/// For the node to replace one who died.
constexpr std::chrono::milliseconds members_pause{100};

/// Of one client at a time.
constexpr std::size_t most_open_questions = 16;

/// What tells us something is of use however late it is.
bool is_of_no_use_late(std::int32_t code) noexcept {
  return code != request_code::update_consumer_offset && code != request_code::heart_beat &&
         code != request_code::unregister_client && code != request_code::unlock_batch_mq;
}

} // namespace

void gateway_state::start(pointer actor, gateway_setup setup) {
  self_ = actor;
  setup_ = std::move(setup);
  // A session that died is opened again at the next request.
  self_->set_down_handler([this](const caf::down_msg& down) {
    if (own_ && own_.address() == down.source)
      own_ = nullptr;
    if (membership_ && membership_.address() == down.source) {
      membership_ = nullptr;
      self_->delayed_send(self_, members_pause, watch_atom_v);
    }
    for (auto& [id, c] : clients_)
      if (c.session && c.session.address() == down.source)
        c.session = nullptr;
  });
  watch_members();
}

gateway_state::ticket gateway_state::ticket_of(connection_id from, const client_request& request,
                                               std::int64_t since_ms) {
  auto& h = request.header;
  return {from, h.code, h.opaque, h.is_oneway(), h.type, request.bytes, since_ms};
}

std::int64_t gateway_state::time_left_ms(const ticket& who) const {
  auto patience = is_send(who.code) ? producer_patience : client_patience;
  return who.since_ms + patience.count() - now_ms();
}

bool gateway_state::too_late(const ticket& who) {
  if (!is_of_no_use_late(who.code) || time_left_ms(who) > 0)
    return false;
  fail(who,
       {errc::busy, is_send(who.code) ? "not stored: it waited longer than the producer does"
                                      : "it waited longer than the client does; try again later"});
  return true;
}

// -- requests ------------------------------------------------------------------------------------

void gateway_state::take(arrived& batch) {
  auto now = self_->clock().now();
  if (batch.received == caf::actor_clock::time_point{} || batch.received > now)
    batch.received = now;
  if (!own_) {
    early_.push_back(std::move(batch));
    return open_own_session();
  }
  auto since_ms = milliseconds_of(batch.received);
  auto& c = clients_[batch.from];
  c.peer = batch.peer;
  for (auto& request : batch.requests)
    c.open_writes += is_write(request.header.code);
  for (auto& request : batch.requests) {
    auto who = ticket_of(batch.from, request, since_ms);
    if (too_late(who))
      continue;
    if (takes_turns(c, who))
      c.waiting_questions.emplace_back(std::move(who), std::move(request));
    else if (is_question(who.code))
      handle_question(c, std::move(who), request);
    else
      handle_request(c, who, request);
  }
  send_puts();
  if (!c.waiting.empty())
    open_session(batch.from);
}

void gateway_state::handle_request(client& c, const ticket& who, const client_request& request) {
  if (handle_here(who, request))
    return;
  if (c.session)
    handle(c, who, request);
  else
    c.waiting.emplace_back(who, request);
}

// -- questions, a few of each client at a time ---------------------------------------------------

/// Who asks much and fast waits behind himself: each client has a few questions open, and those of
/// all the others are answered in between.
bool gateway_state::takes_turns(const client& c, const ticket& who) const {
  return is_question(who.code) &&
         (c.open_questions >= most_open_questions || !c.waiting_questions.empty());
}

void gateway_state::handle_question(client& c, ticket who, const client_request& request) {
  ++c.open_questions;
  gateway_actor me = self_;
  who.place = {nullptr, [me, from = who.from](void*) { caf::anon_send(me, taken{from, false}); }};
  handle_request(c, who, request);
}

void gateway_state::question_done(connection_id from) {
  auto found = clients_.find(from);
  if (found == clients_.end())
    return;
  --found->second.open_questions;
  handle_next_questions(from);
}

void gateway_state::handle_next_questions(connection_id from) {
  for (;;) {
    auto found = clients_.find(from);
    if (found == clients_.end())
      return;
    auto& c = found->second;
    if (c.open_questions >= most_open_questions || c.waiting_questions.empty())
      break;
    auto [who, request] = std::move(c.waiting_questions.front());
    c.waiting_questions.pop_front();
    if (!too_late(who))
      handle_question(c, std::move(who), request);
  }
  auto& c = clients_.at(from);
  if (!c.waiting.empty())
    open_session(from);
}

void gateway_state::open_own_session() {
  if (std::exchange(own_opening_, true))
    return;
  auto me = caf::actor_cast<caf::strong_actor_ptr>(self_);
  self_->request(setup_.node, caf::infinite, hello_atom_v, me)
      .then(
          [this](const session_actor& session) {
            own_opening_ = false;
            own_ = session;
            self_->monitor(own_);
            handle_early();
          },
          [this](const caf::error& why) {
            own_opening_ = false;
            for (auto& batch : std::exchange(early_, {}))
              for (auto& request : batch.requests)
                fail(ticket_of(batch.from, request, 0), from_caf(why));
            handle_early();
          });
}

void gateway_state::handle_early() {
  for (auto& batch : std::exchange(early_, {}))
    take(batch);
  for (auto from : std::exchange(early_gone_, {}))
    forget(from);
}

void gateway_state::open_session(connection_id from) {
  if (std::exchange(clients_[from].opening, true))
    return;
  auto me = caf::actor_cast<caf::strong_actor_ptr>(self_);
  self_->request(setup_.node, caf::infinite, hello_atom_v, me)
      .then([this, from](const session_actor& session) { session_open(from, session); },
            [this, from](const caf::error& why) { session_refused(from, from_caf(why)); });
}

void gateway_state::session_open(connection_id from, const session_actor& session) {
  auto found = clients_.find(from);
  if (found == clients_.end()) {
    caf::anon_send_exit(session, caf::exit_reason::user_shutdown);
    return;
  }
  auto& c = found->second;
  c.opening = false;
  c.session = session;
  self_->monitor(session);
  for (auto& [who, request] : std::exchange(c.waiting, {}))
    if (!too_late(who))
      handle(c, who, request);
  send_puts();
  forget_if_done(from, c);
}

void gateway_state::session_refused(connection_id from, const storage::error& why) {
  auto found = clients_.find(from);
  if (found == clients_.end())
    return;
  found->second.opening = false;
  for (auto& [who, request] : std::exchange(found->second.waiting, {}))
    fail(who, why);
  forget_if_done(from, found->second);
}

/// What a client sent before it went away is still stored: its session ends behind that. Only held
/// pulls are dropped.
void gateway_state::forget(connection_id from) {
  if (!early_.empty())
    early_gone_.push_back(from);
  auto found = clients_.find(from);
  if (found == clients_.end())
    return;
  notify_groups(groups_.forget(from));
  auto& c = found->second;
  c.gone = true;
  if (c.opening || c.open_writes > 0)
    return;
  if (c.session)
    caf::anon_send_exit(c.session, caf::exit_reason::user_shutdown);
  clients_.erase(found);
}

void gateway_state::forget_if_done(connection_id from, const client& c) {
  if (c.gone && !c.opening && c.open_writes == 0)
    self_->send(self_, departed{from}); // later: the caller may still use the client
}

bool gateway_state::handle_here(const ticket& who, const client_request& request) {
  switch (who.code) {
  case request_code::heart_beat:
    take_heartbeat(who, request);
    return true;
  case request_code::unregister_client:
    take_leave(who, request);
    return true;
  case request_code::get_consumer_list_by_group:
    list_consumers(who, request);
    return true;
  case request_code::lock_batch_mq:
  case request_code::unlock_batch_mq:
    take_lock(who, request);
    return true;
  case request_code::get_routeinfo_by_topic:
    answer_route(who, request);
    return true;
  case request_code::get_broker_cluster_info:
    reply_text(who, remoting::write_cluster_info(setup_.address));
    return true;
  case request_code::send_message:
  case request_code::send_message_v2:
  case request_code::send_batch_message:
  case request_code::pull_message:
  case request_code::lite_pull_message:
  case request_code::query_consumer_offset:
  case request_code::update_consumer_offset:
  case request_code::get_max_offset:
  case request_code::get_min_offset:
  case request_code::search_offset_by_timestamp:
  case request_code::view_message_by_id:
  case request_code::query_message:
    return false;
  default:
    if (admin_handler_for(who.code) != nullptr)
      return false;
    reply(who, response_code::request_code_not_supported,
          " request type " + std::to_string(who.code) + " not supported");
    return true;
  }
}

void gateway_state::handle(client& c, const ticket& who, const client_request& request) {
  switch (who.code) {
  case request_code::pull_message:
  case request_code::lite_pull_message:
    return take_pull(who, request, true);
  case request_code::query_consumer_offset:
    return fetch_offset(c, who, request);
  case request_code::update_consumer_offset:
    return store_offset(c, who, request);
  case request_code::get_max_offset:
  case request_code::get_min_offset:
    return answer_bounds(c, who, request);
  case request_code::search_offset_by_timestamp:
    return search_time(c, who, request);
  case request_code::view_message_by_id:
    return view_message(c, who, request);
  case request_code::query_message:
    return query_key(c, who, request);
  default:
    if (auto handler = admin_handler_for(who.code))
      return (this->*handler)(c, who, request);
    return take_send(who, request);
  }
}

// -- answers -------------------------------------------------------------------------------------

remoting::command gateway_state::header_for(const ticket& who, std::int32_t code,
                                            std::string remark) {
  return remoting::answer_to(who.opaque, who.type, code, std::move(remark));
}

void gateway_state::reply(const ticket& who, const remoting::command& header, slices body,
                          std::shared_ptr<void> receipt) {
  outgoing message;
  message.to = who.from;
  message.settled_bytes = TROUPE_MUTANT("request-not-settled") ? 0 : who.bytes;
  if (!who.oneway) {
    std::size_t bytes = 0;
    for (auto& slice : body)
      bytes += slice.size();
    remoting::append_frame_head(message.head, header, bytes);
    message.body = std::move(body);
    // They lead to nothing: what counts is who owns them.
    message.receipt = receipt.use_count() > 0 ? std::move(receipt) : who.place;
  }
  setup_.send(std::move(message));
  if (!is_write(who.code))
    return;
  if (auto found = clients_.find(who.from);
      found != clients_.end() && found->second.open_writes > 0) {
    --found->second.open_writes;
    forget_if_done(who.from, found->second);
  }
}

void gateway_state::reply(const ticket& who, std::int32_t code, std::string remark) {
  reply(who, header_for(who, code, std::move(remark)));
}

void gateway_state::reply_text(const ticket& who, std::string_view body) {
  if (body.size() > most_text)
    return fail(who, {errc::too_large, "the answer has " + std::to_string(body.size()) +
                                           " bytes, more than clients read"});
  reply(who, header_for(who, response_code::success), {storage::slice::copy_of_text(body)});
}

void gateway_state::fail(const ticket& who, const storage::error& why) {
  reply(who, response_for(why.code), why.message);
}

gateway_state::client* gateway_state::client_of(const ticket& who) {
  auto found = clients_.find(who.from);
  if (found != clients_.end() && found->second.session)
    return &found->second;
  fail(who, {errc::unavailable, "the client's session ended"});
  return nullptr;
}

// -- the actor -----------------------------------------------------------------------------------

gateway_actor spawn_gateway(caf::actor_system& system, gateway_setup setup) {
  auto behavior = [](gateway_state::pointer self,
                     gateway_setup with) -> gateway_actor::behavior_type {
    auto& state = self->state;
    state.start(self, std::move(with));
    return {
        [&state](arrived& batch) { state.take(batch); },
        [&state](const departed& who) { state.forget(who.from); },
        [&state](const taken& by) {
          return by.pull ? state.pull_done(by.from) : state.question_done(by.from);
        },
        [&state](pulse_atom) { state.pulse(); },
        [&state](commit_atom) { state.send_notes(); },
        [&state](retry_atom) { state.send_held_answers(); },
        [&state](watch_atom) { state.watch_members(); },
        [&state](const group_members& others) { state.take_members(others); },
    };
  };
  return system.spawn(behavior, std::move(setup));
}

} // namespace troupe::net
