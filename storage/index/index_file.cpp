#include "storage/index/index_file.hpp"

#include "storage/check.hpp"

#include <algorithm>
#include <limits>
#include <span>
#include <utility>

namespace troupe::storage {

namespace {

constexpr std::size_t entry_bytes = index_geometry::entry_bytes;
/// Pages that one write gathers at most.
constexpr std::size_t max_run = 256;

} // namespace

index_file::index_file(file_system& fs, std::string path, const index_geometry& geometry)
    : fs_(fs), path_(std::move(path)), geometry_(geometry),
      pages_((geometry.slots_end() + page_bytes - 1) / page_bytes) {}

result<file*> index_file::handle() {
  if (!handle_) {
    TROUPE_TRY(handle_, fs_.open(path_, open_mode::read_write));
  }
  return handle_.get();
}

result<std::unique_ptr<index_file>> index_file::open(file_system& fs, std::string path,
                                                     const index_geometry& geometry) {
  std::unique_ptr<index_file> opened(new index_file(fs, std::move(path), geometry));
  TROUPE_TRY(auto* in, opened->handle());
  std::array<std::byte, index_geometry::header_bytes> bytes{};
  TROUPE_TRY(auto count, in->read_at(0, bytes));
  if (in->size() != geometry.file_bytes() || count != bytes.size())
    return error{errc::corrupt, opened->path_ + " has " + std::to_string(in->size()) +
                                    " bytes instead of " + std::to_string(geometry.file_bytes())};
  opened->header_ = load_index_header(bytes.data());
  if (std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; }))
    opened->header_.next_entry = 1;
  opened->close();
  return opened;
}

result<std::unique_ptr<index_file>> index_file::create(file_system& fs, std::string path,
                                                       const index_geometry& geometry,
                                                       const index_header& before) {
  std::unique_ptr<index_file> created(new index_file(fs, std::move(path), geometry));
  TROUPE_TRY(created->handle_, fs.open(created->path_, open_mode::create));
  TROUPE_TRY(created->handle_->allocate(geometry.file_bytes(), blocks::sparse));
  created->header_.begin_time = created->header_.end_time = before.end_time;
  created->header_.begin_offset = created->header_.end_offset = before.end_offset;
  created->header_changed_ = true;
  return created;
}

bool index_file::plausible() const noexcept {
  return header_.next_entry >= 1 && header_.next_entry <= geometry_.entries &&
         header_.begin_offset >= 0 && header_.end_offset >= header_.begin_offset;
}

void index_file::disbelieve_header() noexcept {
  const auto begin_time = header_.begin_time;
  header_ = {};
  header_.begin_time = begin_time;
}

std::uint64_t index_file::page_from(std::size_t number) const noexcept {
  return std::max(number * page_bytes, index_geometry::header_bytes);
}

std::uint64_t index_file::page_to(std::size_t number) const noexcept {
  return std::min((number + 1) * page_bytes, geometry_.slots_end());
}

result<std::byte*> index_file::slot(std::uint32_t number) {
  const auto at = geometry_.slot_at(number);
  const auto place = static_cast<std::size_t>(at / page_bytes);
  if (!pages_[place]) {
    auto loaded = std::make_unique<page>();
    const auto from = page_from(place);
    auto part = std::span(*loaded).subspan(from % page_bytes, page_to(place) - from);
    TROUPE_TRY(auto* in, handle());
    TROUPE_TRY(auto count, in->read_at(from, part));
    if (count != part.size())
      return error{errc::corrupt, path_ + " ends inside its slots: remove it"};
    pages_[place] = std::move(loaded);
    ++page_count_;
  }
  return pages_[place]->data() + at % page_bytes;
}

result<void> index_file::add(std::uint32_t hash, log_offset offset, std::int64_t store_timestamp) {
  TROUPE_CHECK(!full());
  TROUPE_TRY(auto* place, slot(hash % geometry_.slots));
  const auto before = big_endian::load<std::uint32_t>(place);
  const bool first = !has_entries();
  if (first) {
    header_.begin_time = store_timestamp;
    header_.begin_offset = offset;
  }
  const auto at = buffer_.size();
  buffer_.resize(at + entry_bytes);
  // A number that is not below this one's is damage; the chain begins anew here.
  store_index_entry(buffer_.data() + at,
                    {hash, offset, index_seconds(header_.begin_time, store_timestamp),
                     before < header_.next_entry ? before : 0});
  big_endian::store(place, header_.next_entry);
  if (before == 0)
    ++header_.used_slots;
  ++header_.next_entry;
  header_.end_offset = offset;
  header_.end_time = first ? store_timestamp : std::max(header_.end_time, store_timestamp);
  header_changed_ = true;
  return boost::outcome_v2::success();
}

result<void> index_file::write_slots() {
  TROUPE_TRY(auto* out, handle());
  std::vector<byte_view> run;
  std::size_t first = 0;
  for (std::size_t i = 0; i <= pages_.size(); ++i) {
    const bool here = i < pages_.size() && pages_[i];
    if (here && run.empty())
      first = i;
    if (here) {
      const auto from = page_from(i);
      run.push_back(byte_view(*pages_[i]).subspan(from % page_bytes, page_to(i) - from));
    }
    if (!run.empty() && (!here || run.size() == max_run)) {
      TROUPE_TRY(out->write_at(page_from(first), run));
      run.clear();
    }
  }
  return boost::outcome_v2::success();
}

result<void> index_file::write_header() {
  TROUPE_TRY(auto* out, handle());
  std::array<std::byte, index_geometry::header_bytes> bytes;
  store_index_header(bytes.data(), header_);
  std::array<byte_view, 1> parts{bytes};
  return out->write_at(0, parts);
}

void index_file::release_pages() noexcept {
  for (auto& loaded : pages_)
    loaded.reset();
  page_count_ = 0;
}

result<void> index_file::write_out() {
  if (!header_changed_)
    return boost::outcome_v2::success();
  TROUPE_TRY(auto* out, handle());
  if (!buffer_.empty()) {
    const auto first = header_.next_entry - static_cast<std::uint32_t>(buffered_entries());
    std::array<byte_view, 1> parts{buffer_};
    TROUPE_TRY(out->write_at(geometry_.entry_at(first), parts));
  }
  TROUPE_TRY(write_slots());
  TROUPE_TRY(write_header());
  buffer_.clear();
  release_pages();
  header_changed_ = false;
  return boost::outcome_v2::success();
}

result<std::uint32_t> index_file::slot_value(std::uint32_t number) {
  const auto at = geometry_.slot_at(number);
  if (auto& loaded = pages_[static_cast<std::size_t>(at / page_bytes)])
    return big_endian::load<std::uint32_t>(loaded->data() + at % page_bytes);
  std::array<std::byte, index_geometry::slot_bytes> bytes{};
  TROUPE_TRY(auto* in, handle());
  TROUPE_TRY(auto count, in->read_at(at, bytes));
  return count == bytes.size() ? big_endian::load<std::uint32_t>(bytes.data()) : 0;
}

result<index_entry> index_file::entry(std::uint32_t number) {
  if (number >= first_buffered())
    return buffered(number);
  std::array<std::byte, entry_bytes> bytes{};
  TROUPE_TRY(auto* in, handle());
  TROUPE_TRY(auto count, in->read_at(geometry_.entry_at(number), bytes));
  return count == bytes.size() ? load_index_entry(bytes.data()) : index_entry{};
}

result<void> index_file::find(index_search& search) {
  index_chain chain(geometry_, header_, search.hash);
  if (chain.bound() <= 1)
    return boost::outcome_v2::success();
  TROUPE_TRY(auto newest, entry(chain.bound() - 1));
  chain.newest_is(newest);
  TROUPE_TRY(auto number, slot_value(chain.slot()));
  chain.begin_at(number);
  while (chain.goes_on(search)) {
    TROUPE_TRY(auto current, entry(chain.number()));
    chain.look(current, search);
  }
  met_damage_ = met_damage_ || chain.damaged();
  return boost::outcome_v2::success();
}

index_chain index_file::find_in_memory(index_search& search) const {
  index_chain chain(geometry_, header_, search.hash);
  if (buffer_.empty())
    return chain;
  chain.newest_is(buffered(chain.bound() - 1));
  // Whose slot was not touched has no entries here.
  const auto at = geometry_.slot_at(chain.slot());
  if (auto& loaded = pages_[static_cast<std::size_t>(at / page_bytes)]) {
    chain.begin_at(big_endian::load<std::uint32_t>(loaded->data() + at % page_bytes));
    while (chain.goes_on(search) && chain.number() >= first_buffered())
      chain.look(buffered(chain.number()), search);
  }
  return chain;
}

result<index_entry> index_file::first_entry() {
  if (!buffer_.empty() && buffered_entries() == header_.next_entry - 1)
    return load_index_entry(buffer_.data());
  std::array<std::byte, entry_bytes> bytes{};
  TROUPE_TRY(auto* in, handle());
  TROUPE_TRY(auto count, in->read_at(geometry_.entry_at(1), bytes));
  return count == bytes.size() ? load_index_entry(bytes.data()) : index_entry{};
}

} // namespace troupe::storage
