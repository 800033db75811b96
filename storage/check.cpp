#include "storage/check.hpp"

#include <cstdio>
#include <cstdlib>

namespace troupe::storage {

void check_failed(const char* what, const char* file, int line) noexcept {
  std::fprintf(stderr, "troupe: broken invariant: %s (%s:%d)\n", what, file, line);
  std::abort();
}

} // namespace troupe::storage
