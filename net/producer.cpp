#include "net/producer.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>

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

} // namespace

producer::producer(caf::actor_system& system, store_service service,
                   const producer_options& options)
    : options_(options), shared_(std::make_shared<shared>()),
      courier_(system.spawn(courier<shared>, std::move(service), shared_)) {}

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

} // namespace troupe::client
