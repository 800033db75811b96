#pragma once

#include "storage/big_endian.hpp"
#include "storage/clock.hpp"
#include "storage/os/file_system.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <utility>

/// What libFuzzer calls with each input; its name is not ours. Answers 0, or -1 for an input that
/// is not worth keeping.
// NOLINTNEXTLINE(readability-identifier-naming)
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace troupe::fuzz {

/// The property of a target: a sentence that is true of every input. libFuzzer keeps the input of
/// the process that ends here.
inline void require(bool holds, const char* sentence) {
  if (holds)
    return;
  std::fprintf(stderr, "\nnot true of this input: %s\n", sentence);
  std::abort();
}

/// The value of what never fails: the disk of these targets does not, and what was written is read.
template <class T>
T must(storage::result<T>&& outcome) {
  if (outcome.has_error())
    require(false, outcome.error().message.c_str());
  if constexpr (!std::is_void_v<T>)
    return std::move(outcome).value();
}

/// The bytes of one run, taken from the front; behind their end there are zeros.
class input {
public:
  input(const std::uint8_t* data, std::size_t size)
      : rest_(reinterpret_cast<const std::byte*>(data), size) {}

  storage::byte_view rest() const noexcept { return rest_; }
  storage::byte_view take(std::size_t count) noexcept {
    auto part = rest_.first(std::min(count, rest_.size()));
    rest_ = rest_.subspan(part.size());
    return part;
  }
  /// Big-endian, as everything on disk.
  template <class T>
  T number() noexcept {
    std::array<std::byte, sizeof(T)> bytes{};
    auto part = take(sizeof(T));
    std::ranges::copy(part, bytes.begin());
    return storage::big_endian::load<T>(bytes.data());
  }
  /// At least 0 and at most `limit`.
  std::int64_t number_up_to(std::int64_t limit) noexcept {
    return static_cast<std::int64_t>(number<std::uint64_t>() %
                                     (static_cast<std::uint64_t>(limit) + 1));
  }

private:
  storage::byte_view rest_;
};

/// Puts a file of `size` bytes on the disk, zeros behind `content`.
inline void place_file(storage::file_system& disk, const std::string& path,
                       storage::byte_view content, std::uint64_t size) {
  must(storage::make_directories(disk, path.substr(0, path.rfind('/'))));
  auto file = must(disk.open(path, storage::open_mode::create));
  std::array<storage::byte_view, 1> parts{content};
  must(file->write_at(0, parts));
  must(file->allocate(size, storage::blocks::sparse));
}
inline void place_file(storage::file_system& disk, const std::string& path,
                       storage::byte_view content) {
  place_file(disk, path, content, content.size());
}

/// Stands still.
class stopped_clock final : public storage::wall_clock {
public:
  std::int64_t now_ms() const noexcept override { return 1'800'000'000'000; }
};

} // namespace troupe::fuzz
