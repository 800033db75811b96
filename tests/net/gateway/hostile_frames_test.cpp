#include "storage/big_endian.hpp"
#include "tests/fuzz/hostile_stream.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/frames.hpp"

#include <array>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>
#include <vector>

using namespace troupe;

namespace {

constexpr std::size_t head_bytes = 8;

/// Frames of real clients, and what harm can be done to them. The same seed does the same.
class mutator {
public:
  explicit mutator(std::vector<std::string> frames) : frames_(std::move(frames)) {}

  /// One to four frames, some of them changed.
  std::string stream() {
    std::string out;
    for (auto count = up_to(3) + 1; count > 0; --count)
      out += up_to(7) == 0 ? any() : changed();
    return out;
  }
  std::size_t piece() { return up_to(2) == 0 ? up_to(40) + 1 : 1 << 20; }

private:
  std::size_t up_to(std::size_t most) {
    return std::uniform_int_distribution<std::size_t>(0, most)(random_);
  }
  const std::string& any() { return frames_[up_to(frames_.size() - 1)]; }

  std::string changed() {
    auto frame = any();
    auto header = storage::big_endian::load<std::uint32_t>(
                      reinterpret_cast<const std::byte*>(frame.data()) + 4) &
                  0xffffffu;
    for (auto count = up_to(3) + 1; count > 0; --count)
      change(frame);
    if (up_to(3) > 0)
      repair_lengths(frame, header);
    return frame;
  }

  void change(std::string& frame) {
    static constexpr std::array<std::string_view, 22> words = {"\"",
                                                               "{",
                                                               "}",
                                                               "[",
                                                               "]",
                                                               ":",
                                                               ",",
                                                               "null",
                                                               "true",
                                                               "-1",
                                                               "1e999",
                                                               "\\u0",
                                                               "\1",
                                                               "\2",
                                                               "||",
                                                               "\xff",
                                                               "\x7f\xff\xff\xff",
                                                               "9223372036854775808",
                                                               "*",
                                                               "-",
                                                               "\\",
                                                               "2147483648"};
    auto at = up_to(frame.size());
    switch (up_to(6)) {
    case 0:
      if (at < frame.size())
        frame[at] = static_cast<char>(frame[at] ^ (1 << up_to(7)));
      break;
    case 1:
      if (at < frame.size())
        frame[at] = static_cast<char>(up_to(255));
      break;
    case 2:
      frame.insert(at, words[up_to(words.size() - 1)]);
      break;
    case 3:
      frame.erase(at, up_to(16));
      break;
    case 4:
      frame.insert(at, frame.substr(up_to(frame.size()), up_to(64)));
      break;
    case 5: {
      auto& other = any();
      frame = frame.substr(0, at) + other.substr(up_to(other.size()));
      break;
    }
    case 6: {
      auto word = words[up_to(words.size() - 1)];
      frame.replace(at, word.size(), word);
      break;
    }
    }
  }

  /// So that what lies inside is looked at.
  static void repair_lengths(std::string& frame, std::size_t header) {
    if (frame.size() < head_bytes)
      return;
    header = std::min(header, frame.size() - head_bytes);
    auto type = static_cast<std::uint32_t>(frame[4] & 1);
    auto* to = reinterpret_cast<std::byte*>(frame.data());
    to = storage::big_endian::store(to, static_cast<std::uint32_t>(frame.size() - 4));
    storage::big_endian::store(to, type << 24 | static_cast<std::uint32_t>(header));
  }

  std::vector<std::string> frames_;
  std::mt19937_64 random_{20240607};
};

/// The captured frames, and bodies of every kind that the door reads.
std::vector<std::string> seeds() {
  std::vector<std::string> found;
  auto text = test::captured_file("frames.bin");
  for (std::string_view rest = text; !rest.empty();) {
    auto length =
        storage::big_endian::load<std::uint32_t>(reinterpret_cast<const std::byte*>(rest.data()));
    found.emplace_back(rest.substr(0, length + 4));
    rest.remove_prefix(length + 4);
  }
  return found;
}

} // namespace

TEST_CASE("door: mutated frames are understood or refused, and harm nothing", "[gateway]") {
  auto* asked = std::getenv("HOSTILE_FRAMES"); // 1000000 for the long run
  auto wanted = asked != nullptr ? std::strtoull(asked, nullptr, 10) : 30'000;
  mutator mutate(seeds());
  std::size_t streams = 0, understood = 0;
  for (; streams < wanted; ++streams) {
    auto stream = mutate.stream();
    understood += fuzz::check_stream(std::as_bytes(std::span(stream)), mutate.piece());
  }
  CHECK(understood > wanted / 2); // else the lengths hide what is behind them
}
