#include "net/gateway/group_book.hpp"

#include "net/remoting/json_members.hpp"

#include <utility>

namespace troupe::net {

namespace {

/// As old as the settings of a group that is in use may be when they were changed elsewhere.
constexpr std::int64_t longest_trust_ms = 30'000;
/// The registrar does not answer: it is asked again.
constexpr std::int64_t pause_ms = 5000;
constexpr std::size_t most_groups = 20'000;
/// Those that were not in use for so long make room for others.
constexpr std::int64_t longest_unused_ms = 120'000;
constexpr std::size_t most_waiting = 10'000; ///< for one group

const remoting::group_rules defaults{};

/// An empty name would ask for all groups.
bool can_have_settings(const std::string& group) noexcept {
  return !group.empty() && group.size() <= remoting::longest_name;
}

} // namespace

const remoting::group_rules* group_book::find(const std::string& group) {
  if (!can_have_settings(group))
    return &defaults;
  auto found = groups_.find(group);
  if (found == groups_.end())
    return nullptr;
  auto& known = found->second;
  if (!known.asking && counter_.now_ms() - known.asked_ms >= longest_trust_ms)
    ask(group, known);
  return known.answered ? &known.rules : nullptr;
}

const remoting::group_rules& group_book::rules(const std::string& group) {
  auto* found = find(group);
  return found != nullptr ? *found : defaults;
}

void group_book::learn(const std::string& group, std::function<void()> then) {
  if (find(group) != nullptr || (groups_.count(group) == 0 && !has_room()))
    return then();
  auto& known = groups_[group];
  if (known.waiting.size() >= most_waiting)
    return then();
  known.waiting.push_back(std::move(then));
  if (!known.asking)
    ask(group, known);
}

void group_book::changed(const std::string& group) {
  auto found = groups_.find(group);
  if (found == groups_.end())
    return;
  if (found->second.asking)
    found->second.changed = true;
  else
    ask(group, found->second);
}

void group_book::ask(const std::string& group, entry& known) {
  known.asking = true;
  known.changed = false;
  known.asked_ms = counter_.now_ms();
  self_->request(sessions_.own(), caf::infinite, list_atom_v, group)
      .then([this, group](const group_list& found) { answered(group, &found); },
            [this, group](const caf::error&) { answered(group, nullptr); });
}

void group_book::answered(const std::string& group, const group_list* found) {
  auto& known = groups_[group];
  known.asking = false;
  known.answered = true;
  if (found == nullptr)
    known.asked_ms += pause_ms - longest_trust_ms; // it goes on with what was known before
  else if (found->settings.empty())
    known.rules = defaults;
  else
    known.rules = remoting::read_group_rules(found->settings.front().json);
  if (known.changed)
    ask(group, known);
  for (auto& then : std::exchange(known.waiting, {}))
    then();
}

bool group_book::has_room() {
  if (groups_.size() < most_groups)
    return true;
  auto old = counter_.now_ms() - longest_unused_ms;
  std::erase_if(groups_, [old](const auto& each) {
    return !each.second.asking && each.second.asked_ms < old;
  });
  return groups_.size() < most_groups;
}

} // namespace troupe::net
