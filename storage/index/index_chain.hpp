#pragma once

#include "storage/index/index_format.hpp"

#include <cstdint>
#include <vector>

namespace troupe::storage {

/// What a query looks for in each file, and what it has found so far.
struct index_search {
  std::uint32_t hash = 0;
  std::int64_t begin_ms = 0;
  std::int64_t end_ms = 0;
  std::size_t wanted = 0;
  std::size_t steps_left = 0; ///< entries that may still be looked at
  std::vector<log_offset> found;
};

/// The way of a search through one file: from the slot of its hash along a chain of ever older
/// entries. Whoever has the file gives it what it asks for, in this order: the newest entry, the
/// slot, and the entries of `number()` while it goes on. Nothing that it is given is believed.
class index_chain {
public:
  index_chain() = default;
  /// `header` as the file's owner has it.
  index_chain(const index_geometry& geometry, const index_header& header,
              std::uint32_t hash) noexcept;

  /// Entries of the file have numbers below.
  std::uint32_t bound() const noexcept { return bound_; }
  std::uint32_t slot() const noexcept { return slot_; }
  bool knows_newest() const noexcept { return knows_newest_; }
  bool knows_slot() const noexcept { return knows_slot_; }
  /// The entry with the number `bound() - 1`.
  void newest_is(const index_entry& newest) noexcept;
  /// What the slot holds.
  void begin_at(std::uint32_t number) noexcept;
  /// The same, if the slot leads to an entry behind the bound which was written since.
  void begin_behind(std::uint32_t number) noexcept;
  /// True if an entry, read where the slot leads to, is of this chain.
  bool holds(const index_entry& entry) const noexcept;

  /// False at the end of the chain, and when the search needs no more.
  bool goes_on(const index_search& search) const noexcept;
  std::uint32_t number() const noexcept { return number_; } ///< of the entry to look at next
  void look(const index_entry& current, index_search& search);

  /// A slot or an entry cannot be right.
  bool damaged() const noexcept { return damaged_; }

private:
  index_header header_;
  std::uint32_t slots_ = 1;
  std::uint32_t slot_ = 0;
  std::uint32_t bound_ = 0;
  std::uint32_t number_ = 0; ///< 0: the end
  std::uint32_t before_ = 0; ///< the next one's number must be below
  bool knows_newest_ = false;
  bool knows_slot_ = false;
  bool in_order_ = false;
  bool damaged_ = false;
};

} // namespace troupe::storage
