#include "storage/queues/queue_reading.hpp"

#include "storage/log/log_file.hpp"

#include <algorithm>
#include <array>

namespace troupe::storage {

namespace {

constexpr std::int64_t entry_bytes = queue_entry_bytes;
constexpr std::int64_t page_bytes = 4096;
/// Reads are done in pieces of this many entries.
constexpr std::size_t entries_a_piece = 3200;

/// How many whole entries from byte `at` on lie in its page.
std::size_t entries_in_page(std::int64_t at) {
  return static_cast<std::size_t>((page_bytes - at % page_bytes) / entry_bytes);
}

} // namespace

error queue_reading::damaged(std::int64_t start, const std::string& what) const {
  return {errc::corrupt, bytes_.directory() + "/" + offset_file_name(start) + " " + what +
                             ": the queue must be rebuilt from the log"};
}

result<void> queue_reading::read_files(queue_offset from, std::size_t count,
                                       std::vector<queue_entry>& into) const {
  if (from < extent_.first)
    return error{errc::offset_too_small,
                 bytes_.directory() + ": entry " + std::to_string(from) + " is no longer there"};
  auto& bytes = bytes_.scratch();
  while (count > 0) {
    const auto start = file_start(from);
    const auto at = from * entry_bytes - start;
    const auto room = (extent_.file_bytes - at) / entry_bytes;
    auto piece = std::min({count, static_cast<std::size_t>(room), entries_a_piece});
    bytes.resize(piece * queue_entry_bytes);
    auto got = bytes_.read(start, static_cast<std::uint64_t>(at), bytes);
    if (got.has_error() && got.error().code == errc::not_resident) {
      // The next page may be cold and this one not: some entries are better than none.
      const auto few = entries_in_page(at);
      if (few == 0 || few >= piece)
        return std::move(got).error();
      count = piece = few;
      bytes.resize(piece * queue_entry_bytes);
      got = bytes_.read(start, static_cast<std::uint64_t>(at), bytes);
      if (got.has_error())
        return std::move(got).error();
    }
    TROUPE_TRY(auto filled, std::move(got));
    for (std::size_t i = 0; i < filled / queue_entry_bytes; ++i)
      into.push_back(load_entry(bytes.data() + i * queue_entry_bytes));
    if (filled != bytes.size())
      return damaged(start, "ends too early");
    from += static_cast<queue_offset>(piece);
    count -= piece;
  }
  return boost::outcome_v2::success();
}

result<void> queue_reading::read(queue_offset from, std::size_t count,
                                 std::vector<queue_entry>& into) const {
  if (from < extent_.min)
    return error{errc::offset_too_small, bytes_.directory() + ": offset " + std::to_string(from) +
                                             " is below the minimum " +
                                             std::to_string(extent_.min)};
  if (from >= extent_.next)
    return boost::outcome_v2::success();
  count = std::min(count, static_cast<std::size_t>(extent_.next - from));
  if (from < extent_.written) {
    const auto stored = std::min(count, static_cast<std::size_t>(extent_.written - from));
    const auto before = into.size();
    auto outcome = read_files(from, stored, into);
    auto bad = std::find_if(into.begin() + static_cast<std::ptrdiff_t>(before), into.end(),
                            [this](const queue_entry& e) {
                              return !e.valid() || e.filler() || e.end() > extent_.log_end;
                            });
    if (bad != into.end()) {
      const auto number = from + (bad - into.begin()) - static_cast<queue_offset>(before);
      into.erase(bad, into.end());
      return damaged(file_start(number),
                     "has a damaged entry for message " + std::to_string(number));
    }
    const auto got = into.size() - before;
    if (got > 0 && got < stored &&
        (outcome.has_value() || outcome.error().code == errc::not_resident))
      return boost::outcome_v2::success(); // the tail would leave a gap
    TROUPE_TRY(outcome);
    from += static_cast<queue_offset>(stored);
    count -= stored;
  }
  if (count == 0)
    return boost::outcome_v2::success();
  for (auto* at = extent_.tail.data() + (from - extent_.written) * entry_bytes; count > 0;
       --count) {
    into.push_back(load_entry(at));
    at += queue_entry_bytes;
  }
  return boost::outcome_v2::success();
}

result<queue_entry> queue_reading::entry(queue_offset number) const {
  if (number >= extent_.written && number < extent_.next)
    return load_entry(extent_.tail.data() + (number - extent_.written) * entry_bytes);
  if (number < extent_.first || number >= extent_.next)
    return error{errc::not_found, bytes_.directory() + " has no entry " + std::to_string(number)};
  std::array<std::byte, queue_entry_bytes> bytes;
  const auto start = file_start(number);
  TROUPE_TRY(auto got,
             bytes_.read(start, static_cast<std::uint64_t>(number * entry_bytes - start), bytes));
  if (got != bytes.size())
    return damaged(start, "ends too early");
  return load_entry(bytes.data());
}

result<queue_offset> queue_reading::find_first(log_offset offset) const {
  auto behind = [offset](const queue_entry& e) { return !e.filler() && e.offset >= offset; };
  // Mostly asked for what was added last, which is in memory.
  auto from = extent_.min;
  auto to = extent_.next;
  for (queue_offset step = 1; to - from > step; step *= 2) {
    TROUPE_TRY(auto found, entry(to - step));
    if (!behind(found)) {
      from = to - step + 1;
      break;
    }
    to -= step;
  }
  return search(from, to, behind);
}

} // namespace troupe::storage
