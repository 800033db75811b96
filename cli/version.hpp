#pragma once

#include <string>

namespace troupe::cli {

/// "troupe 0.1.0", and in lines of their own the commit it was built from, the version of the
/// messages between processes, and the libraries. Without a line break at the end.
std::string version_text();

} // namespace troupe::cli
