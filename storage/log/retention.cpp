#include "storage/log/retention.hpp"

#include "storage/mutant.hpp"

#include <algorithm>

namespace troupe::storage {

namespace {

/// RocketMQ's bounds: outside of them a setting would stop writes or never clean.
int forcibly_percent(const options& o) noexcept {
  return std::clamp(o.disk_clean_forcibly_percent, 30, 85);
}

int warning_percent(const options& o) noexcept {
  return std::clamp(o.disk_warning_percent, std::max(35, forcibly_percent(o)), 90);
}

bool expired(const options& o, const retained_file& file, std::int64_t now_ms) noexcept {
  // A time in the future is a clock that was wrong; the file is then not old.
  return file.modified_ms <= now_ms && now_ms - file.modified_ms >= o.file_reserved_time_ms;
}

/// How many files bring the disk down to the limit, if unexpired ones may go at all.
std::size_t needed_files(const options& o, const retention_input& now) noexcept {
  const auto excess = now.used_percent - forcibly_percent(o);
  if (excess <= 0 || !o.clean_file_forcibly)
    return 0;
  if (now.disk_bytes == 0 || o.log_file_size_bytes == 0)
    return max_files_a_round;
  const auto bytes = now.disk_bytes / 100 * static_cast<std::uint64_t>(excess);
  return std::max<std::size_t>(1, static_cast<std::size_t>(std::min<std::uint64_t>(
                                      bytes / o.log_file_size_bytes, max_files_a_round)));
}

} // namespace

bool retention_clock::look(std::int64_t now_ms, std::int64_t steady_ms,
                           std::int64_t newest_ms) noexcept {
  bool jumped = false;
  if (looked_) {
    const auto step = (now_ms - now_ms_) - (steady_ms - steady_ms_);
    jumped = step > largest_step_ms || step < -largest_step_ms;
  } else {
    jumped = newest_ms > 0 && now_ms - newest_ms > longest_rest_ms;
  }
  looked_ = true;
  now_ms_ = now_ms;
  steady_ms_ = steady_ms;
  if (jumped)
    jumped_at_ = steady_ms;
  return jumped;
}

retention_decision decide_retention(const options& o, const retention_input& now) noexcept {
  retention_decision decision;
  decision.disk_full = now.used_percent > warning_percent(o) ||
                       (now.disk_full && now.used_percent > forcibly_percent(o));
  const bool its_hour =
      std::ranges::find(o.delete_when_hours, now.local_hour) != o.delete_when_hours.end();
  const auto eager_percent = std::min(o.disk_max_used_percent, forcibly_percent(o));
  const bool expired_go =
      now.clock_believed && (its_hour || now.asked || now.used_percent > eager_percent);
  const auto forced = needed_files(o, now);
  const auto kept = TROUPE_MUTANT("last-file-deleted") ? 0U : 1U;
  const auto candidates = now.files.empty() ? 0 : now.files.size() - kept;
  const auto careful =
      !TROUPE_MUTANT("queues-not-waited-for") && !TROUPE_MUTANT("last-file-deleted");
  while (decision.drop < std::min(candidates, max_files_a_round)) {
    auto& oldest = now.files[decision.drop];
    const bool goes = decision.drop < forced || (expired_go && expired(o, oldest, now.now_ms));
    if (!goes || (oldest.end > now.safe_until && careful))
      break;
    ++decision.drop;
  }
  return decision;
}

} // namespace troupe::storage
