#pragma once

#include "net/admin/admin_reads.hpp"
#include "net/admin/detail_json.hpp"

#include <functional>
#include <memory>
#include <vector>

/// What the admin port finds out of a topic or group, one question after the other: so a session
/// has one open, however many queues there are.
namespace troupe::net {

/// A message whose store time is wanted.
struct queue_look {
  std::size_t number = 0; ///< what the time is kept under
  std::string topic;
  std::int32_t queue_id = 0;
  queue_offset offset = 0;
};

/// What cannot be read is left out. `reads` outlives the walk.
void look_at(admin_reads& reads, std::vector<queue_look> looks,
             std::function<void(const store_times&)> then);

/// Fills in who is a member now; nothing where nobody tells.
void find_members(admin_reads& reads, const std::shared_ptr<group_detail>& of,
                  std::function<void()> then);
/// Fills in where the queues begin and end; those of topics that are gone are dropped, and what is
/// too much is counted.
void find_bounds(admin_reads& reads, const std::shared_ptr<group_detail>& of,
                 std::function<void()> then);
/// The next message of each queue in which the group is behind.
std::vector<queue_look> looks_of(const group_detail& of);

} // namespace troupe::net
