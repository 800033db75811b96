#pragma once

#include "sim/node/node_check.hpp"
#include "sim/node/node_clients.hpp"
#include "sim/node/node_follower.hpp"
#include "sim/node/node_run.hpp"
#include "sim/node/node_scene.hpp"
#include "sim/node/node_transactions.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe::sim {

using std::chrono::milliseconds;

/// One run of a plan: what happens (node_run.cpp), and how it comes to rest (node_finish.cpp).
class node_runner {
public:
  node_runner(const node_plan& plan, const node_tracer& tracer, const open_door& door)
      : tracer_(tracer), scene_(plan), clients_(scene_), transactions_(scene_),
        check_(scene_, clients_, transactions_) {
    if (plan.breaks_links()) // one process may not hear what another has stored
      scene_.ledger.deliveries_doubtful();
    auto& wire = scene_.wire(plan.producers);
    follow(wire.service(), "followers", false);
    if (!door)
      return;
    door_ = door(scene_);
    for (auto& client : door_->services())
      follow(client, "frames-" + std::to_string(followers_.size()), true);
  }

  node_outcome run();

private:
  void prepare();
  void happen(const node_event& event);
  bool ask(const node_event& event);
  void go_wrong(const node_event& event);
  void put(const node_event& event);
  void end_process(const node_event& event, random_source& random);
  void follow(const store_service& service, const std::string& group, bool told_begin) {
    followers_.push_back(std::make_unique<node_follower>(scene_, service, group, told_begin));
  }
  void await_meeting(const node_event& event);
  void spread(const node_event& event, random_source& random);
  bool check_settled(milliseconds limit);
  void check_spread();
  void stop();
  /// What a disk has failed to write is in doubt, and delivered again, however the life ends.
  void ended_well(bool in_order) { in_order_ = in_order && !scene_.plan.breaks_disk(); }
  void restart(bool lost_power = false);
  void collect();
  void rot(const node_event& event, random_source& random);
  void fill_disk(const node_event& event);
  std::optional<node_status> status();
  void check_refusal();
  void say(const std::string& what) const;
  void finish();
  void begin_all();
  void store_one_more();

  const node_tracer& tracer_;
  node_scene scene_;
  node_clients clients_;
  node_transactions transactions_;
  node_check check_;
  std::unique_ptr<other_door> door_;
  std::vector<std::unique_ptr<node_follower>> followers_;
  log_offset vouched_ = 0; ///< by the last checkpoint that was there after a life
  bool in_order_ = false;  ///< so the life before has ended
  bool over_ = false;      ///< nothing more can be expected of this disk
  node_outcome outcome_;
};

} // namespace troupe::sim
