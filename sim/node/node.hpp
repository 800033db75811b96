#pragma once

#include "actors/interfaces.hpp"
#include "actors/options.hpp"
#include "actors/store_role.hpp"
#include "sim/disk/disk.hpp"
#include "sim/net/link.hpp"
#include "sim/node/queue_placement.hpp"
#include "sim/world.hpp"
#include "storage/clock.hpp"

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

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

class simulated_net;

/// A node of Troupe in a world: the actors of the `troupe` program on a simulated disk. It can be
/// started, stopped, killed and cut off from power as often as wanted; the disk stays.
///
/// Its roles may be placed in several processes, which meet over a simulated net. Those that have
/// files share the disk and its machine, but for queue-managers that have a directory of their own:
/// they may be on a machine of theirs, as those are that have no files.
class simulated_node {
public:
  /// Nothing runs yet. The process's number tells nodes of one world apart; several processes take
  /// those that follow.
  simulated_node(world& w, process_id process, node_options options = small_node_options(),
                 std::string name = "n1", std::vector<role_set> placement = {role_set::every()},
                 queue_placement queues = {});
  ~simulated_node();
  simulated_node(const simulated_node&) = delete;
  simulated_node& operator=(const simulated_node&) = delete;

  /// Opens the store and starts the actors, of each process that does not run; runs the world until
  /// the node serves. On an error nothing runs.
  storage::result<void> start();
  /// An orderly stop, as SIGTERM asks for, of all processes at once, or of that with the writer
  /// first; runs the world until it is over. The error says what was left.
  storage::result<void> stop(bool writer_first = false);
  /// All processes end at this moment; what they wrote stays in the page cache.
  void kill();
  /// The machine with the disk loses power: of what was not synced only some is left, drawn from
  /// `random`. Processes elsewhere go on, and hear nothing.
  survival cut_power(random_source& random);
  void cut_power(survival how, random_source& random);
  /// A process ended because the disk's fault plan says so, or was killed; `kill` cleans up.
  bool crashed() const noexcept { return disk_.crashed(); }
  bool running() const noexcept { return running_; }

  /// One actor dies: "writer", "flusher", "dispatcher", "queue-manager", "reader", ...
  void kill_actor(const std::string& role);
  /// One role waits for its disk.
  void stall(const std::string& role, std::chrono::milliseconds span);

  /// A connection of a client that is in this process (0: the outside).
  std::unique_ptr<simulated_link> connect(process_id client = 0);

  /// Called at the end of each start, in the name of the process with the door: who is spawned then
  /// lives as long as it.
  std::function<void()> on_start;

  // -- several processes, by their place in the placement --

  std::size_t process_count() const noexcept { return parts_.size(); }
  process_id process_at(std::size_t i) const noexcept {
    return process_ + static_cast<process_id>(i);
  }
  bool runs(std::size_t i) const noexcept { return parts_[i].node != nullptr; }
  /// Begins to run, and looks for the others; does not wait for them.
  storage::result<void> begin(std::size_t i);
  /// As `kill -9` ends a process.
  void end(std::size_t i);
  /// A machine for queues alone loses power, and its process with it. False: it has none.
  bool cut_power_at(std::size_t i, random_source& random);
  /// Null if there is one process only.
  simulated_net* net() noexcept { return net_.get(); }
  /// Bytes that a link hands to the net before the other end has taken any; 0: as a node does. For
  /// processes that begin from now on.
  void set_link_window(std::uint64_t bytes) noexcept { link_window_ = bytes; }
  /// Runs the world until every role is where it should be and the queues have all of the log, or
  /// says what is missing.
  storage::result<void> settle(std::chrono::milliseconds limit);

  simulated_disk& disk() noexcept { return disk_; }
  world_clock& clock() noexcept { return clock_; }
  const node_options& options() const noexcept { return options_; }
  /// Of the door.
  process_id process() const noexcept { return process_at(door_); }
  const node_actor& actor() const noexcept { return *actor_; }

private:
  struct part {
    std::string name;
    role_set roles;
    node_actor node = {};
    caf::strong_actor_ptr switchboard = {};        ///< null if there is one process only
    std::unique_ptr<simulated_disk> own_disk = {}; ///< of a machine for its queues alone
    std::vector<std::unique_ptr<storage::file_lock>> locks = {};
  };

  storage::result<void> open_all();
  storage::result<void> open_queues(std::size_t i);
  simulated_disk& disk_of(part& p) noexcept { return p.own_disk ? *p.own_disk : disk_; }
  void watch(simulated_disk& disk);
  void set_disk_times();
  storage::result<void> wait_until_ready();
  std::string missing(const node_status& now) const;
  void spawn_links(part& p, process_id process);
  /// The first thing that is left over goes into `left`.
  void stop_parts(std::set<std::size_t> open, storage::result<void>& left);
  void forget(std::size_t i, bool silently);
  void forget_machine();
  void forget_all();

  world& world_;
  process_id process_;
  node_options options_;
  simulated_disk disk_;
  world_clock clock_;
  std::vector<part> parts_;
  queue_placement queues_;
  std::size_t door_ = 0;
  std::unique_ptr<simulated_net> net_;
  std::uint64_t incarnations_ = 0; ///< of all processes
  std::uint64_t link_window_ = 0;
  std::shared_ptr<storage::opened_store> store_;
  std::shared_ptr<node_actor> actor_; ///< shared with the links, which outlive no world
  bool running_ = false;
};

} // namespace troupe::sim
