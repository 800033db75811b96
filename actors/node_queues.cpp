// The queue-managers of a node: where their queues are, and how several are as one.

#include "actors/node.hpp"

#include "actors/patience.hpp"
#include "actors/queue_flusher.hpp"
#include "actors/queue_manager.hpp"
#include "actors/queue_share.hpp"
#include "actors/queue_shares.hpp"
#include "storage/log/log_file.hpp"
#include "storage/logging.hpp"
#include "storage/mutant.hpp"

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

namespace troupe {

namespace {

constexpr auto registrar_patience = std::chrono::seconds(1);

} // namespace

std::string node_state::queue_name(std::uint32_t share) const {
  return share_name(role_name<queue_manager_actor>, share, queue_count());
}

bool node_state::has_queues(const std::string& node, std::uint32_t share) const {
  if (!setup_.queue_nodes.empty())
    return setup_.queue_nodes[share] == node;
  if (node == setup_.name)
    return plays(store_role::queue_manager);
  auto peer = setup_.peers.find(node);
  return peer != setup_.peers.end() && peer->second.has(store_role::queue_manager);
}

bool node_state::queues_elsewhere() const {
  for (std::uint32_t share = 0; share < queue_count(); ++share)
    if (!own_queues(share))
      return true;
  return false;
}

/// The nodes of those that cannot be reached now; empty: all are there.
std::string node_state::away_queues() const {
  if (queue_count() == 1)
    return queue_parts_.front().manager ? std::string() : nodes_with(store_role::queue_manager);
  std::set<std::string> nodes;
  for (std::uint32_t share = 0; share < queue_count(); ++share)
    if (!queue_parts_[share].manager)
      nodes.insert(setup_.queue_nodes[share]);
  std::string names;
  for (auto& node : nodes)
    names += (names.empty() ? "" : ", ") + node;
  return names;
}

// -- starting ------------------------------------------------------------------------------------

void node_state::add_queue_manager(std::uint32_t share) {
  watched_role r;
  r.name = queue_name(share);
  r.replaceable = true;
  r.needs_deletions = !setup_.queues_beside_log;
  r.spawn = [this, share, who = r.name] {
    queue_parts_[share].manager = watch(who, spawn_queue_manager(share));
  };
  r.announce = [this, share] {
    auto table = roles_;
    table.queue_flusher = queue_parts_[share].flusher;
    self_->send(queue_parts_[share].manager, std::move(table));
  };
  r.forget = [this, share] { queue_parts_[share].manager = nullptr; };
  parts_.push_back(std::move(r));
  begin(parts_.back());
}

void node_state::add_queue_flusher(std::uint32_t share) {
  watched_role r;
  r.name = share_name(role_name<queue_flusher_actor>, share, queue_count());
  r.replaceable = true;
  r.spawn = [this, share, who = r.name] {
    queue_parts_[share].flusher = watch(who, spawn_queue_flusher(share));
  };
  r.announce = [this, share] { self_->send(queue_parts_[share].flusher, roles_); };
  r.forget = [this, share] { queue_parts_[share].flusher = nullptr; };
  parts_.push_back(std::move(r));
  begin(parts_.back());
}

node_options node_state::queue_options(std::uint32_t share) const {
  auto options = setup_.options;
  auto& directory = options.store.directory;
  directory = share_directory(directory, share, queue_count());
  return options;
}

queue_manager_actor node_state::spawn_queue_manager(std::uint32_t share) {
  queue_manager_setup setup;
  setup.options = queue_options(share);
  setup.files = setup_.files;
  setup.clock = setup_.clock;
  setup.run = log_->run;
  setup.log_min = log_->min;
  setup.read_only = !log_->read_only.empty();
  setup.tombstones = tombstones_;
  setup.share = share;
  setup.shares = queue_count();
  // Once the writer is open the log grows, and the flusher says how far it is durable.
  constexpr auto unknown = std::numeric_limits<log_offset>::max();
  if (setup_.store && setup_.queues_beside_log) {
    setup.log_end = writer_open_ ? unknown : log_->end;
    setup.flushed = writer_open_ ? 0 : log_->end;
    setup.restarted = serving_;
    setup.replacement = find_role(queue_name(share)).restarts > 0;
    setup.checkpoint = setup_.store->known;
    setup.trust_queues = setup_.store->after_orderly_stop;
    return spawn_blocking(self_->system(), queue_manager, std::move(setup));
  }
  // What clients have seen is not known here. Queues that the writer has not met in this run may
  // have more than the log.
  auto met = setup_.store ? writer_open_ : !log_->queues_unknown;
  setup.log_end = met ? unknown : log_->start;
  setup.flushed = log_->flushed;
  setup.restarted = true;
  setup.replacement = true;
  if (!setup_.queues_beside_log) {
    setup.log_is_here = false;
    if (!TROUPE_MUTANT("deletions-not-asked"))
      setup.tombstones = *deletions_;
    if (setup_.store) // old files may have gone since it was opened
      setup.log_min = storage::log_start(*setup_.files, setup_.options.store, setup.log_min);
  }
  return spawn_blocking(self_->system(), queue_manager, std::move(setup));
}

queue_flusher_actor node_state::spawn_queue_flusher(std::uint32_t share) {
  queue_flusher_setup setup{queue_options(share), setup_.files};
  return spawn_blocking(self_->system(), queue_flusher, std::move(setup));
}

/// Queues away from the log do not find the table of deleted topics beside them.
void node_state::ask_deletions() {
  auto wanted = std::ranges::any_of(
      parts_, [](const watched_role& r) { return r.needs_deletions && r.state == role_waiting; });
  if (!wanted || deletions_ || asking_deletions_ || !roles_.registrar || stopping_)
    return;
  asking_deletions_ = true;
  self_
      ->request(roles_.registrar, patience(self_, roles_.registrar, registrar_patience),
                deleted_atom_v)
      .then(
          [this](deleted_topics& deleted) {
            asking_deletions_ = false;
            deletions_ = std::move(deleted.topics);
            begin_waiting();
          },
          [this](const caf::error&) { asking_deletions_ = false; }); // asked again in a while
}

// -- several as one ------------------------------------------------------------------------------

/// Whoever is told of them meets them again when one is new.
void node_state::join_queues() {
  if (queue_count() == 1) {
    roles_.queue_manager = queue_parts_.front().manager;
    return;
  }
  std::vector<queue_manager_actor> now;
  queue_shares_setup setup;
  for (std::uint32_t share = 0; share < queue_count(); ++share) {
    now.push_back(queue_parts_[share].manager);
    setup.shares.push_back(
        {now.back(), queue_name(share) + " (node " + setup_.queue_nodes[share] + ")"});
  }
  if (roles_.queue_manager && now == joined_)
    return;
  joined_ = std::move(now);
  auto before = std::exchange(roles_.queue_manager,
                              self_->spawn<caf::monitored>(queue_shares, std::move(setup)));
  if (before)
    self_->send_exit(before, caf::exit_reason::user_shutdown);
}

// -- stopping ------------------------------------------------------------------------------------

void node_state::stop_own_queues(const std::function<void()>& next) {
  auto open = std::make_shared<std::size_t>(1);
  auto done = [open, next] {
    if (--*open == 0)
      next();
  };
  for (std::uint32_t share = 0; share < queue_count(); ++share) {
    // One that waits for the log has opened nothing yet.
    if (!own_queues(share) || find_role(queue_name(share)).state == role_waiting)
      continue;
    ++*open;
    stop_waits_ = "the " + queue_name(share) + " to make all durable";
    self_->request(queue_parts_[share].manager, caf::infinite, stop_atom_v)
        .then(
            [this, done](const stop_report& report) {
              leave_over(report.left_over);
              done();
            },
            [this, done, who = queue_name(share)](const caf::error& why) {
              leave_over("stopping the " + who + ": " + render(from_caf(why)));
              done();
            });
  }
  done();
}

} // namespace troupe
