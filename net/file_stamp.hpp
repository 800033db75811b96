#pragma once

#include <cstdint>
#include <string>

#include <sys/stat.h>

namespace troupe::net {

/// By what a file is known to have changed. All zeros when it is not there.
struct file_stamp {
  std::uint64_t device = 0;
  std::uint64_t number = 0;
  std::int64_t size = 0;
  std::int64_t written_ns = 0;
  std::int64_t changed_ns = 0;

  static file_stamp of(const std::string& file) {
    constexpr std::int64_t second = 1'000'000'000;
    struct stat found {};
    if (::stat(file.c_str(), &found) != 0)
      return {};
    return {found.st_dev, found.st_ino, found.st_size,
            found.st_mtim.tv_sec * second + found.st_mtim.tv_nsec,
            found.st_ctim.tv_sec * second + found.st_ctim.tv_nsec};
  }
  friend bool operator==(const file_stamp&, const file_stamp&) = default;
};

} // namespace troupe::net
