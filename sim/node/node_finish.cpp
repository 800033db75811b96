// How a run comes to rest, and what has to be there then.

#include "sim/net/net.hpp"
#include "sim/node/node_runner.hpp"

#include <algorithm>
#include <limits>

namespace troupe::sim {

namespace {

/// Long enough for every deadline of client, session and actors.
constexpr auto until_all_answered = std::chrono::seconds(60);
/// All processes have found each other, and the queues have caught up, in much less time.
constexpr auto until_whole = std::chrono::seconds(20);
constexpr auto endless = std::numeric_limits<std::uint64_t>::max() / 2;

} // namespace

/// Nothing goes wrong any more: everything is answered, and a new start finds everything again.
void node_runner::finish() {
  for (auto& each : scene_.wires)
    each->set({});
  if (door_)
    door_->heal();
  scene_.node.disk().set_faults({});
  scene_.node.disk().set_other_bytes(0);
  scene_.node.disk().set_capacity(endless);
  begin_all();
  check_settled(until_whole);
  scene_.w.run_for(until_all_answered);
  clients_.collect();
  transactions_.collect();
  if (!clients_.all_answered() || !transactions_.all_answered())
    throw broken{"a request was not answered within a minute"};
  check_spread();
  if (auto now = status(); now && now->writer.refusal.find("% full") != std::string::npos)
    throw broken{"the disk has room, and writes are refused: " + now->writer.refusal};
  if (scene_.node.running()) {
    check_.check_queue_begins();
    check_.await_deliveries();
    check_.await_transactions();
  } else {
    restart();
  }
  if (over_)
    return;
  stop();
  if (over_)
    return;
  store_one_more();
  auto stopped = scene_.node.stop(true);
  ended_well(stopped.has_value());
  if (!stopped && !scene_.rot.in_log() && !scene_.disk_lied)
    throw broken{"a healthy node does not stop in order: " + stopped.error().message};
  restart();
  if (over_)
    return;
  check_.await_deliveries();
  check_.await_transactions();
  for (auto& each : followers_)
    each->catch_up(check_.found());
  collect();
}

/// The processes that are away come back.
void node_runner::begin_all() {
  auto& node = scene_.node;
  if (node.crashed())
    node.kill();
  if (node.net() == nullptr || !node.running())
    return;
  node.net()->heal();
  for (std::size_t i = 0; i < node.process_count(); ++i) {
    if (node.runs(i))
      continue;
    if (auto begun = node.begin(i); !begun && !scene_.disk_lied)
      throw broken{"a process does not start: " + begun.error().message};
  }
}

/// Whatever ended or was cut off, without a restart of the rest all is there soon. False if who
/// ends writing until one has ended it.
bool node_runner::check_settled(milliseconds limit) {
  auto& node = scene_.node;
  if (node.net() == nullptr || !node.running())
    return false;
  auto settled = node.settle(limit);
  auto now = status();
  auto ended = [&](const role_status& role) { return role.state == role_stopped; };
  if (now && (std::ranges::any_of(now->roles, ended) || !now->writer.refusal.empty()))
    return false;
  if (!settled)
    throw broken{settled.error().message};
  return true;
}

/// And it can be read, and more be stored.
void node_runner::check_spread() {
  if (!check_settled(until_all_answered))
    return;
  check_.after_start(false, vouched_, true);
  store_one_more();
}

void node_runner::store_one_more() {
  node_event last;
  last.size = 10;
  clients_.create_topic(last);
  clients_.send_rest();
  scene_.w.run_for(std::chrono::seconds(3));
  clients_.collect();
  clients_.put(last, scene_.wire(0).service());
  scene_.w.run_for(std::chrono::seconds(10)); // wires may be slow
  clients_.collect();
  auto& stored = scene_.ledger.entries().back();
  auto state = stored.state;
  if (state == put_state::stored && !scene_.rot.anywhere() && !scene_.disk_lied &&
      !std::ranges::all_of(followers_, [&](auto& f) { return f->was_shown(stored.number); }))
    throw broken{"a message is stored for ten seconds, and whoever waits for it is not told"};
  // Damage in the middle of the log, and nothing is written before a repair.
  bool may_refuse = scene_.rot.in_log() || scene_.disk_lied;
  if (state == put_state::stored || (may_refuse && state == put_state::refused))
    return;
  throw broken{state == put_state::open
                   ? "a healthy node does not answer a put"
                   : "a healthy node does not store: " + clients_.last_refusal()};
}

} // namespace troupe::sim
