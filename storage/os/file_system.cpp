#include "storage/os/file_system.hpp"

#include <array>
#include <limits>
#include <utility>

namespace troupe::storage {

namespace {

std::string parent_of(const std::string& path) {
  auto last = path.find_last_not_of('/');
  if (last == std::string::npos)
    return "/";
  auto slash = path.rfind('/', last);
  if (slash == std::string::npos)
    return ".";
  auto end = path.find_last_not_of('/', slash);
  return end == std::string::npos ? "/" : path.substr(0, end + 1);
}

} // namespace

int disk_usage::used_percent() const noexcept {
  if (total_bytes == 0 || available_bytes >= total_bytes)
    return 0;
  auto total = total_bytes;
  auto used = total_bytes - available_bytes;
  while (used > std::numeric_limits<std::uint64_t>::max() / 100) {
    used /= 1024;
    total /= 1024;
  }
  auto hundredfold = used * 100;
  return static_cast<int>(hundredfold / total + (hundredfold % total != 0 ? 1 : 0));
}

result<void> make_directories(file_system& fs, const std::string& path) {
  auto parent = parent_of(path);
  auto made = fs.make_directory(path);
  if (made.has_error() && made.error().code == errc::not_found && parent != path) {
    TROUPE_TRY(make_directories(fs, parent));
    made = fs.make_directory(path);
  }
  TROUPE_TRY(std::move(made));
  // Also when it was there already: whoever made it may have died before this.
  return fs.sync_directory(parent);
}

result<std::vector<std::byte>> read_file(file_system& fs, const std::string& path,
                                         std::size_t limit) {
  TROUPE_TRY(auto from, fs.open(path, open_mode::read));
  if (from->size() > limit)
    return error{errc::too_large, path + " has " + std::to_string(from->size()) +
                                      " bytes; at most " + std::to_string(limit) +
                                      " are read: is it the right file?"};
  std::vector<std::byte> content(static_cast<std::size_t>(from->size()));
  TROUPE_TRY(auto count, from->read_at(0, content));
  content.resize(count);
  return content;
}

result<void> replace_file(file_system& fs, const std::string& path, byte_view content) {
  auto temporary = path + ".tmp";
  {
    TROUPE_TRY(auto to, fs.open(temporary, open_mode::create));
    TROUPE_TRY(to->allocate(0, blocks::sparse)); // an earlier attempt may have left a longer one
    std::array<byte_view, 1> parts{content};
    TROUPE_TRY(to->write_at(0, parts));
    TROUPE_TRY(to->sync());
  }
  TROUPE_TRY(fs.rename(temporary, path));
  return fs.sync_directory(parent_of(path));
}

} // namespace troupe::storage
