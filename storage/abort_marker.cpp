#include "storage/abort_marker.hpp"

#include <array>
#include <span>

#include <unistd.h>

namespace troupe::storage {

namespace {

std::string marker_path(const std::string& directory) {
  return directory + "/abort";
}

} // namespace

bool abort_marker_exists(file_system& fs, const std::string& directory) {
  auto opened = fs.open(marker_path(directory), open_mode::read);
  return opened.has_value() || opened.error().code != errc::not_found;
}

result<void> create_abort_marker(file_system& fs, const std::string& directory) {
  TROUPE_TRY(auto marker, fs.open(marker_path(directory), open_mode::create));
  TROUPE_TRY(marker->allocate(0, blocks::sparse));
  auto text = std::to_string(::getpid());
  std::array<byte_view, 1> parts{std::as_bytes(std::span(text))};
  TROUPE_TRY(marker->write_at(0, parts));
  TROUPE_TRY(marker->sync());
  return fs.sync_directory(directory);
}

result<void> remove_abort_marker(file_system& fs, const std::string& directory) {
  TROUPE_TRY(fs.remove(marker_path(directory)));
  return fs.sync_directory(directory);
}

} // namespace troupe::storage
