#pragma once

#include "cli/context.hpp"
#include "cli/doctor_checks.hpp"

namespace troupe::cli {

/// Everything that `troupe doctor` looks at, of the machine and of the settings.
std::vector<diagnosis> examine(const context::chosen_node& chosen);

/// A JSON object in one line, without a line break.
std::string diagnosis_json(const diagnosis& d);

} // namespace troupe::cli
