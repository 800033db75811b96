#include "storage/queues/queue_view.hpp"

#include "storage/log/log_file.hpp"
#include "storage/queues/queue_files.hpp"

#include <algorithm>
#include <utility>

namespace troupe::storage {

class queue_view_reader::view_bytes final : public queue_bytes {
public:
  view_bytes(queue_view_reader& reader, const queue_view& view) noexcept
      : reader_(reader), view_(view) {}
  std::string directory() const override { return view_.directory; }
  result<std::size_t> read(std::int64_t start, std::uint64_t at,
                           std::span<std::byte> into) override {
    TROUPE_TRY(auto source, reader_.open(view_, start));
    return source->read_at(at, into);
  }
  std::vector<std::byte>& scratch() override { return reader_.scratch_; }

private:
  queue_view_reader& reader_;
  const queue_view& view_;
};

queue_view_reader::queue_view_reader(file_system& fs, std::size_t open_files)
    : fs_(fs), capacity_(std::max<std::size_t>(open_files, 1)) {}

result<std::shared_ptr<file>> queue_view_reader::open_anew(const std::string& path) {
  for (;;) {
    if (open_.size() >= capacity_)
      open_.erase(open_.begin(), open_.end() - static_cast<std::ptrdiff_t>(capacity_ - 1));
    auto handle = fs_.open(path, open_mode::read);
    if (handle.has_value() || handle.error().code != errc::too_many_files || open_.empty())
      return handle;
    capacity_ = std::max<std::size_t>(open_.size() / 2, 1); // others need descriptors too
  }
}

result<std::shared_ptr<file>> queue_view_reader::open(const queue_view& view, std::int64_t start) {
  auto found = std::ranges::find_if(open_, [&](const opened& one) {
    return one.queue == view.queue && one.cuts == view.cuts && one.start == start;
  });
  if (found != open_.end()) {
    std::rotate(found, found + 1, open_.end());
    return open_.back().handle;
  }
  // What no later view of the queue asks for is not kept from being removed.
  const auto first = view.at.first * static_cast<std::int64_t>(queue_entry_bytes);
  std::erase_if(open_, [&](const opened& one) {
    return one.queue == view.queue && (one.cuts != view.cuts || one.start < first);
  });
  TROUPE_TRY(auto handle, open_anew(view.directory + "/" + offset_file_name(start)));
  TROUPE_TRY(check_queue_file_size(*handle, static_cast<std::uint64_t>(view.at.file_bytes)));
  open_.push_back({view.queue, view.cuts, start, handle});
  return handle;
}

result<void> queue_view_reader::read(const queue_view& view, queue_offset from, std::size_t count,
                                     std::vector<queue_entry>& into) {
  const auto extent = view.extent();
  view_bytes bytes(*this, view);
  auto done = queue_reading(extent, bytes).read(from, count, into);
  if (done.has_error() && done.error().code == errc::not_found)
    return error{errc::offset_too_small, done.error().message + "; the entries from " +
                                             std::to_string(from) + " on were removed meanwhile"};
  return done;
}

result<queue_entry> queue_view_reader::entry(const queue_view& view, queue_offset number) {
  const auto extent = view.extent();
  view_bytes bytes(*this, view);
  return queue_reading(extent, bytes).entry(number);
}

result<queue_offset> queue_view_reader::find_first(const queue_view& view, log_offset offset) {
  const auto extent = view.extent();
  view_bytes bytes(*this, view);
  return queue_reading(extent, bytes).find_first(offset);
}

} // namespace troupe::storage
