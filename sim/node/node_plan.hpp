#pragma once

#include "actors/store_role.hpp"
#include "sim/disk/fault_plan.hpp"
#include "sim/node/queue_placement.hpp"
#include "sim/random.hpp"

#include <chrono>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::sim {

/// What a run of a whole node is made of. Plain data drawn from a seed before the run, so that it
/// can be shortened without rolling the dice again.
enum class event_kind : std::uint8_t {
  put,        ///< a producer sends a batch
  read,       ///< a consumer pulls, fetches and asks by key, and compares
  probe,      ///< asks how far the node has flushed
  stop,       ///< SIGTERM, then a new start
  kill,       ///< kill -9, then a new start
  power_cut,  ///< the machine goes down, then a new start
  kill_actor, ///< one actor dies
  stall,      ///< one actor waits for its disk
  hold,       ///< a wire holds requests, answers or both
  heal,       ///< it carries again, with a new delay
  cut,        ///< a connection breaks
  disk_fault, ///< the disk's next fault
  write_back, ///< the kernel writes some pages out
  clock,      ///< the wall clock is set
  rest,       ///< time passes
  remove_topic,
  create_topic,
  fill_disk, ///< so much of it is in use from now on
  rot,       ///< a bit of a stored file turns over
  send_half, ///< a producer sends a message of a transaction
  end_half,  ///< and commits one, or rolls it back; perhaps several times
  // Of a store in several processes:
  end_process,   ///< kill -9 of one of them, which stays away
  cut_queues,    ///< the same, where the machine is one for queues alone, by a power cut
  begin_process, ///< it is started again
  freeze,        ///< SIGSTOP, and SIGCONT after a while
  cut_link,      ///< the connection between two of them breaks
  hold_link,     ///< what is sent in one direction waits
  heal_link,
};
std::string_view name_of(event_kind kind) noexcept;

/// Classes of faults, which a run may have or not. Under "lies" (a sync that does nothing and says
/// that it did) little can be promised.
const std::vector<std::string>& fault_classes();

struct node_event {
  event_kind kind = event_kind::put;
  std::chrono::milliseconds after{0}; ///< since the event before
  std::uint32_t client = 0;           ///< which producer, consumer or wire; or process
  std::uint32_t queue = 0;            ///< over all topics; or the other process of a link
  std::uint32_t count = 1;            ///< messages of a batch; of `end_half`: how often it is said
  std::uint32_t size = 0;             ///< bytes of a body, about
  std::int32_t level = 0;             ///< of a put: its messages wait so long; 0: they do not
  bool wait = true;   ///< a put's own flag; of `hold`: requests; of `rot`: it is down
  bool other = false; ///< of `hold`: answers
  std::string role;   ///< of `kill_actor` and `stall`
  /// Of `stall`, `freeze`, `clock` and `rest`; of `heal` the new delay; of `fill_disk` the percent
  /// in use.
  std::int64_t span_ms = 0;
  std::uint64_t seed = 0; ///< for what the event itself has to draw
  fault disk;             ///< of `disk_fault`
  /// A few steps after two processes have connected, which is waited for.
  bool at_meeting = false;
};
std::string to_string(const node_event& event);

struct node_plan {
  std::uint64_t seed = 1;
  bool sync_flush = false;
  std::uint32_t topics = 1;
  std::uint32_t queues = 4; ///< of each topic
  std::uint32_t producers = 2;
  std::uint64_t log_file_bytes = 16 * 1024;
  std::uint32_t capacity = 400'000; ///< of the dispatcher
  std::uint32_t tail_entries = 8;
  bool record_crc = false;
  std::int64_t cleaner_ms = 0;  ///< how often it looks; 0: as a node does
  std::int64_t reserved_ms = 0; ///< how long log files stay; 0: for ever
  bool numbered = false;     ///< producers number their messages, and send again what is not stored
  bool delayed = false;      ///< some messages are to come later
  bool transactions = false; ///< producers have some
  std::vector<role_set> placement = {role_set::every()}; ///< of each process
  queue_placement queue_places;
  std::int64_t net_delay_ms = 0; ///< between processes
  std::uint64_t link_window = 0; ///< bytes on their way between two of them; 0: as a node has it
  std::vector<node_event> events;

  /// True if the wall clock is set in the run: the age of files means nothing then.
  bool sets_clock() const noexcept;
  bool breaks_disk() const noexcept;
  /// True if one process may lose sight of another: what it asked for may be done, or not.
  bool breaks_links() const noexcept;
  /// Queues apart from the log, and nothing else with files, are at this process.
  bool has_queues_alone(std::size_t process) const noexcept;
};
/// The knobs in one line.
std::string to_string(const node_plan& plan);

/// What the seed says; only with faults of these classes.
node_plan draw_plan(std::uint64_t seed, const std::set<std::string>& classes);

/// Those of a store in several processes, with some more.
const std::vector<std::string>& spread_fault_classes();
/// The same for a store whose roles the seed places in two to five processes.
node_plan draw_spread_plan(std::uint64_t seed, const std::set<std::string>& classes);

} // namespace troupe::sim
