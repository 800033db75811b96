#include "storage/cores/delay_rest.hpp"

namespace troupe::storage {

void delay_rest::set(std::int32_t level, std::int64_t position, const entry& what) {
  auto& of = at(level);
  auto [there, is_new] = of.by_position.try_emplace(position, what);
  if (is_new)
    ++size_;
  else
    of.by_time.erase({there->second.due_ms, position});
  there->second = what;
  of.by_time.insert({what.due_ms, position});
}

const delay_rest::entry* delay_rest::find(std::int32_t level, std::int64_t position) const {
  auto& of = at(level);
  auto found = of.by_position.find(position);
  return found == of.by_position.end() ? nullptr : &found->second;
}

delay_rest::place delay_rest::erase(level_rest& of, place which) {
  of.by_time.erase({which->second.due_ms, which->first});
  --size_;
  return of.by_position.erase(which);
}

void delay_rest::remove(std::int32_t level, std::int64_t position) {
  auto& of = at(level);
  if (auto found = of.by_position.find(position); found != of.by_position.end())
    erase(of, found);
}

void delay_rest::remove_before(std::int32_t level, std::int64_t position) {
  auto& of = at(level);
  while (!of.by_position.empty() && of.by_position.begin()->first < position)
    erase(of, of.by_position.begin());
}

void delay_rest::remove_from(std::int32_t level, std::int64_t position) {
  auto& of = at(level);
  for (auto it = of.by_position.lower_bound(position); it != of.by_position.end();)
    it = erase(of, it);
}

std::optional<std::int64_t> delay_rest::first(std::int32_t level) const {
  auto& all = at(level).by_position;
  return all.empty() ? std::nullopt : std::optional(all.begin()->first);
}

std::optional<delay_rest::next> delay_rest::earliest(std::int32_t level) const {
  auto& all = at(level).by_time;
  return all.empty() ? std::nullopt : std::optional(next{all.begin()->first, all.begin()->second});
}

std::optional<delay_rest::next> delay_rest::latest(std::int32_t level) const {
  auto& all = at(level).by_time;
  return all.empty() ? std::nullopt
                     : std::optional(next{all.rbegin()->first, all.rbegin()->second});
}

std::vector<std::int64_t> delay_rest::positions(std::int32_t level) const {
  std::vector<std::int64_t> all;
  for (auto& [position, what] : at(level).by_position)
    all.push_back(position);
  return all;
}

} // namespace troupe::storage
