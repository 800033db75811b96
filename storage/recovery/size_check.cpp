#include "storage/recovery/size_check.hpp"

#include "storage/format/queue_entry.hpp"
#include "storage/index/index_file.hpp"
#include "storage/log/log_file.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace troupe::storage {

namespace {

struct found_file {
  std::string path;
  std::uint64_t size = 0;
};

/// An absent directory is an empty one.
result<std::vector<directory_entry>> list_if_there(file_system& fs, const std::string& path) {
  auto found = fs.list(path);
  if (found.has_error() && found.error().code == errc::not_found)
    return std::vector<directory_entry>{};
  return found;
}

/// Looks for files that a setting could have made, until one has the wanted size.
class size_search {
public:
  explicit size_search(std::uint64_t wanted) : wanted_(wanted) {}

  void look_at(const std::string& directory, const directory_entry& entry) {
    if (entry.directory || entry.size == 0)
      return;
    fits_ = fits_ || entry.size == wanted_;
    if (!other_ && entry.size != wanted_)
      other_ = {directory + "/" + entry.name, entry.size};
  }
  bool fits() const noexcept { return fits_; }
  const std::optional<found_file>& other() const noexcept { return other_; }

private:
  std::uint64_t wanted_;
  bool fits_ = false;
  std::optional<found_file> other_;
};

result<void> look_at_queues(file_system& fs, const options& o, size_search& search) {
  auto root = queue_directory(o);
  TROUPE_TRY(auto topics, list_if_there(fs, root));
  for (auto& topic : topics) {
    if (!topic.directory)
      continue;
    auto topic_directory = root + "/" + topic.name;
    TROUPE_TRY(auto queues, list_if_there(fs, topic_directory));
    for (auto& queue : queues) {
      if (!queue.directory)
        continue;
      auto directory = topic_directory + "/" + queue.name;
      TROUPE_TRY(auto files, list_if_there(fs, directory));
      for (auto& entry : files)
        if (parse_offset_file_name(entry.name) && entry.size % queue_entry_bytes == 0)
          search.look_at(directory, entry);
      if (search.fits()) // as in every sound store the first one does
        return boost::outcome_v2::success();
    }
  }
  return boost::outcome_v2::success();
}

result<void> check_queues(file_system& fs, const options& o, const file_sizes& written_down) {
  size_search search(o.queue_file_size_bytes);
  TROUPE_TRY(look_at_queues(fs, o, search));
  if (search.fits() || !search.other() || written_down.queue_bytes == o.queue_file_size_bytes)
    return boost::outcome_v2::success();
  auto size = std::to_string(search.other()->size);
  return error{errc::invalid_argument,
               "mapped-file-size-consume-queue is " + std::to_string(o.queue_file_size_bytes) +
                   ", but " + search.other()->path + " has " + size + " bytes. Set it back to " +
                   size + "; to change it on purpose move " + queue_directory(o) +
                   " away: the queues are built again from the log"};
}

std::string geometry_text(std::uint64_t slots, std::uint64_t entries) {
  return "max-hash-slot-num = " + std::to_string(slots) +
         " and max-index-num = " + std::to_string(entries);
}

/// How the files were made, as far as it is known: a length alone fits many settings.
std::string made_with(const found_file& file, const file_sizes& written_down) {
  constexpr std::uint64_t usual_ratio = 4; // entries a slot, RocketMQ's own
  if (written_down.known() &&
      index_geometry{written_down.index_slots, written_down.index_entries}.file_bytes() ==
          file.size)
    return geometry_text(written_down.index_slots, written_down.index_entries);
  constexpr auto share = index_geometry::slot_bytes + usual_ratio * index_geometry::entry_bytes;
  auto rest = file.size - std::min(file.size, index_geometry::header_bytes);
  if (rest > 0 && rest % share == 0)
    return geometry_text(rest / share, rest / share * usual_ratio);
  return "the values that the store had";
}

result<void> check_index(file_system& fs, const options& o, const file_sizes& written_down) {
  const index_geometry geometry{o.index_slots, o.index_entries};
  auto directory = index_directory(o);
  TROUPE_TRY(auto files, list_if_there(fs, directory));
  // Of one length with other slots and entries: only the checkpoint can tell.
  const bool same =
      written_down.index_slots == o.index_slots && written_down.index_entries == o.index_entries;
  const bool moved = written_down.known() && !same;
  const index_geometry before{written_down.index_slots, written_down.index_entries};
  size_search search(moved && before.file_bytes() == geometry.file_bytes() ? 0
                                                                           : geometry.file_bytes());
  for (auto& entry : files)
    search.look_at(directory, entry);
  if (search.fits() || !search.other() || (written_down.known() && same))
    return boost::outcome_v2::success();
  auto& file = *search.other();
  return error{errc::invalid_argument,
               geometry_text(o.index_slots, o.index_entries) + " make index files of " +
                   std::to_string(geometry.file_bytes()) + " bytes, but " + file.path + " has " +
                   std::to_string(file.size) + ". Set back " + made_with(file, written_down) +
                   "; to change them on purpose move " + directory +
                   " away: the index is built again from the log"};
}

} // namespace

result<void> check_sizes(file_system& fs, const options& o, const file_sizes& written_down) {
  TROUPE_TRY(check_queues(fs, o, written_down));
  return check_index(fs, o, written_down);
}

} // namespace troupe::storage
