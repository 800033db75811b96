#pragma once

#include "storage/options.hpp"
#include "storage/os/file_system.hpp"
#include "storage/recovery/checkpoint.hpp"

namespace troupe::storage {

/// Refuses (`invalid_argument`) sizes of queue and index files in `o` that are not those of the
/// files that are there: to build all of them again for a setting changed by mistake would lose
/// what they alone know. `written_down` is what the checkpoint says.
///
/// A file of another length beside one of the right length is damage and no concern of this check;
/// so is one whose length the checkpoint contradicts. Changes nothing.
result<void> check_sizes(file_system& fs, const options& o, const file_sizes& written_down);

} // namespace troupe::storage
