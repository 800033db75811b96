#include "cli/line_reader.hpp"

#include "cli/interruption.hpp"

#include "storage/big_endian.hpp"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

namespace troupe::cli {

namespace {

constexpr std::size_t read_bytes = 1 << 20;
constexpr std::size_t length_bytes = 4;

} // namespace

storage::result<line_reader> line_reader::open(const std::string& path, framing how, char delimiter,
                                               std::size_t max_body) {
  if (path.empty() || path == "-")
    return line_reader(STDIN_FILENO, "standard input", how, delimiter, max_body);
  auto descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0)
    return storage::system_error(errno, "cannot open " + path);
  return line_reader(descriptor, path, how, delimiter, max_body);
}

line_reader::line_reader(int descriptor, std::string name, framing how, char delimiter,
                         std::size_t max_body)
    : descriptor_(descriptor), name_(std::move(name)), framing_(how), delimiter_(delimiter),
      max_body_(max_body), buffer_(read_bytes) {}

line_reader::line_reader(line_reader&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), name_(std::move(other.name_)),
      framing_(other.framing_), delimiter_(other.delimiter_), max_body_(other.max_body_),
      buffer_(std::move(other.buffer_)), begin_(other.begin_), end_(other.end_),
      searched_(other.searched_), count_(other.count_), at_end_(other.at_end_) {}

line_reader::~line_reader() {
  if (descriptor_ > STDIN_FILENO)
    ::close(descriptor_);
}

std::string line_reader::place() const {
  return name_ + ", message " + std::to_string(count_ + 1);
}

storage::result<bool> line_reader::fill() {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    searched_ -= begin_;
    begin_ = 0;
  }
  if (buffer_.size() - end_ < read_bytes)
    buffer_.resize(end_ + read_bytes);
  for (;;) {
    auto got = ::read(descriptor_, buffer_.data() + end_, buffer_.size() - end_);
    if (got > 0) {
      end_ += static_cast<std::size_t>(got);
      return true;
    }
    if (got == 0) {
      at_end_ = true;
      return false;
    }
    if (errno != EINTR)
      return storage::system_error(errno, "cannot read " + name_);
    if (interruption::happened()) {
      at_end_ = true;
      return false;
    }
  }
}

storage::result<std::optional<std::string_view>> line_reader::next() {
  using body = std::optional<std::string_view>;
  for (;;) {
    auto have = end_ - begin_;
    if (framing_ == framing::delimiter) {
      auto* found =
          static_cast<char*>(std::memchr(buffer_.data() + searched_, delimiter_, end_ - searched_));
      if (found != nullptr || (at_end_ && have > 0)) {
        auto length = found ? static_cast<std::size_t>(found - buffer_.data()) - begin_ : have;
        body result = std::string_view{buffer_.data() + begin_, length};
        begin_ += length + (found ? 1 : 0);
        searched_ = begin_;
        if (length > max_body_)
          return storage::error{storage::errc::too_large, place() + " is longer than " +
                                                              std::to_string(max_body_) +
                                                              " bytes (max-message-size)"};
        ++count_;
        return result;
      }
      searched_ = end_;
      if (have > max_body_)
        return storage::error{storage::errc::too_large, place() + " is longer than " +
                                                            std::to_string(max_body_) +
                                                            " bytes (max-message-size)"};
    } else if (have >= length_bytes) {
      auto* at = reinterpret_cast<const std::byte*>(buffer_.data() + begin_);
      std::size_t length = storage::big_endian::load<std::uint32_t>(at);
      if (length > max_body_)
        return storage::error{storage::errc::too_large,
                              place() + " says it has " + std::to_string(length) +
                                  " bytes, but the limit is " + std::to_string(max_body_)};
      if (have - length_bytes >= length) {
        body result = std::string_view{buffer_.data() + begin_ + length_bytes, length};
        begin_ += length_bytes + length;
        ++count_;
        return result;
      }
    }
    if (at_end_) {
      if (have > 0)
        return storage::error{storage::errc::corrupt, place() + " is cut off"};
      return body{};
    }
    TROUPE_TRY(fill());
  }
}

bool line_reader::would_wait() const {
  auto have = end_ - begin_;
  if (at_end_)
    return false;
  if (have > 0 && (framing_ == framing::length_prefixed ||
                   std::memchr(buffer_.data() + begin_, delimiter_, have) != nullptr))
    return false;
  pollfd input{descriptor_, POLLIN, 0};
  return ::poll(&input, 1, 0) == 0;
}

} // namespace troupe::cli
