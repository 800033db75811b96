#pragma once

#include "storage/index/index_file.hpp"
#include "storage/log/log_view.hpp"
#include "storage/repair/store_files.hpp"

#include <cstdint>

namespace troupe::storage {

/// Checks index files against the log and in themselves: header, slots, chains, and that each entry
/// points to a record that holds such a key; and that no file is missing among them.
class index_check {
public:
  index_check(file_system& fs, const store_files& files, finding_sink report);

  struct outcome {
    std::uint64_t entries = 0; ///< whose records are still in the log
  };
  result<outcome> run(log_offset log_end);

private:
  result<void> check_file(const std::string& path);
  result<void> check_coverage(log_offset log_end);
  bool check_header(const std::string& path, byte_view bytes, const index_header& h);
  void check_entries(const std::string& path, byte_view bytes, const index_header& h);
  void check_slots(const std::string& path, byte_view bytes);
  void check_record(const finding& place, const index_entry& e, std::int64_t begin);
  log_view* view_of(log_offset offset);

  file_system& fs_;
  const store_files& files_;
  index_geometry geometry_;
  finding_sink report_;
  bool sound_ = true;                                  ///< nothing was reported
  std::vector<std::pair<log_offset, log_view>> views_; ///< by the first offset behind each
  std::vector<std::uint32_t> newest_;                  ///< of each slot, as its entries say
  outcome out_;
};

} // namespace troupe::storage
