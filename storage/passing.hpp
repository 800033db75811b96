#pragma once

#include "storage/error.hpp"

namespace troupe::storage {

/// True when room or descriptors were missing: nothing that was written before is in doubt, and the
/// same may succeed later. False after a failed sync, whatever it failed by.
inline bool may_pass(errc code) noexcept {
  return code == errc::no_space || code == errc::too_many_files;
}

} // namespace troupe::storage
