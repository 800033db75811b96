#include "sim/node/node_run.hpp"

#include "sim/net/net.hpp"
#include "sim/node/node_runner.hpp"
#include "storage/recovery/checkpoint.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>

namespace troupe::sim {

namespace {

constexpr int start_tries = 5;
/// A process dies in the middle of what its actors do.
constexpr std::uint64_t most_steps_before_end = 100;
/// The cleaner looks every few seconds at most, and may have to wait for others.
constexpr int cleaner_patience_s = 40;
/// Above this writes are refused; the cleaner begins to make room at a lower one.
constexpr int full_percent = 90;
constexpr int cleaning_percent = 75;
/// So large that a few percent are room enough for all that a node writes.
constexpr std::uint64_t disk_bytes = 64 * storage::mib;

} // namespace

node_outcome node_runner::run() {
  try {
    prepare();
    for (auto& event : scene_.plan.events) {
      if (event.after.count() > 0) // else it happens while the actors are at work
        scene_.w.run_for(event.after);
      collect();
      say(to_string(event));
      if (event.at_meeting)
        await_meeting(event);
      happen(event);
      ++outcome_.event;
      if (over_)
        break;
    }
    if (!over_)
      finish();
  } catch (const broken& promise) {
    outcome_.failure = promise.what;
  } catch (const std::exception& problem) {
    outcome_.failure = problem.what();
  }
  scene_.w.between_steps = nullptr;
  outcome_.trace = scene_.w.hash();
  outcome_.steps = scene_.w.steps();
  outcome_.messages = scene_.compared;
  return outcome_;
}

void node_runner::say(const std::string& what) const {
  if (tracer_)
    tracer_(std::to_string(scene_.w.now().count()) + " ms: " + what);
}

/// A node with its topics, before anything goes wrong.
void node_runner::prepare() {
  if (auto started = scene_.node.start(); !started)
    throw broken{"the first start fails: " + started.error().message};
  auto session = scene_.open_session();
  for (std::uint32_t t = 0; t < scene_.plan.topics; ++t)
    scene_.ask<topic_info>(session, create_atom_v, clients_.topic(t * scene_.plan.queues));
  if (scene_.plan.transactions)
    scene_.ask<topic_info>(session, create_atom_v, node_transactions::its_topic());
}

/// What clients do. False: it is something else.
bool node_runner::ask(const node_event& event) {
  switch (event.kind) {
  case event_kind::put:
    put(event);
    return true;
  case event_kind::read:
    clients_.read(event);
    return true;
  case event_kind::probe:
    clients_.probe(event);
    return true;
  case event_kind::remove_topic:
    clients_.remove_topic(event);
    return true;
  case event_kind::create_topic:
    clients_.create_topic(event);
    return true;
  case event_kind::send_half:
    transactions_.send(event);
    return true;
  case event_kind::end_half:
    transactions_.end(event);
    return true;
  default:
    return false;
  }
}

void node_runner::happen(const node_event& event) {
  if (!ask(event))
    go_wrong(event);
  if (!scene_.node.running() && !over_) // its process died by a fault of the disk
    restart();
}

void node_runner::go_wrong(const node_event& event) {
  random_source random(event.seed);
  auto& node = scene_.node;
  auto& wire = scene_.wire(event.client);
  switch (event.kind) {
  case event_kind::stop:
  case event_kind::kill:
  case event_kind::power_cut:
    end_process(event, random);
    break;
  case event_kind::kill_actor:
    node.kill_actor(event.role);
    if (event.role == "delayer")
      scene_.ledger.delivery_ended();
    break;
  case event_kind::stall:
    node.stall(event.role, milliseconds(event.span_ms));
    break;
  case event_kind::hold:
    wire.set({wire.conditions().delay, {}, !event.wait, !event.other});
    break;
  case event_kind::heal:
    wire.set({milliseconds(event.span_ms), milliseconds(event.span_ms / 3)});
    break;
  case event_kind::cut:
    wire.cut();
    break;
  case event_kind::disk_fault:
    scene_.disk_lied |= event.disk.what == fault_kind::lying_sync;
    node.disk().set_faults({event.disk});
    break;
  case event_kind::write_back:
    node.disk().write_back(random);
    break;
  case event_kind::clock:
    node.clock().jump(milliseconds(event.span_ms));
    scene_.ledger.clock_set(event.span_ms);
    break;
  case event_kind::rest:
    scene_.w.run_for(milliseconds(event.span_ms));
    break;
  case event_kind::fill_disk:
    fill_disk(event);
    break;
  case event_kind::rot:
    rot(event, random);
    break;
  default:
    spread(event, random);
  }
}

/// What one of two processes says while the other one has not found it yet goes nowhere.
void node_runner::await_meeting(const node_event& event) {
  constexpr auto longest_wait = std::chrono::seconds(3);
  constexpr std::uint64_t most_steps = 150;
  auto& net = *scene_.node.net();
  auto before = net.connections_made();
  scene_.w.run_until([&] { return net.connections_made() > before; }, longest_wait);
  for (auto steps = event.seed % most_steps; steps > 0; --steps)
    scene_.w.step();
}

/// Events of a store in several processes.
void node_runner::spread(const node_event& event, random_source& random) {
  auto& node = scene_.node;
  auto& net = *node.net();
  auto from = node.process_at(event.client);
  auto to = node.process_at(event.queue);
  switch (event.kind) {
  case event_kind::end_process:
  case event_kind::cut_queues:
    for (auto steps = random.below(most_steps_before_end); steps > 0; --steps)
      scene_.w.step();
    if (event.kind != event_kind::cut_queues || !node.cut_power_at(event.client, random))
      node.end(event.client);
    break;
  case event_kind::begin_process:
    if (!node.runs(event.client)) // with a disk that fails it does not; another one may
      (void)node.begin(event.client);
    break;
  case event_kind::freeze:
    net.freeze(from, milliseconds(event.span_ms));
    break;
  case event_kind::cut_link:
    net.cut(from, to);
    break;
  case event_kind::hold_link:
    net.hold(from, to);
    break;
  default:
    net.heal(from, to);
  }
}

/// Some go through the other door, where there is one; frames always wait.
void node_runner::put(const node_event& event) {
  if (!door_ || !event.wait || event.seed % 2 == 0)
    return clients_.put(event);
  auto& others = door_->services();
  clients_.put(event, others[event.seed / 2 % others.size()]);
}

void node_runner::end_process(const node_event& event, random_source& random) {
  auto& node = scene_.node;
  if (event.kind == event_kind::stop) {
    stop();
    return;
  }
  for (auto steps = random.below(most_steps_before_end); steps > 0; --steps)
    scene_.w.step();
  if (event.kind == event_kind::kill) {
    node.kill();
    restart();
  } else {
    collect();
    node.cut_power(random);
    restart(true);
  }
}

/// Ends in order and starts again. What was left over, the next start has to find.
void node_runner::stop() {
  ended_well(scene_.node.stop().has_value());
  restart();
}

void node_runner::collect() {
  clients_.collect();
  transactions_.collect();
  if (door_)
    door_->check();
  for (auto& each : followers_)
    each->check();
}

/// Up again, with what went wrong in the life before behind it; then everything is looked at.
void node_runner::restart(bool lost_power) {
  ++outcome_.restarts;
  if (!std::exchange(in_order_, false))
    scene_.ledger.delivery_ended();
  auto& node = scene_.node;
  if (node.net() != nullptr)
    node.net()->heal();
  scene_.w.drain(); // clients learn that it is away
  collect();
  if (lost_power) {
    transactions_.power_lost();
    for (auto& each : followers_)
      each->power_lost();
  }
  scene_.ledger.end_life();
  bool all_ended = !lost_power || node.net() == nullptr;
  if (all_ended) // else what is in doubt may be under way
    scene_.ledger.topics().new_life();
  auto known =
      storage::load_checkpoint(node.disk(), storage::checkpoint_path(node.options().store));
  if (known && known.value().extension_valid)
    vouched_ = known.value().safe_offset;
  std::string why;
  for (int i = 0; i < start_tries; ++i) {
    auto started = node.start();
    if (started) {
      check_.after_start(lost_power, vouched_, !all_ended);
      return;
    }
    why = started.error().message;
  }
  if (!scene_.disk_lied)
    throw broken{"the node does not start: " + why};
  over_ = true; // it may refuse to use what such a disk has made of its files
}

void node_runner::rot(const node_event& event, random_source& random) {
  if (event.wait) // while it is down
    scene_.node.kill();
  auto& options = scene_.node.options().store;
  say("turned over: " + scene_.rot.strike(scene_.node.disk(), options, random));
  scene_.ledger.log_damaged(scene_.rot.in_log());
  scene_.ledger.deliveries_doubtful(); // a queue with damage may send who reads it back
  if (event.wait)
    restart();
}

// -- a disk that is nearly full ------------------------------------------------------------------

/// The node's own state; nothing if it does not answer now.
std::optional<node_status> node_runner::status() {
  if (!scene_.node.running() || !scene_.node.actor())
    return std::nullopt;
  auto session =
      scene_.w.ask<session_actor>(scene_.node.actor(), hello_atom_v, caf::strong_actor_ptr{});
  if (!session.there() || session.code() != errc::none)
    return std::nullopt;
  auto given = scene_.w.ask<node_status>(session.value(), status_atom_v);
  caf::anon_send_exit(session.value(), caf::exit_reason::user_shutdown);
  if (!given.there() || given.code() != errc::none)
    return std::nullopt;
  return given.value();
}

/// Soon after, writes are refused if it is too full, and are not if it has room.
void node_runner::fill_disk(const node_event& event) {
  auto& node = scene_.node;
  auto& disk = node.disk();
  auto percent = static_cast<std::uint64_t>(event.span_ms);
  disk.set_other_bytes(0);
  auto own = disk.used_bytes();
  disk.set_capacity(disk_bytes);
  disk.set_other_bytes(std::max(own, disk_bytes / 100 * percent) - own);
  scene_.disk_was_full |= event.span_ms > cleaning_percent;
  auto refused_for_room = [](const node_status& now) {
    return now.writer.refusal.find("% full") != std::string::npos;
  };
  for (int second = 0; second < cleaner_patience_s && node.running(); ++second) {
    scene_.w.run_for(std::chrono::seconds(1));
    auto now = status();
    auto usage = disk.usage(node.options().store.directory);
    if (!now || !usage)
      continue;
    auto used = usage.value().used_percent();
    bool refused = !now->writer.refusal.empty();
    if (used > full_percent ? refused : used > cleaning_percent || !refused_for_room(*now)) {
      if (used > full_percent && refused_for_room(*now)) // other reasons may pass sooner
        check_refusal();
      return;
    }
  }
  bool whole = node.net() == nullptr || node.settle(std::chrono::seconds(1));
  if (node.running() && whole && !scene_.disk_lied)
    throw broken{"the disk is " + std::to_string(percent) + " % full since " +
                 std::to_string(cleaner_patience_s) + " s, and writes are " +
                 (percent > full_percent ? "not " : "") + "refused"};
}

/// Writes are refused, with the reason; reads go on.
void node_runner::check_refusal() {
  auto last = scene_.ledger.entries().size();
  node_event event;
  event.size = 10;
  clients_.put(event, scene_.open_session());
  scene_.w.run_for(std::chrono::seconds(1));
  clients_.collect();
  auto now = status();
  auto still = now && !now->writer.refusal.empty();
  if (still && scene_.ledger.at(last).state == put_state::stored)
    throw broken{"a message is stored on a full disk"};
}

node_outcome run_node(const node_plan& plan, const node_tracer& tracer, const open_door& door) {
  node_runner runner(plan, tracer, door);
  return runner.run();
}

} // namespace troupe::sim
