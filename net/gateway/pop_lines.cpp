#include "net/gateway/pop_lines.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace troupe::net {

bool pop_lines::enter(connection_id from) {
  auto found = open_.find(from);
  if (all_open_ >= most || (found != open_.end() && found->second >= most_of_client))
    return false;
  ++open_[from];
  ++all_open_;
  return true;
}

void pop_lines::leave(connection_id from) {
  --all_open_;
  if (auto found = open_.find(from); found != open_.end() && --found->second == 0)
    open_.erase(found);
}

void pop_lines::join(const shared_pop& it) {
  line_name name{it->group, it->topic};
  lines_[name].turn.push_back(it);
  run(name);
}

void pop_lines::done(const shared_pop& it) {
  leave(it->who.from);
  over({it->group, it->topic});
}

void pop_lines::park(const shared_pop& it) {
  line_name name{it->group, it->topic};
  auto& here = lines_[name];
  if (std::exchange(here.missed, false)) {
    here.turn.push_front(it);
    return over(name);
  }
  it->place = next_place_++;
  here.parked.emplace(it->place, it);
  ends_.emplace(std::pair{it->until_ms, it->place}, it);
  over(name);
}

void pop_lines::unpark(line& here, std::map<std::uint64_t, shared_pop>::iterator at) {
  ends_.erase({at->second->until_ms, at->first});
  here.parked.erase(at);
}

void pop_lines::over(const line_name& name) {
  lines_[name].looking = false;
  run(name);
}

/// Those that are done at once do not pile up on the stack.
void pop_lines::run(const line_name& name) {
  auto& here = lines_[name];
  if (here.running)
    return;
  here.running = true;
  while (!here.looking && !here.turn.empty()) {
    auto next = std::move(here.turn.front());
    here.turn.pop_front();
    here.looking = true;
    here.missed = false;
    begin_(next);
  }
  here.running = false;
  drop_idle(name);
}

void pop_lines::drop_idle(const line_name& name) {
  auto found = lines_.find(name);
  if (found == lines_.end())
    return;
  auto& here = found->second;
  if (here.parked.empty() && here.turn.empty() && !here.looking && !here.running)
    lines_.erase(found);
}

void pop_lines::wake(const std::string& group, const std::string& topic, std::int32_t queue_id) {
  line_name name{group, topic};
  auto found = lines_.find(name);
  if (found == lines_.end())
    return;
  auto& here = found->second;
  std::set<std::int32_t> woken; // queues that those wait for
  for (auto at = here.parked.begin(); at != here.parked.end();) {
    auto here_at = at++;
    auto it = here_at->second;
    bool waits_for_it = queue_id < 0 || it->queue_id < 0 || it->queue_id == queue_id;
    if (!waits_for_it || !woken.insert(it->queue_id).second)
      continue;
    unpark(here, here_at);
    here.turn.push_back(it);
    if (queue_id >= 0)
      break;
  }
  here.missed = here.missed || (here.looking && woken.empty());
  run(name);
}

std::size_t pop_lines::waiting(const std::string& group, const std::string& topic,
                               std::int32_t queue_id) const {
  auto found = lines_.find({group, topic});
  if (found == lines_.end())
    return 0;
  auto& parked = found->second.parked;
  return static_cast<std::size_t>(
      std::count_if(parked.begin(), parked.end(), [queue_id](const auto& each) {
        return each.second->queue_id == queue_id && each.second->purpose == pop_purpose::pop;
      }));
}

std::vector<shared_pop> pop_lines::expire(std::int64_t now_ms) {
  std::vector<shared_pop> over;
  while (!ends_.empty() && ends_.begin()->first.first <= now_ms) {
    auto it = ends_.begin()->second;
    line_name name{it->group, it->topic};
    auto& here = lines_[name];
    unpark(here, here.parked.find(it->place));
    drop_idle(name);
    leave(it->who.from);
    over.push_back(std::move(it));
  }
  return over;
}

std::optional<std::int64_t> pop_lines::next_end() const {
  if (ends_.empty())
    return std::nullopt;
  return ends_.begin()->first.first;
}

void pop_lines::forget(connection_id from) {
  if (open_.count(from) == 0)
    return;
  std::vector<shared_pop> gone;
  for (auto& [end, it] : ends_)
    if (it->who.from == from)
      gone.push_back(it);
  for (auto& it : gone) {
    line_name name{it->group, it->topic};
    auto& here = lines_[name];
    unpark(here, here.parked.find(it->place));
    drop_idle(name);
    leave(from);
  }
}

} // namespace troupe::net
