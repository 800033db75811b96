#pragma once

#include "actors/interfaces.hpp"
#include "sim/node/node_plan.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe::sim {

struct node_scene;

struct node_outcome {
  std::optional<std::string> failure; ///< which promise was broken, and where
  std::size_t event = 0;              ///< the event before which it was seen
  std::uint64_t trace = 0;            ///< of every step and every call of the disk
  std::uint64_t steps = 0;
  std::uint64_t messages = 0; ///< that came back and were compared
  std::uint64_t restarts = 0;
};

/// Gets each event before it happens, and what the node writes to its log.
using node_tracer = std::function<void(const std::string&)>;

/// Another way to the node than its sessions, through which one more consumer comes.
class other_door {
public:
  virtual ~other_door() = default;
  /// One for each of its clients; at least one.
  virtual const std::vector<store_service>& services() const noexcept = 0;
  /// Throws `broken` for what has gone wrong.
  virtual void check() const = 0;
  /// From now on it does nothing bad by itself.
  virtual void heal() = 0;
};
using open_door = std::function<std::unique_ptr<other_door>(node_scene&)>;

/// Runs a whole node, its clients and what goes wrong, all in one thread and in virtual time, and
/// checks what the clients were promised: while it runs, after every restart, and at the end when
/// nothing goes wrong any more and everything has to be answered.
node_outcome run_node(const node_plan& plan, const node_tracer& tracer = nullptr,
                      const open_door& door = nullptr);

/// The same without the tracer, or something like it.
using node_run_function = std::function<node_outcome(const node_plan&)>;
/// A plan with fewer events for which `run` still fails.
node_plan shorten(node_plan plan, const node_run_function& run);

} // namespace troupe::sim
