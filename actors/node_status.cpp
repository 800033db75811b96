// What a node says of itself and of the others.

#include "actors/node.hpp"

#include <algorithm>
#include <utility>

namespace troupe {

namespace {

constexpr auto status_timeout = std::chrono::seconds(1);

/// What this asks of a switchboard.
using link_status_source = caf::typed_actor<handles<link_report(status_atom)>>;

/// What the links know belongs to the nodes, too.
void complete_nodes(node_status& s) {
  for (auto& n : s.nodes) {
    if (n.node == s.node)
      n.links = s.links;
    for (auto& link : s.links)
      if (link.node == n.node && n.reason.empty() && n.state == role_away)
        n.reason = link.reason;
  }
}

/// A node knows of its own roles what others do not see. One that does not answer itself is silent
/// all the same.
void take_word(std::vector<role_status>& known, const std::vector<role_status>& own) {
  for (auto& word : own)
    for (auto& role : known)
      if (role.role == word.role && role.node == word.node && role.state != role_silent)
        role = word;
}

} // namespace

/// Whoever brings one more part of the answer calls this in the end; the last one gives the answer.
std::function<void()> node_state::await_one(const std::shared_ptr<gathering>& g) {
  ++g->open;
  return [g] {
    if (--g->open == 0)
      g->promise.deliver(std::move(g->status));
  };
}

template <class Status, class Handle>
void node_state::ask(const std::shared_ptr<gathering>& g, const Handle& whom,
                     Status node_status::*part) {
  constexpr auto who = role_name<Handle>;
  bool there = std::ranges::any_of(g->status.roles, [](const role_status& r) {
    return ::troupe::plays(r, who) && r.state == role_running;
  });
  if (!whom || !there)
    return;
  auto finished = await_one(g);
  self_->request(whom, status_timeout, status_atom_v)
      .then(
          [g, part, finished](const Status& answer) {
            g->status.*part = answer;
            finished();
          },
          [g, finished](const caf::error&) {
            for (auto& r : g->status.roles)
              if (r.role == who)
                r.state = role_silent;
            finished();
          });
}

std::int64_t node_state::ms_since(caf::actor_clock::time_point then) const {
  return std::chrono::duration_cast<milliseconds>(self_->clock().now() - then).count();
}

/// Who is reachable is no more than who had a link the last time that one was heard of.
void node_state::add_roles_elsewhere(std::vector<role_status>& all) const {
  for (auto& [role, node] : roles_.elsewhere) {
    auto up = std::ranges::any_of(peers_, [&role = role](auto& peer) {
      return std::ranges::any_of(peer.second, [&](auto& given) { return given.role == role; });
    });
    auto seen = seen_.find(node);
    auto since = seen == seen_.end() ? std::int64_t{0} : ms_since(seen->second.since);
    all.push_back({role, up ? role_running : role_away, 0, node, since});
  }
}

std::vector<role_status> node_state::own_roles() const {
  std::vector<role_status> all;
  for (auto& r : parts_)
    all.push_back({r.name, r.state, r.restarts, setup_.name, ms_since(r.since)});
  return all;
}

caf::result<link_report> node_state::links() {
  link_report own{{}, own_roles()};
  if (!switchboard_)
    return own;
  kept_promise<link_report> promise{self_};
  self_->request(caf::actor_cast<link_status_source>(switchboard_), status_timeout, status_atom_v)
      .then(
          [promise, own](link_report& report) mutable {
            own.links = std::move(report.links);
            promise.deliver(std::move(own));
          },
          [promise, own](const caf::error&) mutable { promise.deliver(std::move(own)); });
  return promise;
}

/// Each of the others knows its own links, and whether it is there at all.
void node_state::ask_nodes(const std::shared_ptr<gathering>& g) {
  if (!spread())
    return;
  auto& all = g->status.nodes;
  all.push_back({setup_.name, to_text(setup_.roles), role_running, ms_since(started_), {}, {}});
  for (auto& [peer, roles] : setup_.peers) {
    auto& seen = seen_[peer];
    auto index = all.size();
    all.push_back({peer, to_text(roles), role_away, ms_since(seen.since), seen.reason, {}});
    auto up = peers_.find(peer);
    if (up == peers_.end())
      continue;
    all[index].state = role_silent; // until it answers
    for (auto& given : up->second) {
      if (given.role != role_name<node_actor>)
        continue;
      auto finished = await_one(g);
      self_->request(caf::actor_cast<node_actor>(given.port), status_timeout, list_atom_v)
          .then(
              [g, index, finished](link_report& report) {
                g->status.nodes[index].state = role_running;
                g->status.nodes[index].links = std::move(report.links);
                take_word(g->status.roles, report.roles);
                finished();
              },
              [finished](const caf::error&) { finished(); });
    }
  }
}

void node_state::ask_links(const std::shared_ptr<gathering>& g) {
  if (!switchboard_)
    return;
  auto finished = await_one(g);
  self_->request(caf::actor_cast<link_status_source>(switchboard_), status_timeout, status_atom_v)
      .then(
          [g, finished](link_report& report) {
            g->status.links = std::move(report.links);
            complete_nodes(g->status);
            finished();
          },
          [finished](const caf::error&) { finished(); });
}

caf::result<node_status> node_state::status() {
  auto g = std::make_shared<gathering>();
  g->promise = kept_promise<node_status>{self_};
  auto& s = g->status;
  s.node = setup_.name;
  s.cluster = setup_.cluster;
  s.directory = setup_.options.store.directory;
  s.flush = setup_.options.store.flush == storage::flush_policy::sync ? "sync" : "async";
  s.uptime_ms = ms_since(started_);
  s.backlog_capacity = setup_.options.dispatcher.mailbox_capacity;
  s.sessions = static_cast<std::uint32_t>(sessions_.size());
  s.max_message_bytes = setup_.options.store.max_message_size_bytes;
  s.waits_for = waits_for();
  s.roles = own_roles();
  add_roles_elsewhere(s.roles);
  auto all_asked = await_one(g);
  ask(g, roles_.writer, &node_status::writer);
  ask(g, roles_.flusher, &node_status::flusher);
  ask(g, roles_.dispatcher, &node_status::dispatcher);
  ask(g, roles_.queue_manager, &node_status::queues);
  ask(g, roles_.cleaner, &node_status::cleaner);
  ask_nodes(g);
  ask_links(g);
  if (roles_.writer_ended)
    s.writer.refusal = "the writer stopped; restart the node";
  else if (!roles_.writer)
    s.writer.refusal = not_reachable<writer_actor>(roles_).message;
  auto answer = g->promise;
  all_asked();
  return answer;
}

} // namespace troupe
