#pragma once

/// Planted mistakes: `TROUPE_MUTANT("name")` is false, and no code at all, but in the build of
/// tests/mutants. There the test plants one of them after the other and sees the simulation catch
/// it.
#ifdef TROUPE_MUTANTS

#include <string_view>

namespace troupe::storage {

/// The one that is planted now; empty: none.
inline std::string_view& planted_mutant() noexcept {
  static std::string_view name;
  return name;
}

} // namespace troupe::storage

#define TROUPE_MUTANT(name) (::troupe::storage::planted_mutant() == (name))
#else
#define TROUPE_MUTANT(name) false
#endif
