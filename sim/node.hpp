#pragma once

#include "actors/interfaces.hpp"
#include "actors/options.hpp"
#include "sim/disk.hpp"
#include "sim/link.hpp"
#include "sim/world.hpp"
#include "storage/clock.hpp"

#include <functional>
#include <memory>
#include <string>

namespace troupe::storage {
struct opened_store;
}

namespace troupe::sim {

/// A wall clock that runs with the world's time, and can be set.
class world_clock final : public storage::wall_clock {
public:
  explicit world_clock(const world& w) : world_(w) {}
  std::int64_t now_ms() const override { return base_ms_ + world_.now().count(); }
  /// Forwards, or backwards with a negative number.
  void jump(std::chrono::milliseconds by) noexcept { base_ms_ += by.count(); }

private:
  const world& world_;
  std::int64_t base_ms_ = 1'700'000'000'000;
};

/// Options of a node whose log files hold some tens of messages, so that rolling, deleting and
/// recovering happen all the time.
node_options small_node_options();

/// A node of Troupe in a world: the actors of the `troupe` program on a simulated disk. It can be
/// started, stopped, killed and cut off from power as often as wanted; the disk stays.
class simulated_node {
public:
  /// Nothing runs yet. The process's number tells nodes of one world apart.
  simulated_node(world& w, process_id process, node_options options = small_node_options(),
                 std::string name = "n1");
  ~simulated_node();
  simulated_node(const simulated_node&) = delete;
  simulated_node& operator=(const simulated_node&) = delete;

  /// Opens the store and starts the actors; runs the world until the node serves. On an error
  /// nothing runs.
  storage::result<void> start();
  /// An orderly stop, as SIGTERM asks for; runs the world until it is over. The error says what
  /// was left.
  storage::result<void> stop();
  /// The process ends at this moment; what it wrote stays in the page cache.
  void kill();
  /// The machine loses power: of what was not synced only some is left, drawn from `random`.
  survival cut_power(random_source& random);
  void cut_power(survival how, random_source& random);
  /// The process ended because its disk's fault plan says so, or was killed; `kill` cleans up.
  bool crashed() const noexcept { return disk_.crashed(); }
  bool running() const noexcept { return running_; }

  /// One actor dies: "writer", "flusher", "dispatcher", "queue-manager", "reader", ...
  void kill_actor(const std::string& role);
  /// One role waits for its disk.
  void stall(const std::string& role, std::chrono::milliseconds span);

  /// A connection of a client that is in this process (0: the outside).
  std::unique_ptr<simulated_link> connect(process_id client = 0);

  /// Called at the end of each start, in the name of the node's process: who is spawned then lives
  /// as long as it.
  std::function<void()> on_start;

  simulated_disk& disk() noexcept { return disk_; }
  world_clock& clock() noexcept { return clock_; }
  const node_options& options() const noexcept { return options_; }
  process_id process() const noexcept { return process_; }
  const node_actor& actor() const noexcept { return *actor_; }

private:
  void forget();

  world& world_;
  process_id process_;
  node_options options_;
  std::string name_;
  simulated_disk disk_;
  world_clock clock_;
  std::shared_ptr<storage::opened_store> store_;
  std::shared_ptr<node_actor> actor_; ///< shared with the links, which outlive no world
  bool running_ = false;
};

} // namespace troupe::sim
