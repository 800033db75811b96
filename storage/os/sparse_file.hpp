#pragma once

#include "storage/os/file_system.hpp"

#include <cstdint>

namespace troupe::storage {

/// True if [from, to) holds nothing but zeros; reads only where there may be something.
result<bool> holds_only_zeros(const file& in, std::uint64_t from, std::uint64_t to);

/// Makes [from, to) read as zeros and takes no blocks for it, other than `file::zero_range`, which
/// reserves them: thousands of sparse files cut at once must not fill the disk.
result<void> clear_sparsely(file& out, std::uint64_t from, std::uint64_t to);

} // namespace troupe::storage
