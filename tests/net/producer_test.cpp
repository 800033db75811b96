#include "net/producer.hpp"

#include "sim/world.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

using strings = std::vector<std::string>;

put_request batch_of(const std::string& name) {
  put_request request;
  request.topic = name;
  request.count = 10;
  return request;
}

put_response stored() {
  return {std::vector<message_result>(10), {}};
}

/// A producer in virtual time, and a service whose answers the test gives.
struct stand {
  explicit stand(std::chrono::milliseconds repeat_for, std::uint64_t seed = 1) : world(seed) {
    service = world.play<store_service>([this](caf::event_based_actor* self) {
      return caf::message_handler{[this, self](put_request& request) {
        asked.push_back(request.topic);
        auto promise = self->make_response_promise();
        open.push_back(promise);
        return promise;
      }};
    });
    client::producer_options options;
    options.repeat_for = repeat_for;
    producer.emplace(world.system(), service, options);
  }
  ~stand() {
    producer.reset();
    world.drain();
  }

  void send(const std::string& name) { REQUIRE(producer->send(batch_of(name))); }
  void answer(const put_response& response) {
    deliver([=](caf::response_promise& promise) { promise.deliver(response); });
  }
  void fail(errc why) {
    deliver([=](caf::response_promise& promise) {
      promise.deliver(make_caf_error(why, "as the test says"));
    });
  }
  void refuse(errc why) { answer({{message_result{why}}, {why, "as the test says"}}); }

  /// The oldest request that is open gets this answer, and time passes.
  void deliver(const std::function<void(caf::response_promise&)>& what) {
    world.drain();
    REQUIRE_FALSE(open.empty());
    world.inside(service, [&] { what(open.front()); });
    world.drain();
    open.pop_front();
    world.run_for(2s);
  }

  strings asked;
  std::deque<caf::response_promise> open;
  sim::world world;
  store_service service;
  std::optional<client::producer> producer;
};

} // namespace

TEST_CASE("producer: without repeats the first error ends it", "[net]") {
  stand s(0ms);
  s.send("1");
  s.send("2");
  s.world.drain();
  CHECK(s.asked == strings{"1", "2"}); // several are open at a time
  s.fail(errc::connection_lost);
  CHECK(s.producer->send(batch_of("3")).error().code == errc::connection_lost);
  s.answer(stored());
  CHECK(s.producer->finish().error().code == errc::connection_lost);
  CHECK(s.producer->acknowledged() == 10);
}

TEST_CASE("producer: a batch in doubt is sent again before those behind it", "[net]") {
  stand s(60s);
  for (auto* name : {"1", "2", "3"})
    s.send(name);
  s.fail(errc::connection_lost);
  s.fail(errc::maybe_stored);
  s.refuse(errc::maybe_stored);
  s.refuse(errc::busy);
  s.fail(errc::unavailable);
  s.answer(stored());
  s.answer(stored());
  s.fail(errc::busy);
  s.answer(stored());
  CHECK(s.asked == strings{"1", "1", "1", "1", "1", "1", "2", "3", "3"});
  CHECK(s.producer->finish());
  CHECK(s.producer->acknowledged() == 30);
  CHECK(s.producer->repeated() == 60);
}

TEST_CASE("producer: what cannot pass ends it, and nothing behind is sent", "[net]") {
  stand s(60s);
  for (auto* name : {"1", "2", "3"})
    s.send(name);
  s.answer(stored());
  s.refuse(errc::disk_full);
  auto done = s.producer->finish();
  REQUIRE_FALSE(done);
  CHECK(done.error().code == errc::disk_full);
  CHECK(done.error().message == "as the test says");
  CHECK(s.producer->send(batch_of("4")).error().code == errc::disk_full);
  s.world.run_for(60s);
  CHECK(s.asked == strings{"1", "2"});
  CHECK(s.producer->acknowledged() == 10);
}

TEST_CASE("producer: after the deadline it gives up and says for how long it tried", "[net]") {
  stand s(10s);
  s.send("1");
  s.send("2");
  s.world.drain();
  while (s.world.now() < 30s && !s.open.empty())
    s.refuse(errc::busy);
  CHECK(s.world.now() < 14s);
  CHECK(s.asked.size() >= 5);
  CHECK(std::set<std::string>(s.asked.begin(), s.asked.end()) == std::set<std::string>{"1"});
  auto done = s.producer->finish();
  REQUIRE_FALSE(done);
  CHECK(done.error().code == errc::busy);
  CHECK(done.error().message == "given up after repeating for 10000 ms: as the test says");
}

TEST_CASE("producer: a batch that may be stored by an earlier try is not called refused", "[net]") {
  for (auto last : {errc::unavailable, errc::disk_full}) {
    stand s(3s);
    s.send("1");
    s.fail(errc::connection_lost);
    s.refuse(errc::unavailable);
    s.refuse(last);
    auto done = s.producer->finish();
    REQUIRE_FALSE(done);
    CHECK(done.error().code == errc::maybe_stored);
    CHECK(done.error().message.find("maybe stored by an earlier try") == 0);
  }
}

TEST_CASE("producer: under random answers the first copies are in order", "[net]") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    stand s(24h, seed);
    strings kept; // what the service stored, also when it said something else
    const std::vector<errc> answers{errc::none, errc::connection_lost, errc::maybe_stored,
                                    errc::busy, errc::unavailable};
    constexpr std::size_t batches = 50;
    std::size_t sent = 0;
    while (s.producer->acknowledged() < 10 * batches) {
      for (auto more = s.world.random() % 4; more > 0 && sent < batches; --more)
        if (sent * 10 < s.producer->acknowledged() + 100)
          s.send(std::to_string(sent++));
      s.world.drain();
      if (s.open.empty())
        continue;
      auto why = answers[s.world.random() % answers.size()];
      auto doubt = why == errc::connection_lost || why == errc::maybe_stored;
      if (why == errc::none || (doubt && s.world.random() % 2 == 0))
        kept.push_back(s.asked.back());
      why == errc::none ? s.answer(stored()) : s.fail(why);
    }
    CHECK(s.producer->finish());
    strings first_copies;
    for (auto& name : kept)
      if (std::find(first_copies.begin(), first_copies.end(), name) == first_copies.end())
        first_copies.push_back(name);
    INFO("seed " << seed);
    REQUIRE(first_copies.size() == batches);
    for (std::size_t i = 0; i < batches; ++i)
      CHECK(first_copies[i] == std::to_string(i));
    CHECK(kept.size() > batches); // else no batch was repeated in vain
  }
}
