#pragma once

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

#include <unistd.h>

namespace troupe::test {

/// A fresh directory that is removed with everything in it.
class temporary_directory {
public:
  explicit temporary_directory(
      const std::filesystem::path& in = std::filesystem::temp_directory_path()) {
    auto name = (in / "troupe-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr)
      throw std::runtime_error("cannot create " + name);
    path_ = name;
  }
  ~temporary_directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  temporary_directory(const temporary_directory&) = delete;
  temporary_directory& operator=(const temporary_directory&) = delete;

  const std::string& path() const noexcept { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

private:
  std::string path_;
};

/// For files that come and go by the thousand, which slows some disks down: in memory, where that
/// has room.
inline std::filesystem::path quick_place() {
  std::filesystem::path memory = "/dev/shm";
  std::error_code failed;
  auto space = std::filesystem::space(memory, failed);
  auto roomy = !failed && space.available > std::uintmax_t{1} << 30;
  return roomy && ::access(memory.c_str(), W_OK) == 0 ? memory
                                                      : std::filesystem::temp_directory_path();
}

} // namespace troupe::test
