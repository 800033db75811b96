#pragma once

#include "storage/error.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace troupe::cli {

/// Regular files as one archive in the form of POSIX.1-1988 ("ustar"), in memory.
class tar_file {
public:
  /// The name is relative and has at most 100 bytes.
  void add(std::string_view name, std::string_view content, std::int64_t modified_s);
  /// The archive, with its end; nothing may be added any more.
  std::string take();

private:
  std::string bytes_;
};

} // namespace troupe::cli
