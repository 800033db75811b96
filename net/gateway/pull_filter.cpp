#include "net/gateway/pull_filter.hpp"

#include "storage/big_endian.hpp"
#include "storage/format/record.hpp"

#include <utility>
#include <vector>

namespace troupe::net {

namespace {

/// Different expressions that are kept; beyond that all are made anew.
constexpr std::size_t most_expressions = 100;

/// A reader has compared the checksum. What it should not have brought is its client's to judge.
bool passes(const remoting::sql_filter& filter, const storage::slice& record) {
  auto bytes = record.bytes();
  if (bytes.size() < storage::record_layout::fixed_bytes_v1)
    return true;
  auto offset = storage::big_endian::load<storage::log_offset>(
      bytes.data() + storage::record_layout::own_offset_at);
  auto decoded = storage::decode_record(bytes, offset, storage::verify::structure);
  return decoded.kind != storage::record_kind::message || filter.matches(decoded.view.properties);
}

} // namespace

storage::result<remoting::subscription_filter>
expression_cache::filter_of(const std::string& type, const std::string& expression) {
  if (!remoting::filters_by_sql(type))
    return remoting::filter_of(type, expression);
  if (auto known = expressions_.find(expression); known != expressions_.end())
    return remoting::subscription_filter{{}, known->second};
  TROUPE_TRY(auto made, remoting::filter_of(type, expression));
  if (expressions_.size() >= most_expressions)
    expressions_.clear();
  expressions_.emplace(expression, made.sql);
  return made;
}

queue_offset number_in_queue(const storage::slice& record) {
  constexpr auto number_at = storage::record_layout::own_offset_at - sizeof(queue_offset);
  return storage::big_endian::load<queue_offset>(record.bytes().data() + number_at);
}

void keep_passing(const remoting::sql_filter& filter, std::uint32_t most, pull_response& found) {
  std::vector<storage::slice> passing;
  for (auto& record : found.records) {
    if (!passes(filter, record))
      continue;
    if (passing.size() == most) {
      found.next = number_in_queue(record);
      break;
    }
    passing.push_back(std::move(record));
  }
  found.records = std::move(passing);
}

} // namespace troupe::net
