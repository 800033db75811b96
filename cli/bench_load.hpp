#pragma once

#include "actors/interfaces.hpp"
#include "net/client.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace troupe::cli {

/// What a load is made of.
struct load_options {
  std::uint64_t first = 0; ///< number of the first message, a multiple of `producers`
  std::uint64_t messages = 1'000'000;
  std::uint32_t size = 1024;      ///< bytes of a body
  std::uint32_t batch = 64;       ///< messages of a request; all go to one queue
  std::uint32_t queues = 16;      ///< spread over topics of at most 1000 queues
  std::uint32_t in_flight = 4096; ///< messages that are sent and not answered
  std::uint32_t producers = 1;    ///< actors that share the load
  bool unique_keys = false;
};

/// Bodies that differ and can be checked: a number, then bytes that follow from it.
class body_source {
public:
  explicit body_source(std::uint32_t size);
  /// The body of message `number`, good until the next call.
  std::string_view make(std::uint64_t number);
  /// The number of a body, or -1 when it is none of ours or was altered.
  std::int64_t check(storage::byte_view body) const;

private:
  std::size_t ring_at(std::uint64_t number) const;
  std::uint32_t size_;
  std::string ring_;
  std::string body_;
};

/// "bench-0", "bench-1", ...: topic of a queue of the load, and its number in there.
struct load_queue {
  std::string topic;
  std::int32_t id = 0;
};
load_queue queue_of(std::uint32_t queue);
inline constexpr std::uint32_t queues_per_topic = 1000;

/// Counts of a running load, shared with the actors that make it.
struct load_counts {
  std::atomic<std::uint64_t> answered{0}; ///< messages, stored or read
  std::atomic<std::uint64_t> failed{0};
  std::atomic<std::uint32_t> running{0};                ///< actors that are not done
  std::vector<std::vector<std::uint32_t>> latencies_us; ///< per actor, one a request
  std::string failure; ///< of the first refusal; read when nothing runs
};

/// Starts the producers; each sends its share to `service` and keeps its part of the window open.
void start_producers(caf::actor_system& system, const std::vector<store_service>& services,
                     const load_options& options, const std::shared_ptr<load_counts>& counts);

/// Starts readers: each reads its queues from the beginning to `ends` in pulls of `batch`.
void start_readers(caf::actor_system& system, const std::vector<store_service>& services,
                   const load_options& options, const std::vector<queue_offset>& ends,
                   const std::shared_ptr<load_counts>& counts);

} // namespace troupe::cli
