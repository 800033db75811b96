#pragma once

#include "sim/disk/disk_image.hpp"
#include "sim/random.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::sim {

enum class survival;

/// A file or a directory of the simulated disk.
struct disk_node {
  using entry_map = std::map<std::string, std::shared_ptr<disk_node>, std::less<>>;

  explicit disk_node(bool is_directory) : directory(is_directory) {}

  /// What reads that must not wait were told of a file.
  struct residency {
    std::uint64_t asked = 0; ///< such reads so far
    /// Pages that were read since, and up to which such read they count as resident.
    std::map<std::uint64_t, std::uint64_t> warm;
  };

  const bool directory;
  std::int64_t modified_ms = 0;
  file_image image;          ///< of a file
  residency memory;          ///< of a file
  entry_map entries;         ///< of a directory, as calls see it
  entry_map durable_entries; ///< the same after a power cut
};
using node_ptr = std::shared_ptr<disk_node>;

/// The names on the disk: which are there, which of them are durable, and the changes in between,
/// in their order.
class disk_tree {
public:
  disk_tree();

  const node_ptr& root() const noexcept { return root_; }
  /// Null when there is no such name.
  node_ptr find(std::string_view path) const;
  /// The directory that holds or would hold `path`; null when it is not there.
  struct place {
    node_ptr directory;
    std::string name;
  };
  place place_of(std::string_view path) const;

  void link(const place& to, node_ptr what);
  void unlink(const place& from);
  /// What was at `to` is unlinked.
  void rename(const place& from, const place& to);

  /// The changes of this directory become durable, and before them all that they build on.
  void sync(const node_ptr& directory);
  /// The first `count` changes become durable, whatever directory they are in.
  void write_back(std::size_t count);
  std::size_t pending() const noexcept { return pending_.size(); }
  /// Each change survives for which `survives` answers true; then the durable names are the names.
  void revert(const std::function<bool()>& survives);

  /// Visits all that has a name, in the order of the paths; directories before what they hold.
  using visitor = std::function<void(const std::string& path, const node_ptr& node)>;
  void walk(const visitor& visit) const;

private:
  /// A link has only `to`, a removal only `from`, a renaming both.
  struct change {
    place from;
    place to;
    node_ptr what;
  };
  static void apply(const change& done);

  node_ptr root_;
  std::vector<change> pending_;
};

} // namespace troupe::sim
