#pragma once

#include "net/remoting/command.hpp"
#include "storage/os/slice.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace troupe::remoting {

/// What a peer may send in one frame: the length word's most, and the header's. Properties of
/// 32 KiB, every byte escaped, are a header of 200 KiB.
inline constexpr std::size_t most_frame_bytes = std::size_t{16} << 20;
inline constexpr std::size_t most_header_bytes = std::size_t{1} << 20;

/// One frame as it was received. The slices share the block into which the socket was read.
struct frame {
  header_type type = header_type::json;
  storage::slice header;
  storage::slice body;
  std::size_t bytes = 0; ///< of the whole frame, with its length word
};

/// Cuts a stream into frames: read into `room()`, say how much came with `received`, take frames
/// with `next` until there is none. Memory grows with what has come, never with what a length
/// announces, and not beyond the frame that does.
class frame_splitter {
public:
  /// Where the next bytes go: never empty. Bytes that were handed out in a frame are never written
  /// again.
  std::span<std::byte> room();
  void received(std::size_t count);

  /// The next whole frame, nothing when more bytes are needed, or why the stream cannot be
  /// understood any more; then it must be closed.
  storage::result<std::optional<frame>> next();

  /// Bytes of a frame that is not complete.
  std::size_t pending() const noexcept { return end_ - begin_; }

  /// Bytes that the frame which is pending lacks, as far as its length is known; never 0.
  std::size_t missing() const noexcept;

  /// Bytes of memory that stay with the splitter: of the whole block, however little is in it.
  std::size_t held_bytes() const noexcept { return capacity_; }
  /// The same after the next `room()`.
  std::size_t next_held_bytes() const noexcept {
    return needs_block() ? next_capacity() : capacity_;
  }
  /// No more than this is allocated for frames that have not begun; at least 4 KiB are.
  void limit_room(std::size_t bytes) noexcept { room_limit_ = bytes; }
  /// Keeps no more than what is pending needs. For a pause in the stream: `next` had nothing more.
  void give_back();

private:
  static constexpr std::size_t least_room = std::size_t{4} << 10;

  byte_view rest() const noexcept { return {block_.get() + begin_, end_ - begin_}; }
  bool needs_block() const noexcept { return !block_ || shared_ || capacity_ == end_; }
  std::size_t next_usual_room() const noexcept;
  std::size_t next_capacity() const noexcept;
  storage::slice part(std::size_t from, std::size_t count) const;
  void move_to_new_block(std::size_t capacity);

  std::shared_ptr<std::byte[]> block_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0; ///< of what is not handed out
  std::size_t end_ = 0;   ///< of what was received
  bool shared_ = false;   ///< a frame of this block was handed out
  std::size_t usual_room_ = least_room;
  std::size_t room_limit_ = ~std::size_t{0};
  std::size_t announced_ = 0; ///< bytes of the frame that is pending, once its length is known
};

/// Appends a frame without its body, which is to follow: lengths and header.
void append_frame_head(std::string& out, const command& c, std::size_t body_bytes);

} // namespace troupe::remoting
