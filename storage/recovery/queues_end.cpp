#include "storage/recovery/queues_end.hpp"

#include "storage/queues/queue_table.hpp"

#include <limits>
#include <utility>

namespace troupe::storage {

result<log_offset> end_known_to_queues(file_system& fs, const options& o) {
  queue_table_options own;
  own.read_only = true;
  constexpr auto anywhere = std::numeric_limits<log_offset>::max();
  auto table = queue_table::open(fs, o, own, {0, anywhere, anywhere});
  if (table.has_error() && table.error().code == errc::not_found)
    return log_offset{-1};
  if (table.has_error())
    return std::move(table).error();
  return table.value()->queue_count() == 0 ? log_offset{-1} : table.value()->log_end();
}

} // namespace troupe::storage
