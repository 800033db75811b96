#pragma once

#include "cli/context.hpp"

#include <string>

namespace troupe::cli {

/// What takes the space of a store's directory, and what its retention would delete next. The
/// node's settings are those of the configuration that has a node on this directory, or defaults.
storage::result<exit_code> show_usage(const context& ctx, const std::string& directory);
/// The same as a JSON object in one line, without a line break.
storage::result<std::string> usage_json(const context& ctx, const std::string& directory);

} // namespace troupe::cli
