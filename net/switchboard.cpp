#include "net/switchboard.hpp"

#include "actors/error.hpp"
#include "actors/unexpected.hpp"
#include "net/hello_check.hpp"
#include "net/link_end.hpp"
#include "storage/log_limit.hpp"
#include "storage/logging.hpp"

#include <algorithm>
#include <exception>
#include <utility>

namespace troupe::net {

namespace {

using std::chrono::milliseconds;

/// One peer, and the link to it.
struct peer {
  link_peer where;
  bool ours = false; ///< this node dials
  link_state state = link_state::away;
  caf::actor_clock::time_point since;
  std::string reason;
  std::uint64_t incarnation = 0;
  std::uint64_t link = 0; ///< the newest that was asked for, by whoever dials
  /// Of this link: the actor that ends with the peer's process, what stands between its roles and
  /// ours, and those of ours that it was given.
  caf::strong_actor_ptr switchboard;
  std::shared_ptr<link_end> end;
  std::vector<offered_role> roles;
  std::shared_ptr<void> wire; ///< if we dialled
  milliseconds pause{0};
  caf::actor_addr dialer;    ///< that has not answered yet
  bool looked_after = false; ///< the other end is asked now and then whether it has the link, too
};

struct switchboard_state {
  using pointer = switchboard_actor::stateful_pointer<switchboard_state>;

  switchboard_state() = default;
  ~switchboard_state();
  static inline const char* name = "switchboard";

  void start(pointer actor, switchboard_setup given);
  void dial(peer& p);
  void greet(peer& p, const caf::strong_actor_ptr& whom);
  void welcomed(peer& p, peer_welcome& answer, const caf::node_id& from);
  void come_up(peer& p, std::uint64_t incarnation, std::vector<offered_role> theirs,
               const caf::strong_actor_ptr& switchboard);
  /// Ends the link at this end. Whoever dials may go on with the same connection.
  void go_down(peer& p, const std::string& reason);
  void give_up(peer& p, const std::string& reason);
  void pause_before_dial(peer& p);
  void retry(std::uint64_t index);

  caf::result<peer_welcome> hello(peer_hello& h);
  void goodbye(const peer_goodbye& g);
  void again(const greet_again& g);
  void offer(role_offer& o);
  void down(const caf::down_msg& message);
  link_report status() const;
  bool stop();

  std::vector<offered_role> open_ports(peer& p);
  void close_ports(peer& p);
  void took(const link_taken& what);
  void ask_taken(std::uint64_t index, std::uint64_t link, std::uint64_t total);
  void look_after(peer& p);
  void ask_kept(std::uint64_t index);
  bool has_link(const std::string& node, std::uint64_t incarnation, std::uint64_t link);
  void failed(std::uint64_t index, std::uint64_t link, const std::string& why);
  void say_goodbye(peer& p, const std::string& reason);
  void set_state(peer& p, link_state state, const std::string& reason = {});
  peer* find(const std::string& node);
  caf::strong_actor_ptr own() const { return caf::actor_cast<caf::strong_actor_ptr>(self); }
  bool is_of_link(const peer& p, std::uint64_t incarnation, std::uint64_t link) const;

  pointer self = nullptr;
  switchboard_setup setup;
  std::vector<peer> peers; ///< never changes its size: handlers refer to its elements
  std::vector<offered_role> offered;
  std::uint64_t last_link = 0;
  bool stopping = false;
  storage::log_limit refused;
};

/// However the actor ends. Nobody else would close the ports.
switchboard_state::~switchboard_state() {
  for (auto& p : peers)
    close_ports(p);
}

void switchboard_state::start(pointer actor, switchboard_setup given) {
  self = actor;
  setup = std::move(given);
  self->set_down_handler([this](const caf::down_msg& message) { down(message); });
  for (auto& where : setup.peers) {
    if (where.node == setup.node || find(where.node) != nullptr)
      continue;
    peer p;
    p.ours = setup.node < where.node;
    p.where = where;
    p.since = self->clock().now();
    p.pause = setup.timings.first_pause;
    peers.push_back(std::move(p));
  }
  if (setup.expose)
    setup.expose(own());
  for (auto& p : peers)
    if (p.ours)
      dial(p);
}

peer* switchboard_state::find(const std::string& node) {
  auto found = std::ranges::find_if(peers, [&](const peer& p) { return p.where.node == node; });
  return found != peers.end() ? &*found : nullptr;
}

void switchboard_state::set_state(peer& p, link_state state, const std::string& reason) {
  // One that is tried again and again is away since the link broke.
  if ((p.state == link_state::up) != (state == link_state::up))
    p.since = self->clock().now();
  p.state = state;
  // While it is tried again people want to know why it was not there the last time.
  if (state == link_state::up || !reason.empty())
    p.reason = reason;
}

// -- the one who dials ---------------------------------------------------------------------------

void switchboard_state::dial(peer& p) {
  set_state(p, link_state::dialling);
  auto dialer = setup.make_dialer();
  p.dialer = dialer.address();
  self->monitor(dialer);
  self->request(dialer, setup.timings.dial, caf::connect_atom::value, p.where.host, p.where.port)
      .then(
          [this, &p](dialled& made) {
            p.dialer = nullptr;
            p.wire = std::move(made.wire);
            if (made.published)
              greet(p, made.published);
            else
              give_up(p, "no node answers there");
          },
          [this, &p](const caf::error& why) {
            if (why == caf::sec::request_timeout) { // a connection that still comes ends by itself
              give_up(p, "no connection in time");
              return;
            }
            p.dialer = nullptr;
            give_up(p, from_caf(why).message);
          });
}

void switchboard_state::greet(peer& p, const caf::strong_actor_ptr& whom) {
  set_state(p, link_state::greeting);
  p.link = ++last_link;
  peer_hello h{protocol_version, setup.cluster, setup.node, p.where.node, setup.incarnation,
               p.link,           open_ports(p), own(),      setup.agreed};
  self->request(caf::actor_cast<peer_service>(whom), setup.timings.greeting, std::move(h))
      .then([this, &p, from = whom->node()](peer_welcome& answer) { welcomed(p, answer, from); },
            [this, &p](const caf::error& why) {
              give_up(p, why == caf::sec::request_timeout ? "it does not answer our hello"
                                                          : from_caf(why).message);
            });
}

bool are_same(const std::vector<offered_role>& a, const std::vector<offered_role>& b) {
  return std::ranges::equal(a, b, [](const offered_role& x, const offered_role& y) {
    return x.role == y.role && x.port == y.port;
  });
}

void switchboard_state::welcomed(peer& p, peer_welcome& answer, const caf::node_id& from) {
  if (answer.node != p.where.node || answer.link != p.link ||
      !are_of(from, answer.roles, answer.switchboard)) {
    give_up(p, "it answers our hello with a welcome of " + shown(answer.node));
    return;
  }
  bool current = are_same(p.roles, offered);
  come_up(p, answer.incarnation, std::move(answer.roles), answer.switchboard);
  if (!current)
    again({p.where.node, p.incarnation, p.link});
}

void switchboard_state::pause_before_dial(peer& p) {
  if (stopping || !p.ours)
    return;
  auto index = static_cast<std::uint64_t>(&p - peers.data());
  self->delayed_send(self, p.pause, retry_atom_v, index);
  p.pause = std::min(p.pause * 2, setup.timings.longest_pause);
}

void switchboard_state::retry(std::uint64_t index) {
  if (stopping || index >= peers.size())
    return;
  auto& p = peers[index];
  if (p.state != link_state::away)
    return;
  if (p.dialer) // a dial of ours still blocks its thread: one at a time
    pause_before_dial(p);
  else
    dial(p);
}

// -- the one who is dialled ----------------------------------------------------------------------

caf::result<peer_welcome> switchboard_state::hello(peer_hello& h) {
  auto sender = self->current_sender();
  auto* greeted = find(h.node);
  auto known = greeted == nullptr ? known_link{}
                                  : known_link{greeted->ours, greeted->incarnation, greeted->link};
  auto why = objection(h, sender, {setup.cluster, setup.node, setup.agreed},
                       greeted == nullptr ? nullptr : &known);
  if (why.code != errc::none) {
    if (auto times = refused.occurred(self->clock().now()))
      storage::log_warning("link.refused",
                           {{"node", shown(h.node)}, {"reason", why.message}, {"hellos", *times}});
    return to_caf(why);
  }
  auto& p = *find(h.node);
  // Of a broken connection this end may have heard nothing: what it sent meanwhile is lost.
  if (p.state == link_state::up) {
    bool replaced = p.incarnation != h.incarnation;
    auto reason = replaced ? "another process took its place" : "it asked for a new link";
    if (replaced) // if that was a late word of a dead process, the living one comes back
      say_goodbye(p, reason);
    go_down(p, reason);
  }
  if (setup.trust)
    setup.trust(sender->node());
  p.link = h.link;
  auto ours = open_ports(p);
  come_up(p, h.incarnation, std::move(h.roles), h.switchboard);
  return peer_welcome{setup.node, setup.incarnation, p.link, std::move(ours), own()};
}

// -- both ----------------------------------------------------------------------------------------

void switchboard_state::come_up(peer& p, std::uint64_t incarnation,
                                std::vector<offered_role> theirs,
                                const caf::strong_actor_ptr& switchboard) {
  p.incarnation = incarnation;
  p.switchboard = switchboard;
  self->monitor(caf::actor_cast<caf::actor>(switchboard));
  set_state(p, link_state::up);
  storage::log_info("link.up",
                    {{"node", p.where.node}, {"incarnation", incarnation}, {"link", p.link}});
  look_after(p);
  for (auto& role : theirs)
    role.port = p.end->exit_before(role.port);
  self->send(setup.listener, peer_up{p.where.node, incarnation, p.link, std::move(theirs)});
}

void switchboard_state::go_down(peer& p, const std::string& reason) {
  close_ports(p);
  if (p.state != link_state::up)
    return;
  // The pauses are short again only after a link that lasted: two processes under one name would
  // take it from each other for ever.
  if (self->clock().now() - p.since >= setup.timings.longest_pause)
    p.pause = setup.timings.first_pause;
  self->demonitor(caf::actor_cast<caf::actor>(p.switchboard));
  p.switchboard = nullptr;
  set_state(p, link_state::away, reason);
  storage::log_info("link.down", {{"node", p.where.node}, {"reason", reason}});
  self->send(setup.listener, peer_down{p.where.node, reason});
}

void switchboard_state::give_up(peer& p, const std::string& reason) {
  bool news = p.reason != reason && p.state != link_state::up;
  go_down(p, reason);
  p.wire.reset();
  set_state(p, link_state::away, reason);
  if (news)
    storage::log_warning("link.away", {{"node", p.where.node},
                                       {"address", p.where.host},
                                       {"port", p.where.port},
                                       {"reason", reason}});
  pause_before_dial(p);
}

std::vector<offered_role> switchboard_state::open_ports(peer& p) {
  close_ports(p);
  // What the link does is told by way of this actor's mailbox, from whatever thread.
  auto index = static_cast<std::uint64_t>(&p - peers.data());
  auto tell = [board = self->address()](auto... what) {
    if (auto alive = caf::actor_cast<caf::actor>(board))
      caf::anon_send(alive, std::move(what)...);
  };
  link_taken report{setup.node, p.where.node, setup.incarnation, p.link, 0};
  p.end = std::make_shared<link_end>(
      self->system(), setup.limits,
      link_end::callbacks{[tell, report](std::uint64_t total) {
                            auto now = report;
                            now.bytes = total;
                            tell(std::move(now));
                          },
                          [tell, index, link = p.link](const std::string& why) {
                            tell(failed_atom_v, index, link, why);
                          },
                          [tell, index, link = p.link](std::uint64_t total) {
                            tell(fetch_atom_v, index, link, total);
                          }});
  p.roles = offered;
  auto given = offered;
  for (auto& r : given) {
    r.port = p.end->port_before(r.port);
    if (setup.expose)
      setup.expose(r.port);
  }
  return given;
}

void switchboard_state::close_ports(peer& p) {
  if (p.end)
    p.end->close();
  p.end = nullptr;
  p.roles.clear();
}

/// Of this end it is told to the other one, which may send more.
void switchboard_state::took(const link_taken& what) {
  auto* p = find(what.node == setup.node ? what.to : what.node);
  if (p == nullptr || p->state != link_state::up || p->link != what.link) {
    if (what.node != setup.node && self->current_sender())
      self->send(
          caf::actor_cast<peer_service>(self->current_sender()),
          peer_goodbye{setup.node, setup.incarnation, what.link, "it is not there any more"});
    return;
  }
  if (what.node == setup.node)
    self->send(caf::actor_cast<peer_service>(p->switchboard), what);
  else if (p->incarnation == what.incarnation && p->end)
    p->end->peer_took(what.bytes);
}

/// What a connection brought last may be read when its loss is known already: nobody ever says that
/// the handles in it are dead. So each end asks now and then whether the other has the link, too.
void switchboard_state::look_after(peer& p) {
  if (!std::exchange(p.looked_after, true))
    self->delayed_send(self, setup.timings.look, watch_atom_v,
                       static_cast<std::uint64_t>(&p - peers.data()));
}

void switchboard_state::ask_kept(std::uint64_t index) {
  auto& p = peers[index];
  p.looked_after = false;
  if (p.state != link_state::up)
    return;
  auto end = [this, index, link = p.link](const std::string& why) { failed(index, link, why); };
  self->request(caf::actor_cast<peer_service>(p.switchboard), setup.timings.silence, watch_atom_v,
                setup.node, setup.incarnation, p.link)
      .then([this, &p, end](bool kept) { kept ? look_after(p) : end("it is not there any more"); },
            [end](const caf::error&) { end("it does not say whether it has the link, too"); });
}

bool switchboard_state::has_link(const std::string& node, std::uint64_t incarnation,
                                 std::uint64_t link) {
  auto* p = find(node);
  return p != nullptr && is_of_link(*p, incarnation, link);
}

/// Word in the peer's own name, which it sends back: behind all that was sent before.
void switchboard_state::ask_taken(std::uint64_t index, std::uint64_t link, std::uint64_t total) {
  auto& p = peers[index];
  if (p.state == link_state::up && p.link == link)
    self->send(caf::actor_cast<peer_service>(p.switchboard),
               link_taken{p.where.node, setup.node, p.incarnation, p.link, total});
}

void switchboard_state::failed(std::uint64_t index, std::uint64_t link, const std::string& why) {
  auto& p = peers[index];
  if (p.state != link_state::up || p.link != link)
    return;
  say_goodbye(p, why);
  give_up(p, why);
}

void switchboard_state::say_goodbye(peer& p, const std::string& reason) {
  if (p.switchboard)
    self->send(caf::actor_cast<peer_service>(p.switchboard),
               peer_goodbye{setup.node, setup.incarnation, p.link, reason});
}

bool switchboard_state::is_of_link(const peer& p, std::uint64_t incarnation,
                                   std::uint64_t link) const {
  return p.state == link_state::up && p.incarnation == incarnation && p.link == link;
}

void switchboard_state::goodbye(const peer_goodbye& g) {
  if (auto* p = find(g.node); p != nullptr && is_of_link(*p, g.incarnation, g.link))
    give_up(*p, "it ended the link: " + shown(g.reason));
}

void switchboard_state::again(const greet_again& g) {
  auto* p = find(g.node);
  if (p == nullptr || !p->ours || !is_of_link(*p, g.incarnation, g.link))
    return;
  auto whom = p->switchboard;
  go_down(*p, "what is offered has changed");
  greet(*p, whom);
}

void switchboard_state::offer(role_offer& o) {
  std::erase_if(o.roles, [](const offered_role& r) { return !r.port; });
  if (are_same(o.roles, offered))
    return;
  offered = std::move(o.roles);
  for (auto& p : peers) {
    if (p.state != link_state::up)
      continue; // a greeting that is under way is repeated
    if (p.ours)
      again({p.where.node, p.incarnation, p.link});
    else
      self->send(caf::actor_cast<peer_service>(p.switchboard),
                 greet_again{setup.node, setup.incarnation, p.link});
  }
}

void switchboard_state::down(const caf::down_msg& message) {
  for (auto& p : peers) {
    if (p.dialer && p.dialer == message.source)
      p.dialer = nullptr;
    if (p.switchboard && p.switchboard->address() == message.source) {
      auto reason = "the connection is lost";
      // A process that came back with its number has handles that equal the dead ones: this may
      // be the end of an older link, and then the other end must be told.
      say_goodbye(p, reason);
      give_up(p, reason);
    }
  }
}

link_report switchboard_state::status() const {
  link_report report;
  auto now = self->clock().now();
  for (auto& p : peers) {
    auto since = std::chrono::duration_cast<milliseconds>(now - p.since);
    report.links.push_back(
        {p.where.node, std::string{name_of(p.state)}, since.count(), p.incarnation, p.reason});
  }
  return report;
}

bool switchboard_state::stop() {
  stopping = true;
  for (auto& p : peers) {
    say_goodbye(p, "its node stops");
    give_up(p, "this node stops");
  }
  self->quit();
  return true;
}

switchboard_actor::behavior_type switchboard(switchboard_state::pointer self,
                                             switchboard_setup setup) {
  ignore_unexpected(self, "switchboard");
  // Without links it is of no use: like the node, this ends the process, which is started again.
  self->set_exception_handler(
      [](caf::scheduled_actor*, std::exception_ptr&) -> caf::error { std::terminate(); });
  auto& state = self->state;
  state.start(self, std::move(setup));
  return {
      [&state](peer_hello& h) { return state.hello(h); },
      [&state](const peer_goodbye& g) { state.goodbye(g); },
      [&state](const greet_again& g) { state.again(g); },
      [&state](const link_taken& what) { state.took(what); },
      [&state](failed_atom, std::uint64_t peer, std::uint64_t link, const std::string& reason) {
        state.failed(peer, link, reason);
      },
      [&state](fetch_atom, std::uint64_t peer, std::uint64_t link, std::uint64_t total) {
        state.ask_taken(peer, link, total);
      },
      [&state](role_offer& o) { state.offer(o); },
      [&state](status_atom) { return state.status(); },
      [&state](stop_atom) { return state.stop(); },
      [&state](retry_atom, std::uint64_t peer) { state.retry(peer); },
      [&state](watch_atom, std::uint64_t peer) { state.ask_kept(peer); },
      [&state](watch_atom, const std::string& node, std::uint64_t incarnation, std::uint64_t link) {
        return state.has_link(node, incarnation, link);
      },
  };
}

} // namespace

switchboard_actor spawn_switchboard(caf::actor_system& system, switchboard_setup setup) {
  return system.spawn(switchboard, std::move(setup));
}

} // namespace troupe::net
