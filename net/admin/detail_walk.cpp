#include "net/admin/detail_walk.hpp"

#include "net/consumer.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace troupe::net {

namespace {

struct looking {
  admin_reads& reads;
  std::vector<queue_look> looks;
  std::size_t next = 0;
  store_times found;
  std::function<void(const store_times&)> then;
};

void look(const std::shared_ptr<looking>& all) {
  if (all->next == all->looks.size() || !all->reads.session())
    return all->then(all->found);
  auto& one = all->looks[all->next];
  pull_request first{one.topic, one.queue_id, one.offset, 1, 1, {}, 0};
  all->reads.self()
      ->request(all->reads.session(), caf::infinite, first)
      .then(
          [all](const pull_response& answer) {
            if (!answer.records.empty())
              if (auto view = client::decode(answer.records.front()))
                all->found[all->looks[all->next].number] = view.value().store_timestamp;
            ++all->next;
            look(all);
          },
          [all](const caf::error&) {
            ++all->next;
            look(all);
          });
}

struct bounding {
  admin_reads& reads;
  std::shared_ptr<group_detail> of;
  std::vector<std::string> topics;
  std::size_t next = 0;
  std::vector<group_queue> kept;
  std::function<void()> then;
};

void keep(bounding& all, const topic_description& topic) {
  for (auto& q : all.of->queues)
    for (auto& bounds : topic.queues)
      if (q.topic == topic.info.name && q.queue_id == bounds.queue_id)
        all.kept.push_back({q.topic, q.queue_id, q.offset, bounds.min, bounds.max});
}

void bound(const std::shared_ptr<bounding>& all) {
  if (all->next == all->topics.size() || !all->reads.session()) {
    all->of->queues = std::move(all->kept);
    return all->then();
  }
  all->reads.self()
      ->request(all->reads.session(), caf::infinite, bounds_atom_v, all->topics[all->next++])
      .then(
          [all](const topic_description& topic) {
            keep(*all, topic);
            bound(all);
          },
          [all](const caf::error&) { bound(all); });
}

} // namespace

void look_at(admin_reads& reads, std::vector<queue_look> looks,
             std::function<void(const store_times&)> then) {
  look(std::make_shared<looking>(looking{reads, std::move(looks), 0, {}, std::move(then)}));
}

void find_members(admin_reads& reads, const std::shared_ptr<group_detail>& of,
                  std::function<void()> then) {
  reads.self()
      ->request(reads.session(), caf::infinite, group_join{of->group, {}, 0, 0})
      .then(
          [of, then](const group_members& all) {
            of->members = all.client_ids;
            then();
          },
          [then](const caf::error&) { then(); });
}

void find_bounds(admin_reads& reads, const std::shared_ptr<group_detail>& of,
                 std::function<void()> then) {
  std::set<std::string> topics;
  for (auto& q : of->queues)
    if (topics.contains(q.topic) || topics.size() < admin_reads::most_topics)
      topics.insert(q.topic);
    else
      ++of->left_out;
  bound(std::make_shared<bounding>(
      bounding{reads, of, {topics.begin(), topics.end()}, 0, {}, std::move(then)}));
}

std::vector<queue_look> looks_of(const group_detail& of) {
  std::vector<queue_look> looks;
  for (std::size_t i = 0; i < of.queues.size() && looks.size() < admin_reads::most_looks; ++i)
    if (auto& q = of.queues[i]; lag_of(q) > 0)
      looks.push_back({i, q.topic, q.queue_id, std::max(q.offset, q.min)});
  return looks;
}

} // namespace troupe::net
