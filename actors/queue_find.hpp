#pragma once

#include "actors/pull_messages.hpp"
#include "storage/error.hpp"
#include "storage/queues/consume_queue.hpp"
#include "storage/queues/queue_view.hpp"

#include <cstddef>
#include <limits>
#include <vector>

/// Look-ups in a queue: the same for the queue-manager, who reads what is in memory, and for its
/// queue-readers, who may wait for the disk. Nothing here knows an actor.
namespace troupe {

/// A queue as look-ups see it.
class findable_queue {
public:
  virtual ~findable_queue() = default;
  virtual storage::queue_extent extent() const = 0;
  /// These three as those of `storage::consume_queue`.
  virtual storage::result<void> read(queue_offset from, std::size_t count,
                                     std::vector<storage::queue_entry>& into) const = 0;
  virtual storage::result<storage::queue_entry> entry(queue_offset number) const = 0;
  virtual storage::result<queue_offset> find_first(log_offset offset) const = 0;
};

/// The owner's. What is not in memory is `not_resident`, as long as one of these lives.
class resident_queue final : public findable_queue {
public:
  resident_queue(const storage::consume_queue& queue, storage::queue_files& files)
      : queue_(queue), no_waiting_(files) {}
  storage::queue_extent extent() const override {
    return {0, queue_.min(), queue_.written(), queue_.next(), queue_.log_end(), 0, {}};
  }
  storage::result<void> read(queue_offset from, std::size_t count,
                             std::vector<storage::queue_entry>& into) const override {
    return queue_.read(from, count, into);
  }
  storage::result<storage::queue_entry> entry(queue_offset number) const override {
    return queue_.entry(number);
  }
  storage::result<queue_offset> find_first(log_offset offset) const override {
    return queue_.find_first(offset);
  }

private:
  const storage::consume_queue& queue_;
  storage::queue_files::only_resident no_waiting_;
};

/// As it was at one moment, for whoever has the files open.
class viewed_queue final : public findable_queue {
public:
  viewed_queue(const storage::queue_view& view, storage::queue_view_reader& files)
      : view_(view), files_(files) {}
  storage::queue_extent extent() const override { return view_.extent(); }
  storage::result<void> read(queue_offset from, std::size_t count,
                             std::vector<storage::queue_entry>& into) const override {
    return files_.read(view_, from, count, into);
  }
  storage::result<storage::queue_entry> entry(queue_offset number) const override {
    return files_.entry(view_, number);
  }
  storage::result<queue_offset> find_first(log_offset offset) const override {
    return files_.find_first(view_, offset);
  }

private:
  const storage::queue_view& view_;
  storage::queue_view_reader& files_;
};

/// What of a queue is shown to those who read.
struct queue_sight {
  static constexpr auto all = std::numeric_limits<log_offset>::max();

  queue_offset min = 0;     ///< where it begins for them
  log_offset log_min = 0;   ///< what lies below in the log has expired
  log_offset durable = all; ///< with synchronous flush: what lies behind is not shown yet
  bool complete = true;     ///< the queue-manager knows all that the log has of it
};

/// The number behind the last message that is shown, or what is below `min`.
storage::result<queue_offset> visible_end(const findable_queue& queue, const queue_sight& sight);

/// Where the messages lie that the pull wants. `queue` is null if there is none.
storage::result<read_request> find_messages(const pull_request& request, const queue_sight& sight,
                                            const findable_queue* queue);

/// Adds the queue's bounds, and where its last message lies. `first` is where its numbers began
/// when its topic was made.
storage::result<void> add_bounds(std::int32_t queue_id, queue_offset first,
                                 const queue_sight& sight, const findable_queue* queue,
                                 bounds_read& to);

} // namespace troupe
