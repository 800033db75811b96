#include "net/server.hpp"

#include "actors/front.hpp"
#include "actors/node.hpp"
#include "net/descriptors.hpp"
#include "net/gateway/gateway.hpp"
#include "net/gateway/socket_server.hpp"
#include "net/port_check.hpp"
#include "storage/clock.hpp"
#include "storage/logging.hpp"

#include <algorithm>
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
  node_actor node;
  front_actor front;
  std::unique_ptr<socket_server> sockets; ///< null: the gateway is off
  gateway_options gateway_settings;
  gateway_actor gateway;
  bool stopped = false;
};

namespace {

storage::result<void> check_roles(const node_config& node) {
  if (node.roles == std::vector<std::string>{"all"})
    return boost::outcome_v2::success();
  return storage::error{errc::invalid_argument,
                        "node " + node.name +
                            ": roles must be 'all': this release runs every role in one process"};
}

} // namespace

/// Takes the ports for RocketMQ clients; message ids carry the first.
storage::result<void> server::listen_for_remoting(parts& p, const cluster_config& cluster) {
  if (!cluster.gateway.enabled)
    return boost::outcome_v2::success();
  std::vector<std::uint16_t> ports{p.config.remoting_port};
  if (p.config.name_server_port)
    ports.push_back(*p.config.name_server_port);
  auto sockets = socket_server::listen(p.gateway_settings, p.config.host, ports);
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
  if (auto free = check_port(p.config.host, p.config.actor_port); !free)
    listening = storage::error{errc::unavailable,
                               free.error().message +
                                   " (actor-port): is another node running there, and is the "
                                   "address one of this machine?"};
  else
    listening = listen_for_remoting(p, cluster);
  if (listening)
    return listening;
  auto& directory = p.options.store.directory;
  if (p.files->list(directory)) {
    if (auto lock = p.files->lock(directory + "/lock"); !lock && lock.error().code == errc::locked)
      return lock.error();
  }
  return listening;
}

storage::result<void> server::start_gateway(parts& p) {
  auto port = std::to_string(p.sockets->ports().front());
  p.gateway = spawn_gateway(p.system, {.node = p.node,
                                       .address = {.cluster = p.cluster,
                                                   .broker = p.config.name,
                                                   .address = p.config.advertised() + ":" + port},
                                       .node_settings = p.options,
                                       .options = p.gateway_settings,
                                       .send = p.sockets->send_function()});
  auto to = p.gateway;
  return p.sockets->start(
      {.requests = [to](arrived batch) { caf::anon_send(to, std::move(batch)); },
       .end = [to](departed who) { caf::anon_send(to, who); }});
}

server::server(std::unique_ptr<parts> p) : parts_(std::move(p)) {}

server::~server() {
  if (!parts_->stopped && parts_->node)
    (void)stop();
}

storage::result<std::unique_ptr<server>> server::start(caf::actor_system& system,
                                                       const cluster_config& cluster,
                                                       const node_config& node_settings,
                                                       storage::file_system& files,
                                                       storage::progress_sink progress) {
  TROUPE_TRY(check_roles(node_settings));
  auto p = std::make_unique<parts>(system);
  p->config = node_settings;
  p->cluster = cluster.cluster_name;
  p->options = options_of(cluster, node_settings);
  p->files = &files;
  auto shares = take_descriptors(cluster.gateway.enabled ? cluster.gateway.connections : 0);
  auto& open_files = p->options.queue_manager.open_files;
  open_files = open_files == 0 ? shares.queue_files : std::min(open_files, shares.queue_files);
  p->gateway_settings = cluster.gateway;
  p->gateway_settings.connections = shares.connections;
  TROUPE_TRY(check_doors(*p, cluster));
  auto& clock = storage::system_wall_clock();
  TROUPE_TRY(auto opened, storage::open_store(files, p->options.store, clock, std::move(progress)));
  storage::log_info("store.opened", {{"after", opened.after_orderly_stop ? "stop" : "crash"},
                                     {"log_min", opened.log.min_offset},
                                     {"log_end", opened.log.end}});
  p->store = std::make_shared<storage::opened_store>(std::move(opened));
  node_setup setup{node_settings.name, cluster.cluster_name, p->options, &files, &clock, p->store};
  p->node = system.spawn(troupe::node, std::move(setup));
  storage::result<void> ready = boost::outcome_v2::success();
  p->self->request(p->node, caf::infinite, ready_atom_v)
      .receive([](const std::string&) {}, [&](const caf::error& why) { ready = from_caf(why); });
  std::unique_ptr<server> made{new server(std::move(p))};
  TROUPE_TRY(ready);
  return made;
}

storage::result<server::address> server::publish() {
  auto& p = *parts_;
  p.front = p.system.spawn(front, front_setup{p.node, p.config.name, p.cluster, p.options.session});
  auto port =
      p.system.middleman().publish(p.front, p.config.actor_port, p.config.host.c_str(), true);
  if (!port)
    return storage::error{errc::unavailable, "cannot listen at " + p.config.host + ":" +
                                                 std::to_string(p.config.actor_port) +
                                                 " (actor-port): is another node running there, "
                                                 "and is the address one of this machine?"};
  address bound{*port};
  if (p.sockets) {
    auto ports = p.sockets->ports();
    bound.remoting_port = ports.front();
    bound.name_server_port = ports.size() > 1 ? ports.back() : std::uint16_t{0};
    TROUPE_TRY(start_gateway(p));
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

storage::result<void> server::stop() {
  auto& p = *parts_;
  p.stopped = true;
  if (p.sockets)
    p.sockets->stop(); // nothing comes from there any more
  if (p.gateway)
    caf::anon_send_exit(p.gateway, caf::exit_reason::user_shutdown);
  p.gateway = nullptr;
  if (p.front) {
    p.system.middleman().unpublish(p.front);
    caf::anon_send_exit(p.front, caf::exit_reason::user_shutdown);
    p.front = nullptr;
  }
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
  if (result)
    result = storage::close_store(*p.files, p.options.store);
  p.store.reset();
  return result;
}

} // namespace troupe::net
