#include "cli/progress.hpp"

#include <array>
#include <cstdio>

#include <unistd.h>

namespace troupe::cli {

namespace {

constexpr auto redraw_interval = std::chrono::milliseconds(250);

} // namespace

progress::progress(std::string what)
    : what_(std::move(what)), terminal_(::isatty(STDERR_FILENO) == 1),
      began_(std::chrono::steady_clock::now()), drawn_at_(began_) {}

progress::~progress() {
  if (drawn_)
    std::fputs("\r\033[K", stderr);
}

double progress::seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
}

void progress::show(std::uint64_t messages, std::uint64_t bytes) {
  if (!terminal_)
    return;
  auto now = std::chrono::steady_clock::now();
  if (now - drawn_at_ < redraw_interval)
    return;
  drawn_at_ = now;
  drawn_ = true;
  std::fprintf(stderr, "\r\033[K%s %s", what_.c_str(),
               rate_text(messages, bytes, seconds()).c_str());
}

std::string rate_text(std::uint64_t messages, std::uint64_t bytes, double seconds) {
  std::array<char, 160> text{};
  auto rate = seconds > 0 ? static_cast<double>(messages) / seconds : 0.0;
  auto size = static_cast<double>(bytes) / (1024.0 * 1024.0);
  std::snprintf(text.data(), text.size(), "%llu messages, %.1f MiB, in %.2f s: %.0f messages/s",
                static_cast<unsigned long long>(messages), size, seconds, rate);
  return text.data();
}

} // namespace troupe::cli
