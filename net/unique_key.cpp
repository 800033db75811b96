#include "net/unique_key.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <random>
#include <string_view>

#include <unistd.h>

namespace troupe::client {

namespace {

void put_hex(char*& at, std::uint32_t value, int digits) {
  constexpr std::string_view hex = "0123456789ABCDEF";
  for (int i = digits - 1; i >= 0; --i) {
    at[i] = hex[value & 0xf];
    value >>= 4;
  }
  at += digits;
}

struct process_part {
  std::array<char, 20> text{};
  std::chrono::system_clock::time_point month_began;

  process_part() {
    std::random_device random;
    auto* at = text.data();
    put_hex(at, random(), 8); // in place of an address: nobody's name is looked up for it
    put_hex(at, static_cast<std::uint32_t>(::getpid()), 4);
    put_hex(at, random(), 8);
    auto now = std::time(nullptr);
    std::tm month{};
    ::gmtime_r(&now, &month);
    month.tm_mday = 1;
    month.tm_hour = month.tm_min = month.tm_sec = 0;
    month_began = std::chrono::system_clock::from_time_t(::timegm(&month));
  }
};

} // namespace

std::string next_unique_key() {
  static const process_part process;
  static std::atomic<std::uint32_t> counter{0};
  auto since = std::chrono::system_clock::now() - process.month_began;
  auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(since).count();
  std::string key(32, '0');
  auto* at = key.data();
  for (auto c : process.text)
    *at++ = c;
  put_hex(at, static_cast<std::uint32_t>(ms), 8);
  put_hex(at, counter.fetch_add(1), 4);
  return key;
}

} // namespace troupe::client
