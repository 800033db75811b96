#include "storage/recovery/abort_marker.hpp"

#include <array>
#include <span>
#include <string_view>

#include <unistd.h>

namespace troupe::storage {

namespace {

constexpr std::string_view settled = " groups";
constexpr std::size_t longest_text = 64;

std::string marker_path(const std::string& directory) {
  return directory + "/abort";
}

result<void> write(file& marker, const std::string& text) {
  TROUPE_TRY(marker.allocate(0, blocks::sparse));
  std::array<byte_view, 1> parts{std::as_bytes(std::span(text))};
  TROUPE_TRY(marker.write_at(0, parts));
  return marker.sync();
}

} // namespace

bool abort_marker_exists(file_system& fs, const std::string& directory) {
  auto opened = fs.open(marker_path(directory), open_mode::read);
  return opened.has_value() || opened.error().code != errc::not_found;
}

result<void> check_directory_is_ours(file_system& fs, const std::string& directory) {
  if (abort_marker_exists(fs, directory))
    return boost::outcome_v2::success();
  return error{errc::write_stopped, "the data directory " + directory +
                                        " was removed or moved while the node ran (its file abort "
                                        "is gone): nothing is saved there any more; stop the "
                                        "node, put the directory back, and start again"};
}

result<void> create_abort_marker(file_system& fs, const std::string& directory) {
  TROUPE_TRY(auto marker, fs.open(marker_path(directory), open_mode::create));
  TROUPE_TRY(write(*marker, std::to_string(::getpid())));
  return fs.sync_directory(directory);
}

bool groups_are_settled(file_system& fs, const std::string& directory) {
  auto marker = fs.open(marker_path(directory), open_mode::read);
  if (!marker)
    return false;
  std::array<std::byte, longest_text> bytes{};
  auto count = marker.value()->read_at(0, bytes);
  if (!count)
    return false;
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), count.value());
  return text.ends_with(settled);
}

result<void> settle_groups(file_system& fs, const std::string& directory) {
  TROUPE_TRY(auto marker, fs.open(marker_path(directory), open_mode::read_write));
  return write(*marker, std::to_string(::getpid()) + std::string(settled));
}

result<void> unsettle_groups(file_system& fs, const std::string& directory) {
  return groups_are_settled(fs, directory) ? create_abort_marker(fs, directory)
                                           : boost::outcome_v2::success();
}

result<void> remove_abort_marker(file_system& fs, const std::string& directory) {
  TROUPE_TRY(fs.remove(marker_path(directory)));
  return fs.sync_directory(directory);
}

} // namespace troupe::storage
