#include "cli/bench_report.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <vector>

#include <sys/resource.h>

namespace troupe::cli {

namespace {

constexpr auto sample_interval = std::chrono::milliseconds(20);

double process_cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

std::uint64_t anonymous_kib() {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word)
    if (word == "RssAnon:") {
      std::uint64_t kib = 0;
      status >> kib;
      return kib;
    }
  return 0;
}

double percentile(std::vector<std::uint32_t>& sorted, double part) {
  if (sorted.empty())
    return 0;
  auto at = static_cast<std::size_t>(static_cast<double>(sorted.size() - 1) * part);
  return sorted[at];
}

} // namespace

usage_meter::usage_meter()
    : began_(std::chrono::steady_clock::now()), cpu_began_(process_cpu_seconds()), sampler_([this] {
        while (!done_) {
          peak_kib_ = std::max(peak_kib_.load(), anonymous_kib());
          std::this_thread::sleep_for(sample_interval);
        }
      }) {}

usage_meter::~usage_meter() {
  done_ = true;
  sampler_.join();
}

double usage_meter::seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
}

double usage_meter::cpu_seconds() const {
  return process_cpu_seconds() - cpu_began_;
}

double usage_meter::anonymous_peak_mib() const {
  return static_cast<double>(peak_kib_.load()) / 1024.0;
}

void bench_report::take_latencies(load_counts& counts) {
  std::vector<std::uint32_t> all;
  for (auto& each : counts.latencies_us)
    all.insert(all.end(), each.begin(), each.end());
  std::sort(all.begin(), all.end());
  p50_us = percentile(all, 0.5);
  p99_us = percentile(all, 0.99);
  p999_us = percentile(all, 0.999);
}

std::string report_json(const bench_report& r) {
  std::array<char, 1024> text{};
  auto count = static_cast<double>(r.messages);
  std::snprintf(text.data(), text.size(),
                "{\"name\":\"%s\",\"messages\":%llu,\"message_bytes\":%u,\"batch\":%u,"
                "\"queues\":%u,\"seconds\":%.4f,\"messages_per_second\":%.0f,"
                "\"mb_per_second\":%.2f,\"cpu_seconds\":%.4f,"
                "\"cpu_seconds_per_million\":%.4f,\"p50_us\":%.0f,\"p99_us\":%.0f,"
                "\"p999_us\":%.0f,\"anon_peak_mib\":%.1f,\"backlog_max\":%llu,"
                "\"drain_seconds\":%.4f,\"verified\":%s}",
                r.name.c_str(), static_cast<unsigned long long>(r.messages), r.load.size,
                r.load.batch, r.load.queues, r.seconds, count / r.seconds,
                count * r.load.size / r.seconds / 1e6, r.cpu_seconds, r.cpu_seconds / count * 1e6,
                r.p50_us, r.p99_us, r.p999_us, r.anonymous_peak_mib,
                static_cast<unsigned long long>(r.backlog_max), r.drain_seconds,
                r.verified ? "true" : "false");
  return text.data();
}

std::string report_text(const bench_report& r) {
  std::array<char, 1024> text{};
  auto count = static_cast<double>(r.messages);
  std::snprintf(text.data(), text.size(),
                "%s: %llu messages of %u bytes, batches of %u, %u queues, in %.2f s\n"
                "  rate      %.0f messages/s, %.1f MB/s\n"
                "  CPU       %.3f s per million messages\n"
                "  latency   p50 %.0f us, p99 %.0f us, p99.9 %.0f us (of a request)\n"
                "  memory    %.1f MiB anonymous at the highest\n"
                "  backlog   %llu positions at the highest, drained in %.3f s\n"
                "  contents  %s",
                r.name.c_str(), static_cast<unsigned long long>(r.messages), r.load.size,
                r.load.batch, r.load.queues, r.seconds, count / r.seconds,
                count * r.load.size / r.seconds / 1e6, r.cpu_seconds / count * 1e6, r.p50_us,
                r.p99_us, r.p999_us, r.anonymous_peak_mib,
                static_cast<unsigned long long>(r.backlog_max), r.drain_seconds,
                r.verified ? "read back and checked: count, order, CRC, every body"
                           : "NOT as they were sent");
  return text.data();
}

} // namespace troupe::cli
