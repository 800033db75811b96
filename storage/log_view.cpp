#include "storage/log_view.hpp"

#include "storage/big_endian.hpp"
#include "storage/mutant.hpp"

#include <algorithm>
#include <utility>

namespace troupe::storage {

namespace {

/// True if a record begins here by all appearance, so that a failed check means damage.
bool looks_like_record(byte_view bytes, log_offset offset) noexcept {
  if (bytes.size() < record_layout::fixed_bytes_v1)
    return false;
  auto magic = big_endian::load<std::uint32_t>(bytes.data() + 4);
  return (magic == record_layout::magic_v1 || magic == record_layout::magic_v2) &&
         big_endian::load<std::int64_t>(bytes.data() + record_layout::own_offset_at) == offset;
}

} // namespace

log_view::log_view(file_system& fs, const options& o, log_offset min_offset)
    : fs_(fs), options_(o), min_offset_(min_offset) {}

result<log_view::message> log_view::read(log_offset offset) {
  if (offset < min_offset_)
    return error{errc::offset_too_small, "log offset " + std::to_string(offset) +
                                             " is below the minimum " +
                                             std::to_string(min_offset_)};
  auto file_size = static_cast<log_offset>(options_.log_file_size_bytes);
  auto start = offset - offset % file_size;
  TROUPE_TRY(auto map, map_of(start));
  auto bytes = map->bytes().subspan(static_cast<std::size_t>(offset - start));
  auto what = TROUPE_MUTANT("damage-served") ? verify::structure : verify::structure_and_crc;
  auto found = decode_record(bytes, offset, what);
  TROUPE_TRY(check_readable(*map, offset));
  if (found.kind == record_kind::message)
    return message{found.view, slice(std::shared_ptr<const mapping>(map), found.view.bytes)};
  auto where = log_file_path(options_, start) + ", log offset " + std::to_string(offset);
  if (found.kind == record_kind::end && looks_like_record(bytes, offset))
    return error{errc::corrupt, where + ": the record is damaged (" + found.problem +
                                    "); run `troupe store verify`"};
  return error{errc::not_found, where + ": no message starts here"};
}

result<log_view::walked> log_view::walk(log_offset from, log_offset to, verify what,
                                        const std::function<bool(const record_view&)>& visit) {
  if (from < min_offset_)
    return error{errc::offset_too_small, "log offset " + std::to_string(from) +
                                             " is below the minimum " +
                                             std::to_string(min_offset_)};
  auto file_size = static_cast<log_offset>(options_.log_file_size_bytes);
  walked answer{.end = from, .problem = ""};
  while (answer.end < to) {
    auto start = answer.end - answer.end % file_size;
    auto mapped = map_of(start);
    if (mapped.has_error() && mapped.error().code == errc::not_found)
      return answer;
    TROUPE_TRY(auto map, std::move(mapped));
    auto file_end = start + file_size;
    while (answer.end < std::min(to, file_end)) {
      auto rest = map->bytes().subspan(static_cast<std::size_t>(answer.end - start));
      auto found = decode_record(rest, answer.end, what);
      auto next = answer.end + static_cast<log_offset>(found.size);
      auto go_on = found.kind != record_kind::end && next <= to;
      TROUPE_TRY(check_readable(*map, answer.end));
      if (go_on && found.kind == record_kind::message) {
        go_on = visit(found.view);
        TROUPE_TRY(check_readable(*map, answer.end)); // the visitor touched more bytes
        answer.end = next;
      } else if (go_on) {
        answer.end = next;
      } else if (found.kind == record_kind::end) {
        answer.problem = found.problem;
      }
      if (!go_on)
        return answer;
    }
  }
  return answer;
}

result<position_batch> log_view::positions(log_offset from, log_offset to, std::size_t count) {
  builder_.start(from);
  if (count == 0)
    return builder_.take(from);
  TROUPE_TRY(auto stopped, walk(from, to, verify::structure, [&](const record_view& view) {
               builder_.add(view);
               return builder_.count() < count;
             }));
  if (stopped.end == from && *stopped.problem != '\0')
    return error{errc::corrupt, log_directory(options_) + ": the record at log offset " +
                                    std::to_string(from) + " is damaged (" + stopped.problem +
                                    "); run `troupe store verify`"};
  return builder_.take(stopped.end);
}

std::vector<log_view::held_file> log_view::drop_until(log_offset min) {
  min_offset_ = std::max(min_offset_, min);
  auto file_size = static_cast<log_offset>(options_.log_file_size_bytes);
  std::vector<held_file> held;
  while (!maps_.empty() && maps_.begin()->first <= min_offset_ - file_size) {
    held_file gone{maps_.begin()->first, maps_.begin()->second};
    maps_.erase(maps_.begin());
    if (!gone.map.expired())
      held.push_back(std::move(gone));
  }
  return held;
}

/// The map of the file that starts at `start`; it has the full size.
result<std::shared_ptr<mapping>> log_view::map_of(log_offset start) {
  if (auto known = maps_.find(start); known != maps_.end())
    return known->second;
  auto path = log_file_path(options_, start);
  TROUPE_TRY(auto opened, fs_.open(path, open_mode::read));
  if (opened->size() != options_.log_file_size_bytes)
    return error{errc::corrupt, path + " has " + std::to_string(opened->size()) +
                                    " bytes instead of " +
                                    std::to_string(options_.log_file_size_bytes)};
  TROUPE_TRY(auto map, opened->map(access::sequential));
  if (map->bytes().size() != options_.log_file_size_bytes)
    return error{errc::corrupt, path + " changed its size while it was opened"};
  maps_.emplace(start, map);
  return map;
}

/// A page that could not be read fails the request that touched it; the next one gets a new map.
result<void> log_view::check_readable(const mapping& map, log_offset offset) {
  if (!map.damaged())
    return boost::outcome_v2::success();
  auto start = offset - offset % static_cast<log_offset>(options_.log_file_size_bytes);
  maps_.erase(start);
  return error{errc::io_error, log_file_path(options_, start) +
                                   " could not be read near log offset " + std::to_string(offset) +
                                   "; look at the disk's health"};
}

} // namespace troupe::storage
