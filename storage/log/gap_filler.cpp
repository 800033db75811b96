#include "storage/log/gap_filler.hpp"

#include "storage/check.hpp"

#include <algorithm>
#include <array>

namespace troupe::storage {

namespace {

/// In FLAG, which belongs to the application; with a birth at time 0 it is a placeholder's.
constexpr std::int32_t placeholder_flag = 0x4c4f5354; // "LOST"
/// Of the records between placeholders: rolled-back halves, which no reader puts into a queue.
constexpr std::string_view filler_topic = "_";
constexpr std::size_t largest_filler_bytes = mib;

/// Writes records one behind the other, many at once.
class filling {
public:
  filling(file& out, log_offset file_start, const gap_piece& piece, std::int64_t store_timestamp)
      : out_(out), file_start_(file_start), at_(piece.from), store_timestamp_(store_timestamp) {}

  result<void> add(record_fields fields, queue_offset number, std::size_t body) {
    if (zeros_.size() < body)
      zeros_.resize(body);
    fields.flag = placeholder_flag;
    fields.body = byte_view(zeros_).first(body);
    auto before = buffer_.size();
    buffer_.resize(before + encoded_size(fields, false));
    record_place place{.queue_position = number,
                       .offset = at_ + static_cast<log_offset>(before),
                       .store_timestamp = store_timestamp_};
    encode_record(fields, place, false, std::span(buffer_).subspan(before));
    return buffer_.size() < largest_filler_bytes ? boost::outcome_v2::success() : write();
  }

  result<void> add_blank(log_offset size) {
    auto before = buffer_.size();
    buffer_.resize(before + blank_header_bytes);
    encode_blank(static_cast<std::uint32_t>(size),
                 std::span(buffer_).subspan(before).first<blank_header_bytes>());
    return write();
  }

  result<void> write() {
    std::array<byte_view, 1> parts{buffer_};
    if (!buffer_.empty()) {
      TROUPE_TRY(out_.write_at(static_cast<std::uint64_t>(at_ - file_start_), parts));
    }
    at_ += static_cast<log_offset>(buffer_.size());
    buffer_.clear();
    return boost::outcome_v2::success();
  }

private:
  file& out_;
  log_offset file_start_;
  log_offset at_; ///< where the buffer goes
  std::int64_t store_timestamp_;
  std::vector<std::byte> buffer_;
  std::vector<std::byte> zeros_;
};

result<void> add_fillers(filling& to, log_offset bytes) {
  record_fields fields;
  fields.topic = filler_topic;
  fields.sysflag = sysflag::transaction_rollback;
  while (bytes > 0) {
    auto next = bytes;
    if (next > static_cast<log_offset>(largest_filler_bytes))
      next = std::min<log_offset>(largest_filler_bytes, bytes - smallest_record_bytes);
    TROUPE_TRY(to.add(fields, 0, static_cast<std::size_t>(next - smallest_record_bytes)));
    bytes -= next;
  }
  return boost::outcome_v2::success();
}

} // namespace

log_offset gap_piece::room() const noexcept {
  return to - from - (ends_file ? static_cast<log_offset>(blank_header_bytes) : 0);
}

log_offset placeholder_bytes(std::string_view topic) noexcept {
  record_fields fields;
  fields.topic = topic;
  return encoded_size(fields, false);
}

bool is_placeholder(const record_view& record) noexcept {
  return record.flag == placeholder_flag && record.born_timestamp == 0 &&
         record.born_host == host{} && record.store_host == host{};
}

result<void> fill_piece(file& out, log_offset file_start, const gap_piece& piece,
                        const std::vector<lost_run>& lost, std::int64_t store_timestamp) {
  log_offset rest = piece.to - piece.from;
  for (auto& run : lost)
    rest -= placeholder_bytes(run.topic) * (run.to - run.from);
  // What is left over and too small for a record of its own goes into the last placeholder.
  auto into_last = !piece.ends_file && rest < smallest_record_bytes ? rest : 0;
  rest -= into_last;
  TROUPE_CHECK(rest >= 0 && (into_last == 0 || !lost.empty()));
  filling to(out, file_start, piece, store_timestamp);
  for (auto& run : lost) {
    record_fields fields;
    fields.topic = run.topic;
    fields.queue_id = run.queue_id;
    for (auto number = run.from; number < run.to; ++number) {
      auto last = &run == &lost.back() && number + 1 == run.to;
      TROUPE_TRY(to.add(fields, number, last ? static_cast<std::size_t>(into_last) : 0));
    }
  }
  if (piece.ends_file)
    return to.add_blank(rest);
  TROUPE_TRY(add_fillers(to, rest));
  return to.write();
}

} // namespace troupe::storage
