#pragma once

#include "storage/error.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::cli {

/// Cuts a file or standard input into message bodies.
class line_reader {
public:
  enum class framing {
    delimiter,      ///< a body ends before the delimiter; the last one may lack it
    length_prefixed ///< four bytes of length, big-endian, before each body
  };

  /// `path` empty or "-": standard input. Bodies over `max_body` are refused.
  static storage::result<line_reader> open(const std::string& path, framing how, char delimiter,
                                           std::size_t max_body);
  line_reader(line_reader&& other) noexcept;
  line_reader& operator=(line_reader&&) = delete;
  ~line_reader();

  /// The next body, which lives until the next call; nothing at the end of the input.
  storage::result<std::optional<std::string_view>> next();

  /// True when `next` would have to wait for input.
  bool would_wait() const;

private:
  line_reader(int descriptor, std::string name, framing how, char delimiter, std::size_t max_body);
  storage::result<bool> fill();
  std::string place() const;

  int descriptor_;
  std::string name_;
  framing framing_;
  char delimiter_;
  std::size_t max_body_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;    ///< first byte that was not handed out
  std::size_t end_ = 0;      ///< behind the last byte that was read
  std::size_t searched_ = 0; ///< no delimiter before this
  std::size_t count_ = 0;
  bool at_end_ = false;
};

} // namespace troupe::cli
