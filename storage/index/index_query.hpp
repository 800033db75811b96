#pragma once

#include "storage/error.hpp"
#include "storage/index/index_chain.hpp"

#include <string>
#include <vector>

namespace troupe::storage {

class file_system;

/// A question for a key, with all that the index's owner knows without reading: a value that any
/// thread may answer at any time, while the owner goes on. `key_index::lookup` makes it.
struct index_query {
  /// A file that may hold more, and how far memory has led.
  struct part {
    std::string path;
    index_chain chain;
    bool growing = false; ///< the owner may write to it
  };
  struct answer {
    std::vector<log_offset> found;    ///< as of `key_index::query`
    std::vector<std::string> damaged; ///< files for `key_index::report_damaged`
  };

  index_geometry geometry;
  index_search search;              ///< with what was found in memory
  std::vector<part> parts;          ///< newest first
  std::vector<std::string> damaged; ///< met in memory

  /// What `key_index::query` would have said at the moment of the lookup, if the owner changed
  /// nothing since. What it wrote since may be found as well, and the records of files that it
  /// removed are not. Waits for the disk; opens the files one after the other, to read alone.
  result<answer> run(file_system& fs) const;
};

} // namespace troupe::storage
