#include "net/gateway/reception.hpp"

#include "net/remoting/admin_bodies.hpp"
#include "net/remoting/admin_headers.hpp"
#include "net/remoting/codes.hpp"
#include "storage/logging.hpp"

#include <utility>

namespace troupe::net {

namespace {

namespace request_code = remoting::request_code;
namespace response_code = remoting::response_code;

/// Empty where the request does not name one, and is refused.
std::string group_changed_by(const client_request& request) {
  if (request.header.code == request_code::delete_subscriptiongroup) {
    auto header = remoting::read_fields<remoting::delete_group_header>(request.header);
    return header ? header.value().group : std::string();
  }
  auto group = remoting::read_group_name(request.body.bytes());
  return group ? group.value() : std::string();
}

} // namespace

reception::reception(gateway_actor::pointer self, gateway_setup setup)
    : self_(self), setup_(std::move(setup)), account_limits_(setup_.options),
      counter_(self_, setup_.send, [this](connection_id from) { sessions_.all_written(from); }),
      sessions_(self_, setup_.node, setup_.node_settings.session, counter_,
                [this](const session_actor& session, const client_sessions::waiting_requests& all) {
                  take_waiting(session, all);
                }),
      tally_(counter_, setup_.address.cluster),
      listings_(counter_), services_{self_, setup_, counter_, sessions_}, names_(services_),
      registry_(services_, names_), book_(services_), sends_(services_, names_, book_, tally_),
      retries_(services_, names_, book_, sends_, tally_), groups_(services_, names_, book_),
      transactions_(services_, groups_.groups()),
      replies_(services_, names_, groups_.groups(), sends_), offsets_(services_),
      pulls_(services_, names_, book_, groups_.groups(), tally_),
      pops_(services_, names_, book_, tally_), pop_acks_(services_, names_, pops_),
      assignments_(services_, names_, groups_), queries_(services_),
      admin_topics_(services_, names_, tally_),
      admin_groups_(services_, names_, groups_.groups(), listings_),
      admin_progress_(services_, groups_.groups(), tally_, listings_),
      admin_reports_(services_, groups_.groups(), tally_, listings_),
      admin_status_(services_, tally_), relays_(services_, groups_.groups()) {
  for (auto lines :
       {names_.lines(), registry_.lines(), sends_.lines(), retries_.lines(), groups_.lines(),
        transactions_.lines(), replies_.lines(), offsets_.lines(), pulls_.lines(), pops_.lines(),
        pop_acks_.lines(), assignments_.lines(), queries_.lines(), admin_topics_.lines(),
        admin_groups_.lines(), admin_progress_.lines(), admin_reports_.lines(),
        admin_status_.lines(), relays_.lines()}) {
    watch_settings(lines);
    watch_progress(lines);
    table_.add(std::move(lines));
  }
  self_->set_down_handler([this](const caf::down_msg& down) {
    groups_.actor_ended(down.source);
    sessions_.session_ended(down.source);
  });
  self_->send(setup_.node, attach_atom_v, door_actor{self_});
  groups_.watch_members();
}

/// What an operator changes of a group is learned before he changes more.
void reception::watch_settings(request_lines& lines) {
  for (auto& line : lines) {
    if (line.code != request_code::update_and_create_subscriptiongroup &&
        line.code != request_code::delete_subscriptiongroup)
      continue;
    line.take = [this, take = std::move(line.take)](const session_actor& session, const ticket& who,
                                                    const client_request& request) {
      auto watched = who;
      watched.after = [this, group = group_changed_by(request)] { book_.changed(group); };
      take(session, watched, request);
    };
  }
}

/// What a client says of a queue's progress that is popped, an operator said: it counts at once.
void reception::watch_progress(request_lines& lines) {
  for (auto& line : lines) {
    if (line.code != request_code::update_consumer_offset)
      continue;
    line.take = [this, take = std::move(line.take)](const session_actor& session, const ticket& who,
                                                    const client_request& request) {
      auto watched = who;
      if (!pops_.ledger().book().empty())
        watched.after = [this, header = request.header] { pops_.progress_set(header); };
      take(session, watched, request);
    };
  }
}

// -- requests ------------------------------------------------------------------------------------

void reception::take(arrived& batch) {
  auto now = self_->clock().now();
  if (batch.received == caf::actor_clock::time_point{} || batch.received > now)
    batch.received = now;
  if (!sessions_.own()) {
    early_.push_back(std::move(batch));
    return open_own_session();
  }
  auto since_ms = counter::milliseconds_of(batch.received);
  auto& session = sessions_.enter(batch.from, batch.peer);
  auto* by = setup_.accounts ? sessions_.account_of(batch.from) : nullptr;
  std::size_t writes = 0;
  for (auto& request : batch.requests) // an answer's code is another list's
    writes += !request.header.is_answer() && is_write(table_.kind_of(request.header.code));
  counter_.enter(batch.from, writes);
  for (auto& request : batch.requests) {
    if (request.header.is_answer()) {
      relays_.take_answer(batch.from, request);
      continue;
    }
    auto* line = table_.find(request.header.code);
    auto kind = line == nullptr ? request_kind::question : line->kind;
    auto who = counter::ticket_of(batch.from, request, kind, since_ms);
    if (counter_.too_late(who) || !may(batch, who, request, by))
      continue;
    if (kind != request_kind::question) {
      hand_on(session, line, who, request);
    } else if (counter_.may_ask(batch.from)) {
      counter_.begin_question(who);
      hand_on(session, line, who, request);
    } else {
      counter_.wait_for_turn(std::move(who), std::move(request));
    }
  }
  sessions_.open_if_wanted(batch.from);
}

/// Before any desk sees it. False after the request was refused. `by`: null if nobody is asked who
/// he is.
bool reception::may(const arrived& batch, const ticket& who, const client_request& request,
                    client_account* by) {
  if (by == nullptr)
    return true;
  auto accounts = setup_.accounts->now();
  auto why = accounts->refusal(request.header, request.body.bytes(), batch.peer);
  if (!why.empty()) {
    if (auto unsaid = refused_lines_.take())
      storage::log_warning("gateway.refused", {{"peer", batch.peer.text()},
                                               {"request", who.code},
                                               {"reason", why},
                                               {"unsaid", *unsaid}});
    counter_.reply(who, response_code::no_permission, std::move(why));
    return false;
  }
  if (by->counts)
    return true;
  auto* name = accounts->account_of(request.header, request.body.bytes(), batch.peer);
  return name == nullptr || joins(batch.peer, who, *name, *by);
}

/// The connection is the account's from now on. False after the request was refused: the account
/// has as many as it may, and this one is closed behind the answer.
bool reception::joins(const storage::host& peer, const ticket& who, const std::string& account,
                      client_account& by) {
  outgoing word;
  word.to = who.from;
  word.account = account_limits_.enter(account);
  if (word.account != nullptr) {
    by = {account, true};
    setup_.send(std::move(word));
    return true;
  }
  auto why = account_limits_.refusal(account);
  if (auto unsaid = limit_lines_.take())
    storage::log_warning("gateway.limit",
                         {{"peer", peer.text()}, {"reason", why}, {"unsaid", *unsaid}});
  counter_.reply(who, response_code::system_busy, std::move(why));
  word.last = true;
  setup_.send(std::move(word));
  return false;
}

void reception::work() {
  groups_.send_notes();
  sends_.work();
  pulls_.work();
  pops_.work();
}

void reception::set_roles(const role_table& roles) {
  sends_.set_roles(roles);
  pulls_.set_roles(roles);
  pops_.set_roles(roles);
  transactions_.set_roles(roles);
}

/// What reads is not waited for: whoever asked asks again elsewhere or later.
caf::result<bool> reception::stop() {
  pulls_.stop();
  pops_.stop();
  return sends_.stop();
}

void reception::hand_on(const session_actor& session, const request_line* line, const ticket& who,
                        const client_request& request) {
  if (line == nullptr)
    refuse_unknown(who, request);
  else if (session || !line->wants_session)
    line->take(session, who, request);
  else
    sessions_.wait(who, request);
}

/// Told once for each code, so that an operator learns what his clients miss.
void reception::refuse_unknown(const ticket& who, const client_request& request) {
  if (tally_.unknown_request(who.code)) {
    auto* peer = sessions_.peer_of(who.from);
    auto& h = request.header;
    storage::log_warning("gateway.unknown_request",
                         {{"code", h.code},
                          {"peer", peer != nullptr ? peer->text() : std::string("gone")},
                          {"language", std::string(remoting::language_name(h.language))},
                          {"version", h.version}});
  }
  counter_.reply(who, response_code::request_code_not_supported,
                 " request type " + std::to_string(who.code) +
                     " not supported; docs/compatibility.md lists what this node answers");
}

void reception::take_waiting(const session_actor& session,
                             const client_sessions::waiting_requests& all) {
  for (auto& [who, request] : all)
    if (!counter_.too_late(who))
      table_.find(who.code)->take(session, who, request);
}

/// The answer to a question has reached its client: others may have their turn.
void reception::question_done(connection_id from) {
  counter_.end_question(from);
  while (auto next = counter_.next_question(from)) {
    auto& [who, request] = *next;
    if (counter_.too_late(who))
      continue;
    counter_.begin_question(who);
    auto* session = sessions_.find(from);
    hand_on(session != nullptr ? *session : session_actor{}, table_.find(who.code), who, request);
  }
  sessions_.open_if_wanted(from);
}

void reception::open_own_session() {
  sessions_.open_own([this](const caf::error& why) {
    if (why)
      for (auto& batch : std::exchange(early_, {}))
        for (auto& request : batch.requests)
          refuse_early(batch.from, request, why);
    take_early();
  });
}

void reception::refuse_early(connection_id from, const client_request& request,
                             const caf::error& why) {
  if (request.header.is_answer())
    return counter_.settle(from, request.bytes);
  counter_.fail(counter::ticket_of(from, request, table_.kind_of(request.header.code), 0),
                from_caf(why));
}

void reception::take_early() {
  for (auto& batch : std::exchange(early_, {}))
    take(batch);
  for (auto from : std::exchange(early_gone_, {}))
    forget(from);
}

void reception::forget(connection_id from) {
  if (!early_.empty())
    early_gone_.push_back(from);
  if (!sessions_.knows(from))
    return;
  if (auto* account = sessions_.account_of(from); std::exchange(account->counts, false))
    account_limits_.leave(account->name);
  groups_.departed(from);
  relays_.departed(from);
  names_.departed(from);
  if (!sessions_.leave(from))
    return;
  counter_.forget(from);
  pulls_.forget(from);
  pops_.forget(from);
  groups_.forget(from);
}

} // namespace troupe::net
