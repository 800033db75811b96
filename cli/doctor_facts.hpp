#pragma once

#include "cli/doctor_checks.hpp"

#include <string>

namespace troupe::cli {

/// Asks the system, and measures for a second at most how long a small write takes to become
/// durable in the directory, with a file that has no name any more. Nothing else is changed.
machine_facts look_at_machine(const std::string& directory);

} // namespace troupe::cli
