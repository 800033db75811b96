#pragma once

#include "net/gateway/ticket.hpp"
#include "net/remoting/pop.hpp"
#include "net/remoting/pop_book.hpp"
#include "net/remoting/subscription.hpp"
#include "storage/os/slice.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace troupe::net {

/// What a request wants of the messages of a group and a topic.
enum class pop_purpose : std::uint8_t {
  pop,
  peek,   ///< to see them
  notify, ///< to know whether there are any
};

/// A request that looks through the queues of a topic for messages that its group has not popped.
struct pop_work {
  ticket who;
  std::int32_t version = 0; ///< of the client
  pop_purpose purpose = pop_purpose::pop;
  std::string group;
  std::string topic;
  std::int32_t queue_id = -1; ///< below 0: any
  std::size_t most = 1;       ///< messages
  std::int64_t invisible_ms = 0;
  std::int64_t until_ms = 0; ///< it waits for a message until then, in the actor clock
  bool at_end = false;       ///< where a group begins that was never here
  bool in_order = false;
  std::string attempt;
  remoting::subscription_filter filter;

  std::uint64_t place = 0; ///< among those that wait; the lines' own

  // Of the look that goes on:
  std::vector<remoting::popped_queue> stops; ///< in turn
  std::size_t at = 0;
  int rounds = 0; ///< at this stop
  std::int64_t pop_ms = 0;
  std::vector<storage::slice> records;
  std::size_t bytes = 0;
  remoting::pop_places places;
  /// At the stop, for a group that does not pop yet.
  std::optional<storage::queue_offset> from = {};
  /// Where there was nothing, and from which offset on.
  std::vector<std::pair<remoting::popped_queue, storage::queue_offset>> empty;
  std::int64_t rest = 0;
  bool more = false; ///< perhaps there is more than `rest`
  storage::error why;
};
using shared_pop = std::shared_ptr<pop_work>;

/// Who looks for messages of a group and a topic, and who waits for some: one looks at a time, in
/// the order in which they came, so that none of them looks past another. No I/O; time is handed
/// in, in ms of the actor clock.
///
/// Owns the lines, and how many requests each client has in them.
class pop_lines {
public:
  static constexpr std::size_t most_of_client = 4096; ///< a proxy speaks for many
  static constexpr std::size_t most = 65'536;         ///< each takes about 1 KiB

  /// `begin` looks for the request, and has to call `done` or `park` in the end, perhaps at once.
  explicit pop_lines(std::function<void(const shared_pop&)> begin) : begin_(std::move(begin)) {}
  pop_lines(const pop_lines&) = delete;
  pop_lines& operator=(const pop_lines&) = delete;

  // -- counting ----------------------------------------------------------------------------------
  /// False: there are too many.
  bool enter(connection_id from);
  /// It is answered.
  void leave(connection_id from);

  // -- turns -------------------------------------------------------------------------------------
  void join(const shared_pop& it);
  /// Its look is over and it is answered.
  void done(const shared_pop& it);
  /// Its look is over; it waits until it is woken, or looks again if that came meanwhile.
  void park(const shared_pop& it);

  // -- waiting -----------------------------------------------------------------------------------
  /// There may be something in this queue of the topic: the first that waits for it looks again.
  /// Below 0: in any; then of those that wait for different queues the first each.
  void wake(const std::string& group, const std::string& topic, std::int32_t queue_id);
  std::size_t waiting(const std::string& group, const std::string& topic,
                      std::int32_t queue_id) const;
  /// Those whose time is over; they wait no more.
  std::vector<shared_pop> expire(std::int64_t now_ms);
  std::optional<std::int64_t> next_end() const;
  /// What waits of the client is dropped.
  void forget(connection_id from);

private:
  using line_name = std::pair<std::string, std::string>; ///< group and topic
  struct line {
    std::deque<shared_pop> turn;
    std::map<std::uint64_t, shared_pop> parked; ///< by `pop_work::place`: in order
    bool looking = false;                       ///< one of it
    bool missed = false;                        ///< what it is over with may have changed behind it
    bool running = false;
  };

  void unpark(line& here, std::map<std::uint64_t, shared_pop>::iterator at);
  void over(const line_name& name);
  void drop_idle(const line_name& name);
  void run(const line_name& name);

  std::function<void(const shared_pop&)> begin_;
  std::map<line_name, line> lines_;
  /// Of those that are parked, by time and place.
  std::map<std::pair<std::int64_t, std::uint64_t>, shared_pop> ends_;
  std::uint64_t next_place_ = 0;
  std::map<connection_id, std::size_t> open_; ///< of those who have any
  std::size_t all_open_ = 0;
};

} // namespace troupe::net
