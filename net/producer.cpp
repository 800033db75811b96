#include "net/producer.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
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
    bool passes = in_doubt(why.code) || why.code == errc::busy || why.code == errc::unavailable;
    if (!passes)
      return stop(why.code, why.message);
    if (self->clock().now() + pause > give_up)
      return stop(why.code, "given up after repeating for " + std::to_string(repeat_for.count()) +
                                " ms: " + why.message);
    self->delayed_send(self, std::exchange(pause, std::min(2 * pause, longest_pause)),
                       retry_atom_v);
  }

  void repeat() {
    shared->sent_again(put_size(waiting.front()));
    send();
  }

  /// What may be stored after one of the tries is not called "not stored" for the last one.
  void stop(errc code, std::string why) {
    ended = true;
    if (doubt && !in_doubt(code))
      shared->failed(put_size(waiting.front()),
                     {errc::maybe_stored, "maybe stored by an earlier try; then: " + why});
    else
      shared->failed(put_size(waiting.front()), {code, std::move(why)});
    waiting.pop_front();
    for (auto& request : std::exchange(waiting, {}))
      shared->dropped(put_size(request));
  }
};

template <class Shared>
caf::behavior patient_courier(caf::stateful_actor<patient_courier_state<Shared>>* self,
                              store_service service, std::shared_ptr<Shared> shared,
                              std::chrono::milliseconds repeat_for) {
  auto& state = self->state;
  state.self = self;
  state.service = std::move(service);
  state.shared = std::move(shared);
  state.repeat_for = repeat_for;
  return {
      [&state](put_request& request) { state.add(request); },
      [&state](retry_atom) { state.repeat(); },
  };
}

template <class Shared>
caf::actor spawn_courier(caf::actor_system& system, store_service service,
                         std::shared_ptr<Shared> shared, std::chrono::milliseconds repeat_for) {
  if (repeat_for.count() <= 0)
    return system.spawn(courier<Shared>, std::move(service), std::move(shared));
  return system.spawn(patient_courier<Shared>, std::move(service), std::move(shared), repeat_for);
}

} // namespace

producer::producer(caf::actor_system& system, store_service service,
                   const producer_options& options)
    : options_(options), shared_(std::make_shared<shared>()),
      courier_(spawn_courier(system, std::move(service), shared_, options.repeat_for)) {}

producer::~producer() {
  caf::anon_send_exit(courier_, caf::exit_reason::user_shutdown);
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
