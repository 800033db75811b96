#include "net/producer.hpp"

#include "storage/format/properties.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <random>
#include <type_traits>
#include <utility>

namespace troupe::client {

namespace {

struct put_size {
  std::size_t messages = 0;
  std::size_t bytes = 0;

  explicit put_size(const put_request& request)
      : messages(request.count), bytes(request.messages.size()) {}
};

} // namespace

producer_options producer_options::within(const welcome& granted) {
  producer_options options;
  options.max_open_messages =
      std::min<std::size_t>(options.max_open_messages, granted.credit_messages);
  options.max_open_bytes = std::min<std::size_t>(options.max_open_bytes, granted.credit_bytes);
  return options;
}

struct producer::shared {
  mutable std::mutex mutex;
  std::condition_variable changed;
  std::size_t open_requests = 0;
  std::size_t open_messages = 0;
  std::size_t open_bytes = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t repeated = 0;
  storage::error failure;

  void answered(const put_size& size, const put_response& response) {
    std::lock_guard lock(mutex);
    for (auto& result : response.results)
      if (result.code == errc::none)
        ++acknowledged;
    if (response.failure.code != errc::none)
      note(response.failure);
    close(size);
  }

  void failed(const put_size& size, const storage::error& why) {
    std::lock_guard lock(mutex);
    note(why);
    close(size);
  }

  /// It was not sent, since one before it failed.
  void dropped(const put_size& size) {
    std::lock_guard lock(mutex);
    close(size);
  }

  void sent_again(const put_size& size) {
    std::lock_guard lock(mutex);
    repeated += size.messages;
  }

private:
  void note(const storage::error& why) {
    // Answers may overtake each other: "not stored" must not hide that some may be.
    auto graver = why.code == errc::maybe_stored && failure.code != errc::maybe_stored;
    if (failure.code == errc::none || graver)
      failure = why;
  }

  void close(const put_size& size) {
    --open_requests;
    open_messages -= size.messages;
    open_bytes -= size.bytes;
    changed.notify_all();
  }
};

namespace {

/// Turns messages into requests, and answers into the producer's counts.
template <class Shared>
caf::behavior courier(caf::event_based_actor* self, store_service service,
                      std::shared_ptr<Shared> shared) {
  return {
      [=](put_request& request) {
        put_size size(request);
        // The connection owns the deadline and answers in any case.
        self->request(service, caf::infinite, std::move(request))
            .then([=](const put_response& response) { shared->answered(size, response); },
                  [=](const caf::error& why) { shared->failed(size, from_caf(why)); });
      },
  };
}

constexpr auto first_pause = std::chrono::milliseconds(10);
constexpr auto longest_pause = std::chrono::milliseconds(1000);

bool in_doubt(errc code) {
  return code == errc::connection_lost || code == errc::maybe_stored;
}

bool may_pass(errc code) {
  return in_doubt(code) || code == errc::busy || code == errc::unavailable;
}

storage::error given_up(std::chrono::milliseconds after, const storage::error& why) {
  return {why.code,
          "given up after repeating for " + std::to_string(after.count()) + " ms: " + why.message};
}

/// What may be stored after one of the tries is not called "not stored" for the last one.
storage::error after_doubt(const storage::error& last) {
  if (in_doubt(last.code))
    return last;
  return {errc::maybe_stored, "maybe stored by an earlier try; then: " + last.message};
}

/// Sends the requests one by one, each again until it is surely stored. Two that are open at a time
/// could change places: the first is refused or lost, the second is stored.
template <class Shared>
struct patient_courier_state {
  caf::event_based_actor* self = nullptr;
  store_service service;
  std::shared_ptr<Shared> shared;
  std::chrono::milliseconds repeat_for{0};
  std::deque<put_request> waiting; ///< the first one is on its way
  caf::actor_clock::time_point give_up;
  std::chrono::milliseconds pause{0};
  bool doubt = false; ///< the first one may be stored
  bool ended = false; ///< nothing more is sent

  void add(put_request& request) {
    if (ended)
      return shared->dropped(put_size(request));
    waiting.push_back(std::move(request));
    if (waiting.size() == 1)
      open_next();
  }

  void open_next() {
    give_up = self->clock().now() + repeat_for;
    pause = first_pause;
    doubt = false;
    send();
  }

  void send() {
    // The connection owns the deadline and answers in any case.
    self->request(service, caf::infinite, waiting.front())
        .then(
            [this](const put_response& response) {
              if (response.failure.code != errc::none)
                return refused(response.failure);
              shared->answered(put_size(waiting.front()), response);
              waiting.pop_front();
              if (!waiting.empty())
                open_next();
            },
            [this](const caf::error& why) { refused(from_caf(why)); });
  }

  void refused(const storage::error& why) {
    doubt = doubt || in_doubt(why.code);
    if (!may_pass(why.code))
      return stop(why);
    if (self->clock().now() + pause > give_up)
      return stop(given_up(repeat_for, why));
    self->delayed_send(self, std::exchange(pause, std::min(2 * pause, longest_pause)),
                       retry_atom_v);
  }

  void repeat() {
    shared->sent_again(put_size(waiting.front()));
    send();
  }

  void stop(const storage::error& why) {
    ended = true;
    shared->failed(put_size(waiting.front()), doubt ? after_doubt(why) : why);
    waiting.pop_front();
    for (auto& request : std::exchange(waiting, {}))
      shared->dropped(put_size(request));
  }
};

/// Numbers the messages of a request on from `sequence`. The number has to be the first property,
/// so each message is packed again; one that it had before goes.
storage::result<void> number(put_request& request, storage::producer_sequence& sequence) {
  auto messages = request.messages.read();
  storage::message_batch_builder numbered;
  auto next = sequence;
  for (;;) {
    TROUPE_TRY(auto message, messages.next());
    if (!message)
      break;
    if ((message->sysflag & storage::sysflag::sequenced) != 0)
      message->properties.remove_prefix(
          std::min(message->properties.find(storage::property::value_end),
                   message->properties.size() - 1) +
          1);
    ++next.number;
    auto properties = next.property();
    properties += message->properties;
    message->properties = properties;
    message->sysflag |= storage::sysflag::sequenced;
    numbered.add(*message);
  }
  if (numbered.count() != request.count)
    return storage::error{errc::invalid_argument, "a batch of " + std::to_string(numbered.count()) +
                                                      " messages was announced as " +
                                                      std::to_string(request.count)};
  request.messages = numbered.take();
  sequence = next;
  return boost::outcome_v2::success();
}

/// Sends numbered requests, many at a time: the store takes none before its predecessors and none
/// twice. After an error that may pass everything that is not stored is sent again, in order, once
/// nothing is under way any more.
template <class Shared>
struct numbered_courier_state {
  struct open_batch {
    put_request request;
    put_size size;
    caf::actor_clock::time_point give_up;
    bool under_way = false;
    bool doubt = false; ///< it may be stored
    bool done = false;
  };

  caf::event_based_actor* self = nullptr;
  store_service service;
  std::shared_ptr<Shared> shared;
  std::chrono::milliseconds repeat_for{0};
  storage::producer_sequence newest; ///< of the last message that was numbered
  std::deque<open_batch> open;       ///< the first one is not done
  std::uint64_t first = 0;           ///< number of that one
  std::size_t under_way = 0;
  bool again_from_one = false; ///< the next try is in a new epoch
  bool failed = false;         ///< some have to be sent again; until then nothing new is sent
  std::optional<storage::error> last_error; ///< after which nothing more is sent
  std::chrono::milliseconds pause = first_pause;

  void add(put_request& request) {
    put_size size(request);
    if (last_error)
      return shared->dropped(size);
    if (auto numbered = number(request, newest); !numbered) {
      failed = true;
      last_error = numbered.error();
      shared->failed(size, *last_error);
      return go_on();
    }
    open.push_back({std::move(request), size, self->clock().now() + repeat_for});
    if (!failed)
      send(first + open.size() - 1);
  }

  void send(std::uint64_t number) {
    auto& batch = open[number - first];
    batch.under_way = true;
    ++under_way;
    // The connection owns the deadline and answers in any case.
    self->request(service, caf::infinite, batch.request)
        .then(
            [this, number](const put_response& response) {
              if (response.failure.code != errc::none)
                refused(number, response.failure);
              else
                stored(number, response);
            },
            [this, number](const caf::error& why) { refused(number, from_caf(why)); });
  }

  void stored(std::uint64_t number, const put_response& response) {
    auto& batch = open[number - first];
    batch.under_way = false;
    batch.done = true;
    batch.request.messages = {};
    --under_way;
    shared->answered(batch.size, response);
    pause = first_pause;
    while (!open.empty() && open.front().done) {
      open.pop_front();
      ++first;
    }
    go_on();
  }

  void refused(std::uint64_t number, const storage::error& why) {
    auto& batch = open[number - first];
    batch.under_way = false;
    batch.doubt = batch.doubt || in_doubt(why.code);
    --under_way;
    failed = true;
    if (number == first && !last_error) // of one behind it this may be only because it is missing
      first_refused(batch, why);
    go_on();
  }

  void first_refused(const open_batch& batch, const storage::error& why) {
    // All before it were acknowledged. If one of them is missing, none of those behind is stored;
    // if nobody knows the producer any more, those in doubt may be.
    again_from_one =
        why.code == errc::offset_too_large || (why.code == errc::offset_too_small && !any_doubt());
    if (repeat_for.count() <= 0 || (!may_pass(why.code) && !again_from_one))
      last_error = why;
    else if (self->clock().now() + pause > batch.give_up)
      last_error = given_up(repeat_for, why);
  }

  bool any_doubt() const {
    return std::any_of(open.begin(), open.end(), [](auto& batch) { return batch.doubt; });
  }

  /// Once the fate of all is known, as far as it will be.
  void go_on() {
    if (!failed || under_way > 0)
      return;
    if (last_error)
      return stop();
    self->delayed_send(self, std::exchange(pause, std::min(2 * pause, longest_pause)),
                       retry_atom_v);
  }

  void repeat() {
    failed = false;
    if (std::exchange(again_from_one, false)) {
      newest.number = 0;
      ++newest.epoch;
      for (auto& batch : open)
        if (!batch.done)
          (void)number(batch.request, newest); // which it was before
    }
    for (std::size_t i = 0; i < open.size(); ++i) {
      if (open[i].done)
        continue;
      shared->sent_again(open[i].size);
      send(first + i);
    }
  }

  void stop() {
    for (auto& batch : std::exchange(open, {})) {
      if (batch.done)
        continue;
      if (batch.doubt)
        shared->failed(batch.size, after_doubt(*last_error));
      else
        shared->failed(batch.size, *last_error);
    }
  }
};

/// `State` sends each request until it is surely stored.
template <class State, class Shared>
caf::behavior patient_courier(caf::stateful_actor<State>* self, store_service service,
                              std::shared_ptr<Shared> shared, const producer_options& options) {
  auto& state = self->state;
  state.self = self;
  state.service = std::move(service);
  state.shared = std::move(shared);
  state.repeat_for = options.repeat_for;
  if constexpr (std::is_same_v<State, numbered_courier_state<Shared>>)
    state.newest = {options.idempotent->id, options.idempotent->epoch, 0};
  return {
      [&state](put_request& request) { state.add(request); },
      [&state](retry_atom) { state.repeat(); },
  };
}

template <class Shared>
caf::actor spawn_courier(caf::actor_system& system, store_service service,
                         std::shared_ptr<Shared> shared, const producer_options& options) {
  if (options.idempotent)
    return system.spawn(patient_courier<numbered_courier_state<Shared>, Shared>, std::move(service),
                        std::move(shared), options);
  if (options.repeat_for.count() <= 0)
    return system.spawn(courier<Shared>, std::move(service), std::move(shared));
  return system.spawn(patient_courier<patient_courier_state<Shared>, Shared>, std::move(service),
                      std::move(shared), options);
}

} // namespace

producer::producer(caf::actor_system& system, store_service service,
                   const producer_options& options)
    : options_(options), shared_(std::make_shared<shared>()),
      courier_(spawn_courier(system, std::move(service), shared_, options)) {}

producer::~producer() {
  caf::anon_send_exit(courier_, caf::exit_reason::user_shutdown);
}

producer_identity producer_identity::draw() {
  std::random_device random;
  auto half = [&] { return std::uint64_t{random()} << 32 | random(); };
  auto high = half();
  return of({high, half()});
}

producer_identity producer_identity::of(const storage::producer_id& id) {
  auto now = std::chrono::system_clock::now().time_since_epoch();
  auto us = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
  return {id, static_cast<std::uint64_t>(std::max<std::int64_t>(us, 1))};
}

storage::result<void> producer::send(put_request request) {
  put_size size(request);
  {
    std::unique_lock lock(shared_->mutex);
    shared_->changed.wait(lock, [&] {
      return shared_->failure.code != errc::none || shared_->open_requests == 0 ||
             (shared_->open_requests < options_.max_open_requests &&
              shared_->open_messages + size.messages <= options_.max_open_messages &&
              shared_->open_bytes + size.bytes <= options_.max_open_bytes);
    });
    if (shared_->failure.code != errc::none)
      return shared_->failure;
    ++shared_->open_requests;
    shared_->open_messages += size.messages;
    shared_->open_bytes += size.bytes;
  }
  caf::anon_send(courier_, std::move(request));
  return boost::outcome_v2::success();
}

storage::result<void> producer::finish() {
  std::unique_lock lock(shared_->mutex);
  shared_->changed.wait(lock, [&] { return shared_->open_requests == 0; });
  if (shared_->failure.code != errc::none)
    return shared_->failure;
  return boost::outcome_v2::success();
}

std::uint64_t producer::acknowledged() const {
  std::lock_guard lock(shared_->mutex);
  return shared_->acknowledged;
}

std::uint64_t producer::repeated() const {
  std::lock_guard lock(shared_->mutex);
  return shared_->repeated;
}

} // namespace troupe::client
