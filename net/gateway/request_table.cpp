#include "net/gateway/request_table.hpp"

#include "storage/check.hpp"

#include <algorithm>
#include <utility>

namespace troupe::net {

namespace {

bool is_below(const request_line& line, std::int32_t code) noexcept {
  return line.code < code;
}

} // namespace

void request_table::add(request_lines lines) {
  for (auto& line : lines) {
    auto at = std::lower_bound(lines_.begin(), lines_.end(), line.code, is_below);
    TROUPE_CHECK(at == lines_.end() || at->code != line.code);
    lines_.insert(at, std::move(line));
  }
}

const request_line* request_table::find(std::int32_t code) const noexcept {
  auto at = std::lower_bound(lines_.begin(), lines_.end(), code, is_below);
  return at == lines_.end() || at->code != code ? nullptr : &*at;
}

} // namespace troupe::net
