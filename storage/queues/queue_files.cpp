#include "storage/queues/queue_files.hpp"

#include "storage/check.hpp"

#include <algorithm>
#include <utility>

namespace troupe::storage {

result<void> check_queue_file_size(const file& found, std::uint64_t file_size_bytes) {
  if (found.size() == file_size_bytes)
    return boost::outcome_v2::success();
  return error{errc::corrupt, found.path() + " has " + std::to_string(found.size()) +
                                  " bytes instead of " + std::to_string(file_size_bytes) +
                                  ": remove this queue's directory, it is rebuilt from the log"};
}

queue_files::queue_files(file_system& fs, std::uint64_t file_size_bytes, std::size_t capacity,
                         mode how)
    : fs_(fs), file_size_bytes_(file_size_bytes), capacity_(std::max<std::size_t>(capacity, 1)),
      mode_(how) {}

std::shared_ptr<file> queue_files::use(queue_file_key key, bool to_write) {
  auto found = by_key_.find(key);
  if (found == by_key_.end() || (to_write && !found->second->writable))
    return nullptr;
  auto& list = list_of(*found->second);
  list.splice(list.begin(), list, found->second);
  return found->second->handle;
}

result<void> queue_files::check_synced() const {
  if (failed_sync_)
    return *failed_sync_;
  return boost::outcome_v2::success();
}

/// Makes room for one more, as far as that costs nothing.
void queue_files::close_clean() {
  while (by_key_.size() >= capacity_ && !clean_.empty()) {
    by_key_.erase(clean_.back().key);
    clean_.pop_back();
  }
}

result<void> queue_files::make_room() {
  TROUPE_TRY(check_synced());
  close_clean();
  while (by_key_.size() >= capacity_ && !unsynced_.empty()) {
    auto oldest = std::prev(unsynced_.end());
    if (auto done = oldest->handle->sync(); done.has_error()) {
      failed_sync_ = error{errc::write_stopped, done.error().message};
      return *failed_sync_;
    }
    oldest->written = 0;
    by_key_.erase(oldest->key);
    unsynced_.erase(oldest);
  }
  return boost::outcome_v2::success();
}

result<std::shared_ptr<file>> queue_files::open_file(const std::string& path, open_mode how) {
  for (;;) {
    if (how == open_mode::read) {
      close_clean();
    } else {
      TROUPE_TRY(make_room());
    }
    auto handle = fs_.open(path, how);
    auto closable = clean_.size() + (how == open_mode::read ? 0 : unsynced_.size());
    if (handle.has_value() || handle.error().code != errc::too_many_files || closable < 2)
      return handle;
    capacity_ = std::max<std::size_t>(by_key_.size() / 2, 1); // others need descriptors too
  }
}

std::shared_ptr<file> queue_files::remember(queue_file_key key, std::shared_ptr<file> handle,
                                            bool writable) {
  forget(key); // one that was open to be read alone
  clean_.push_front({key, std::move(handle), writable});
  by_key_.emplace(key, clean_.begin());
  return clean_.front().handle;
}

result<std::shared_ptr<file>> queue_files::open(queue_file_key key, const std::string& path) {
  if (auto handle = use(key, !read_only()))
    return handle;
  TROUPE_TRY(auto handle, open_file(path, read_only() ? open_mode::read : open_mode::read_write));
  TROUPE_TRY(check_queue_file_size(*handle, file_size_bytes_));
  return remember(key, std::move(handle), !read_only());
}

result<std::shared_ptr<file>> queue_files::open_to_read(queue_file_key key,
                                                        const std::string& path) {
  if (auto handle = use(key, false))
    return handle;
  if (no_waiting_ > 0)
    return error{errc::not_resident, path + " is not open"};
  TROUPE_TRY(auto handle, open_file(path, open_mode::read));
  TROUPE_TRY(check_queue_file_size(*handle, file_size_bytes_));
  if (by_key_.size() >= capacity_) // full of what must stay open: this one is for its caller alone
    return handle;
  return remember(key, std::move(handle), false);
}

result<std::size_t> queue_files::read(const file& from, std::uint64_t offset,
                                      std::span<std::byte> into) const {
  return no_waiting_ > 0 ? from.read_resident(offset, into) : from.read_at(offset, into);
}

result<std::shared_ptr<file>> queue_files::create(queue_file_key key, const std::string& path) {
  TROUPE_CHECK(!read_only());
  if (auto handle = use(key, true))
    return handle;
  TROUPE_TRY(auto handle, open_file(path, open_mode::create));
  if (handle->size() != file_size_bytes_) {
    TROUPE_TRY(handle->allocate(file_size_bytes_, blocks::sparse));
  }
  auto added = remember(key, std::move(handle), true);
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
