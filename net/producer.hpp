#pragma once

#include "net/client.hpp"
#include "storage/format/producer_sequence.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>

namespace troupe::client {

/// Under which name a producer numbers its messages.
struct producer_identity {
  storage::producer_id id;
  /// Larger at each start with the same id: what an earlier start still has under way is refused.
  std::uint64_t epoch = 0;

  /// A new id.
  static producer_identity draw();
  /// The producer with this id, started again: the epoch is the time of day in microseconds.
  static producer_identity of(const storage::producer_id& id);
};

/// What is open at a time, at most (one request is always let through, however large), and what
/// happens after an error.
struct producer_options {
  std::size_t max_open_requests = 16;
  std::size_t max_open_messages = 65'536;
  std::size_t max_open_bytes = 16 * storage::mib;
  /// 0: the first error ends the producer. Otherwise at least once: a batch that nobody knows to be
  /// stored, or that was refused for now (`connection_lost`, `maybe_stored`, `busy`,
  /// `unavailable`), is sent again, until this long after it was sent first. Then and after any
  /// other error the producer ends.
  ///
  /// The others wait behind it, so one batch is on its way at a time: make them large. What was
  /// sent again may be stored more than once, but nothing stands before its predecessors' first
  /// copies.
  std::chrono::milliseconds repeat_for{0};
  /// Numbers the messages, so that what is sent again is stored once, also over restarts of the
  /// node; then several batches are on their way at a time, in order all the same. It costs a copy
  /// of each message here and some 80 bytes in the store.
  ///
  /// Not promised: what the program itself sends again, after its own start too, is a new message.
  /// Of 10 000 producers at one store the one that was silent for longest is forgotten for the
  /// next. With a batch in doubt it then ends with `maybe_stored`; else it goes on in a new epoch,
  /// which it counts up itself. When a power cut took acknowledged messages, as it may where flush
  /// is asynchronous, it goes on in a new epoch with those that are not acknowledged. A producer
  /// whose id was started with a higher epoch ends with `invalid_argument`.
  std::optional<producer_identity> idempotent;

  /// Within what the node grants, so that it has no reason to refuse.
  static producer_options within(const welcome& granted);
};

/// Sends batches without waiting for each answer, in order and with a bound on what is open. For
/// ordinary threads: `send` blocks while too much is open. Actors send a `put_request` to the
/// service themselves. One thread calls it.
class producer {
public:
  producer(caf::actor_system& system, store_service service, const producer_options& options = {});
  ~producer();
  producer(const producer&) = delete;
  producer& operator=(const producer&) = delete;

  /// Hands the request on. After the first error of any earlier request (that is not repeated)
  /// nothing more is sent, and that error is returned.
  storage::result<void> send(put_request request);

  /// Waits until everything that was sent is answered; the first error, if there was one. That
  /// messages may be stored comes before any that says "not stored".
  storage::result<void> finish();

  /// Messages acknowledged so far. Any thread may ask.
  std::uint64_t acknowledged() const;

  /// Messages that were sent again so far, each time counted: as many may be stored twice if the
  /// producer is not idempotent.
  std::uint64_t repeated() const;

private:
  struct shared;
  producer_options options_;
  std::shared_ptr<shared> shared_;
  caf::actor courier_;
};

} // namespace troupe::client
