#include "net/actor_port/actor_gate.hpp"

#include "storage/logging.hpp"

#include <sys/socket.h>

namespace troupe::net {

namespace {

using clock = std::chrono::steady_clock;

/// How often deadlines are looked at while somebody is connected; they are seconds long.
constexpr auto watch_interval = std::chrono::milliseconds(100);

/// Beyond the limit of connections, for addresses that have none: however many strangers there are,
/// whoever operates the node gets in from another place, such as the node's own machine.
constexpr std::size_t reserved_connections = 8;

constexpr auto never = clock::duration::max();

/// As the program's own frames have it; empty if it has none.
std::string bytes_of(caf::node_id program) {
  std::vector<char> id;
  caf::binary_serializer sink{nullptr, id};
  if (sink(program)) // an error
    return {};
  return {id.begin(), id.end()};
}

} // namespace

actor_gate::actor_gate(actor_port_options options, frame_rules rules)
    : options_(options), rules_(std::move(rules)), watchdog_([this] { watch(); }) {}

actor_gate::~actor_gate() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  watchdog_.join();
}

void actor_gate::expose(const caf::strong_actor_ptr& who) {
  expose_in(&actor_gate::exposed_, who);
}

void actor_gate::expose_to_trusted(const caf::strong_actor_ptr& who) {
  expose_in(&actor_gate::exposed_to_trusted_, who);
}

void actor_gate::expose_in(actor_set actor_gate::*set, const caf::strong_actor_ptr& who) {
  {
    std::lock_guard lock(mutex_);
    (this->*set).insert(who->id());
  }
  who->get()->attach_functor([gate = weak_from_this(), set, id = who->id()] {
    if (auto alive = gate.lock()) {
      std::lock_guard lock(alive->mutex_);
      (alive.get()->*set).erase(id);
    }
  });
}

void actor_gate::trust(const caf::node_id& program) {
  auto id = bytes_of(program);
  std::lock_guard lock(mutex_);
  if (auto found = nodes_.find(id); found != nodes_.end())
    found->second.trusted = true;
}

std::string actor_gate::address_of(const caf::node_id& program) const {
  auto id = bytes_of(program);
  std::lock_guard lock(mutex_);
  auto found = nodes_.find(id);
  return found != nodes_.end() ? found->second.address : std::string{};
}

void actor_gate::set_front(const caf::strong_actor_ptr& front) {
  if (front)
    expose(front);
  std::lock_guard lock(mutex_);
  front_ = front;
}

caf::strong_actor_ptr actor_gate::front() const {
  std::lock_guard lock(mutex_);
  return front_;
}

void actor_gate::set_published(const caf::strong_actor_ptr& front) {
  std::lock_guard lock(mutex_);
  published_ = front;
}

caf::strong_actor_ptr actor_gate::published() const {
  std::lock_guard lock(mutex_);
  return published_;
}

std::unique_ptr<actor_seat> actor_gate::admit(int socket) {
  auto address = caf::io::network::remote_addr_of_fd(socket);
  if (!address) // it has gone already
    return nullptr;
  std::lock_guard lock(mutex_);
  auto known = addresses_.find(*address);
  auto of_address = known != addresses_.end() ? known->second : 0;
  auto limit = options_.connections + (of_address == 0 ? reserved_connections : 0);
  if (seats_.size() >= limit || of_address >= options_.address_connections) {
    if (auto times = refused_.occurred(clock::now()))
      storage::log_warning("actor_port.full",
                           {{"connections", seats_.size()},
                            {"address", *address},
                            {"of_address", of_address},
                            {"refused", *times},
                            {"hint", "see [actor-port] connections and address-connections"}});
    return nullptr;
  }
  auto made = std::make_unique<actor_seat>(shared_from_this(), socket, *address);
  ++addresses_[*address];
  seats_.insert(made.get());
  wake_.notify_all();
  return made;
}

void actor_gate::leave(const actor_seat& seat) {
  std::lock_guard lock(mutex_);
  if (seats_.erase(&seat) == 0)
    return;
  if (auto found = addresses_.find(seat.address_); --found->second == 0)
    addresses_.erase(found);
  if (auto found = nodes_.find(seat.node_); found != nodes_.end())
    if (--found->second.connections == 0)
      nodes_.erase(found);
}

bool actor_gate::exposed(std::uint64_t actor, const std::string& node) const {
  std::lock_guard lock(mutex_);
  if (exposed_.contains(actor))
    return true;
  if (!exposed_to_trusted_.contains(actor))
    return false;
  auto found = nodes_.find(node);
  return found != nodes_.end() && found->second.trusted;
}

bool actor_gate::trusted(const std::string& node) const {
  std::lock_guard lock(mutex_);
  auto found = nodes_.find(node);
  return found != nodes_.end() && found->second.trusted;
}

/// A second connection under the id of a program takes over the way to it: only its own address
/// may.
bool actor_gate::claim(const std::string& node, const std::string& address) {
  std::lock_guard lock(mutex_);
  auto& known = nodes_[node];
  if (known.connections > 0 && known.address != address)
    return false;
  known.address = address;
  ++known.connections;
  return true;
}

void actor_gate::report_cut(const std::string& address, std::string_view reason) {
  std::lock_guard lock(mutex_);
  if (auto times = cut_.occurred(clock::now()))
    storage::log_warning("actor_port.cut",
                         {{"address", address}, {"reason", reason}, {"connections", *times}});
}

void actor_gate::report_dropped(const std::string& address, std::string_view reason) {
  std::lock_guard lock(mutex_);
  if (auto times = dropped_.occurred(clock::now()))
    storage::log_warning("actor_port.dropped",
                         {{"address", address}, {"reason", reason}, {"messages", *times}});
}

/// Ends by number the sockets of those who are late, which is safe while they have a seat: the
/// multiplexer reads the end of the stream and lets the framework know.
void actor_gate::watch() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (seats_.empty())
      wake_.wait(lock, [this] { return stopping_ || !seats_.empty(); });
    else
      wake_.wait_for(lock, watch_interval, [this] { return stopping_; });
    auto now = clock::now();
    for (auto* seat : seats_)
      if (seat->is_late(now))
        seat->shut_down();
  }
}

actor_seat::actor_seat(std::shared_ptr<actor_gate> gate, int socket, std::string address)
    : gate_(std::move(gate)), socket_(socket), address_(std::move(address)),
      check_(gate_->rules(), *this),
      deadline_((clock::now() + gate_->options().greeting_time).time_since_epoch()) {}

actor_seat::~actor_seat() {
  gate_->leave(*this);
}

bool actor_seat::take(std::span<std::byte> bytes) {
  bool known = greeted();
  bool was_inside = check_.inside_frame();
  if (!check_.take(bytes)) {
    cut(check_.offence());
    return false;
  }
  if (greeted() && (!known || was_inside != check_.inside_frame()))
    set_deadline();
  return true;
}

void actor_seat::set_deadline() {
  deadline_ = check_.inside_frame()
                  ? (clock::now() + gate_->options().frame_time).time_since_epoch()
                  : never;
}

bool actor_seat::is_late(actor_gate::time_point now) const noexcept {
  return now.time_since_epoch() > deadline_.load(std::memory_order_relaxed);
}

void actor_seat::cut(std::string_view reason) {
  if (std::exchange(cut_, true))
    return;
  gate_->report_cut(address_, reason);
  shut_down();
}

void actor_seat::shut_down() const noexcept {
  ::shutdown(socket_, SHUT_RDWR);
}

bool actor_seat::claim(std::string_view node) {
  std::string id(node);
  if (!gate_->claim(id, address_))
    return false;
  node_ = std::move(id);
  return true;
}

} // namespace troupe::net
