#pragma once

#include "storage/big_endian.hpp"
#include "storage/log/log_file.hpp"
#include "tests/support/manifest.hpp"
#include "tests/support/temporary_directory.hpp"

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

namespace troupe::test {

/// A golden store, copied so that it may be changed.
class golden_copy {
public:
  explicit golden_copy(const std::string& name) {
    std::filesystem::copy(golden_path(name) + "/store", root(),
                          std::filesystem::copy_options::recursive);
    options_.directory = root();
    options_.log_file_size_bytes = 65536;
    options_.queue_file_size_bytes = 20'000;
    options_.index_slots = 100;
    options_.index_entries = 400;
  }

  std::string root() const { return directory_ / "store"; }
  const storage::options& options() const noexcept { return options_; }
  std::string log_path(storage::log_offset offset) const {
    return storage::log_file_path(options_, offset);
  }

  std::string read_log(storage::log_offset offset, std::size_t count) const {
    std::ifstream in(log_path(offset), std::ios::binary);
    in.seekg(offset % static_cast<storage::log_offset>(options_.log_file_size_bytes));
    std::string bytes(count, '\0');
    in.read(bytes.data(), static_cast<std::streamsize>(count));
    return bytes;
  }
  void write_log(storage::log_offset offset, const std::string& bytes) const {
    std::fstream to(log_path(offset), std::ios::binary | std::ios::in | std::ios::out);
    to.seekp(offset % static_cast<storage::log_offset>(options_.log_file_size_bytes));
    to.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  void flip_bit(storage::log_offset offset) const {
    auto byte = read_log(offset, 1);
    byte[0] = static_cast<char>(byte[0] ^ 1);
    write_log(offset, byte);
  }

  /// One of the times in the file `checkpoint`: 0 log, 1 queues, 2 index.
  std::int64_t checkpoint_time(std::size_t which) const {
    auto bytes = read_bytes(root() + "/checkpoint");
    return storage::big_endian::load<std::int64_t>(bytes.data() + 8 * which);
  }

private:
  temporary_directory directory_{quick_place()};
  storage::options options_;
};

/// All files below a directory with their content.
inline std::map<std::string, std::vector<std::byte>> tree_of(const std::string& root) {
  std::map<std::string, std::vector<std::byte>> tree;
  for (auto& entry : std::filesystem::recursive_directory_iterator(root))
    if (entry.is_regular_file())
      tree[std::filesystem::relative(entry.path(), root)] = read_bytes(entry.path());
  return tree;
}

} // namespace troupe::test
