#include "storage/os/parallel.hpp"

#include <algorithm>
#include <system_error>
#include <thread>
#include <vector>

namespace troupe::storage {

void run_parallel(std::size_t count, const std::function<void(std::size_t)>& work) {
  std::vector<std::thread> threads;
  threads.reserve(count);
  std::size_t here = 0; // from this one on the work is done on the calling thread
  for (std::size_t i = 1; i < count; ++i) {
    try {
      threads.emplace_back([&work, i] { work(i); });
    } catch (const std::system_error&) { // no more threads: slower, not wrong
      here = i;
      break;
    }
  }
  if (count > 0)
    work(0);
  for (auto i = here; here != 0 && i < count; ++i)
    work(i);
  for (auto& thread : threads)
    thread.join();
}

std::size_t thread_count(unsigned setting) noexcept {
  return std::max(1U, setting != 0 ? setting : std::thread::hardware_concurrency());
}

} // namespace troupe::storage
