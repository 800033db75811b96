#include "net/connection.hpp"

#include <algorithm>
#include <utility>

namespace troupe::client {

namespace {

constexpr auto redial_pause = std::chrono::milliseconds(200);
constexpr auto greet_timeout = std::chrono::seconds(3);
constexpr std::chrono::milliseconds no_more{0};

} // namespace

void connection_state::start(connection_actor::stateful_pointer<connection_state> actor,
                             const connect_options& options, dialer_maker make_dialer) {
  self_ = actor;
  options_ = options;
  make_dialer_ = std::move(make_dialer);
  doors_.push_back({options.host, options.port});
  doors_.insert(doors_.end(), options.others.begin(), options.others.end());
  refusals_.resize(doors_.size());
  self_->set_down_handler([this](const caf::down_msg& down) {
    if (session_ && down.source == session_.address())
      lost();
  });
  dial();
}

std::string connection_state::address() const {
  return doors_[at_].host + ":" + std::to_string(doors_[at_].port);
}

void connection_state::dial() {
  self_
      ->request(make_dialer_(self_), caf::infinite, caf::connect_atom::value, doors_[at_].host,
                doors_[at_].port)
      .then(
          [this](const caf::strong_actor_ptr& front) {
            if (front)
              greet(front);
            else
              not_connected({{errc::unavailable, "no Troupe node answers at " + address()}});
          },
          [this](const caf::error& why) {
            auto reason = from_caf(why);
            if (reason.code == errc::invalid_argument) // files of [tls]
              not_connected({reason});
            else
              not_connected(
                  {{errc::unavailable, "cannot connect to " + address() + ": " + reason.message},
                   true});
          });
}

void connection_state::greet(const caf::strong_actor_ptr& front) {
  auto door = caf::actor_cast<front_actor>(front);
  self_
      ->request(door, greet_timeout, hello_atom_v, protocol_version, options_.cluster,
                options_.name)
      .then([this](const caf::strong_actor_ptr& session,
                   const welcome& granted) { connected(session, granted); },
            [this](const caf::error& why) {
              auto reason = from_caf(why);
              not_connected({{reason.code, address() + " refuses: " + reason.message}});
            });
}

void connection_state::connected(const caf::strong_actor_ptr& session, const welcome& granted) {
  session_ = caf::actor_cast<store_service>(session);
  granted_ = granted;
  proven_ = false;
  refused_ = 0;
  refusals_.assign(doors_.size(), {});
  last_error_ = {};
  self_->monitor(session_);
  for (auto& promise : greetings_)
    promise.deliver(granted_);
  greetings_.clear();
  auto waiting = std::move(waiting_);
  waiting_.clear();
  for (auto& request : waiting) {
    sent_.emplace(request.id, std::move(request.fail));
    request.send();
  }
}

void connection_state::not_connected(refusal why) {
  if (stopped_)
    return;
  refusals_[at_] = std::move(why);
  ++refused_;
  auto now = self_->clock().now();
  while (!waiting_.empty() && waiting_.front().deadline <= now) {
    waiting_.front().fail({errc::unavailable, "not sent: " + refusals().message});
    waiting_.pop_front();
  }
  next_door();
  if (refused_ < doors_.size())
    dial();
  else
    no_door();
}

/// Each door was tried, and none lets us in.
void connection_state::no_door() {
  refused_ = 0;
  last_error_ = refusals();
  for (auto& promise : greetings_)
    promise.deliver(to_caf(last_error_));
  greetings_.clear();
  if (last_error_.code == errc::version_mismatch) {
    final_error_ = last_error_;
    fail_all(final_error_);
  } else {
    self_->delayed_send(self_, redial_pause, retry_atom_v);
  }
}

/// What the doors said, with the code that all of them gave.
storage::error connection_state::refusals() const {
  storage::error all;
  bool nobody = false;
  for (auto& [why, away] : refusals_) {
    if (why.code == errc::none) // not tried yet
      continue;
    bool differs = all.code != errc::none && all.code != why.code;
    all.code = differs ? errc::unavailable : why.code;
    all.message += (all.message.empty() ? "" : "; ") + why.message;
    nobody = nobody || away;
  }
  if (nobody)
    all.message += "; start a node with: troupe serve";
  return all;
}

void connection_state::lost() {
  session_ = nullptr;
  auto sent = std::move(sent_);
  sent_.clear();
  storage::error why{errc::connection_lost, "the connection to " + address() +
                                                " broke; the request may have taken effect"};
  for (auto& [id, fail] : sent)
    fail(why);
  if (stopped_)
    return;
  if (proven_)
    return dial();
  // A door whose sessions end before they answer would be the last good one for ever.
  next_door();
  self_->delayed_send(self_, redial_pause, retry_atom_v);
}

void connection_state::fail_all(const storage::error& why) {
  auto waiting = std::move(waiting_);
  waiting_.clear();
  for (auto& request : waiting)
    request.fail(why);
}

caf::result<welcome> connection_state::hello() {
  if (session_)
    return granted_;
  if (last_error_.code != errc::none)
    return to_caf(last_error_);
  auto promise = self_->make_response_promise<welcome>();
  greetings_.push_back(promise);
  return promise;
}

void connection_state::retry() {
  if (!session_ && !stopped_)
    dial();
}

void connection_state::stop() {
  stopped_ = true;
  storage::error why{errc::connection_lost, "the connection was closed by this program"};
  fail_all(why);
  auto sent = std::move(sent_);
  for (auto& [id, fail] : sent)
    fail(why);
  self_->quit();
}

namespace {

connection_actor::behavior_type
connection(connection_actor::stateful_pointer<connection_state> self,
           const connect_options& options, dialer_maker make_dialer) {
  auto& state = self->state;
  state.start(self, options, std::move(make_dialer));
  return {
      [&state](put_request& r) -> caf::result<put_response> {
        if (r.messages.size() > max_block_bytes)
          return make_caf_error(
              errc::too_large, "not stored: a request of " + std::to_string(r.messages.size()) +
                                   " bytes; at most " + std::to_string(max_block_bytes) + " cross");
        return state.forward<put_response>(no_more, std::move(r));
      },
      [&state](const pull_request& r) {
        return state.forward<pull_response>(std::chrono::milliseconds{r.wait_ms}, r);
      },
      [&state](const key_query& q) { return state.forward<record_batch>(no_more, q); },
      [&state](fetch_atom a, log_offset o) { return state.forward<record_batch>(no_more, a, o); },
      [&state](search_atom a, const std::string& topic, std::int32_t queue, std::int64_t ms) {
        return state.forward<queue_offset>(no_more, a, topic, queue, ms);
      },
      [&state](create_atom a, const topic_info& t) {
        return state.forward<topic_info>(no_more, a, t);
      },
      [&state](update_atom a, const topic_info& t) {
        return state.forward<topic_info>(no_more, a, t);
      },
      [&state](remove_atom a, const std::string& t) {
        return state.forward<tombstone>(no_more, a, t);
      },
      [&state](list_atom a) { return state.forward<topic_list>(no_more, a); },
      [&state](bounds_atom a, const std::string& topic, std::int32_t queue) {
        return state.forward<topic_description>(no_more, a, topic, queue);
      },
      [&state](bounds_atom a, const std::string& topic) {
        return state.forward<topic_description>(no_more, a, topic);
      },
      [&state](fetch_atom a, const group_offset& g) {
        return state.forward<group_offset>(no_more, a, g);
      },
      [&state](store_atom a, const group_offset& g) {
        return state.forward<group_offset>(no_more, a, g);
      },
      [&state](list_atom a, const std::string& g) {
        return state.forward<group_list>(no_more, a, g);
      },
      [&state](store_atom a, const group_settings& g) {
        return state.forward<group_settings>(no_more, a, g);
      },
      [&state](remove_atom a, const group_settings& g, bool offsets) {
        return state.forward<group_settings>(no_more, a, g, offsets);
      },
      [&state](status_atom a) { return state.forward<node_status>(no_more, a); },
      [&state](const group_join& j) {
        return state.forward<group_members>(std::chrono::milliseconds{j.wait_ms}, j);
      },
      [&state](const group_claim& c) { return state.forward<group_claim>(no_more, c); },
      [&state](const group_leave& l) { return state.forward<bool>(no_more, l); },
      [&state](hello_atom) { return state.hello(); },
      [&state](stop_atom) { state.stop(); },
      [&state](retry_atom) { state.retry(); },
  };
}

} // namespace

connection_actor connect(caf::actor_system& system, const connect_options& options) {
  return connect_by(system, options, [tls = options.tls](caf::local_actor* self) {
    return self->spawn<caf::detached>(dialer, tls);
  });
}

connection_actor connect_by(caf::actor_system& system, const connect_options& options,
                            dialer_maker make_dialer) {
  return system.spawn(connection, options, std::move(make_dialer));
}

} // namespace troupe::client
