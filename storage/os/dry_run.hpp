#pragma once

#include "storage/os/file_system.hpp"

#include <set>

namespace troupe::storage {

/// Another file system, read-only: whatever would change a file or a directory succeeds and does
/// nothing. What one means to do with a store can so be asked of the very code that would do it.
/// What was "written" is not seen by later reads, a directory that was "made" is an empty one, and
/// a lock keeps nobody out. For one caller at a time.
class dry_run_file_system final : public file_system {
public:
  explicit dry_run_file_system(file_system& real) : real_(real) {}

  result<std::shared_ptr<file>> open(const std::string& path, open_mode mode) override;
  result<void> make_directory(const std::string& path) override;
  result<void> remove(const std::string& path) override;
  result<void> rename(const std::string& from, const std::string& to) override;
  result<void> sync_directory(const std::string& path) override;
  result<std::vector<directory_entry>> list(const std::string& path) override;
  result<disk_usage> usage(const std::string& path) override;
  result<std::unique_ptr<file_lock>> lock(const std::string& path) override;

private:
  file_system& real_;
  std::set<std::string> made_; ///< directories
};

} // namespace troupe::storage
