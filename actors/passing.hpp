#pragma once

#include "storage/error.hpp"

namespace troupe {

/// True when room or descriptors were missing: nothing that was written before is in doubt, and the
/// same may succeed later. False after a failed sync, whatever it failed by.
inline bool may_pass(storage::errc code) noexcept {
  return code == storage::errc::no_space || code == storage::errc::too_many_files;
}

} // namespace troupe
