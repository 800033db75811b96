#include "sim/net/net.hpp"

#include "actors/link_messages.hpp"

#include <caf/actor_proxy.hpp>
#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>

#include <algorithm>
#include <deque>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace troupe::sim {

namespace {

using std::chrono::milliseconds;

/// Beyond it a connection that carries nothing is given up: drawn anew for each silence.
constexpr std::uint64_t shortest_patience_ms = 1500;
constexpr std::uint64_t longest_patience_ms = 2500;
/// A dial that nobody greets is given up by then.
constexpr milliseconds dial_patience{500};
constexpr milliseconds dial_look{20};

} // namespace

/// What is on its way to one end: a message, the end of an actor of the other side, or the end of
/// the connection.
struct net_parcel {
  enum class kind : std::uint8_t { message, actor_ended, closed };
  kind what = kind::message;
  milliseconds due{0};
  caf::strong_actor_ptr target = {};
  caf::strong_actor_ptr sender = {};
  caf::message_id id = {};
  std::size_t parts = 0;
  std::vector<char> bytes = {};
  caf::actor_id ended = 0;
  caf::error reason = {};
};

struct net_connection {
  struct end {
    process_id process = 0;
    bool open = true;
    /// This process has another connection to the same one since: what it sends does not go here,
    /// and nobody is told when it ends.
    bool replaced = false;
    std::deque<net_parcel> arriving = {};
    std::map<caf::actor_id, caf::strong_actor_ptr> proxies = {}; ///< by the actor they stand for
    std::optional<milliseconds> silent_since = {};
    milliseconds patience{0};
  };
  std::array<end, 2> ends;
};

/// As the framework's own: no actor that runs, but what stands in the place of one.
class net_proxy final : public caf::actor_proxy {
public:
  net_proxy(caf::actor_config& config, simulated_net& net, std::weak_ptr<net_connection> of,
            std::size_t end, caf::strong_actor_ptr target)
      : actor_proxy(config), net_(net), of_(std::move(of)), end_(end), target_(std::move(target)) {}

  void enqueue(caf::mailbox_element_ptr what, caf::execution_unit*) override {
    auto connection = of_.lock();
    if (!connection || !target_ || what->content().match_elements<caf::exit_msg>())
      return;
    auto& end = connection->ends[end_];
    if (end.open && !end.replaced)
      net_.send(*connection, end_, target_, *what);
  }
  void kill_proxy(caf::execution_unit* unit, caf::error why) override {
    target_ = nullptr;
    cleanup(std::move(why), unit);
  }

private:
  simulated_net& net_;
  std::weak_ptr<net_connection> of_;
  std::size_t end_;
  caf::strong_actor_ptr target_;
};

caf::node_id id_of(process_id process) {
  return *caf::make_node_id(1000 + process, std::string(40, 'a'));
}

simulated_net::simulated_net(world& w) : world_(w) {
  std::weak_ptr<simulated_net*> net = self_;
  pump_ = w.system().spawn([net](caf::event_based_actor* self) -> caf::behavior {
    self->set_default_handler(refuse_requests);
    return {[net](pulse_atom) {
      if (auto alive = net.lock())
        (*alive)->pump();
    }};
  });
}

simulated_net::~simulated_net() {
  for (auto& c : connections_)
    for (auto& end : c->ends) {
      end.open = false;
      end.arriving.clear();
      for (auto& [id, proxy] : std::exchange(end.proxies, {}))
        static_cast<net_proxy*>(proxy->get())->kill_proxy(nullptr, caf::exit_reason::kill);
    }
  caf::anon_send_exit(pump_, caf::exit_reason::kill);
}

void simulated_net::wake_after(time span) {
  caf::delayed_anon_send(pump_, span, pulse_atom_v);
}

// -- connections ---------------------------------------------------------------------------------

void simulated_net::listen(process_id process, const caf::strong_actor_ptr& published) {
  listening_[process] = published;
}

std::function<net::link_dialer_actor()> simulated_net::dialers(process_id from) {
  struct dialer_state {
    caf::typed_response_promise<net::dialled> promise;
    process_id to = 0;
    time deadline{0};
  };
  using dialer = net::link_dialer_actor::extend<handles<void(retry_atom)>>;
  return [this, from]() -> net::link_dialer_actor {
    auto behavior = [this,
                     from](dialer::stateful_pointer<dialer_state> self) -> dialer::behavior_type {
      auto look = [this, from, self] {
        auto& state = self->state;
        auto refused = listening_.count(state.to) == 0;
        auto passes = !blocked(from, state.to) && !blocked(state.to, from);
        if (passes && refused)
          state.promise.deliver(to_caf({errc::unavailable, "nobody listens there"}));
        else if (passes)
          state.promise.deliver(connect(from, state.to));
        else if (world_.now() >= state.deadline)
          state.promise.deliver(to_caf({errc::unavailable, "no connection in time"}));
        else
          return self->delayed_send(self, dial_look, retry_atom_v);
        self->quit();
      };
      return {[this, self](caf::connect_atom, const std::string&,
                           std::uint16_t port) -> caf::result<net::dialled> {
                self->state.to = port;
                self->state.deadline = world_.now() + dial_patience;
                self->state.promise = self->make_response_promise<net::dialled>();
                self->delayed_send(self, 2 * delay_, retry_atom_v);
                return self->state.promise;
              },
              [look](retry_atom) { look(); }};
    };
    return world_.system().spawn(behavior);
  };
}

/// Of an older one the process that is dialled may have heard nothing.
net::dialled simulated_net::connect(process_id from, process_id to) {
  for (auto& c : connections_)
    for (std::size_t i = 0; i < 2; ++i)
      if (c->ends[i].process == to && c->ends[1 - i].process == from)
        c->ends[i].replaced = true;
  auto made = std::make_shared<net_connection>();
  made->ends[0].process = from;
  made->ends[1].process = to;
  connections_.push_back(made);
  ++connections_made_;
  std::weak_ptr<net_connection> weak = made;
  auto hang_up = [this, weak](void*) {
    if (auto c = weak.lock())
      close(*c, 0, true);
  };
  return {proxy(made, 0, listening_[to]), std::shared_ptr<void>(made.get(), hang_up)};
}

caf::strong_actor_ptr simulated_net::proxy(const std::shared_ptr<net_connection>& of,
                                           std::size_t end, const caf::strong_actor_ptr& target) {
  auto& known = of->ends[end].proxies[target->id()];
  if (known)
    return known;
  caf::actor_config config;
  known = caf::make_actor<net_proxy, caf::strong_actor_ptr>(
      world_.system().next_actor_id(), id_of(of->ends[1 - end].process), &world_.system(), config,
      *this, of, end, target);
  auto made = known;
  std::weak_ptr<net_connection> weak = of;
  target->get()->attach_functor([this, weak, end, id = target->id()](const caf::error& why) {
    auto c = weak.lock();
    if (!c || !c->ends[0].open || !c->ends[1].open)
      return;
    c->ends[end].arriving.push_back({.what = net_parcel::kind::actor_ended,
                                     .due = due_behind(*c, end),
                                     .ended = id,
                                     .reason = why});
  });
  return made;
}

simulated_net::time simulated_net::due_behind(const net_connection& c, std::size_t to) {
  auto due = world_.now() + delay_;
  if (delay_.count() > 0)
    due += time{static_cast<std::int64_t>(world_.random() %
                                          static_cast<std::uint64_t>(delay_.count() + 1))};
  if (!c.ends[to].arriving.empty())
    due = std::max(due, c.ends[to].arriving.back().due);
  wake_after(due - world_.now());
  return due;
}

void simulated_net::send(net_connection& on, std::size_t from, const caf::strong_actor_ptr& target,
                         caf::mailbox_element& what) {
  auto& to = on.ends[1 - from];
  auto content = what.move_content_to_message();
  net_parcel parcel{
      .target = target, .sender = what.sender, .id = what.mid, .parts = content.size()};
  caf::binary_serializer sink{world_.system(), parcel.bytes};
  if (sink(content))
    throw std::runtime_error("a message cannot leave its process: " + to_string(content));
  parcel.due = due_behind(on, 1 - from);
  if (to.open) // else it goes nowhere
    to.arriving.push_back(std::move(parcel));
}

/// This end knows that the connection is over, and hears no more of it.
void simulated_net::close(net_connection& c, std::size_t end, bool tell) {
  auto& here = c.ends[end];
  if (!std::exchange(here.open, false))
    return;
  here.arriving.clear();
  auto& there = c.ends[1 - end];
  if (tell && there.open)
    there.arriving.push_back({.what = net_parcel::kind::closed, .due = due_behind(c, 1 - end)});
  for (auto& [id, proxy] : std::exchange(here.proxies, {}))
    if (!here.replaced)
      static_cast<net_proxy*>(proxy->get())
          ->kill_proxy(nullptr, caf::exit_reason::remote_link_unreachable);
}

// -- what goes wrong -----------------------------------------------------------------------------

void simulated_net::end(process_id process, bool silently) {
  listening_.erase(process);
  frozen_until_.erase(process);
  for (auto& c : std::vector(connections_))
    for (std::size_t i = 0; i < 2; ++i)
      if (c->ends[i].process == process)
        close(*c, i, !silently);
  wake_after(time{0});
}

void simulated_net::freeze(process_id process, time span) {
  world_.freeze(process, span);
  auto& until = frozen_until_[process];
  until = std::max(until, world_.now() + span);
  wake_after(time{0});
  wake_after(span);
}

void simulated_net::cut(process_id a, process_id b) {
  for (auto& c : connections_)
    for (std::size_t i = 0; i < 2; ++i)
      if (c->ends[i].process == a && c->ends[1 - i].process == b)
        for (std::size_t end = 0; end < 2; ++end) {
          auto& at = c->ends[end];
          auto due = world_.now() + time{static_cast<std::int64_t>(world_.random() % 100)};
          at.arriving.clear();
          at.arriving.push_back({.what = net_parcel::kind::closed, .due = due});
          wake_after(due - world_.now());
        }
}

void simulated_net::hold(process_id from, process_id to) {
  held_[{from, to}] = true;
  wake_after(time{0});
}

void simulated_net::heal(process_id from, process_id to) {
  held_.erase({from, to});
  wake_after(time{0});
}

void simulated_net::heal() {
  held_.clear();
  wake_after(time{0});
}

bool simulated_net::frozen(process_id process) const {
  auto found = frozen_until_.find(process);
  return found != frozen_until_.end() && found->second > world_.now();
}

bool simulated_net::blocked(process_id from, process_id to) const {
  return held(from, to) || frozen(from) || frozen(to);
}

// -- what arrives --------------------------------------------------------------------------------

void simulated_net::pump() {
  auto all = connections_; // what arrives may make others
  for (auto& c : all)
    for (std::size_t end = 0; end < 2; ++end) {
      look_for_silence(*c, end);
      deliver(c, end);
    }
  std::erase_if(connections_, [](auto& c) { return !c->ends[0].open && !c->ends[1].open; });
}

/// A process that was frozen may find that it has heard nothing for long before it reads what has
/// arrived meanwhile, or the other way round.
void simulated_net::look_for_silence(net_connection& c, std::size_t end) {
  auto& here = c.ends[end];
  auto& there = c.ends[1 - end];
  if (!here.open)
    return;
  bool told = !here.arriving.empty() && here.arriving.back().what == net_parcel::kind::closed;
  bool silent = blocked(there.process, here.process) || (!there.open && !told);
  auto span = world_.now() - here.silent_since.value_or(world_.now());
  if (silent && !here.silent_since) {
    here.silent_since = world_.now();
    here.patience = time{static_cast<std::int64_t>(
        shortest_patience_ms + world_.random() % (longest_patience_ms - shortest_patience_ms + 1))};
    wake_after(here.patience);
  } else if (!frozen(here.process) && here.silent_since && span >= here.patience &&
             (silent || world_.random() % 2 == 0)) {
    close(c, end, true);
  } else if (!silent) {
    here.silent_since.reset();
  }
}

void simulated_net::deliver(const std::shared_ptr<net_connection>& c, std::size_t to) {
  auto& here = c->ends[to];
  auto& there = c->ends[1 - to];
  // The system of a frozen process's machine still sends what it had.
  auto passes = !held(there.process, here.process) && !frozen(here.process);
  while (here.open && passes && !here.arriving.empty() &&
         here.arriving.front().due <= world_.now()) {
    auto parcel = std::move(here.arriving.front());
    here.arriving.pop_front();
    switch (parcel.what) {
    case net_parcel::kind::closed:
      close(*c, to, false);
      break;
    case net_parcel::kind::actor_ended:
      if (auto found = here.proxies.find(parcel.ended); found != here.proxies.end()) {
        auto proxy = std::move(found->second);
        here.proxies.erase(found);
        static_cast<net_proxy*>(proxy->get())->kill_proxy(nullptr, parcel.reason);
      }
      break;
    case net_parcel::kind::message:
      arrive(c, to, std::move(parcel));
    }
  }
}

/// What cannot leave its process arrives as an empty message. Handles cross when two processes
/// meet, and nowhere else: there this end has proxies in their place.
void simulated_net::arrive(const std::shared_ptr<net_connection>& c, std::size_t to,
                           net_parcel parcel) {
  caf::message content;
  caf::binary_deserializer source{world_.system(), parcel.bytes};
  if (source(content) || content.size() != parcel.parts)
    throw std::runtime_error("a message of " + std::to_string(parcel.parts) +
                             " parts does not arrive: " + to_string(content));
  auto take = [&](caf::strong_actor_ptr& who) {
    if (who)
      who = proxy(c, to, who);
  };
  auto take_all = [&](auto& message) {
    for (auto& role : message.roles)
      take(role.port);
    take(message.switchboard);
  };
  if (content.match_elements<peer_hello>())
    take_all(content.get_mutable_as<peer_hello>(0));
  if (content.match_elements<peer_welcome>())
    take_all(content.get_mutable_as<peer_welcome>(0));
  take(parcel.sender);
  parcel.target->enqueue(
      caf::make_mailbox_element(std::move(parcel.sender), parcel.id, {}, std::move(content)),
      nullptr);
}

} // namespace troupe::sim
