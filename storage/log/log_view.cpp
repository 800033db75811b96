#include "storage/log/log_view.hpp"

#include "storage/big_endian.hpp"
#include "storage/mutant.hpp"

#include <algorithm>
#include <array>
#include <memory>
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

/// Slices of a map that are counted together: about those of one answer.
constexpr std::uint32_t lent_together = 32;

/// A record of more bytes is not read without a map.
constexpr std::uint64_t most_copied = 64 * mib;

verify what_to_verify() {
  return TROUPE_MUTANT("damage-served") ? verify::structure : verify::structure_and_crc;
}

error below_minimum(log_offset offset, log_offset min) {
  return {errc::offset_too_small,
          "log offset " + std::to_string(offset) + " is below the minimum " + std::to_string(min)};
}

} // namespace

log_view::log_view(file_system& fs, const options& o, log_offset min_offset, std::size_t map_limit)
    : fs_(fs), options_(o), min_offset_(min_offset),
      map_limit_(std::max<std::size_t>(map_limit, 1)), builder_(o.delays) {}

log_offset log_view::start_of(log_offset offset) const noexcept {
  return offset - offset % static_cast<log_offset>(options_.log_file_size_bytes);
}

result<log_view::message> log_view::read(log_offset offset) {
  if (offset < min_offset_)
    return below_minimum(offset, min_offset_);
  auto map = map_of(start_of(offset));
  if (map)
    return read_mapped(*map.value(), offset);
  if (map.error().code == errc::not_found) {
    // The oldest files go before this view is told.
    if (auto min = log_start(fs_, options_, min_offset_); offset < min)
      return below_minimum(offset, min);
    return std::move(map).error();
  }
  return map.error().code == errc::corrupt ? result<message>(map.error()) : read_copy(offset);
}

result<log_view::message> log_view::read_mapped(known_map& known, log_offset offset) {
  auto bytes = known.kept->bytes().subspan(static_cast<std::size_t>(offset - start_of(offset)));
  auto found = decode_record(bytes, offset, what_to_verify());
  TROUPE_TRY(check_readable(*known.kept, offset));
  if (found.kind != record_kind::message)
    return no_message(found, bytes, offset);
  return message{found.view, slice(known.lend(), found.view.bytes)};
}

/// Reads one record without a map.
result<log_view::message> log_view::read_copy(log_offset offset) const {
  TROUPE_TRY(auto opened, open_file(start_of(offset)));
  auto at = static_cast<std::uint64_t>(offset - start_of(offset));
  std::array<std::byte, record_layout::fixed_bytes_v1> head;
  auto head_bytes = std::min<std::uint64_t>(head.size(), opened->size() - at);
  TROUPE_TRY(opened->read_at(at, std::span(head).first(head_bytes)));
  std::uint64_t size =
      head_bytes < sizeof(std::uint32_t) ? 0 : big_endian::load<std::uint32_t>(head.data());
  if (size < head_bytes || size > std::min(opened->size() - at, most_copied))
    size = head_bytes; // no record: decoding says why
  auto block = std::make_shared_for_overwrite<std::byte[]>(size);
  TROUPE_TRY(auto got, opened->read_at(at, {block.get(), size}));
  slice bytes(std::shared_ptr<const void>(block), byte_view{block.get(), got});
  auto found = decode_record(bytes.bytes(), offset, what_to_verify());
  if (found.kind != record_kind::message)
    return no_message(found, bytes.bytes(), offset);
  return message{found.view, bytes.part(0, found.view.bytes.size())};
}

error log_view::no_message(const decoded& found, byte_view bytes, log_offset offset) const {
  auto where = log_file_path(options_, start_of(offset)) + ", log offset " + std::to_string(offset);
  if (found.kind == record_kind::end && looks_like_record(bytes, offset))
    return error{errc::corrupt, where + ": the record is damaged (" + found.problem +
                                    "); run `troupe store verify`"};
  return error{errc::not_found, where + ": no message starts here"};
}

result<log_view::walked> log_view::walk(log_offset from, log_offset to, verify what,
                                        const std::function<bool(const record_view&)>& visit) {
  if (from < min_offset_)
    return below_minimum(from, min_offset_);
  auto file_size = static_cast<log_offset>(options_.log_file_size_bytes);
  walked answer{.end = from, .problem = ""};
  while (answer.end < to) {
    auto start = answer.end - answer.end % file_size;
    auto mapped = map_of(start);
    if (mapped.has_error() && mapped.error().code == errc::not_found)
      return answer;
    TROUPE_TRY(auto known, std::move(mapped));
    auto map = known->kept;
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
    held_file gone{maps_.begin()->first, maps_.begin()->second.map};
    forget(gone.start);
    if (!gone.map.expired())
      held.push_back(std::move(gone));
  }
  return held;
}

result<std::shared_ptr<file>> log_view::open_file(log_offset start) const {
  auto path = log_file_path(options_, start);
  TROUPE_TRY(auto opened, fs_.open(path, open_mode::read));
  if (opened->size() != options_.log_file_size_bytes)
    return error{errc::corrupt, path + " has " + std::to_string(opened->size()) +
                                    " bytes instead of " +
                                    std::to_string(options_.log_file_size_bytes)};
  return opened;
}

/// The map of the file that starts at `start`; it has the full size.
result<log_view::known_map*> log_view::map_of(log_offset start) {
  if (auto found = maps_.find(start); found != maps_.end()) {
    auto& known = found->second;
    known.used = ++turn_;
    if (known.kept)
      return &known;
    if (auto held = known.map.lock())
      return keep(start, held);
  }
  TROUPE_TRY(auto opened, open_file(start));
  TROUPE_TRY(auto map, opened->map(access::sequential));
  if (map->bytes().size() != options_.log_file_size_bytes)
    return error{errc::corrupt, opened->path() + " changed its size while it was opened"};
  return keep(start, map);
}

log_view::known_map* log_view::keep(log_offset start, const std::shared_ptr<mapping>& map) {
  if (kept_ >= map_limit_)
    let_go();
  auto& known = maps_[start] = {map, map, ++turn_, nullptr, 0};
  ++kept_;
  return &known;
}

std::shared_ptr<const mapping> log_view::known_map::lend() {
  if (lent_left == 0) {
    lent_left = lent_together;
    // Of a holder's own count, which holds the map's.
    lent = {std::make_shared<std::shared_ptr<mapping>>(kept), kept.get()};
  }
  return --lent_left == 0 ? std::move(lent) : lent;
}

/// Lets the least recently used map go. Where slices still hold it, it is known on, so that it can
/// be revoked when its file is deleted.
void log_view::let_go() {
  auto oldest = maps_.end();
  for (auto at = maps_.begin(); at != maps_.end(); ++at)
    if (at->second.kept && (oldest == maps_.end() || at->second.used < oldest->second.used))
      oldest = at;
  oldest->second.kept = nullptr;
  oldest->second.lent = nullptr;
  oldest->second.lent_left = 0;
  --kept_;
  std::erase_if(maps_, [](auto& known) { return known.second.map.expired(); });
}

void log_view::forget(log_offset start) {
  auto found = maps_.find(start);
  if (found == maps_.end())
    return;
  kept_ -= found->second.kept ? 1 : 0;
  maps_.erase(found);
}

/// A page that could not be read fails the request that touched it; the next one gets a new map.
result<void> log_view::check_readable(const mapping& map, log_offset offset) {
  if (!map.damaged())
    return boost::outcome_v2::success();
  forget(start_of(offset));
  return error{errc::io_error, log_file_path(options_, start_of(offset)) +
                                   " could not be read near log offset " + std::to_string(offset) +
                                   "; look at the disk's health"};
}

} // namespace troupe::storage
