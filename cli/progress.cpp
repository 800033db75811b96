#include "cli/progress.hpp"

#include "storage/logging.hpp"

#include <array>
#include <cstdio>

#include <unistd.h>

namespace troupe::cli {

namespace {

constexpr auto redraw_interval = std::chrono::milliseconds(250);
constexpr auto log_interval = std::chrono::seconds(5);
constexpr std::uint64_t bar_width = 20;

} // namespace

progress::progress(std::string what)
    : what_(std::move(what)), terminal_(::isatty(STDERR_FILENO) == 1),
      began_(std::chrono::steady_clock::now()), drawn_at_(began_) {}

progress::~progress() {
  clear();
}

void progress::clear() {
  if (drawn_)
    std::fputs("\r\033[K", stderr);
  drawn_ = false;
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

byte_progress::byte_progress(std::string what)
    : what_(std::move(what)), terminal_(::isatty(STDERR_FILENO) == 1),
      began_(std::chrono::steady_clock::now()), drawn_at_(began_) {}

byte_progress::~byte_progress() {
  clear();
}

void byte_progress::clear() {
  if (drawn_)
    std::fputs("\r\033[K", stderr);
  drawn_ = false;
}

void byte_progress::show(std::uint64_t done, std::uint64_t total) {
  auto now = std::chrono::steady_clock::now();
  if (now - drawn_at_ < (terminal_ ? std::chrono::milliseconds(redraw_interval) : log_interval))
    return;
  drawn_at_ = now;
  if (!terminal_) {
    storage::log_info("progress", {{"what", what_}, {"done_bytes", done}, {"total_bytes", total}});
    return;
  }
  drawn_ = true;
  auto seconds = std::chrono::duration<double>(now - began_).count();
  std::fprintf(stderr, "\r\033[K%s %s", what_.c_str(), bar_text(done, total, seconds).c_str());
}

std::string bar_text(std::uint64_t done, std::uint64_t total, double seconds) {
  auto part = total == 0 ? 1.0 : static_cast<double>(done) / static_cast<double>(total);
  auto filled = static_cast<std::size_t>(part * static_cast<double>(bar_width));
  auto left = part > 0 ? seconds / part - seconds : 0.0;
  std::array<char, 120> text{};
  std::snprintf(text.data(), text.size(), "[%s%s] %3.0f %% of %llu MiB, %.0f s left",
                std::string(filled, '=').c_str(), std::string(bar_width - filled, ' ').c_str(),
                part * 100, static_cast<unsigned long long>(total >> 20), left);
  return text.data();
}

std::string percent_text(std::uint64_t done, std::uint64_t total) {
  auto percent = total == 0 ? 100 : done * 100 / total;
  return std::to_string(percent) + " % of " + std::to_string(total >> 20) + " MiB";
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
