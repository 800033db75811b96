#include "cli/doctor_facts.hpp"

#include "storage/log/log_file.hpp"
#include "storage/os/posix_file_system.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

namespace troupe::cli {

namespace {

namespace fs = std::filesystem;
using clock = std::chrono::steady_clock;

std::string first_line(const std::string& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

void read_kernel(machine_facts& facts) {
  for (auto& [name, path] :
       {std::pair{"vm.max_map_count", "/proc/sys/vm/max_map_count"},
        std::pair{"vm.overcommit_memory", "/proc/sys/vm/overcommit_memory"},
        std::pair{"vm.dirty_ratio", "/proc/sys/vm/dirty_ratio"},
        std::pair{"vm.dirty_background_ratio", "/proc/sys/vm/dirty_background_ratio"},
        std::pair{"net.core.somaxconn", "/proc/sys/net/core/somaxconn"},
        std::pair{"transparent_hugepage", "/sys/kernel/mm/transparent_hugepage/enabled"}})
    if (auto line = first_line(path); !line.empty())
      facts.kernel[name] = line;
}

void read_limits(machine_facts& facts) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0)
    facts.descriptors = limit.rlim_max;
  if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
    facts.file_size_bytes = limit.rlim_cur;
  timex time{};
  auto state = ::adjtimex(&time);
  facts.clock_synchronised = state == -1 || (time.status & STA_UNSYNC) == 0;
}

/// As the kernel writes a path in mountinfo: a blank is "\040".
std::string plain(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      out +=
          static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + text[i + 3] - '0');
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

/// proc(5): id, parent, device, root, mount point, its options, more fields, "-", type, source,
/// options of the file system. Of several at one place the last lies above.
void read_mount(machine_facts& facts, const fs::path& at) {
  std::ifstream in("/proc/self/mountinfo");
  std::string line;
  std::size_t longest = 0;
  while (std::getline(in, line)) {
    std::istringstream words(line);
    std::string word;
    std::string point;
    std::string options;
    words >> word >> word >> word >> word >> point >> options;
    while (words >> word && word != "-") {
    }
    std::string type;
    std::string super;
    if (!(words >> type >> word >> super))
      continue;
    fs::path mounted = plain(point);
    auto [end, rest] = std::mismatch(mounted.begin(), mounted.end(), at.begin(), at.end());
    auto depth = static_cast<std::size_t>(std::distance(mounted.begin(), mounted.end()));
    if (end != mounted.end() || depth < longest)
      continue;
    longest = depth;
    facts.file_system = type;
    facts.mount_options = options + "," + super;
  }
}

void read_space(machine_facts& facts, const fs::path& at) {
  if (auto usage = storage::posix_file_system().usage(at.string())) {
    facts.disk_bytes = usage.value().total_bytes;
    facts.available_bytes = usage.value().available_bytes;
    facts.used_percent = usage.value().used_percent();
  }
  struct statvfs numbers {};
  if (::statvfs(at.c_str(), &numbers) == 0 && numbers.f_files != 0)
    facts.inodes_left = numbers.f_favail;
}

void count_files(machine_facts& facts, const fs::path& directory) {
  storage::options o;
  o.directory = directory.string();
  std::error_code failed;
  for (fs::recursive_directory_iterator at(storage::queue_directory(o), failed), end;
       !failed && at != end; at.increment(failed))
    facts.queue_files += at->is_regular_file(failed) ? 1 : 0;
  for (fs::directory_iterator at(storage::log_directory(o), failed), end; !failed && at != end;
       at.increment(failed))
    facts.log_files += 1;
}

/// The file is nameless from its beginning, or as soon as it is open.
int nameless_file(const fs::path& directory) {
  auto made = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (made != -1)
    return made;
  auto name = (directory / ("troupe-doctor-" + std::to_string(::getpid()))).string();
  made = ::open(name.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
  if (made != -1)
    ::unlink(name.c_str());
  return made;
}

/// Grows as the log does, in pages.
void measure_sync(machine_facts& facts, const fs::path& directory) {
  constexpr auto longest = std::chrono::seconds(1);
  constexpr std::size_t most = 100;
  auto file = nameless_file(directory);
  if (file == -1)
    return;
  std::array<char, 4096> page{};
  std::vector<std::int64_t> times;
  for (auto began = clock::now(); times.size() < most && clock::now() - began < longest;) {
    auto before = clock::now();
    if (::write(file, page.data(), page.size()) != static_cast<ssize_t>(page.size()) ||
        ::fdatasync(file) != 0)
      break;
    times.push_back(
        std::chrono::duration_cast<std::chrono::microseconds>(clock::now() - before).count());
  }
  ::close(file);
  if (times.empty())
    return;
  std::ranges::sort(times);
  facts.sync_us = times[times.size() / 2];
  facts.slowest_sync_us = times.back();
}

} // namespace

machine_facts look_at_machine(const std::string& directory) {
  machine_facts facts;
  facts.directory = directory;
  read_kernel(facts);
  read_limits(facts);
  std::error_code failed;
  auto at = fs::absolute(directory, failed).lexically_normal();
  if (!at.has_filename()) // "a/b/"
    at = at.parent_path();
  facts.directory_there = fs::is_directory(at, failed);
  while (!fs::is_directory(at, failed) && at.has_relative_path())
    at = at.parent_path();
  if (auto real = fs::canonical(at, failed); !failed)
    at = real;
  facts.directory_writable = ::access(at.c_str(), W_OK | X_OK) == 0;
  read_mount(facts, at);
  read_space(facts, at);
  if (!facts.directory_there)
    return facts;
  count_files(facts, at);
  if (facts.directory_writable)
    measure_sync(facts, at);
  return facts;
}

} // namespace troupe::cli
