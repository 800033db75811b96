#pragma once

#include "cli/context.hpp"

namespace troupe::cli {

/// One function for each noun, in a file of its name.
void add_store(CLI::App& app, context& ctx);

} // namespace troupe::cli
