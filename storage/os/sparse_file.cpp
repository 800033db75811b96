#include "storage/os/sparse_file.hpp"

#include <algorithm>
#include <functional>
#include <span>
#include <vector>

namespace troupe::storage {

namespace {

constexpr std::size_t piece_bytes = 64 * 1024;

bool is_zero(std::byte b) noexcept {
  return b == std::byte{0};
}

/// Calls `visit(from, to)` for pieces of [from, to) that hold something, until it answers false.
result<void>
for_each_filled_piece(const file& in, std::uint64_t from, std::uint64_t to,
                      const std::function<result<bool>(std::uint64_t, std::uint64_t)>& visit) {
  to = std::min(to, in.size());
  std::vector<std::byte> piece;
  for (from = in.next_data(from); from < to; from = in.next_data(from)) {
    piece.resize(static_cast<std::size_t>(std::min<std::uint64_t>(piece_bytes, to - from)));
    TROUPE_TRY(auto count, in.read_at(from, piece));
    if (count == 0)
      break;
    auto found = byte_view(piece).first(count);
    auto first = std::ranges::find_if_not(found, is_zero);
    if (first != found.end()) {
      auto last = std::find_if_not(found.rbegin(), found.rend(), is_zero);
      TROUPE_TRY(auto more, visit(from + static_cast<std::uint64_t>(first - found.begin()),
                                  from + static_cast<std::uint64_t>(found.rend() - last)));
      if (!more)
        break;
    }
    from += count;
  }
  return boost::outcome_v2::success();
}

} // namespace

result<bool> holds_only_zeros(const file& in, std::uint64_t from, std::uint64_t to) {
  bool zeros = true;
  TROUPE_TRY(for_each_filled_piece(in, from, to, [&](std::uint64_t, std::uint64_t) {
    zeros = false;
    return result<bool>(false);
  }));
  return zeros;
}

result<void> clear_sparsely(file& out, std::uint64_t from, std::uint64_t to) {
  return for_each_filled_piece(out, from, to,
                               [&](std::uint64_t first, std::uint64_t last) -> result<bool> {
                                 TROUPE_TRY(out.zero_range(first, last));
                                 return true;
                               });
}

} // namespace troupe::storage
