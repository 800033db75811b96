#include "sim/store/storage_ledger.hpp"

#include <algorithm>

namespace troupe::sim {

void storage_ledger::staged(put_record record) {
  history_.emplace(record.offset, record.body_hash);
  count(record, next_);
  records_.push_back(std::move(record));
}

void storage_ledger::recovered(storage::log_offset min, storage::log_offset end) {
  auto behind = std::ranges::find_if(records_, [&](auto& r) { return r.end() > end; });
  records_.erase(behind, records_.end());
  auto first = std::ranges::find_if(records_, [&](auto& r) { return r.offset >= min; });
  for (auto at = records_.begin(); at != first; ++at)
    count(*at, gone_);
  records_.erase(records_.begin(), first);
  count_again();
  written_ = durable_ = end;
}

void storage_ledger::count(const put_record& record, queue_ends& ends) {
  if (record.queued)
    ends[{record.topic, record.queue_id}] = record.queue_position + 1;
}

void storage_ledger::count_again() {
  next_ = gone_;
  for (auto& record : records_)
    count(record, next_);
}

bool storage_ledger::ever_put(storage::log_offset offset, std::uint64_t body_hash) const {
  auto [from, to] = history_.equal_range(offset);
  return std::any_of(from, to, [&](auto& put) { return put.second == body_hash; });
}

} // namespace troupe::sim
