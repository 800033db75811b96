#include "storage/log/commit_log.hpp"

#include "storage/check.hpp"
#include "storage/mutant.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace troupe::storage {

namespace {

constexpr std::size_t first_buffer_bytes = 64 * kib;
/// What an idle log may hold on to; a batch of larger messages gives its memory back.
constexpr std::size_t kept_buffer_bytes = mib;

std::uint64_t distance(log_offset from, log_offset to) noexcept {
  return static_cast<std::uint64_t>(to - from);
}

} // namespace

commit_log::commit_log(const options& o, log_offset end, std::shared_ptr<file> current)
    : options_(o), end_(end), staged_end_(end) {
  TROUPE_CHECK(end >= 0 && o.log_file_size_bytes > blank_header_bytes);
  auto in_file = static_cast<std::uint64_t>(end) % o.log_file_size_bytes;
  current_ = {end - static_cast<log_offset>(in_file), std::move(current)};
}

void commit_log::add_file(log_offset start, std::shared_ptr<file> next) {
  TROUPE_CHECK(next != nullptr && start == next_file_start());
  TROUPE_CHECK(current_.handle != nullptr || start == end_);
  if (current_.handle == nullptr)
    current_.handle = std::move(next);
  else
    spare_.push_back({start, std::move(next)});
}

log_offset commit_log::next_file_start() const noexcept {
  if (current_.handle == nullptr)
    return current_.start;
  auto newest = spare_.empty() ? current_.start : spare_.back().start;
  return newest + static_cast<log_offset>(options_.log_file_size_bytes);
}

std::uint64_t commit_log::bytes_left_in_file() const noexcept {
  if (current_.handle == nullptr)
    return 0;
  return options_.log_file_size_bytes - distance(current_.start, staged_end_);
}

commit_log::stage_result commit_log::stage(const record_fields& fields, record_place& place) {
  const auto size = encoded_size(fields, options_.record_crc);
  // Behind the last record a blank must find room.
  const std::uint64_t room = std::uint64_t{size} + blank_header_bytes;
  if (room > options_.log_file_size_bytes)
    return stage_result::too_large;
  if (room > bytes_left_in_file() && !roll())
    return stage_result::needs_file;
  place.offset = staged_end_;
  encode_record(fields, place, options_.record_crc, extend(size));
  return stage_result::staged;
}

/// Ends the current file with a blank and goes on at the start of the next.
bool commit_log::roll() {
  if (spare_.empty())
    return false;
  auto left = static_cast<std::uint32_t>(bytes_left_in_file());
  TROUPE_CHECK(left >= blank_header_bytes);
  auto length = TROUPE_MUTANT("blank-too-short") ? left - 1 : left;
  encode_blank(length, extend(blank_header_bytes).first<blank_header_bytes>());
  left_.push_back(std::exchange(current_, std::move(spare_.front())));
  spare_.pop_front();
  staged_end_ = current_.start;
  return true;
}

/// Room for the next `count` staged bytes, which belong to the current file.
std::span<std::byte> commit_log::extend(std::uint32_t count) {
  if (count > capacity_ - staged_) {
    auto wanted = std::max(first_buffer_bytes, std::min(2 * capacity_, kept_buffer_bytes));
    wanted = std::max(wanted, staged_ + count);
    auto larger = std::make_unique_for_overwrite<std::byte[]>(wanted);
    if (staged_ > 0)
      std::memcpy(larger.get(), buffer_.get(), staged_);
    buffer_ = std::move(larger);
    capacity_ = wanted;
  }
  if (pieces_.empty() || pieces_.back().target != current_.handle)
    pieces_.push_back({current_.handle, distance(current_.start, staged_end_), staged_, staged_});
  auto room = std::span(buffer_.get() + staged_, count);
  staged_ += count;
  pieces_.back().to = staged_;
  staged_end_ += count;
  return room;
}

result<void> commit_log::commit() {
  if (failed_)
    return error{errc::write_stopped,
                 "the commit log in " + options_.directory +
                     " could not be written before; restart the node, it will recover"};
  for (auto& part : pieces_) {
    std::array<byte_view, 1> bytes{byte_view(buffer_.get() + part.from, part.to - part.from)};
    if (auto written = part.target->write_at(part.at, bytes); written.has_error()) {
      failed_ = true;
      unstage();
      return written;
    }
  }
  end_ = staged_end_;
  unflushed_.insert(unflushed_.end(), left_.begin(), left_.end());
  forget_staged();
  return boost::outcome_v2::success();
}

void commit_log::flushed(log_offset end) {
  auto size = static_cast<log_offset>(options_.log_file_size_bytes);
  while (!unflushed_.empty() && unflushed_.front().start + size <= end)
    unflushed_.pop_front();
}

result<void> commit_log::sync() {
  for (auto& full : unflushed_) {
    TROUPE_TRY(full.handle->sync());
  }
  if (current_.handle) {
    TROUPE_TRY(current_.handle->sync());
  }
  return boost::outcome_v2::success();
}

void commit_log::unstage() noexcept {
  while (!left_.empty()) {
    spare_.push_front(std::exchange(current_, std::move(left_.back())));
    left_.pop_back();
  }
  staged_end_ = end_;
  forget_staged();
}

void commit_log::forget_staged() noexcept {
  pieces_.clear();
  left_.clear();
  staged_ = 0;
  if (capacity_ > kept_buffer_bytes) {
    buffer_.reset();
    capacity_ = 0;
  }
}

} // namespace troupe::storage
