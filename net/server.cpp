#include "net/server.hpp"

#include "actors/front.hpp"
#include "actors/node.hpp"
#include "actors/queue_share.hpp"
#include "actors/stop_desk.hpp"
#include "net/actor_port/actor_port.hpp"
#include "net/admin/admin_port.hpp"
#include "net/descriptors.hpp"
#include "net/door_watch.hpp"
#include "net/gateway/door_access.hpp"
#include "net/gateway/gateway.hpp"
#include "net/gateway/gateway_place.hpp"
#include "net/gateway/name_registrar.hpp"
#include "net/gateway/socket_server.hpp"
#include "net/gateway/text_keeper.hpp"
#include "net/placement.hpp"
#include "net/port_check.hpp"
#include "net/switchboard.hpp"
#include "net/tls/tls_context.hpp"
#include "storage/clock.hpp"
#include "storage/logging.hpp"

#include <algorithm>
#include <optional>
#include <random>
#include <string>
#include <utility>

namespace troupe::net {

struct server::parts {
  explicit parts(caf::actor_system& s) : system(s), self(s) {}

  caf::actor_system& system;
  caf::scoped_actor self;
  node_config config;
  std::string cluster;
  node_options options;
  storage::file_system* files = nullptr;
  std::shared_ptr<storage::opened_store> store;
  std::vector<std::unique_ptr<storage::file_lock>> queue_locks; ///< of directories of their own
  node_actor node;
  std::optional<actor_port> actors;          ///< none: the actor port is off
  std::unique_ptr<socket_server> sockets;    ///< null: the gateway is off
  std::unique_ptr<name_registrar> registrar; ///< null: no other name servers
  /// What operators keep with the name service, and how groups consume. Null: the store's directory
  /// is elsewhere.
  std::shared_ptr<text_keeper> kv, modes;
  gateway_options gateway_settings;
  door_access access;
  std::shared_ptr<gateway_place> gateway = std::make_shared<gateway_place>();
  actor_port_options actor_settings;
  std::shared_ptr<const tls_context> tls; ///< of the actor port and of links; null: plain bytes
  std::vector<watched_door> doors;        ///< those that are open, until somebody watches them
  door_watch_actor watch;
  role_set roles = role_set::every();     ///< that run here
  std::vector<link_peer> peers;           ///< the other nodes of the store; none: it is here alone
  std::map<std::string, role_set> placed; ///< and their roles
  std::vector<std::string> queue_nodes;   ///< the node of each queue-manager of the store
  bool queues_beside_log = true;
  std::vector<std::string> agreed; ///< with the other nodes of the store
  switchboard_actor switchboard;   ///< null without peers
  stop_desk_actor stop_desk;       ///< null: no orders to stop are taken
  bool stopped = false;
  std::unique_ptr<admin_port> admin; ///< null: off

  bool spread() const noexcept { return !peers.empty(); }
  bool has_door() const noexcept { return roles.has(store_role::door); }
};

namespace {

using std::chrono::milliseconds;

/// Longer than a stop desk waits for those whom it has told.
constexpr auto farewell_patience = std::chrono::seconds(5);
/// In this time somebody looks at the log.
constexpr std::int64_t days_to_renew = 30;

/// Beyond it a peer does not answer a dial.
constexpr auto dial_patience = milliseconds(1000);

/// Says which process this is, and which run of the log it writes, if it writes one.
std::uint64_t draw_incarnation() {
  std::random_device source;
  return (std::uint64_t{source()} << 32) | source();
}

} // namespace

/// What runs here, and where the rest is.
storage::result<void> server::place(parts& p, const cluster_config& cluster) {
  TROUPE_TRY(auto placed, place_roles(cluster));
  p.queue_nodes = placed.queue_nodes(p.config.name);
  p.queues_beside_log = placed.queues_beside_log(p.config.name);
  if (!placed.spread())
    return boost::outcome_v2::success();
  p.roles = placed.of(p.config.name);
  p.agreed = agreed_settings(cluster, placed);
  for (auto& node : cluster.nodes) {
    if (node.name == p.config.name)
      continue;
    p.peers.push_back({node.name, node.actor_host, node.actor_port.value_or(0)});
    p.placed[node.name] = placed.of(node.name);
  }
  return boost::outcome_v2::success();
}

/// Before anything else: no peer would take what is wrong here.
storage::result<void> server::load_tls(parts& p, const cluster_config& cluster) {
  TROUPE_TRY(check_actor_host(cluster, p.config));
  if (!cluster.tls.given() || !p.config.actor_port)
    return boost::outcome_v2::success();
  TROUPE_TRY(p.tls, tls_context::load(cluster.tls, tls_use::node));
  if (p.tls->days_left() < days_to_renew)
    storage::log_warning("tls.expires", {{"days", p.tls->days_left()},
                                         {"certificate", cluster.tls.certificate},
                                         {"hint", "put a new one there and start the node again"}});
  return boost::outcome_v2::success();
}

/// Takes the ports for RocketMQ clients; message ids carry the first.
storage::result<void> server::listen_for_remoting(parts& p, const cluster_config& cluster) {
  if (!cluster.gateway.enabled || !p.has_door())
    return boost::outcome_v2::success();
  std::vector<std::uint16_t> ports{p.config.remoting_port};
  if (p.config.name_server_port)
    ports.push_back(*p.config.name_server_port);
  if (auto vip = vip_port(cluster, p.config))
    ports.push_back(*vip); // behind those that have a place in `address`
  auto sockets = socket_server::listen(p.gateway_settings, p.config.host, ports, p.access.tls());
  if (!sockets)
    return storage::error{errc::unavailable,
                          sockets.error().message + " (remoting-port or name-server-port of node " +
                              p.config.name +
                              "): is another node or a RocketMQ server running there?"};
  p.sockets = std::move(sockets.value());
  p.options.store.store_port = p.sockets->ports().front();
  return boost::outcome_v2::success();
}

/// Before the store is opened, or even made: a start that fails at a port leaves nothing behind.
/// That another node has the directory is more important than its ports.
storage::result<void> server::check_doors(parts& p, const cluster_config& cluster) {
  storage::result<void> listening = boost::outcome_v2::success();
  if (p.config.actor_port) {
    if (auto free = check_port(p.config.actor_host, *p.config.actor_port); !free)
      listening = storage::error{errc::unavailable,
                                 free.error().message +
                                     " (actor-port): is another node running there, and is the "
                                     "address one of this machine?"};
  }
  if (listening)
    listening = listen_for_remoting(p, cluster);
  if (listening || !p.roles.has(store_role::writer)) // who writes holds the lock
    return listening;
  auto& directory = p.options.store.directory;
  if (p.files->list(directory)) {
    if (auto lock = p.files->lock(directory + "/lock"); !lock && lock.error().code == errc::locked)
      return lock.error();
  }
  return listening;
}

/// Those of this process that are away from the log: nobody else may use their directories.
storage::result<void> server::open_queues(parts& p) {
  auto count = static_cast<std::uint32_t>(p.queue_nodes.size());
  for (std::uint32_t share = 0; share < count && !p.queues_beside_log; ++share) {
    if (p.queue_nodes[share] != p.config.name)
      continue;
    auto options = p.options.store;
    options.directory = share_directory(options.directory, share, count);
    TROUPE_TRY(auto lock, storage::open_queue_directory(*p.files, options));
    p.queue_locks.push_back(std::move(lock));
  }
  return boost::outcome_v2::success();
}

/// What the name service keeps, and where else the node registers.
storage::result<void> server::prepare_names(parts& p, gateway_setup& setup) {
  if (p.store) {
    p.kv = keeper_of<remoting::kv_config>(*p.files, p.options.store, "kvConfig.json");
    setup.save_kv = [kv = p.kv](std::string text) { kv->keep(std::move(text)); };
    p.modes =
        keeper_of<remoting::request_modes>(*p.files, p.options.store, "messageRequestMode.json");
    setup.save_modes = [modes = p.modes](std::string text) { modes->keep(std::move(text)); };
  }
  if (p.gateway_settings.name_servers.empty())
    return boost::outcome_v2::success();
  TROUPE_TRY(p.registrar,
             name_registrar::start({.servers = p.gateway_settings.name_servers,
                                    .address = setup.address,
                                    .auto_create_topics = setup.options.auto_create_topics}));
  setup.topics_changed = [tell = p.registrar->sink()](const topic_map& all) { tell(all.topics); };
  return boost::outcome_v2::success();
}

/// Answers when the sockets let clients in. A gateway that ends takes its connections with it:
/// their requests may have been carried out, and nobody would answer them. They are closed once
/// the next gateway is in its place, or a client that came back at once would ask nobody.
storage::result<void> server::open_gateway(parts& p) {
  auto port = std::to_string(p.sockets->ports().front());
  gateway_setup setup{.node = p.node,
                      .address = {.cluster = p.cluster,
                                  .broker = p.config.name,
                                  .address = p.config.advertised() + ":" + port},
                      .node_settings = p.options,
                      .options = p.gateway_settings,
                      .send = p.sockets->send_function(),
                      .accounts = p.access.accounts()};
  TROUPE_TRY(prepare_names(p, setup));
  auto make = [&system = p.system, place = p.gateway, setup, kv = p.kv, modes = p.modes] {
    auto with = setup;
    if (kv != nullptr)
      with.kv = table_in<remoting::kv_config>(*kv);
    if (modes != nullptr)
      with.modes = table_in<remoting::request_modes>(*modes);
    auto made = spawn_gateway(system, std::move(with));
    place->set(made);
    return caf::actor_cast<caf::strong_actor_ptr>(made);
  };
  p.doors.push_back({.role = "gateway",
                     .keeper = make(),
                     .replace =
                         [make, sockets = p.sockets.get()] {
                           auto made = make();
                           sockets->close_clients();
                           return made;
                         },
                     .shut =
                         [place = p.gateway, sockets = p.sockets.get()] {
                           sockets->close_listeners();
                           place->set({});
                           sockets->close_clients();
                         }});
  return p.sockets->start(
      {.requests = [place = p.gateway](arrived batch) { place->send(std::move(batch)); },
       .end = [place = p.gateway](departed who) { place->send(who); }});
}

storage::result<void> server::open_actor_port(parts& p) {
  // The front exposes sessions at the port's gate, which is there once the port has a front.
  auto gate = std::make_shared<std::weak_ptr<actor_gate>>();
  front_setup setup{p.node, p.config.name, p.cluster, p.options.session,
                    [gate](const caf::strong_actor_ptr& session) {
                      if (auto there = gate->lock())
                        there->expose(session);
                    }};
  setup.stop_desk = p.stop_desk;
  setup.may_stop = [gate,
                    remote = p.actor_settings.remote_stop || p.tls](const caf::node_id& program) {
    auto there = gate->lock();
    return there && (remote || is_loopback(there->address_of(program)));
  };
  auto first = p.system.spawn(front, setup);
  TROUPE_TRY(auto opened, actor_port::open(p.system, p.actor_settings, p.config.actor_host,
                                           *p.config.actor_port, first, p.spread(), p.tls));
  *gate = opened.gate();
  if (p.stop_desk)
    opened.gate()->expose(caf::actor_cast<caf::strong_actor_ptr>(p.stop_desk));
  p.actors = opened;
  if (p.spread()) { // the gate is there before the switchboard, and that before the front
    start_links(p);
    setup.peers = caf::actor_cast<peer_service>(p.switchboard);
    auto knows_peers = p.system.spawn(front, setup);
    opened.gate()->set_front(caf::actor_cast<caf::strong_actor_ptr>(knows_peers));
    caf::anon_send_exit(std::exchange(first, knows_peers), caf::exit_reason::user_shutdown);
  }
  p.doors.push_back({.role = "front",
                     .keeper = caf::actor_cast<caf::strong_actor_ptr>(first),
                     .replace =
                         [&system = p.system, setup, at = opened.gate()] {
                           auto made =
                               caf::actor_cast<caf::strong_actor_ptr>(system.spawn(front, setup));
                           at->set_front(made);
                           return made;
                         },
                     .shut = [at = opened.gate()] { at->set_front(nullptr); }});
  return boost::outcome_v2::success();
}

void server::start_links(parts& p) {
  switchboard_setup setup;
  setup.cluster = p.cluster;
  setup.node = p.config.name;
  setup.incarnation = draw_incarnation();
  setup.peers = p.peers;
  setup.agreed = p.agreed;
  setup.listener = caf::actor_cast<link_listener>(p.node);
  setup.make_dialer = socket_dialers(p.system, dial_patience, p.tls);
  setup.expose = [gate = p.actors->gate()](const caf::strong_actor_ptr& who) {
    gate->expose_to_trusted(who);
  };
  setup.trust = [gate = p.actors->gate()](const caf::node_id& who) { gate->trust(who); };
  // Of a link that lasts the framework's heartbeats are to find out first what is silent.
  auto noticed = caf::get_or(p.system.config(), "middleman.connection-timeout", caf::timespan{0});
  auto& silence = setup.timings.silence;
  silence = std::max(silence, std::chrono::duration_cast<std::chrono::milliseconds>(2 * noticed));
  p.switchboard = spawn_switchboard(p.system, std::move(setup));
  p.self->send(p.node, attach_atom_v, caf::actor_cast<caf::strong_actor_ptr>(p.switchboard));
}

server::server(std::unique_ptr<parts> p) : parts_(std::move(p)) {}

server::~server() {
  if (!parts_->stopped && parts_->node)
    (void)stop();
}

storage::result<std::unique_ptr<server>>
server::start(caf::actor_system& system, const cluster_config& cluster,
              const node_config& node_settings, storage::file_system& files,
              storage::progress_sink progress, std::function<void()> stop_ordered) {
  auto p = std::make_unique<parts>(system);
  p->config = node_settings;
  p->cluster = cluster.cluster_name;
  p->options = options_of(cluster, node_settings);
  p->actor_settings = cluster.actor_port;
  p->files = &files;
  TROUPE_TRY(load_tls(*p, cluster));
  TROUPE_TRY(place(*p, cluster));
  auto clients = cluster.gateway.enabled && p->has_door() ? cluster.gateway.connections : 0;
  TROUPE_TRY(auto shares, take_descriptors(clients));
  auto& open_files = p->options.queue_manager.open_files;
  open_files = open_files == 0 ? shares.queue_files : std::min(open_files, shares.queue_files);
  p->gateway_settings = cluster.gateway;
  if (node_settings.name_servers)
    p->gateway_settings.name_servers = *node_settings.name_servers;
  p->gateway_settings.connections = shares.connections;
  if (clients > 0) { // before the door opens: what is wrong must not leave it open to everybody
    TROUPE_TRY(p->access, door_access::open(cluster.gateway));
  }
  TROUPE_TRY(check_doors(*p, cluster));
  TROUPE_TRY(p->admin, admin_port::open(cluster, node_settings, shares.lookers));
  if (p->admin)
    progress.report = [at = &p->admin->progress(), more = std::move(progress)](auto done,
                                                                               auto all) {
      at->checked(done, all);
      more(done, all);
    };
  auto& clock = storage::system_wall_clock();
  if (p->roles.has(store_role::writer)) {
    TROUPE_TRY(auto opened,
               storage::open_store(files, p->options.store, clock, std::move(progress)));
    storage::log_info("store.opened", {{"after", opened.after_orderly_stop ? "stop" : "crash"},
                                       {"log_min", opened.log.min_offset},
                                       {"log_end", opened.log.end}});
    p->store = std::make_shared<storage::opened_store>(std::move(opened));
  }
  TROUPE_TRY(open_queues(*p));
  node_setup setup{node_settings.name, cluster.cluster_name, p->options, &files, &clock, p->store};
  setup.roles = p->roles;
  setup.peers = p->placed;
  setup.run = draw_incarnation();
  setup.queue_nodes = p->queue_nodes;
  setup.queues_beside_log = p->queues_beside_log;
  p->node = system.spawn(troupe::node, std::move(setup));
  if (p->admin)
    p->admin->attach(system, p->node, p->gateway,
                     p->sockets ? p->sockets->bytes_function() : std::function<socket_bytes()>());
  if (stop_ordered)
    p->stop_desk = spawn_stop_desk(system, {p->node, std::move(stop_ordered)});
  bool spread = p->spread();
  std::unique_ptr<server> made{new server(std::move(p))};
  if (spread) { // the others find it from now on, in whatever order all are started
    TROUPE_TRY(open_actor_port(*made->parts_));
  } else {
    TROUPE_TRY(made->ready().get());
  }
  return made;
}

std::future<storage::result<void>> server::ready() {
  auto answer = std::make_shared<std::promise<storage::result<void>>>();
  auto future = answer->get_future();
  parts_->system.spawn([answer, node = parts_->node](caf::event_based_actor* self) {
    self->request(node, caf::infinite, ready_atom_v)
        .then([answer](const std::string&) { answer->set_value(boost::outcome_v2::success()); },
              [answer](const caf::error& why) { answer->set_value(from_caf(why)); });
  });
  return future;
}

storage::result<server::address> server::publish() {
  auto& p = *parts_;
  address bound;
  if (p.config.actor_port && !p.actors) {
    TROUPE_TRY(open_actor_port(p));
  }
  if (p.actors)
    bound.actor_port = p.actors->port();
  if (p.sockets) {
    auto ports = p.sockets->ports();
    bound.remoting_port = ports.front();
    bound.name_server_port = p.config.name_server_port ? ports[1] : std::uint16_t{0};
    TROUPE_TRY(open_gateway(p));
    TROUPE_TRY(p.access.watch());
  }
  p.watch = spawn_door_watch(p.system, std::move(p.doors));
  if (p.admin) {
    bound.admin_port = p.admin->port();
    p.admin->progress().enter(start_progress::phase::serving);
  }
  return bound;
}

storage::result<session_actor> server::open_session() {
  storage::result<session_actor> result = storage::error{errc::unavailable, "no answer"};
  auto& p = *parts_;
  p.self->request(p.node, caf::infinite, hello_atom_v, caf::strong_actor_ptr{})
      .receive([&](const session_actor& made) { result = made; },
               [&](const caf::error& why) { result = from_caf(why); });
  return result;
}

const node_actor& server::node() const noexcept {
  return parts_->node;
}

caf::strong_actor_ptr server::keeper(const std::string& role) {
  caf::strong_actor_ptr found;
  auto& p = *parts_;
  if (p.watch)
    p.self->request(p.watch, caf::infinite, fetch_atom_v, role)
        .receive([&](const caf::strong_actor_ptr& who) { found = who; }, [](const caf::error&) {});
  return found;
}

/// Nobody comes in any more, and who kept the doors ends.
void server::close_doors(parts& p) {
  if (p.actors)
    p.actors->close(p.system);
  p.actors.reset();
  for (auto& door : p.doors) // those of a start that failed: nobody watches them
    caf::anon_send_exit(door.keeper, caf::exit_reason::user_shutdown);
  p.doors.clear();
  if (p.watch)
    p.self->request(p.watch, caf::infinite, stop_atom_v)
        .receive([](bool) {}, [](const caf::error&) {}); // it ended: so did they
  p.watch = nullptr;
}

storage::result<void> server::stop() {
  auto& p = *parts_;
  p.stopped = true;
  auto result = stop_node(p);
  // Whoever ordered it is told when all is closed: the process may end before they can ask.
  if (p.stop_desk)
    p.self
        ->request(p.stop_desk, farewell_patience,
                  stop_report{result ? std::string{} : result.error().message})
        .receive([](bool) {}, [](const caf::error&) {});
  p.stop_desk = nullptr;
  return result;
}

storage::result<void> server::stop_node(parts& p) {
  if (p.admin)
    p.admin->detach();
  p.registrar.reset(); // clients are sent here no more
  if (p.sockets)
    p.sockets->stop(); // nothing comes from there any more
  p.access.stop();
  p.gateway->set({});
  close_doors(p);
  storage::result<void> result = boost::outcome_v2::success();
  p.self->request(p.node, p.options.stop_deadline, stop_atom_v)
      .receive(
          [&](const stop_report& report) {
            if (!report.left_over.empty())
              result = storage::error{errc::io_error, report.left_over};
          },
          [&](const caf::error& why) {
            result = storage::error{errc::busy,
                                    "the actors did not finish in time: " + from_caf(why).message};
          });
  p.node = nullptr;
  if (p.switchboard)
    p.self->request(p.switchboard, p.options.stop_deadline, stop_atom_v)
        .receive([](bool) {}, [](const caf::error&) {});
  p.switchboard = nullptr;
  for (auto& keeper : {p.kv, p.modes})
    if (keeper)
      keeper->stop();
  if (result && p.store)
    result = storage::close_store(*p.files, p.options.store);
  p.store.reset();
  p.queue_locks.clear();
  p.admin.reset();
  return result;
}

} // namespace troupe::net
