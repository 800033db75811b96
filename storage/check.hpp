#pragma once

namespace troupe::storage {

/// Prints the failed invariant and ends the process: a bug must never go on to touch data.
[[noreturn]] void check_failed(const char* what, const char* file, int line) noexcept;

} // namespace troupe::storage

/// An invariant of our own code, also in release builds. What comes from disk or network is data
/// and is answered with an error instead.
#define TROUPE_CHECK(condition)                                                                    \
  ((condition) ? static_cast<void>(0)                                                              \
               : ::troupe::storage::check_failed(#condition, __FILE__, __LINE__))
