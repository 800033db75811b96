#pragma once

#include "cli/context.hpp"

#include <string>

namespace troupe::cli {

/// What was not said on the command line, by the environment: TROUPE_CONFIG for `--config`, and
/// TROUPE_CONNECT for `--connect` where neither a configuration nor a node of it was named. Answers
/// what is wrong with them, or nothing. Call it when the command line was understood.
std::string take_environment(const CLI::App& app, context& ctx);

/// Words may be marked with colours: standard output is a terminal that has some, and NO_COLOR
/// (no-color.org) is not set.
bool colours_wanted();

} // namespace troupe::cli
