#pragma once

#include "storage/os/file_system.hpp"

namespace troupe::storage {

/// The real one. Installs a SIGBUS handler at first use: a page of one of our mappings that cannot
/// be read is replaced by zeros and the mapping counts as damaged; any other SIGBUS ends the
/// process.
/// The object lives for the whole process.
file_system& posix_file_system();

} // namespace troupe::storage
