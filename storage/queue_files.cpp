#include "storage/queue_files.hpp"

#include "storage/check.hpp"

#include <algorithm>
#include <utility>

namespace troupe::storage {

queue_files::queue_files(file_system& fs, std::uint64_t file_size_bytes, std::size_t capacity,
                         mode how)
    : fs_(fs), file_size_bytes_(file_size_bytes), capacity_(std::max<std::size_t>(capacity, 1)),
      mode_(how) {}

std::shared_ptr<file> queue_files::use(queue_file_key key) {
  auto found = by_key_.find(key);
  if (found == by_key_.end())
    return nullptr;
  auto& list = list_of(*found->second);
  list.splice(list.begin(), list, found->second);
  return found->second->handle;
}

result<void> queue_files::make_room() {
  if (failed_sync_)
    return *failed_sync_;
  while (by_key_.size() >= capacity_) {
    if (clean_.empty() && unsynced_.empty())
      break;
    if (clean_.empty()) {
      auto oldest = std::prev(unsynced_.end());
      if (auto done = oldest->handle->sync(); done.has_error()) {
        failed_sync_ = done.error();
        return *failed_sync_;
      }
      oldest->written = 0;
      clean_.splice(clean_.end(), unsynced_, oldest);
    }
    by_key_.erase(clean_.back().key);
    clean_.pop_back();
  }
  return boost::outcome_v2::success();
}

result<std::shared_ptr<file>> queue_files::open_file(const std::string& path, open_mode how) {
  for (;;) {
    TROUPE_TRY(make_room());
    auto handle = fs_.open(path, how);
    if (handle.has_value() || handle.error().code != errc::too_many_files ||
        clean_.size() + unsynced_.size() < 2)
      return handle;
    capacity_ = by_key_.size() / 2; // others need descriptors too
  }
}

std::shared_ptr<file> queue_files::remember(queue_file_key key, std::shared_ptr<file> handle) {
  clean_.push_front({key, std::move(handle)});
  by_key_.emplace(key, clean_.begin());
  return clean_.front().handle;
}

result<std::shared_ptr<file>> queue_files::open(queue_file_key key, const std::string& path) {
  if (auto handle = use(key))
    return handle;
  TROUPE_TRY(auto handle, open_file(path, read_only() ? open_mode::read : open_mode::read_write));
  if (handle->size() != file_size_bytes_)
    return error{errc::corrupt, path + " has " + std::to_string(handle->size()) +
                                    " bytes instead of " + std::to_string(file_size_bytes_) +
                                    ": remove this queue's directory, it is rebuilt from the log"};
  return remember(key, std::move(handle));
}

result<std::shared_ptr<file>> queue_files::create(queue_file_key key, const std::string& path) {
  TROUPE_CHECK(!read_only());
  if (auto handle = use(key))
    return handle;
  TROUPE_TRY(auto handle, open_file(path, open_mode::create));
  if (handle->size() != file_size_bytes_) {
    TROUPE_TRY(handle->allocate(file_size_bytes_, blocks::sparse));
  }
  auto added = remember(key, std::move(handle));
  wrote(key); // its size is not durable either
  return added;
}

void queue_files::wrote(queue_file_key key) {
  auto found = by_key_.find(key);
  TROUPE_CHECK(found != by_key_.end());
  auto one = found->second;
  auto& from = list_of(*one);
  one->written = ++writes_;
  auto& to = list_of(*one);
  to.splice(to.begin(), from, one);
}

void queue_files::changed_directory(const std::string& path) {
  directories_[path] = ++writes_;
}

void queue_files::inherited(const std::string& path) {
  inherited_[path] = ++writes_;
}

void queue_files::forget(queue_file_key key) {
  auto found = by_key_.find(key);
  if (found == by_key_.end())
    return;
  list_of(*found->second).erase(found->second);
  by_key_.erase(found);
}

unsynced_queue_files queue_files::unsynced() {
  unsynced_queue_files result;
  result.mark = writes_;
  in_sync_.splice(in_sync_.begin(), unsynced_);
  result.keys.reserve(in_sync_.size());
  result.files.reserve(in_sync_.size());
  for (auto& one : in_sync_) {
    one.in_sync = true;
    result.keys.push_back(one.key);
    result.files.push_back(one.handle->path());
  }
  const auto others = static_cast<std::ptrdiff_t>(result.files.size());
  for (auto& [path, written] : inherited_)
    result.files.push_back(path);
  std::sort(result.files.begin() + others, result.files.end());
  for (auto& [path, written] : directories_)
    result.directories.push_back(path);
  std::sort(result.directories.begin(), result.directories.end());
  return result;
}

void queue_files::synced(const unsynced_queue_files& done) {
  for (auto& key : done.keys) {
    auto found = by_key_.find(key);
    if (found == by_key_.end())
      continue;
    auto one = found->second;
    auto& from = list_of(*one);
    one->in_sync = false;
    if (one->written <= done.mark)
      one->written = 0;
    auto& to = list_of(*one);
    to.splice(to.begin(), from, one);
  }
  auto covered = [&done](auto& entry) { return entry.second <= done.mark; };
  std::erase_if(inherited_, covered);
  std::erase_if(directories_, covered);
}

} // namespace troupe::storage
