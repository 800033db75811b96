#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace troupe::storage {

/// Timer messages that have less left than the shortest level lasts: of each level's queue where
/// they lie and when they are due, no bodies. They come within that time, so there are as many as
/// are sent in it, and never more than `most` of all levels: about 150 bytes each. Who finds no
/// room waits for it, and what comes behind comes late rather than not at all.
class delay_rest {
public:
  static constexpr std::size_t most = 32'768;
  struct entry {
    std::int64_t due_ms = 0;
    bool passed = false; ///< by the level's own walk it is passed over, whatever becomes of it
  };

  explicit delay_rest(std::size_t levels) : levels_(levels) {}

  bool full() const noexcept { return size_ >= most; }
  /// New, or with another time.
  void set(std::int32_t level, std::int64_t position, const entry& what);
  const entry* find(std::int32_t level, std::int64_t position) const;
  void remove(std::int32_t level, std::int64_t position);
  void remove_before(std::int32_t level, std::int64_t position);
  void remove_from(std::int32_t level, std::int64_t position);

  /// The one that lies first.
  std::optional<std::int64_t> first(std::int32_t level) const;
  struct next {
    std::int64_t due_ms = 0;
    std::int64_t position = 0;
  };
  /// The one that is due first, and of those the one that lies first.
  std::optional<next> earliest(std::int32_t level) const;
  /// The one that is due last: of a clock that was set back it is the first to know.
  std::optional<next> latest(std::int32_t level) const;
  std::vector<std::int64_t> positions(std::int32_t level) const;

private:
  struct level_rest {
    std::map<std::int64_t, entry> by_position;
    std::set<std::pair<std::int64_t, std::int64_t>> by_time; ///< due, position
  };
  using place = std::map<std::int64_t, entry>::iterator;

  const level_rest& at(std::int32_t level) const {
    return levels_[static_cast<std::size_t>(level) - 1];
  }
  level_rest& at(std::int32_t level) { return levels_[static_cast<std::size_t>(level) - 1]; }
  place erase(level_rest& of, place which);

  std::vector<level_rest> levels_; ///< by level - 1
  std::size_t size_ = 0;
};

} // namespace troupe::storage
