#include "net/descriptors.hpp"

#include "storage/logging.hpp"

#include <algorithm>
#include <string>

#include <sys/resource.h>

namespace troupe::net {

namespace {

/// Left for the log, the actor port and libraries; half of them all if there are few.
constexpr std::uint64_t least_other_files = 256;
/// Where there are enough: `[admin] connections` says how many.
constexpr std::uint64_t most_lookers = 10'000;
constexpr std::uint64_t most_queue_files = 100'000;

} // namespace

descriptor_shares share_descriptors(std::uint64_t limit, std::size_t wanted_connections) noexcept {
  auto other_files = wanted_connections + least_other_files;
  auto usable = std::min(limit, most_queue_files + other_files);
  auto queue_files = usable > 2 * other_files ? usable - other_files : usable / 4;
  auto reserve = std::min(least_other_files, usable / 2);
  auto left = std::max<std::uint64_t>(usable - queue_files - reserve, 1);
  auto lookers = reserve < least_other_files ? reserve / 4 : most_lookers;
  return {std::min<std::size_t>(wanted_connections, left), queue_files, lookers};
}

storage::result<descriptor_shares> take_descriptors(std::size_t wanted_connections) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0)
    return descriptor_shares{wanted_connections, least_other_files, most_lookers};
  auto wanted =
      std::min<rlim_t>(limit.rlim_max, most_queue_files + least_other_files + wanted_connections);
  if (limit.rlim_cur < wanted) {
    auto raised = limit;
    raised.rlim_cur = wanted;
    if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) // else: the smaller limit works, more slowly
      limit = raised;
  }
  if (limit.rlim_cur < least_descriptors)
    return storage::error{storage::errc::too_many_files,
                          "the process may open " + std::to_string(limit.rlim_cur) +
                              " files, but a node needs " + std::to_string(least_descriptors) +
                              ": raise the limit (ulimit -n, LimitNOFILE)"};
  auto shares = share_descriptors(limit.rlim_cur, wanted_connections);
  if (shares.connections < wanted_connections)
    storage::log_warning("gateway.fewer_connections",
                         {{"connections", shares.connections},
                          {"wanted", wanted_connections},
                          {"hint", "raise the limit of open files (LimitNOFILE, ulimit -n), or "
                                   "lower [gateway] connections"}});
  return shares;
}

} // namespace troupe::net
