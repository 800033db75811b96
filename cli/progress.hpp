#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace troupe::cli {

/// One line on a terminal's standard error that shows how far something is and how fast. Silent
/// when standard error is no terminal.
class progress {
public:
  explicit progress(std::string what);
  ~progress();
  progress(const progress&) = delete;
  progress& operator=(const progress&) = delete;

  /// Call as often as you like; the line is redrawn a few times a second.
  void show(std::uint64_t messages, std::uint64_t bytes);
  /// Takes the line away, so that a result stands alone.
  void clear();
  double seconds() const;

private:
  std::string what_;
  bool terminal_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point began_;
  std::chrono::steady_clock::time_point drawn_at_;
};

/// How much of a known number of bytes is done, and how long the rest will take: a bar on a
/// terminal's standard error, elsewhere a log line now and then.
class byte_progress {
public:
  explicit byte_progress(std::string what);
  ~byte_progress();
  byte_progress(const byte_progress&) = delete;
  byte_progress& operator=(const byte_progress&) = delete;

  /// Call as often as you like.
  void show(std::uint64_t done, std::uint64_t total);
  /// Takes the bar away.
  void clear();

private:
  std::string what_;
  bool terminal_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point began_;
  std::chrono::steady_clock::time_point drawn_at_;
};

/// "[=====     ]  50 % of 3072 MiB, 2 s left".
std::string bar_text(std::uint64_t done, std::uint64_t total, double seconds);

/// "50 % of 3072 MiB".
std::string percent_text(std::uint64_t done, std::uint64_t total);

/// "1000 messages, 3.1 MiB, in 0.52 s: 1923 messages/s".
std::string rate_text(std::uint64_t messages, std::uint64_t bytes, double seconds);

} // namespace troupe::cli
