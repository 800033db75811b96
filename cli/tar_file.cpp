#include "cli/tar_file.hpp"

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <utility>

namespace troupe::cli {

namespace {

constexpr std::size_t block_bytes = 512;

/// Where the fields of a header lie.
struct field {
  std::size_t at;
  std::size_t size;
};
constexpr field name_field{0, 100};
constexpr field mode_field{100, 8};
constexpr field user_field{108, 8};
constexpr field group_field{116, 8};
constexpr field size_field{124, 12};
constexpr field time_field{136, 12};
constexpr field sum_field{148, 8};
constexpr std::size_t type_at = 156;
constexpr field magic_field{257, 8};

void put(std::string& header, field where, std::string_view text) {
  header.replace(where.at, std::min(text.size(), where.size), text.substr(0, where.size));
}

/// Octal digits with a zero byte behind them.
void put_number(std::string& header, field where, std::uint64_t number) {
  char digits[24];
  std::snprintf(digits, sizeof digits, "%0*llo", static_cast<int>(where.size - 1),
                static_cast<unsigned long long>(number));
  put(header, where, digits);
}

} // namespace

void tar_file::add(std::string_view name, std::string_view content, std::int64_t modified_s) {
  constexpr std::uint64_t owner_reads_and_writes = 0600;
  std::string header(block_bytes, '\0');
  put(header, name_field, name);
  put_number(header, mode_field, owner_reads_and_writes);
  put_number(header, user_field, 0);
  put_number(header, group_field, 0);
  put_number(header, size_field, content.size());
  put_number(header, time_field, static_cast<std::uint64_t>(std::max<std::int64_t>(0, modified_s)));
  header[type_at] = '0';
  put(header, magic_field, std::string_view("ustar\00000", 8));
  // The sum of all bytes, those of itself counted as blanks.
  put(header, sum_field, "        ");
  auto sum = std::accumulate(
      header.begin(), header.end(), std::uint64_t{0},
      [](std::uint64_t so_far, char c) { return so_far + static_cast<unsigned char>(c); });
  put_number(header, {sum_field.at, sum_field.size - 1}, sum);
  bytes_ += header;
  bytes_ += content;
  bytes_.resize((bytes_.size() + block_bytes - 1) / block_bytes * block_bytes, '\0');
}

std::string tar_file::take() {
  bytes_.resize(bytes_.size() + 2 * block_bytes, '\0');
  return std::exchange(bytes_, {});
}

} // namespace troupe::cli
