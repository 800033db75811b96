#pragma once

#include "cli/context.hpp"
#include "storage/repair/store_files.hpp"

#include <string>

namespace troupe::cli {

/// `store repair`: shows what it would do to the store, asks unless `yes`, and does it.
storage::result<exit_code> repair_store(const std::string& directory,
                                        const storage::index_shape& geometry, bool yes, bool json);

} // namespace troupe::cli
