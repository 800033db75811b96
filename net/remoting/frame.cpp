#include "net/remoting/frame.hpp"
#include "storage/big_endian.hpp"
#include "storage/check.hpp"

#include <algorithm>
#include <cstring>

namespace troupe::remoting {

namespace {

using storage::errc;
using storage::error;
using storage::big_endian::load;

constexpr std::size_t length_bytes = 4;
constexpr std::size_t head_bytes = 8; ///< length, and type with header length
constexpr std::size_t most_room = std::size_t{256} << 10;

error malformed(const std::string& what) {
  return {errc::invalid_argument, "malformed frame: " + what};
}

} // namespace

std::span<std::byte> frame_splitter::room() {
  if (needs_block()) {
    auto usual = next_usual_room();
    move_to_new_block(next_capacity());
    usual_room_ = usual;
  }
  return {block_.get() + end_, capacity_ - end_};
}

/// As much as came into the last block, and more when it was filled.
std::size_t frame_splitter::next_usual_room() const noexcept {
  auto wanted = !block_ ? usual_room_ : capacity_ == end_ ? 2 * capacity_ : end_;
  return std::clamp(wanted, least_room, std::clamp(room_limit_, least_room, most_room));
}

/// What came is doubled; a large frame gets no more than it needs.
std::size_t frame_splitter::next_capacity() const noexcept {
  auto usual = pending() + next_usual_room();
  auto wanted = std::max(usual, 2 * pending());
  return announced_ > pending() ? std::min(wanted, std::max(usual, announced_)) : wanted;
}

std::size_t frame_splitter::missing() const noexcept {
  auto wanted = announced_ > 0 ? announced_ : length_bytes;
  return wanted > pending() ? wanted - pending() : 1;
}

void frame_splitter::give_back() {
  if (pending() == 0) {
    if (end_ > 0)
      usual_room_ = next_usual_room();
    block_.reset();
    begin_ = end_ = capacity_ = announced_ = 0;
    shared_ = false;
  } else if (shared_) {
    move_to_new_block(next_capacity());
  }
}

void frame_splitter::move_to_new_block(std::size_t capacity) {
  auto larger = std::make_shared_for_overwrite<std::byte[]>(capacity);
  if (auto old = rest(); !old.empty())
    std::memcpy(larger.get(), old.data(), old.size());
  end_ = pending();
  begin_ = 0;
  capacity_ = capacity;
  block_ = std::move(larger);
  shared_ = false;
}

void frame_splitter::received(std::size_t count) {
  TROUPE_CHECK(block_ && count <= capacity_ - end_);
  end_ += count;
}

storage::slice frame_splitter::part(std::size_t from, std::size_t count) const {
  if (count == 0)
    return {}; // which keeps no block
  return {std::shared_ptr<const void>(block_), byte_view(block_.get() + from, count)};
}

storage::result<std::optional<frame>> frame_splitter::next() {
  auto bytes = rest();
  announced_ = 0;
  if (bytes.size() < length_bytes)
    return std::nullopt;
  auto announced = load<std::int32_t>(bytes.data());
  auto length = static_cast<std::size_t>(std::max(announced, 0));
  if (length < head_bytes - length_bytes || length > most_frame_bytes)
    return malformed("a length of " + std::to_string(announced) + ", outside 4 to " +
                     std::to_string(most_frame_bytes));
  announced_ = length_bytes + length;
  if (bytes.size() < head_bytes)
    return std::nullopt;
  auto word = load<std::uint32_t>(bytes.data() + length_bytes);
  auto type = word >> 24;
  std::size_t header = word & 0xffffffu;
  if (type > static_cast<std::uint32_t>(header_type::binary))
    return malformed("unknown header type " + std::to_string(type));
  if (header > length - length_bytes || header > most_header_bytes)
    return malformed("a header of " + std::to_string(header) + " bytes in a frame of " +
                     std::to_string(length));
  if (bytes.size() < length_bytes + length)
    return std::nullopt;
  frame f;
  f.type = static_cast<header_type>(type);
  f.header = part(begin_ + head_bytes, header);
  f.body = part(begin_ + head_bytes + header, length - length_bytes - header);
  f.bytes = length_bytes + length;
  begin_ += f.bytes;
  announced_ = 0;
  shared_ = true;
  return f;
}

void append_frame_head(std::string& out, const command& c, std::size_t body_bytes) {
  constexpr std::size_t usual_header = 400;
  auto start = out.size();
  out.reserve(start + head_bytes + usual_header);
  out.append(head_bytes, '\0');
  auto type = append_header(out, c);
  auto header = out.size() - start - head_bytes;
  TROUPE_CHECK(header <= 0xffffffu && body_bytes <= 0x7fffffffu - header - length_bytes);
  auto* to = reinterpret_cast<std::byte*>(out.data() + start);
  to = storage::big_endian::store(to,
                                  static_cast<std::uint32_t>(length_bytes + header + body_bytes));
  storage::big_endian::store(to, static_cast<std::uint32_t>(type) << 24 |
                                     static_cast<std::uint32_t>(header));
}

} // namespace troupe::remoting
