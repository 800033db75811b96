#include "net/link_end.hpp"

#include "actors/link_messages.hpp"
#include "net/link_pieces.hpp"
#include "storage/logging.hpp"
#include "storage/mutant.hpp"

#include <caf/actor_proxy.hpp>

#include <atomic>
#include <shared_mutex>
#include <utility>
#include <vector>

namespace troupe::net {

namespace {

/// For the message itself, whatever it carries.
constexpr std::uint64_t message_bytes = 256;
constexpr std::uint64_t position_bytes = 64;
constexpr std::uint64_t result_bytes = 24;

std::uint64_t cost_of(const put_bundle& bundle) {
  std::uint64_t sum = 0;
  for (auto& request : bundle.requests)
    sum += request.messages.size() + request.topic.size();
  return sum;
}

std::uint64_t cost_of(const put_bundle_response& answer) {
  std::uint64_t sum = 0;
  for (auto& response : answer.responses)
    sum += response.results.size() * result_bytes;
  return sum;
}

std::uint64_t cost_of(const position_list& list) {
  return list.batch ? list.batch->positions.size() * position_bytes : 0;
}

std::uint64_t cost_of(const std::vector<storage::slice>& records) {
  std::uint64_t sum = 0;
  for (auto& record : records)
    sum += record.size();
  return sum;
}

std::uint64_t cost_of(const pull_response& answer) {
  return cost_of(answer.records);
}

std::uint64_t cost_of(const record_batch& batch) {
  return cost_of(batch.records);
}

std::uint64_t cost_of(const read_request& request) {
  return request.records.size() * sizeof(record_location);
}

std::uint64_t cost_of(const queue_state& state) {
  std::uint64_t sum = 0;
  for (auto& [topic, next] : state.next_offsets)
    sum += topic.size() + next.size() * sizeof(queue_offset);
  return sum;
}

std::uint64_t cost_of(const deleted_topics& deleted) {
  std::uint64_t sum = 0;
  for (auto& dead : deleted.topics)
    sum += dead.topic.size() + dead.next_offsets.size() * sizeof(queue_offset);
  return sum;
}

std::uint64_t cost_of(const link_piece& piece) {
  return piece.bytes.size();
}

std::uint64_t cost_of(const topic_map& map) {
  return map.topics ? map.topics->size() * 64 : 0;
}

/// If that is the type of its last part; those before it are atoms and numbers.
template <class Message>
bool add_cost(const caf::type_erased_tuple& content, std::uint64_t& cost) {
  auto last = content.size() - 1;
  if (!content.match_element<Message>(last))
    return false;
  cost += cost_of(content.get_as<Message>(last));
  return true;
}

template <class... Messages>
void add_cost_of(const caf::type_erased_tuple& content, std::uint64_t& cost) {
  (void)(add_cost<Messages>(content, cost) || ...);
}

} // namespace

std::uint64_t link_cost(const caf::type_erased_tuple& content) {
  auto cost = message_bytes;
  if (content.size() > 0)
    add_cost_of<put_bundle, put_bundle_response, position_list, pull_response, read_request,
                record_batch, queue_state, topic_map, deleted_topics, link_piece>(content, cost);
  return cost;
}

// -- what stands before actors -------------------------------------------------------------------

/// Before an actor of this process: what the peer sends reaches it without a step in between.
class link_port final : public caf::actor_proxy {
public:
  link_port(caf::actor_config& config, std::weak_ptr<link_end> link, caf::strong_actor_ptr own)
      : actor_proxy(config), link_(std::move(link)), own_(std::move(own)) {}

  const char* name() const override { return "link-port"; }
  void enqueue(caf::mailbox_element_ptr what, caf::execution_unit* unit) override {
    // Whoever is at the other end does not decide when an actor ends.
    if (what->content().match_elements<caf::exit_msg>())
      return;
    {
      std::shared_lock lock(mutex_);
      auto link = open_ ? link_.lock() : nullptr;
      if (link) {
        link->arrived(link_cost(what->content()));
        auto joined = joint_.take(link->system_, what);
        if (joined == piece_joint::outcome::broken)
          link->tell_.failed("a message in pieces does not fit together");
        if (joined == piece_joint::outcome::open || joined == piece_joint::outcome::broken)
          return;
        if (what->sender && what->mid.is_request())
          what->sender = link->exit_before(what->sender);
        own_->enqueue(std::move(what), unit);
        return;
      }
    }
    bounce(what, caf::sec::request_receiver_down);
  }
  void kill_proxy(caf::execution_unit* unit, caf::error why) override {
    {
      std::lock_guard lock(mutex_);
      open_ = false;
    }
    cleanup(std::move(why), unit);
  }

private:
  std::shared_mutex mutex_; ///< held while a message is handed on
  bool open_ = true;
  piece_joint joint_;
  const std::weak_ptr<link_end> link_;
  const caf::strong_actor_ptr own_;
};

/// Before an actor of the peer: what it is sent waits for room in the window.
class link_exit final : public caf::actor_proxy {
public:
  link_exit(caf::actor_config& config, std::weak_ptr<link_end> link, caf::strong_actor_ptr theirs)
      : actor_proxy(config), link_(std::move(link)), theirs_(std::move(theirs)) {}

  const char* name() const override { return "link-exit"; }
  void enqueue(caf::mailbox_element_ptr what, caf::execution_unit*) override {
    if (what->content().match_elements<caf::exit_msg>())
      return;
    auto link = link_.lock();
    if (link) {
      // The answer comes back by way of a port. Who asks for none is of no matter there.
      if (what->mid.is_request() && what->sender)
        what->sender = link->port_before(what->sender);
      else
        what->sender = nullptr;
    }
    if (!link || !link->send(theirs_, what))
      bounce(what, caf::sec::request_receiver_down);
  }
  void kill_proxy(caf::execution_unit* unit, caf::error why) override {
    cleanup(std::move(why), unit);
  }

private:
  const std::weak_ptr<link_end> link_;
  const caf::strong_actor_ptr theirs_;
};

// -- the end of a link ---------------------------------------------------------------------------

link_end::link_end(caf::actor_system& system, const link_limits& limits, callbacks tell)
    : system_(system), limits_(limits), tell_(std::move(tell)) {}

link_end::~link_end() {
  close();
}

/// One for each actor, which ends with it: those who ask come and go.
template <class Proxy>
caf::strong_actor_ptr link_end::stand_before(actor_map& made, const caf::strong_actor_ptr& who,
                                             const caf::node_id& node) {
  caf::strong_actor_ptr proxy;
  {
    std::lock_guard lock(mutex_);
    auto& place = made[who->id()];
    if (place)
      return place;
    caf::actor_config config;
    proxy = place = caf::make_actor<Proxy, caf::strong_actor_ptr>(
        system_.next_actor_id(), node, &system_, config, weak_from_this(), who);
    if (!open_)
      made.erase(who->id());
  }
  who->get()->attach_functor(
      [link = weak_from_this(), &made, id = who->id()](const caf::error& why) {
        auto alive = link.lock();
        if (!alive)
          return;
        std::unique_lock lock(alive->mutex_);
        auto found = made.find(id);
        if (found == made.end())
          return;
        auto ended = std::move(found->second);
        made.erase(found);
        lock.unlock();
        static_cast<Proxy*>(ended->get())->kill_proxy(nullptr, why);
      });
  return proxy;
}

caf::strong_actor_ptr link_end::port_before(const caf::strong_actor_ptr& own) {
  return stand_before<link_port>(ports_, own, system_.node());
}

caf::strong_actor_ptr link_end::exit_before(const caf::strong_actor_ptr& theirs) {
  return stand_before<link_exit>(exits_, theirs, theirs->node());
}

bool link_end::send(const caf::strong_actor_ptr& to, caf::mailbox_element_ptr& what) {
  auto cost = link_cost(what->content());
  std::vector<caf::mailbox_element_ptr> pieces;
  if (cost > limits_.piece_bytes + message_bytes && !TROUPE_MUTANT("not-in-pieces")) {
    pieces = in_pieces(system_, *what, limits_.piece_bytes);
    if (pieces.empty()) {
      storage::log_error("link.not_sent", {{"bytes", cost}, {"most", largest_message}});
      return false;
    }
    cost += (pieces.size() - 1) * message_bytes;
  }
  std::unique_lock lock(mutex_);
  if (!open_)
    return false;
  if (waiting_bytes_ + cost > limits_.waiting_bytes) {
    lock.unlock();
    tell_.failed("it does not take what it is sent");
    return false;
  }
  auto add = [&](caf::mailbox_element_ptr one) {
    auto own_cost = link_cost(one->content());
    waiting_bytes_ += own_cost;
    waiting_.push_back({to, std::move(one), own_cost});
  };
  if (pieces.empty())
    add(std::move(what));
  for (auto& piece : pieces)
    add(std::move(piece));
  send_waiting(lock);
  return true;
}

/// One thread at a time, so that the order stays; and without the lock while it calls others, as
/// perhaps when it returns.
void link_end::send_waiting(std::unique_lock<std::mutex>& lock) {
  if (std::exchange(sending_, true))
    return;
  while (!waiting_.empty() && sent_ - taken_ < limits_.open_bytes) {
    if (TROUPE_MUTANT("order-not-kept"))
      std::swap(waiting_.front(), waiting_.back());
    auto next = std::move(waiting_.front());
    waiting_.pop_front();
    waiting_bytes_ -= next.cost;
    sent_ += next.cost;
    lock.unlock();
    next.to->enqueue(std::move(next.what), nullptr);
    lock.lock();
  }
  sending_ = false;
  if (waiting_.empty() || asked_ == sent_ || !tell_.full || TROUPE_MUTANT("window-not-given-back"))
    return;
  auto total = asked_ = sent_;
  lock.unlock();
  tell_.full(total);
}

void link_end::peer_took(std::uint64_t total) {
  std::unique_lock lock(mutex_);
  if (total <= taken_ || total > sent_) // late, or of nobody who counts as we do
    return;
  taken_ = total;
  send_waiting(lock);
}

void link_end::arrived(std::uint64_t cost) {
  std::uint64_t total = 0;
  {
    std::lock_guard lock(mutex_);
    arrived_ += cost;
    if (arrived_ - told_ < limits_.open_bytes / 4 || TROUPE_MUTANT("window-not-given-back"))
      return;
    total = told_ = arrived_;
  }
  tell_.took(total);
}

void link_end::close() {
  if (TROUPE_MUTANT("old-link-lives"))
    return;
  actor_map ports;
  actor_map exits;
  std::deque<waiting_message> unsent;
  {
    std::lock_guard lock(mutex_);
    open_ = false;
    ports.swap(ports_);
    exits.swap(exits_);
    unsent.swap(waiting_);
    waiting_bytes_ = 0;
  }
  for (auto& [id, port] : ports)
    static_cast<link_port*>(port->get())->kill_proxy(nullptr, caf::exit_reason::normal);
  for (auto& [id, exit] : exits)
    static_cast<link_exit*>(exit->get())
        ->kill_proxy(nullptr, caf::exit_reason::remote_link_unreachable);
}

std::uint64_t link_end::open_bytes() const {
  std::lock_guard lock(mutex_);
  return sent_ - taken_;
}

std::uint64_t link_end::waiting_bytes() const {
  std::lock_guard lock(mutex_);
  return waiting_bytes_;
}

} // namespace troupe::net
