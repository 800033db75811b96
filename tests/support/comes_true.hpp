#pragma once

#include <chrono>
#include <thread>

namespace troupe::test {

/// Looks again and again until it is so; false when it is not in that time.
template <class Condition>
bool comes_true(Condition condition, std::chrono::milliseconds time = std::chrono::seconds(10)) {
  for (auto until = std::chrono::steady_clock::now() + time; !condition();
       std::this_thread::sleep_for(std::chrono::milliseconds(2)))
    if (std::chrono::steady_clock::now() > until)
      return false;
  return true;
}

} // namespace troupe::test
