#include "storage/index/index_query.hpp"

#include "storage/big_endian.hpp"
#include "storage/os/file_system.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace troupe::storage {

namespace {

result<std::uint32_t> read_slot(const file& in, const index_geometry& geometry,
                                std::uint32_t slot) {
  std::array<std::byte, index_geometry::slot_bytes> bytes{};
  TROUPE_TRY(auto count, in.read_at(geometry.slot_at(slot), bytes));
  return count == bytes.size() ? big_endian::load<std::uint32_t>(bytes.data()) : 0;
}

result<index_entry> read_entry(const file& in, const index_geometry& geometry,
                               std::uint32_t number) {
  std::array<std::byte, index_geometry::entry_bytes> bytes{};
  TROUPE_TRY(auto count, in.read_at(geometry.entry_at(number), bytes));
  return count == bytes.size() ? load_index_entry(bytes.data()) : index_entry{};
}

/// The owner writes entries before the slots that lead to them: if such a slot leads beyond the
/// bound that it told us, its entry is there.
result<void> begin(index_chain& chain, const file& in, const index_geometry& geometry,
                   bool growing) {
  TROUPE_TRY(auto number, read_slot(in, geometry, chain.slot()));
  if (growing && number >= chain.bound() && number < geometry.entries) {
    TROUPE_TRY(auto there, read_entry(in, geometry, number));
    if (chain.holds(there)) {
      chain.begin_behind(number);
      return boost::outcome_v2::success();
    }
  }
  chain.begin_at(number);
  return boost::outcome_v2::success();
}

/// True if something in the file cannot be right.
result<bool> look_through(const file& in, const index_geometry& geometry,
                          const index_query::part& part, index_search& search) {
  auto chain = part.chain;
  if (!chain.knows_newest()) {
    TROUPE_TRY(auto newest, read_entry(in, geometry, chain.bound() - 1));
    chain.newest_is(newest);
  }
  if (!chain.knows_slot()) {
    TROUPE_TRY(begin(chain, in, geometry, part.growing));
  }
  while (chain.goes_on(search)) {
    TROUPE_TRY(auto current, read_entry(in, geometry, chain.number()));
    chain.look(current, search);
  }
  return chain.damaged();
}

} // namespace

result<index_query::answer> index_query::run(file_system& fs) const {
  auto looking = search;
  auto bad = damaged;
  for (auto& one : parts) {
    if (looking.found.size() >= looking.wanted)
      break;
    auto opened = fs.open(one.path, open_mode::read);
    if (opened.has_error() && opened.error().code == errc::not_found)
      continue; // removed, and so are its records
    TROUPE_TRY(auto in, std::move(opened));
    const auto before = looking;
    TROUPE_TRY(auto wrong, look_through(*in, geometry, one, looking));
    if (wrong && one.growing) { // what was being written may look so, but not twice
      looking = before;
      TROUPE_TRY(wrong, look_through(*in, geometry, one, looking));
    }
    if (wrong && std::ranges::find(bad, one.path) == bad.end())
      bad.push_back(one.path);
  }
  return answer{std::move(looking.found), std::move(bad)};
}

} // namespace troupe::storage
