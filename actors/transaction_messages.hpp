#pragma once

#include "actors/slice_inspect.hpp"
#include "storage/format/record.hpp"

#include <cstdint>
#include <string>

/// What is said of transactions, inside a process.
namespace troupe {

using storage::log_offset;
using storage::queue_offset;

/// A producer says what becomes of its half.
struct transaction_end {
  std::string group;
  log_offset offset = 0;
  queue_offset position = 0; ///< in the half queue
  bool commit = false;
};
template <class Inspector>
auto inspect(Inspector& f, transaction_end& x) {
  return fields(f, "transaction_end", x.group, x.offset, x.position, x.commit);
}

/// A producer of the group is to be asked what becomes of a half.
struct transaction_check {
  std::string group;
  std::string unique_key;
  log_offset offset = 0;
  queue_offset position = 0; ///< in the half queue
  storage::slice record;     ///< with the topic and queue that it is for
};
template <class Inspector>
auto inspect(Inspector& f, transaction_check& x) {
  slice_field record{x.record};
  return fields(f, "transaction_check", x.group, x.unique_key, x.offset, x.position, record);
}

} // namespace troupe
