#include "net/gateway/client_sessions.hpp"

namespace troupe::net {

void client_sessions::open_own(std::function<void(const caf::error&)> then) {
  if (std::exchange(own_opening_, true))
    return;
  auto me = caf::actor_cast<caf::strong_actor_ptr>(self_);
  self_->request(node_, caf::infinite, hello_atom_v, me)
      .then(
          [this, then](const session_actor& session) {
            own_opening_ = false;
            own_ = session;
            self_->monitor(own_);
            then({});
          },
          [this, then](const caf::error& why) {
            own_opening_ = false;
            then(why);
          });
}

const session_actor& client_sessions::enter(connection_id from, const storage::host& peer) {
  auto& c = clients_[from];
  c.peer = peer;
  if (c.credit == nullptr)
    c.credit = std::make_shared<client_credit>(limits_);
  return c.session;
}

const session_actor* client_sessions::find(connection_id from) const {
  auto found = clients_.find(from);
  return found != clients_.end() && found->second.session ? &found->second.session : nullptr;
}

const session_actor* client_sessions::find_or_refuse(const ticket& who) {
  auto* session = find(who.from);
  if (session == nullptr)
    counter_.fail(who, {errc::unavailable, "the client's session ended"});
  return session;
}

std::vector<std::pair<connection_id, storage::host>> client_sessions::peers() const {
  std::vector<std::pair<connection_id, storage::host>> all;
  for (auto& [id, one] : clients_)
    if (!one.gone)
      all.emplace_back(id, one.peer);
  return all;
}

const storage::host* client_sessions::peer_of(connection_id from) const {
  auto found = clients_.find(from);
  return found == clients_.end() ? nullptr : &found->second.peer;
}

std::shared_ptr<client_credit> client_sessions::credit_of(connection_id from) const {
  auto found = clients_.find(from);
  return found == clients_.end() ? nullptr : found->second.credit;
}

client_account* client_sessions::account_of(connection_id from) {
  auto found = clients_.find(from);
  return found == clients_.end() ? nullptr : &found->second.account;
}

void client_sessions::wait(const ticket& who, const client_request& request) {
  clients_[who.from].waiting.emplace_back(who, request);
}

void client_sessions::open_if_wanted(connection_id from) {
  if (auto found = clients_.find(from); found != clients_.end() && !found->second.waiting.empty())
    open(from);
}

void client_sessions::open(connection_id from) {
  if (std::exchange(clients_[from].opening, true))
    return;
  auto me = caf::actor_cast<caf::strong_actor_ptr>(self_);
  self_->request(node_, caf::infinite, hello_atom_v, me)
      .then([this, from](const session_actor& session) { session_open(from, session); },
            [this, from](const caf::error& why) { session_refused(from, from_caf(why)); });
}

void client_sessions::session_open(connection_id from, const session_actor& session) {
  auto found = clients_.find(from);
  if (found == clients_.end()) {
    caf::anon_send_exit(session, caf::exit_reason::user_shutdown);
    return;
  }
  auto& c = found->second;
  c.opening = false;
  c.session = session;
  self_->monitor(session);
  opened_(c.session, std::exchange(c.waiting, {}));
  forget_if_done(from, c);
}

void client_sessions::session_refused(connection_id from, const storage::error& why) {
  auto found = clients_.find(from);
  if (found == clients_.end())
    return;
  found->second.opening = false;
  for (auto& [who, request] : std::exchange(found->second.waiting, {}))
    counter_.fail(who, why);
  forget_if_done(from, found->second);
}

void client_sessions::session_ended(const caf::actor_addr& who) {
  if (own_ && own_.address() == who)
    own_ = nullptr;
  for (auto& [id, c] : clients_)
    if (c.session && c.session.address() == who)
      c.session = nullptr;
}

/// Only held pulls are dropped.
bool client_sessions::leave(connection_id from) {
  auto found = clients_.find(from);
  if (found == clients_.end())
    return true;
  auto& c = found->second;
  c.gone = true;
  if (c.opening || counter_.has_writes(from))
    return false;
  if (c.session)
    caf::anon_send_exit(c.session, caf::exit_reason::user_shutdown);
  clients_.erase(found);
  return true;
}

void client_sessions::all_written(connection_id from) {
  if (auto found = clients_.find(from); found != clients_.end())
    forget_if_done(from, found->second);
}

void client_sessions::forget_if_done(connection_id from, const client& c) {
  if (c.gone && !c.opening && !counter_.has_writes(from))
    self_->send(self_, departed{from}); // later: the caller may still use the client
}

} // namespace troupe::net
