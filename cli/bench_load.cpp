#include "cli/bench_load.hpp"

#include "actors/error.hpp"
#include "net/unique_key.hpp"
#include "storage/big_endian.hpp"
#include "storage/format/message_batch.hpp"
#include "storage/format/properties.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <random>

namespace troupe::cli {

namespace {

using clock = std::chrono::steady_clock;

constexpr std::size_t ring_bytes = 1 << 16;
constexpr std::size_t number_bytes = 8;

std::uint32_t microseconds_since(clock::time_point begin) {
  auto us = std::chrono::duration_cast<std::chrono::microseconds>(clock::now() - begin).count();
  return static_cast<std::uint32_t>(us);
}

} // namespace

body_source::body_source(std::uint32_t size)
    : size_(std::max<std::uint32_t>(size, number_bytes)), ring_(ring_bytes + size_, '\0'),
      body_(size_, '\0') {
  std::mt19937_64 random{42};
  for (auto& c : ring_)
    c = static_cast<char>(random() & 0xff);
}

std::size_t body_source::ring_at(std::uint64_t number) const {
  return static_cast<std::size_t>(number * 97) % ring_bytes;
}

std::string_view body_source::make(std::uint64_t number) {
  storage::big_endian::store(reinterpret_cast<std::byte*>(body_.data()),
                             static_cast<std::int64_t>(number));
  std::memcpy(body_.data() + number_bytes, ring_.data() + ring_at(number), size_ - number_bytes);
  return body_;
}

std::int64_t body_source::check(storage::byte_view body) const {
  if (body.size() != size_)
    return -1;
  auto number = storage::big_endian::load<std::int64_t>(body.data());
  if (number < 0 || std::memcmp(body.data() + number_bytes,
                                ring_.data() + ring_at(static_cast<std::uint64_t>(number)),
                                size_ - number_bytes) != 0)
    return -1;
  return number;
}

load_queue queue_of(std::uint32_t queue) {
  return {"bench-" + std::to_string(queue / queues_per_topic),
          static_cast<std::int32_t>(queue % queues_per_topic)};
}

namespace {

// -- producing -----------------------------------------------------------------------------------

struct producer_state {
  producer_state() = default;
  static inline const char* name = "load-producer";

  caf::stateful_actor<producer_state>* self = nullptr;
  store_service service;
  load_options options;
  std::shared_ptr<load_counts> counts;
  std::unique_ptr<body_source> bodies;
  storage::message_batch_builder builder;
  std::size_t index = 0;
  std::uint64_t next = 0; ///< number of the next message
  std::uint64_t left = 0;
  std::uint32_t open = 0;
  std::uint32_t window = 0;
  std::uint32_t queue = 0;

  void fill() {
    while (left > 0 && open < window)
      send();
    if (left == 0 && open == 0) {
      --counts->running;
      self->quit();
    }
  }

  void send() {
    auto count = static_cast<std::uint32_t>(std::min<std::uint64_t>(left, options.batch));
    auto target = queue_of(queue);
    queue = (queue + options.producers) % options.queues;
    storage::new_message message;
    message.queue_id = target.id;
    std::string properties;
    for (std::uint32_t i = 0; i < count; ++i) {
      auto body = bodies->make(next);
      next += options.producers;
      message.body = std::as_bytes(std::span{body});
      if (options.unique_keys) {
        storage::properties_builder text;
        (void)text.add(storage::property::unique_key, client::next_unique_key());
        properties = text.take();
        message.properties = properties;
      }
      builder.add(message);
    }
    put_request request;
    request.topic = std::move(target.topic);
    request.messages = builder.take();
    request.count = count;
    left -= count;
    open += count;
    auto began = clock::now();
    self->request(service, caf::infinite, std::move(request))
        .then([this, count, began](const put_response& r) { answered(r, count, began); },
              [this, count](const caf::error& why) { failed(count, from_caf(why).message); });
  }

  void answered(const put_response& response, std::uint32_t count, clock::time_point began) {
    counts->latencies_us[index].push_back(microseconds_since(began));
    if (response.failure.code != errc::none) {
      failed(count, response.failure.message);
      return;
    }
    open -= count;
    counts->answered += count;
    fill();
  }

  void failed(std::uint32_t count, const std::string& why) {
    if (counts->failed.fetch_add(count) == 0)
      counts->failure = why;
    open -= count;
    left = 0;
    fill();
  }
};

caf::behavior producer_behavior(caf::stateful_actor<producer_state>* self, store_service service,
                                load_options options, std::shared_ptr<load_counts> counts,
                                std::size_t index) {
  auto& s = self->state;
  s.self = self;
  s.service = std::move(service);
  s.options = options;
  s.counts = std::move(counts);
  s.bodies = std::make_unique<body_source>(options.size);
  s.index = index;
  s.next = options.first + index;
  s.queue = static_cast<std::uint32_t>(index) % options.queues;
  s.left =
      options.messages / options.producers + (index < options.messages % options.producers ? 1 : 0);
  s.window = std::max<std::uint32_t>(1, options.in_flight / options.producers);
  return {[self](work_atom) { self->state.fill(); }};
}

// -- reading -------------------------------------------------------------------------------------

constexpr std::uint32_t pulls_ahead = 4;
/// Of a record beside its body.
constexpr std::uint64_t most_overhead = 512;

struct reader_load_state {
  reader_load_state() = default;
  static inline const char* name = "load-reader";

  caf::stateful_actor<reader_load_state>* self = nullptr;
  store_service service;
  std::shared_ptr<load_counts> counts;
  std::uint32_t queue = 0;
  std::uint32_t batch = 32;
  std::uint64_t size = 0; ///< of a body
  queue_offset next = 0;  ///< where the next pull begins
  queue_offset end = 0;
  std::uint32_t open = 0;
  std::size_t index = 0;

  /// Reads ahead, as a consumer does that knows what it will want next.
  void pull() {
    while (next < end && open < pulls_ahead)
      send();
    if (open == 0) {
      --counts->running;
      self->quit();
    }
  }

  void send() {
    auto count = static_cast<std::uint32_t>(std::min<queue_offset>(batch, end - next));
    auto from = next;
    next += count;
    ++open;
    ask(from, count);
  }

  void ask(queue_offset from, std::uint32_t count) {
    auto of = queue_of(queue);
    pull_request request;
    request.topic = of.topic;
    request.queue_id = of.id;
    request.from = from;
    request.max_messages = count;
    request.max_bytes = (size + most_overhead) * count;
    auto began = clock::now();
    self->request(service, caf::infinite, std::move(request))
        .then(
            [this, began, from, count](const pull_response& answer) {
              counts->latencies_us[index].push_back(microseconds_since(began));
              auto got = static_cast<std::uint32_t>(answer.records.size());
              counts->answered += got;
              // A page of the queue may be away for a moment: the rest is the next pull's.
              if (got > 0 && got < count && answer.next == from + got)
                return ask(answer.next, count - got);
              if (got != count)
                failed("a pull brought fewer messages than there are");
              --open;
              pull();
            },
            [this](const caf::error& why) {
              failed(from_caf(why).message);
              --open;
              pull();
            });
  }

  void failed(const std::string& why) {
    if (counts->failed.fetch_add(1) == 0)
      counts->failure = why;
    end = next;
  }
};

caf::behavior reader_behavior(caf::stateful_actor<reader_load_state>* self, store_service service,
                              load_options options, std::shared_ptr<load_counts> counts,
                              std::uint32_t queue, queue_offset end) {
  auto& s = self->state;
  s.self = self;
  s.service = std::move(service);
  s.counts = std::move(counts);
  s.queue = queue;
  s.index = queue;
  s.batch = options.batch;
  s.size = options.size;
  s.end = end;
  return {[self](work_atom) { self->state.pull(); }};
}

} // namespace

void start_producers(caf::actor_system& system, const std::vector<store_service>& services,
                     const load_options& options, const std::shared_ptr<load_counts>& counts) {
  counts->latencies_us.resize(options.producers);
  counts->running = options.producers;
  for (auto& each : counts->latencies_us)
    each.reserve(options.messages / options.batch / options.producers + 1);
  for (std::size_t i = 0; i < options.producers; ++i)
    caf::anon_send(
        system.spawn(producer_behavior, services[i % services.size()], options, counts, i),
        work_atom_v);
}

void start_readers(caf::actor_system& system, const std::vector<store_service>& services,
                   const load_options& options, const std::vector<queue_offset>& ends,
                   const std::shared_ptr<load_counts>& counts) {
  counts->latencies_us.resize(ends.size());
  counts->running = static_cast<std::uint32_t>(ends.size());
  for (std::uint32_t q = 0; q < ends.size(); ++q)
    caf::anon_send(
        system.spawn(reader_behavior, services[q % services.size()], options, counts, q, ends[q]),
        work_atom_v);
}

} // namespace troupe::cli
