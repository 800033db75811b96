#include "net/subscription.hpp"

#include "net/subscription_state.hpp"
#include "net/unique_key.hpp"
#include "storage/format/properties.hpp"

#include <algorithm>
#include <utility>

namespace troupe::client {

namespace {

constexpr auto pulse_interval = std::chrono::milliseconds(50);
constexpr auto join_pause = std::chrono::milliseconds(200);
constexpr auto topic_pause = std::chrono::milliseconds(1000);
constexpr std::uint32_t news_wait_ms = 10'000;
static_assert(std::chrono::milliseconds(news_wait_ms) < member_silence / 2);

/// Goes by: the node is away, stops, is busy, or has forgotten us.
bool passes(errc code) {
  return code == errc::connection_lost || code == errc::unavailable || code == errc::maybe_stored ||
         code == errc::busy || code == errc::not_found;
}

} // namespace

std::vector<std::int32_t> share_of(const std::string& client_id,
                                   const std::vector<std::string>& client_ids,
                                   std::int32_t queues) {
  auto me = std::find(client_ids.begin(), client_ids.end(), client_id);
  if (me == client_ids.end() || queues <= 0)
    return {};
  auto index = static_cast<std::int32_t>(me - client_ids.begin());
  auto count = static_cast<std::int32_t>(client_ids.size());
  auto rest = queues % count; // the first ones have one more
  auto size = queues / count + (index < rest ? 1 : 0);
  auto first = index * (queues / count) + std::min(index, rest);
  std::vector<std::int32_t> share;
  for (auto q = first; q < first + size; ++q)
    share.push_back(q);
  return share;
}

void subscription_state::start(pointer actor, store_service service, delivery_consumer consumer,
                               subscription_options options) {
  self_ = actor;
  service_ = std::move(service);
  consumer_ = std::move(consumer);
  options_ = std::move(options);
  if (options_.client_id.empty())
    options_.client_id = next_unique_key();
  options_.credit_messages = std::max<std::size_t>(options_.credit_messages, 1);
  for (auto& tag : options_.tags)
    tag_hashes_.push_back(storage::java_hash(tag));
  self_->set_down_handler([this](const caf::down_msg&) { begin_end(); });
  self_->monitor(consumer_);
  self_->delayed_send(self_, pulse_interval, pulse_atom_v);
  join();
}

subscription_status subscription_state::status() const {
  subscription_status s{joined_, members_.client_ids, {}, open_messages_, acknowledged_};
  for (auto& [id, q] : queues_)
    if (q.at != stage::out)
      s.queues.push_back(id);
  return s;
}

void subscription_state::note_once(const std::string& text) {
  if (std::exchange(said_, text) != text && !text.empty())
    options_.note(text);
}

/// Looks after everything that waits for its time.
void subscription_state::pulse() {
  self_->delayed_send(self_, pulse_interval, pulse_atom_v);
  auto now = self_->clock().now();
  if (!joined_ && !joining_ && now >= join_at_)
    join();
  if (joined_ && !asking_topic_ && topic_.info.name.empty() && now >= topic_at_)
    ask_topic();
  if (claim_wanted_)
    claim();
  for (auto& [id, q] : queues_)
    step(id);
  deliver_all();
  leave_if_done();
}

// -- the group -----------------------------------------------------------------------------------

/// One such question is open all the time: it keeps us in the group, and brings news at once.
void subscription_state::join() {
  if (stopping_ || std::exchange(joining_, true))
    return;
  group_join request{options_.group, options_.client_id, 0, 0};
  if (joined_) {
    request.known = members_.mark;
    request.wait_ms = news_wait_ms;
  }
  self_->request(service_, caf::infinite, std::move(request))
      .then(
          [this](const group_members& now) {
            joining_ = false;
            joined(now);
          },
          [this](const caf::error& why) {
            joining_ = false;
            lost(from_caf(why));
          });
}

void subscription_state::joined(const group_members& now) {
  if (stopping_)
    return leave_if_done();
  joined_ = true;
  note_once({});
  members_ = now;
  join();
  ask_topic(); // it may have got more queues
}

/// Nothing is ours any more until the node says so again. What the consumer still answers is
/// remembered: if nobody else went on meanwhile, it counts.
void subscription_state::lost(const storage::error& why) {
  joined_ = false;
  ++life_;
  asking_topic_ = claiming_ = claim_wanted_ = false;
  members_ = {};
  join_at_ = self_->clock().now() + join_pause;
  for (auto& [id, q] : queues_) {
    drop(q);
    q.wanted = false;
  }
  if (stopping_)
    return finish();
  if (passes(why.code))
    return note_once("not in group " + options_.group + " now (" + why.message +
                     "); going on when that is over");
  options_.note("the subscription ends: " + why.message);
  stopping_ = true;
  finish();
}

void subscription_state::ask_topic() {
  if (stopping_ || std::exchange(asking_topic_, true))
    return;
  self_->request(service_, caf::infinite, bounds_atom_v, options_.topic)
      .then(
          [this, life = life_](topic_description& topic) {
            if (life != life_)
              return;
            asking_topic_ = false;
            topic_ = std::move(topic);
            divide();
          },
          [this, life = life_](const caf::error& why) {
            if (life != life_)
              return;
            asking_topic_ = false;
            topic_at_ = self_->clock().now() + topic_pause;
            note_once("topic " + options_.topic + ": " + from_caf(why).message);
            if (!topic_.info.name.empty())
              divide(); // as far as we know
          });
}

void subscription_state::divide() {
  if (stopping_)
    return;
  for (auto& [id, q] : queues_)
    q.wanted = false;
  for (auto id : share_of(options_.client_id, members_.client_ids, topic_.info.read_queues))
    queues_[id].wanted = true;
  for (auto& [id, q] : queues_)
    if (!q.wanted)
      end(id);
  claim();
}

/// What is ending stays ours until it has ended.
void subscription_state::claim() {
  if (!joined_)
    return;
  claim_wanted_ = true;
  if (std::exchange(claiming_, true))
    return;
  claim_wanted_ = false;
  group_claim request{options_.group, options_.client_id, options_.topic, {}};
  for (auto& [id, q] : queues_)
    if (q.wanted || q.at != stage::out)
      request.queues.push_back(id);
  self_->request(service_, caf::infinite, std::move(request))
      .then(
          [this, life = life_](const group_claim& answer) {
            if (life != life_)
              return;
            claiming_ = false;
            claimed(answer.queues);
          },
          [this, life = life_](const caf::error&) {
            if (life != life_)
              return;
            claiming_ = false; // if we are out of the group, the other question tells
            claim_wanted_ = true;
          });
}

void subscription_state::claimed(const std::vector<std::int32_t>& held) {
  for (auto& [id, q] : queues_) {
    bool ours = std::find(held.begin(), held.end(), id) != held.end();
    if (!ours && q.at != stage::out)
      drop(q); // another one has it, whatever we think
    if (ours && q.wanted && q.at == stage::out)
      q.at = stage::starting;
    claim_wanted_ |= q.wanted && !ours; // its owner has not let go of it yet
    step(id);
  }
  leave_if_done();
}

// -- the end -------------------------------------------------------------------------------------

void subscription_state::begin_end() {
  if (std::exchange(stopping_, true))
    return;
  for (auto& [id, q] : queues_) {
    q.wanted = false;
    end(id);
  }
  leave_if_done();
}

caf::result<bool> subscription_state::stop() {
  auto promise = self_->make_response_promise<bool>();
  stops_.push_back(promise);
  begin_end();
  return promise;
}

void subscription_state::leave_if_done() {
  bool owns = std::any_of(queues_.begin(), queues_.end(),
                          [](auto& entry) { return entry.second.at != stage::out; });
  if (!stopping_ || owns || std::exchange(leaving_, true))
    return;
  if (!joined_ && !joining_)
    return finish();
  self_->request(service_, caf::infinite, group_leave{options_.group, options_.client_id})
      .then([this](bool) { finish(); }, [this](const caf::error&) { finish(); });
}

void subscription_state::finish() {
  for (auto& promise : std::exchange(stops_, {}))
    promise.deliver(true);
  self_->quit();
}

subscription_actor subscribe(caf::actor_system& system, store_service service,
                             delivery_consumer consumer, subscription_options options) {
  auto behavior = [](subscription_state::pointer self, store_service with, delivery_consumer to,
                     subscription_options given) -> subscription_actor::behavior_type {
    auto& state = self->state;
    state.start(self, std::move(with), std::move(to), std::move(given));
    return {
        [&state](stop_atom) { return state.stop(); },
        [&state](status_atom) { return state.status(); },
        [&state](pulse_atom) { state.pulse(); },
    };
  };
  return system.spawn(behavior, std::move(service), std::move(consumer), std::move(options));
}

} // namespace troupe::client
