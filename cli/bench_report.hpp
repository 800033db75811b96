#pragma once

#include "cli/bench_load.hpp"

#include <string>
#include <thread>

namespace troupe::cli {

/// What the process used since the object was made: CPU seconds, and the highest anonymous memory.
class usage_meter {
public:
  usage_meter();
  ~usage_meter();
  usage_meter(const usage_meter&) = delete;
  usage_meter& operator=(const usage_meter&) = delete;

  double seconds() const;
  double cpu_seconds() const;
  double anonymous_peak_mib() const;

private:
  std::chrono::steady_clock::time_point began_;
  double cpu_began_;
  std::atomic<std::uint64_t> peak_kib_{0};
  std::atomic<bool> done_{false};
  std::thread sampler_;
};

/// One benchmark's figures.
struct bench_report {
  std::string name;
  load_options load;
  std::uint64_t messages = 0;
  double seconds = 0;
  double cpu_seconds = 0;
  double anonymous_peak_mib = 0;
  double p50_us = 0;
  double p99_us = 0;
  double p999_us = 0;
  std::uint64_t backlog_max = 0;
  double drain_seconds = 0;
  bool verified = false;

  void take_latencies(load_counts& counts);
};

std::string report_json(const bench_report& r);
std::string report_text(const bench_report& r);

} // namespace troupe::cli
