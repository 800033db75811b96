#include "cli/group_progress.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace troupe::cli {

std::int64_t queue_progress::lag() const noexcept {
  return stored < 0 ? 0 : std::max<std::int64_t>(0, max - std::max(stored, min));
}

storage::result<std::map<std::string, std::vector<queue_progress>>>
progress_of_groups(remote& node, const std::string& group) {
  TROUPE_TRY(auto kept, node.ask<group_list>(list_atom_v, group));
  std::map<std::string, std::vector<queue_progress>> found;
  for (auto& settings : kept.settings)
    found[settings.group];
  std::map<std::string, std::vector<queue_bounds>> bounds;
  for (auto& o : kept.offsets) {
    auto known = bounds.find(o.topic);
    if (known == bounds.end()) {
      auto topic = node.ask<topic_description>(bounds_atom_v, o.topic);
      if (!topic && topic.error().code != errc::not_found)
        return topic.error();
      known =
          bounds.emplace(o.topic, topic ? topic.value().queues : std::vector<queue_bounds>()).first;
    }
    auto& all = found[o.group];
    auto queue = std::ranges::find(known->second, o.queue_id, &queue_bounds::queue_id);
    if (queue != known->second.end())
      all.push_back({o.topic, o.queue_id, o.offset, queue->min, queue->max});
  }
  for (auto& [name, queues] : found)
    std::ranges::sort(queues, [](const queue_progress& a, const queue_progress& b) {
      return std::tie(a.topic, a.queue_id) < std::tie(b.topic, b.queue_id);
    });
  return found;
}

storage::result<std::optional<std::vector<std::string>>> members_of(remote& node,
                                                                    const std::string& group) {
  auto answer = node.ask<group_members>(group_join{group, {}, 0, 0});
  if (answer)
    return std::optional(std::move(answer.value().client_ids));
  if (answer.error().code == errc::invalid_argument)
    return std::nullopt;
  return answer.error();
}

} // namespace troupe::cli
