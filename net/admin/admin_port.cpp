#include "net/admin/admin_port.hpp"

#include "net/admin/metrics.hpp"
#include "net/admin/page_assets.hpp"
#include "net/admin/readiness.hpp"
#include "storage/logging.hpp"

#include <algorithm>
#include <atomic>
#include <utility>

namespace troupe::net {

namespace {

/// Whoever lets go of a reply without an answer, because he ended, gives this one: nobody waits for
/// ever.
class owed_reply {
public:
  explicit owed_reply(admin_reply to) : to_(std::move(to)) {}
  owed_reply(const owed_reply&) = delete;
  owed_reply& operator=(const owed_reply&) = delete;
  ~owed_reply() { give(text_answer("whoever was asked ended before he answered\n", 503)); }

  void give(admin_answer answer) {
    if (!given_.exchange(true))
      to_(std::move(answer));
  }

private:
  admin_reply to_;
  std::atomic<bool> given_{false};
};

admin_reply keep(admin_reply reply) {
  auto owed = std::make_shared<owed_reply>(std::move(reply));
  return [owed](admin_answer answer) { owed->give(std::move(answer)); };
}

admin_answer asset_answer(const page_asset& asset) {
  return {200, std::string(asset.type), std::make_shared<std::string>(asset.bytes),
          std::string(asset.tag)};
}

std::vector<std::string> hosts_of(const node_config& node) {
  auto hosts = node.admin_hosts;
  if (node.admin_host != every_address)
    hosts.push_back(node.admin_host);
  return hosts;
}

} // namespace

storage::result<std::unique_ptr<admin_port>> admin_port::open(const cluster_config& cluster,
                                                              const node_config& node,
                                                              std::size_t most_connections) {
  bool wanted = node.places.contains("admin-port");
  if (!node.admin_port || (!wanted && !node.has_door()))
    return std::unique_ptr<admin_port>();
  auto options = cluster.admin;
  options.connections = std::min(options.connections, most_connections);
  auto server = admin_server::listen(options, node.admin_host, *node.admin_port, hosts_of(node));
  if (!server && wanted)
    return storage::error{server.error().code,
                          server.error().message + " (admin-port of node " + node.name +
                              "): is another node running there, and is the address one of this "
                              "machine?"};
  if (!server) {
    storage::log_warning("admin.no_port", {{"reason", server.error().message},
                                           {"hint", "admin-port of the node gives it another one, "
                                                    "or says off"}});
    return std::unique_ptr<admin_port>();
  }
  std::unique_ptr<admin_port> made{new admin_port(std::move(server).value(), cluster.cluster_name,
                                                  node.name, cluster.admin.series)};
  made->disk_percent_ = {cluster.options.store.disk_max_used_percent,
                         cluster.options.store.disk_clean_forcibly_percent,
                         cluster.options.store.disk_warning_percent};
  TROUPE_TRY(
      made->server_->start([p = made.get()](const admin_request& request, admin_reply reply) {
        p->take(request, keep(std::move(reply)));
      }));
  return made;
}

admin_port::admin_port(std::unique_ptr<admin_server> server, std::string cluster, std::string node,
                       std::size_t most_series)
    : server_(std::move(server)), cluster_(std::move(cluster)), node_(std::move(node)),
      most_series_(most_series) {}

admin_port::~admin_port() {
  detach();
  server_->stop();
}

void admin_port::attach(caf::actor_system& system, node_actor node,
                        std::shared_ptr<const gateway_place> gateway,
                        std::function<socket_bytes()> bytes) {
  progress_->enter(start_progress::phase::waiting);
  auto made = spawn_admin(system, {cluster_, node_, most_series_, std::move(node), progress_,
                                   std::move(gateway), std::move(bytes), disk_percent_});
  std::lock_guard lock(mutex_);
  actor_ = std::move(made);
}

void admin_port::detach() {
  progress_->enter(start_progress::phase::stopping);
  admin_actor gone;
  {
    std::lock_guard lock(mutex_);
    gone = std::exchange(actor_, admin_actor{});
  }
  if (gone)
    caf::anon_send_exit(gone, caf::exit_reason::user_shutdown);
}

admin_actor admin_port::actor() {
  std::lock_guard lock(mutex_);
  return actor_;
}

/// On the server's thread.
void admin_port::take(const admin_request& request, admin_reply reply) {
  if (request.path == "/livez")
    return reply(text_answer("alive\n"));
  if (auto* asset = find_asset(request.path))
    return reply(asset_answer(*asset));
  if (auto who = actor())
    return caf::anon_send(who, admin_question{request, std::move(reply)});
  reply(answer_early(request));
}

/// While there is no node that could be asked.
admin_answer admin_port::answer_early(const admin_request& request) const {
  auto now = progress_->read();
  if (request.path == "/metrics")
    return {200,
            "text/plain; version=0.0.4; charset=utf-8",
            std::make_shared<std::string>(metrics_text(
                {.cluster = cluster_, .node = node_, .start = now, .most_series = most_series_})),
            {}};
  bool verbose = request.path == "/readyz" && request.query == "verbose";
  return text_answer(readiness_text(check_readiness(now, nullptr), verbose), 503);
}

} // namespace troupe::net
