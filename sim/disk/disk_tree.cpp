#include "sim/disk/disk_tree.hpp"

#include "storage/check.hpp"

#include <set>
#include <utility>

namespace troupe::sim {

namespace {

/// The next part of the path, which is taken off; empty at its end.
std::string_view next_name(std::string_view& path) {
  for (;;) {
    auto from = path.find_first_not_of('/');
    if (from == std::string_view::npos)
      return path = {};
    auto to = path.find('/', from);
    auto name = path.substr(from, to == std::string_view::npos ? to : to - from);
    path = to == std::string_view::npos ? std::string_view{} : path.substr(to);
    if (name != ".")
      return name;
  }
}

void walk_below(const std::string& path, const node_ptr& node, const disk_tree::visitor& visit) {
  for (auto& [name, child] : node->entries) {
    auto below = path + "/" + name;
    visit(below, child);
    if (child->directory)
      walk_below(below, child, visit);
  }
}

void forget_cached(const node_ptr& node) {
  node->entries = node->durable_entries;
  for (auto& [name, child] : node->entries)
    if (child->directory)
      forget_cached(child);
}

} // namespace

disk_tree::disk_tree() : root_(std::make_shared<disk_node>(true)) {}

node_ptr disk_tree::find(std::string_view path) const {
  auto at = root_;
  for (auto name = next_name(path); !name.empty(); name = next_name(path)) {
    auto found = at->entries.find(name);
    if (found == at->entries.end())
      return nullptr;
    at = found->second;
  }
  return at;
}

disk_tree::place disk_tree::place_of(std::string_view path) const {
  auto last = path.find_last_not_of('/');
  if (last == std::string_view::npos)
    return {};
  path = path.substr(0, last + 1);
  auto slash = path.rfind('/');
  auto parent = slash == std::string_view::npos ? std::string_view{} : path.substr(0, slash);
  auto name = slash == std::string_view::npos ? path : path.substr(slash + 1);
  auto directory = find(parent);
  if (!directory || !directory->directory || name == ".")
    return {};
  return {std::move(directory), std::string(name)};
}

void disk_tree::link(const place& to, node_ptr what) {
  to.directory->entries[to.name] = what;
  pending_.push_back({{}, to, std::move(what)});
}

void disk_tree::unlink(const place& from) {
  auto found = from.directory->entries.find(from.name);
  TROUPE_CHECK(found != from.directory->entries.end());
  pending_.push_back({from, {}, std::move(found->second)});
  from.directory->entries.erase(found);
}

void disk_tree::rename(const place& from, const place& to) {
  auto found = from.directory->entries.find(from.name);
  TROUPE_CHECK(found != from.directory->entries.end());
  auto what = std::move(found->second);
  from.directory->entries.erase(found);
  to.directory->entries[to.name] = what;
  pending_.push_back({from, to, std::move(what)});
}

void disk_tree::apply(const change& done) {
  if (done.from.directory) {
    auto& names = done.from.directory->durable_entries;
    auto found = names.find(done.from.name);
    if (found != names.end() && found->second == done.what)
      names.erase(found);
  }
  if (done.to.directory)
    done.to.directory->durable_entries[done.to.name] = done.what;
}

void disk_tree::sync(const node_ptr& directory) {
  // A renaming ties two directories together: what happened before it in either goes first.
  std::set<const disk_node*> touched{directory.get()}; // only asked whether it holds one
  std::vector<bool> chosen(pending_.size());
  for (auto i = pending_.size(); i-- > 0;) {
    auto& from = pending_[i].from.directory;
    auto& to = pending_[i].to.directory;
    if (touched.count(from.get()) == 0 && touched.count(to.get()) == 0)
      continue;
    chosen[i] = true;
    for (auto* each : {from.get(), to.get()})
      if (each != nullptr)
        touched.insert(each);
  }
  std::vector<change> rest;
  for (std::size_t i = 0; i < pending_.size(); ++i) {
    if (chosen[i])
      apply(pending_[i]);
    else
      rest.push_back(std::move(pending_[i]));
  }
  pending_ = std::move(rest);
}

void disk_tree::write_back(std::size_t count) {
  TROUPE_CHECK(count <= pending_.size());
  for (std::size_t i = 0; i < count; ++i)
    apply(pending_[i]);
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(count));
}

void disk_tree::revert(const std::function<bool()>& survives) {
  for (auto& each : pending_)
    if (survives())
      apply(each);
  pending_.clear();
  forget_cached(root_);
}

void disk_tree::walk(const visitor& visit) const {
  walk_below("", root_, visit);
}

} // namespace troupe::sim
