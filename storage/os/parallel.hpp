#pragma once

#include <cstddef>
#include <functional>

namespace troupe::storage {

/// Calls `work(i)` once for each i below `count`, each on its own thread where the system has one
/// to give, and returns when all are done. With a count of 1 no thread is started. `work` must not
/// throw, and its calls must not share what they write. The only threads of this folder.
void run_parallel(std::size_t count, const std::function<void(std::size_t)>& work);

/// Threads that a setting means: itself, or one a core for 0.
std::size_t thread_count(unsigned setting) noexcept;

} // namespace troupe::storage
