/// What synchronous flush can reach on this machine: a bare loop of one `pwrite` and one
/// `fdatasync` for each N records of 1 KiB, on a file whose blocks are reserved. For one record
/// also what a hand-over from thread to thread costs, of which a message meets several on its way.

#include "tests/support/temporary_directory.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace {

using clock_type = std::chrono::steady_clock;

constexpr std::size_t record_bytes = 1024;
constexpr std::size_t file_bytes = 1UL << 30;
constexpr std::size_t hand_over_rounds = 10'000;

[[noreturn]] void fail(const char* call, const std::string& path) {
  std::fprintf(stderr, "sync_floor: %s %s: %s\n", call, path.c_str(), std::strerror(errno));
  std::exit(1);
}

double seconds_since(clock_type::time_point begin) {
  return std::chrono::duration<double>(clock_type::now() - begin).count();
}

double cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

double median(std::vector<double> values) {
  if (values.empty())
    return 0;
  auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

struct floor_figures {
  double messages_per_second = 0;
  double p50_us = 0;
  double cpu_seconds_per_million = 0;
};

/// Writes to places that were never written, as a log does, until time or file are used up.
floor_figures measure_flushes(const std::string& path, std::size_t waiters, double limit) {
  auto fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0)
    fail("cannot create", path);
  if (auto number = ::posix_fallocate(fd, 0, static_cast<off_t>(file_bytes)); number != 0) {
    errno = number;
    fail("cannot reserve 1 GiB for", path);
  }
  if (::fsync(fd) != 0)
    fail("cannot sync", path);
  const std::vector<char> record(record_bytes, 'r');
  std::vector<char> batch(waiters * record_bytes);
  std::vector<double> latencies_us;
  auto cpu_began = cpu_seconds();
  auto began = clock_type::now();
  std::size_t at = 0;
  while (seconds_since(began) < limit && at + batch.size() <= file_bytes) {
    auto sent = clock_type::now();
    for (std::size_t i = 0; i < waiters; ++i)
      std::memcpy(batch.data() + i * record_bytes, record.data(), record_bytes);
    auto written = ::pwrite(fd, batch.data(), batch.size(), static_cast<off_t>(at));
    if (written != static_cast<ssize_t>(batch.size()))
      fail("cannot write", path);
    if (::fdatasync(fd) != 0)
      fail("cannot sync", path);
    latencies_us.push_back(seconds_since(sent) * 1e6);
    at += batch.size();
  }
  auto messages = static_cast<double>(at / record_bytes);
  floor_figures found{messages / seconds_since(began), median(latencies_us),
                      (cpu_seconds() - cpu_began) / messages * 1e6};
  ::close(fd);
  return found;
}

/// Hands a turn over through a mutex and a condition variable, as a thread's mailbox does.
class condition_turn {
public:
  void give(int to) {
    {
      std::lock_guard lock(mutex_);
      turn_ = to;
    }
    changed_.notify_one();
  }
  void await(int mine) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return turn_ == mine; });
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int turn_ = 0;
};

/// Half of the median round trip between two threads, in microseconds.
double measure_hand_over() {
  condition_turn turn;
  std::thread other([&turn] {
    for (std::size_t i = 0; i < hand_over_rounds; ++i) {
      turn.await(1);
      turn.give(0);
    }
  });
  std::vector<double> rounds_us;
  rounds_us.reserve(hand_over_rounds);
  for (std::size_t i = 0; i < hand_over_rounds; ++i) {
    auto sent = clock_type::now();
    turn.give(1);
    turn.await(0);
    rounds_us.push_back(seconds_since(sent) * 1e6);
  }
  other.join();
  return median(std::move(rounds_us)) / 2;
}

} // namespace

int main(int argc, char** argv) {
  CLI::App app{"A bare loop of pwrite and fdatasync; prints one JSON line"};
  std::size_t waiters = 1;
  double seconds = 0.5;
  app.add_option("waiters", waiters, "Records of 1 KiB that one flush makes durable")
      ->required()
      ->check(CLI::Range(1, 65536));
  app.add_option("--seconds", seconds, "How long, unless 1 GiB is written before")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  troupe::test::temporary_directory directory;
  auto found = measure_flushes(directory / "log", waiters, seconds);
  std::printf("{\"name\":\"sync-floor\",\"waiters\":%zu,\"messages_per_second\":%.0f,"
              "\"p50_us\":%.1f,\"cpu_seconds_per_million\":%.3f",
              waiters, found.messages_per_second, found.p50_us, found.cpu_seconds_per_million);
  if (waiters == 1)
    std::printf(",\"hand_over_us\":%.1f", measure_hand_over());
  std::printf("}\n");
  return 0;
}
