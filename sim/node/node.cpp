#include "sim/node/node.hpp"

#include "actors/node.hpp"
#include "actors/queue_share.hpp"
#include "net/switchboard.hpp"
#include "sim/net/net.hpp"
#include "storage/recovery/store.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace troupe::sim {

namespace {

/// A start that takes longer in virtual time does not come to an end.
constexpr auto start_limit = std::chrono::minutes(10);

constexpr role_set at_files = log_seat.with({store_role::queue_manager});

} // namespace

node_options small_node_options() {
  node_options options;
  options.store.directory = "/data";
  options.store.log_file_size_bytes = 16 * storage::kib;
  options.store.queue_file_size_bytes = 400;
  options.store.index_slots = 16;
  options.store.index_entries = 64;
  options.store.max_message_size_bytes = 8 * storage::kib;
  options.store.delete_when_hours = {};
  options.store.scan_threads = 1; // the simulation is one thread
  options.queue_manager.tail_entries = 8;
  options.queue_manager.open_files = 64;
  options.pull.readers = 1;
  return options;
}

simulated_node::simulated_node(world& w, process_id process, node_options options, std::string name,
                               std::vector<role_set> placement, queue_placement queues)
    : world_(w), process_(process), options_(std::move(options)), clock_(w),
      queues_(std::move(queues)), actor_(std::make_shared<node_actor>()) {
  for (std::size_t i = 0; i < placement.size(); ++i) {
    parts_.push_back({i == 0 ? name : name + "-" + std::to_string(i), placement[i]});
    if (placement[i].has(store_role::door))
      door_ = i;
    if (queues_.beside_log() || !placement[i].has(store_role::queue_manager) ||
        !(placement[i] & log_seat).empty())
      continue;
    parts_[i].own_disk = std::make_unique<simulated_disk>();
    watch(*parts_[i].own_disk);
  }
  if (parts_.size() > 1)
    net_ = std::make_unique<simulated_net>(w);
  watch(disk_);
}

void simulated_node::set_disk_times() {
  disk_.set_time_ms(clock_.now_ms());
  for (auto& p : parts_)
    if (p.own_disk)
      p.own_disk->set_time_ms(clock_.now_ms());
}

void simulated_node::watch(simulated_disk& disk) {
  disk.on_operation = [this](const operation& done) {
    world_.note(static_cast<std::uint64_t>(done.kind));
    world_.note(done.offset);
    if (!done.path.ends_with("/abort")) // holds the process's number
      world_.note(done.size);
  };
}

simulated_node::~simulated_node() {
  kill();
}

// -- starting ------------------------------------------------------------------------------------

storage::result<void> simulated_node::start() {
  if (!running_)
    set_disk_times();
  auto done = open_all();
  if (done)
    done = wait_until_ready();
  if (done && net_)
    done = settle(start_limit);
  if (!done) {
    kill();
    return done;
  }
  if (on_start)
    world_.in_process(process(), on_start);
  return done;
}

/// In an order that is drawn.
storage::result<void> simulated_node::open_all() {
  auto first = world_.random() % parts_.size();
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    auto next = (first + i) % parts_.size();
    if (!runs(next)) {
      TROUPE_TRY(begin(next));
    }
  }
  running_ = true;
  return boost::outcome_v2::success();
}

storage::result<void> simulated_node::open_queues(std::size_t i) {
  auto& p = parts_[i];
  auto several = std::max<std::size_t>(1, queues_.processes.size());
  for (std::size_t share = 0; share < several && !queues_.beside_log(); ++share) {
    bool here =
        queues_.apart ? p.roles.has(store_role::queue_manager) : queues_.processes[share] == i;
    if (!here)
      continue;
    auto options = options_.store;
    options.directory = share_directory(options.directory, static_cast<std::uint32_t>(share),
                                        static_cast<std::uint32_t>(several));
    TROUPE_TRY(auto lock, storage::open_queue_directory(disk_of(p), options));
    p.locks.push_back(std::move(lock));
  }
  return boost::outcome_v2::success();
}

storage::result<void> simulated_node::begin(std::size_t i) {
  auto& p = parts_[i];
  node_setup setup{p.name, "troupe", options_, &disk_of(p), &clock_, nullptr, p.roles};
  setup.queues_beside_log = queues_.beside_log();
  for (auto process : queues_.processes)
    setup.queue_nodes.push_back(parts_[process].name);
  setup.run = ++incarnations_;
  for (auto& other : parts_)
    if (other.name != p.name)
      setup.peers[other.name] = other.roles;
  if (p.roles.has(store_role::writer)) {
    TROUPE_TRY(auto opened, storage::open_store(disk_, options_.store, clock_));
    store_ = std::make_shared<storage::opened_store>(std::move(opened));
    setup.store = store_;
  }
  TROUPE_TRY(open_queues(i));
  world_.in_process(process_at(i), [&] {
    p.node = world_.system().spawn(troupe::node, std::move(setup));
    if (net_)
      spawn_links(p, process_at(i));
  });
  if (i == door_)
    *actor_ = p.node;
  return boost::outcome_v2::success();
}

void simulated_node::spawn_links(part& p, process_id process) {
  net::switchboard_setup setup;
  setup.cluster = "troupe";
  setup.node = p.name;
  setup.incarnation = ++incarnations_;
  for (std::size_t j = 0; j < parts_.size(); ++j)
    setup.peers.push_back({parts_[j].name, "host", static_cast<std::uint16_t>(process_at(j))});
  setup.listener = caf::actor_cast<link_listener>(p.node);
  setup.make_dialer = net_->dialers(process);
  if (link_window_ > 0) {
    setup.limits.open_bytes = link_window_;
    setup.limits.piece_bytes = link_window_ / 4;
  }
  auto board = net::spawn_switchboard(world_.system(), std::move(setup));
  p.switchboard = caf::actor_cast<caf::strong_actor_ptr>(board);
  net_->listen(process, p.switchboard);
  caf::anon_send(p.node, attach_atom_v, p.switchboard);
}

storage::result<void> simulated_node::wait_until_ready() {
  std::vector<answer<std::string>> ready;
  for (auto& p : parts_)
    ready.push_back(world_.request<std::string>(p.node, ready_atom_v));
  auto all_there = [&] { return std::ranges::all_of(ready, [](auto& r) { return r.there(); }); };
  world_.run_until([&] { return all_there() || disk_.crashed(); }, start_limit);
  if (disk_.crashed())
    return storage::error{errc::io_error, "the process died"};
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    auto who = parts_.size() > 1 ? " (" + parts_[i].name + ")" : std::string{};
    if (!ready[i].there())
      return storage::error{errc::busy, "the node does not come up" + who};
    if (ready[i].code() != errc::none)
      return ready[i].get().error();
  }
  return boost::outcome_v2::success();
}

/// What keeps the store from being whole; empty: nothing.
std::string simulated_node::missing(const node_status& now) const {
  for (auto& role : now.roles)
    if (role.state != role_running)
      return "the " + role.role + " is " + role.state;
  for (auto& node : now.nodes) {
    if (node.state != role_running)
      return "node " + node.node + " is " + node.state + ": " + node.reason;
    for (auto& link : node.links)
      if (link.state != "up")
        return "the link from " + node.node + " to " + link.node + " is " + link.state + ": " +
               link.reason;
  }
  if (now.queues.missing > 0)
    return std::to_string(now.queues.missing) + " queue-managers are missing";
  if (!now.waits_for.empty())
    return "it waits for " + now.waits_for;
  if (!now.writer.refusal.empty()) // it says why, and the queues may not get any further
    return {};
  if (now.queues.applied < now.writer.end)
    return "the log ends at " + std::to_string(now.writer.end) + ", and the queues have it up to " +
           std::to_string(now.queues.applied) + ", dispatched up to " +
           std::to_string(now.dispatcher.next);
  if (now.writer.backlog > 0)
    return "the queues have all of the log, and for the writer they lack " +
           std::to_string(now.writer.backlog) + " messages";
  if (options_.store.flush == storage::flush_policy::sync && now.flusher.flushed < now.writer.end)
    return "the log ends at " + std::to_string(now.writer.end) + ", and is flushed up to " +
           std::to_string(now.flusher.flushed);
  return {};
}

storage::result<void> simulated_node::settle(std::chrono::milliseconds limit) {
  constexpr auto look_again = std::chrono::milliseconds(200);
  auto end = world_.now() + limit;
  std::string why = "nobody has answered";
  while (world_.now() < end && !disk_.crashed()) {
    auto given = world_.request<node_status>(parts_[door_].node, status_atom_v);
    world_.run_until([&] { return given.there() || disk_.crashed(); }, end - world_.now());
    if (given.there() && given.code() == errc::none)
      why = missing(given.value());
    if (why.empty())
      return boost::outcome_v2::success();
    world_.run_for(look_again);
  }
  return storage::error{errc::busy, "the store does not come to rest: " + why};
}

// -- ending --------------------------------------------------------------------------------------

storage::result<void> simulated_node::stop(bool writer_first) {
  storage::result<void> left = boost::outcome_v2::success();
  std::set<std::size_t> first;
  std::set<std::size_t> rest;
  for (std::size_t i = 0; i < parts_.size(); ++i)
    if (runs(i))
      (writer_first && parts_[i].roles.has(store_role::writer) ? first : rest).insert(i);
  stop_parts(first, left);
  stop_parts(rest, left);
  kill();
  return left;
}

void simulated_node::stop_parts(std::set<std::size_t> open, storage::result<void>& left) {
  std::map<std::size_t, answer<stop_report>> reports;
  for (auto i : open)
    reports[i] = world_.request<stop_report>(parts_[i].node, stop_atom_v);
  auto over = [&](std::size_t i) { return reports[i].there(); };
  auto end = world_.now() + options_.stop_deadline;
  while (!open.empty() && world_.now() < end && !disk_.crashed()) {
    world_.run_until([&] { return std::ranges::any_of(open, over) || disk_.crashed(); },
                     end - world_.now());
    // Whose node has stopped says goodbye to the others.
    std::erase_if(open, [&](std::size_t i) {
      if (over(i) && parts_[i].switchboard)
        caf::anon_send(caf::actor_cast<caf::actor>(parts_[i].switchboard), stop_atom_v);
      return over(i);
    });
  }
  for (auto& [i, report] : reports) {
    storage::result<void> own = boost::outcome_v2::success();
    if (!report.there())
      own = storage::error{errc::busy, "the actors did not finish in time"};
    else if (report.code() != errc::none)
      own = report.get().error();
    else if (!report.value().left_over.empty())
      own = storage::error{errc::io_error, report.value().left_over};
    else if (parts_[i].roles.has(store_role::writer))
      own = storage::close_store(disk_, options_.store);
    if (!own && left)
      left = own;
  }
}

void simulated_node::end(std::size_t i) {
  forget(i, false);
}

bool simulated_node::cut_power_at(std::size_t i, random_source& random) {
  auto& p = parts_[i];
  if (!p.own_disk)
    return false;
  p.own_disk->crash();
  forget(i, true);
  p.own_disk->power_cut(random);
  return true;
}

void simulated_node::kill() {
  disk_.crash();
  for (auto& p : parts_)
    if (p.own_disk)
      p.own_disk->crash();
  forget_all();
  disk_.restart();
  for (auto& p : parts_)
    if (p.own_disk)
      p.own_disk->restart();
}

survival simulated_node::cut_power(random_source& random) {
  forget_machine();
  return disk_.power_cut(random);
}

void simulated_node::cut_power(survival how, random_source& random) {
  forget_machine();
  disk_.power_cut(how, random);
}

/// Those that share it with the disk end, and nobody is told.
void simulated_node::forget_machine() {
  disk_.crash();
  for (std::size_t i = 0; i < parts_.size(); ++i)
    if (!parts_[i].own_disk && !(parts_[i].roles & at_files).empty())
      forget(i, true);
  running_ = false;
}

void simulated_node::forget_all() {
  for (std::size_t i = 0; i < parts_.size(); ++i)
    forget(i, false);
  running_ = false;
}

/// The actors end, and nothing that they still do reaches the disk.
void simulated_node::forget(std::size_t i, bool silently) {
  auto& p = parts_[i];
  if (i == door_)
    *actor_ = nullptr;
  if (net_)
    net_->end(process_at(i), silently);
  p.node = nullptr;
  p.switchboard = nullptr;
  world_.kill_process(process_at(i));
  p.locks.clear();
  if (p.roles.has(store_role::writer))
    store_.reset();
}

void simulated_node::kill_actor(const std::string& role) {
  for (std::size_t i = 0; i < parts_.size(); ++i)
    world_.kill_actor(process_at(i), role);
}

void simulated_node::stall(const std::string& role, std::chrono::milliseconds span) {
  for (std::size_t i = 0; i < parts_.size(); ++i)
    world_.stall(process_at(i), role, span);
}

std::unique_ptr<simulated_link> simulated_node::connect(process_id client) {
  return std::make_unique<simulated_link>(world_, client, [actor = actor_] { return *actor; });
}

} // namespace troupe::sim
