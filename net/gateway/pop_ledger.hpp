#pragma once

#include "net/gateway/client_sessions.hpp"
#include "net/gateway/counter.hpp"
#include "net/remoting/pop_book.hpp"

#include <cstdint>
#include <functional>
#include <optional>

namespace troupe::net {

/// What consumers have popped, with what it takes to begin and to keep a group's progress: both are
/// asked of the registrar, by the gateway's own session.
///
/// Owns the book.
class pop_ledger {
public:
  pop_ledger(gateway_actor::pointer self, counter& answers, client_sessions& sessions)
      : self_(self), counter_(answers), sessions_(sessions) {}
  pop_ledger(const pop_ledger&) = delete;
  pop_ledger& operator=(const pop_ledger&) = delete;

  remoting::pop_book& book() noexcept { return book_; }

  /// Where a group without progress begins that is here for the first time.
  enum class begin : std::uint8_t {
    first,   ///< message of the queue
    last,    ///< message, unless the queue is young
    not_yet, ///< it does not pop: the first is looked at, and nothing is entered
  };
  /// With the offset that is next.
  using learned = std::function<void(const storage::error&, queue_offset)>;
  /// Enters a queue that the book does not know; then calls `then`, perhaps at once.
  void learn(const remoting::popped_queue& queue, begin where, learned then);
  /// Has what went on kept; to be called after each change, and when `again_ms` has come.
  void keep();
  /// When something that could not be kept is tried again, in the actor clock.
  std::optional<std::int64_t> again_ms() const noexcept { return again_ms_; }

private:
  void find_begin(const remoting::popped_queue& queue, begin where, learned then);
  void begin_at_end(const remoting::popped_queue& queue, const queue_bounds& bounds, learned then);
  void enter(const remoting::popped_queue& queue, queue_offset progress, bool kept,
             const learned& then);
  void kept(const remoting::pop_book::queue_progress& what, bool success);

  gateway_actor::pointer self_;
  counter& counter_;
  client_sessions& sessions_;
  remoting::pop_book book_;
  std::optional<std::int64_t> again_ms_;
};

} // namespace troupe::net
