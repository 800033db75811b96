#include "sim/node.hpp"

#include "actors/node.hpp"
#include "storage/store.hpp"

#include <utility>

namespace troupe::sim {

namespace {

/// A start that takes longer in virtual time does not come to an end.
constexpr auto start_limit = std::chrono::minutes(10);

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

simulated_node::simulated_node(world& w, process_id process, node_options options, std::string name)
    : world_(w), process_(process), options_(std::move(options)), name_(std::move(name)), clock_(w),
      actor_(std::make_shared<node_actor>()) {
  disk_.on_operation = [this](const operation& done) {
    world_.note(static_cast<std::uint64_t>(done.kind));
    world_.note(done.offset);
    if (!done.path.ends_with("/abort")) // holds the process's number
      world_.note(done.size);
  };
}

simulated_node::~simulated_node() {
  kill();
}

storage::result<void> simulated_node::start() {
  disk_.set_time_ms(clock_.now_ms());
  auto opened = storage::open_store(disk_, options_.store, clock_);
  if (!opened)
    return std::move(opened).error();
  store_ = std::make_shared<storage::opened_store>(std::move(opened).value());
  running_ = true;
  world_.in_process(process_, [this] {
    node_setup setup{name_, "troupe", options_, &disk_, &clock_, store_};
    *actor_ = world_.system().spawn(troupe::node, std::move(setup));
  });
  auto ready = world_.request<std::string>(*actor_, ready_atom_v);
  world_.run_until([&] { return ready.there() || disk_.crashed(); }, start_limit);
  if (!ready.there() || ready.code() != errc::none) {
    auto why = ready.there()     ? ready.get().error()
               : disk_.crashed() ? storage::error{errc::io_error, "the process died"}
                                 : storage::error{errc::busy, "the node does not come up"};
    kill();
    return why;
  }
  if (on_start)
    world_.in_process(process_, on_start);
  return boost::outcome_v2::success();
}

storage::result<void> simulated_node::stop() {
  auto report = world_.request<stop_report>(*actor_, stop_atom_v);
  world_.run_until([&] { return report.there() || disk_.crashed(); }, options_.stop_deadline);
  storage::result<void> result = boost::outcome_v2::success();
  if (!report.there())
    result = storage::error{errc::busy, "the actors did not finish in time"};
  else if (report.code() != errc::none)
    result = report.get().error();
  else if (!report.value().left_over.empty())
    result = storage::error{errc::io_error, report.value().left_over};
  else
    result = storage::close_store(disk_, options_.store);
  kill();
  return result;
}

void simulated_node::kill() {
  forget();
  disk_.restart();
}

survival simulated_node::cut_power(random_source& random) {
  forget();
  return disk_.power_cut(random);
}

void simulated_node::cut_power(survival how, random_source& random) {
  forget();
  disk_.power_cut(how, random);
}

/// The actors end, and nothing that they still do reaches the disk.
void simulated_node::forget() {
  disk_.crash();
  running_ = false;
  *actor_ = nullptr;
  world_.kill_process(process_);
  store_.reset();
}

void simulated_node::kill_actor(const std::string& role) {
  world_.kill_actor(process_, role);
}

void simulated_node::stall(const std::string& role, std::chrono::milliseconds span) {
  world_.stall(process_, role, span);
}

std::unique_ptr<simulated_link> simulated_node::connect(process_id client) {
  return std::make_unique<simulated_link>(world_, client, [actor = actor_] { return *actor; });
}

} // namespace troupe::sim
