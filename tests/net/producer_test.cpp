#include "net/producer.hpp"

#include "sim/world.hpp"
#include "storage/format/properties.hpp"
#include "storage/tables/producer_windows.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <span>
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

/// The same with messages, for a producer that numbers them.
put_request full_batch_of(const std::string& name) {
  storage::message_batch_builder builder;
  for (int i = 0; i < 10; ++i) {
    storage::new_message message;
    message.properties = "KEYS\1k\2";
    message.body = std::as_bytes(std::span(name));
    builder.add(message);
  }
  auto request = batch_of(name);
  request.messages = builder.take();
  return request;
}

/// What a store makes of numbered messages: bodies as they are in its log.
struct numbered_store {
  storage::producer_windows windows;
  strings bodies;

  put_response take(const put_request& request) {
    put_response response;
    auto messages = request.messages.read();
    while (auto message = messages.next().value()) {
      REQUIRE((message->sysflag & storage::sysflag::sequenced) != 0);
      CHECK(storage::find_property(message->properties, storage::property::keys) == "k");
      auto sequence = storage::producer_sequence::parse(message->properties).value();
      auto judged = windows.judge(sequence).what;
      message_result result;
      if (judged == storage::producer_windows::verdict::next) {
        windows.note(sequence, {});
        auto* text = reinterpret_cast<const char*>(message->body.data());
        bodies.emplace_back(text, message->body.size());
      } else if (judged == storage::producer_windows::verdict::early) {
        result.code = errc::offset_too_large;
      } else if (judged != storage::producer_windows::verdict::repeated) {
        result.code = errc::offset_too_small;
      }
      if (result.code != errc::none)
        response.failure = {result.code, "as the windows say"};
      response.results.push_back(result);
    }
    return response;
  }
};

/// A producer in virtual time, and a service whose answers the test gives.
struct stand {
  explicit stand(std::chrono::milliseconds repeat_for, std::uint64_t seed = 1,
                 std::optional<client::producer_identity> idempotent = {})
      : world(seed) {
    service = world.play<store_service>([this](caf::event_based_actor* self) {
      return caf::message_handler{[this, self](put_request& request) {
        asked.push_back(request.topic);
        requests.push_back(request);
        auto promise = self->make_response_promise();
        open.push_back(promise);
        return promise;
      }};
    });
    client::producer_options options;
    options.repeat_for = repeat_for;
    options.idempotent = idempotent;
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
  std::deque<put_request> requests;
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

TEST_CASE("producer: an idempotent one has several batches open, and repeats them in order",
          "[net]") {
  stand s(60s, 1, client::producer_identity{{1, 2}, 3});
  for (auto* name : {"1", "2", "3"})
    REQUIRE(s.producer->send(full_batch_of(name)));
  s.world.drain();
  CHECK(s.asked == strings{"1", "2", "3"});
  auto first = s.requests[1].messages.read().next().value();
  CHECK(storage::producer_sequence::parse(first->properties) ==
        storage::producer_sequence{{1, 2}, 3, 11});
  s.fail(errc::connection_lost);
  s.answer(stored()); // so the first one was stored, too: its answer was lost
  CHECK(s.producer->acknowledged() == 10);
  REQUIRE(s.producer->send(full_batch_of("4")));
  s.world.drain();
  CHECK(s.asked == strings{"1", "2", "3"}); // nothing new before the fate of all is known
  s.refuse(errc::busy);
  CHECK(s.asked == strings{"1", "2", "3", "1", "3", "4"});
  for (int i = 0; i < 3; ++i)
    s.answer(stored());
  CHECK(s.producer->finish());
  CHECK(s.producer->acknowledged() == 40);
}

TEST_CASE("producer: an idempotent one ends by the error of its first batch that is open",
          "[net]") {
  stand s(60s, 1, client::producer_identity{{1, 2}, 3});
  for (auto* name : {"1", "2", "3"})
    REQUIRE(s.producer->send(full_batch_of(name)));
  s.fail(errc::connection_lost);
  s.refuse(errc::not_found); // because the first one is missing
  s.answer(stored());
  CHECK(s.asked == strings{"1", "2", "3", "1", "2"});
  s.answer(stored());
  s.refuse(errc::not_found);
  auto done = s.producer->finish();
  REQUIRE_FALSE(done);
  CHECK(done.error().code == errc::not_found);
  CHECK(done.error().message == "as the test says");
  CHECK_FALSE(s.producer->send(full_batch_of("4")));
  CHECK(s.producer->acknowledged() == 20);
}

TEST_CASE("producer: an idempotent one that gives up says what may be stored", "[net]") {
  stand s(3s, 1, client::producer_identity{{1, 2}, 3});
  REQUIRE(s.producer->send(full_batch_of("1")));
  s.fail(errc::connection_lost);
  s.refuse(errc::disk_full);
  auto done = s.producer->finish();
  REQUIRE_FALSE(done);
  CHECK(done.error().code == errc::maybe_stored);
  CHECK(done.error().message.find("maybe stored by an earlier try") == 0);
}

TEST_CASE("producer: identities are drawn apart, and epochs rise", "[net]") {
  auto one = client::producer_identity::draw();
  auto other = client::producer_identity::draw();
  CHECK_FALSE(one.id == other.id);
  CHECK(client::producer_identity::of(one.id).id == one.id);
  CHECK(client::producer_identity::of(one.id).epoch >= one.epoch);
}

TEST_CASE("producer: of an idempotent one each message is stored once, in order", "[net]") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    stand s(24h, seed, client::producer_identity::draw());
    numbered_store store;
    constexpr std::size_t batches = 60;
    std::size_t sent = 0;
    strings expected;
    while (s.producer->acknowledged() < 10 * batches) {
      for (auto more = s.world.random() % 6; more > 0 && sent < batches; --more) {
        if (sent * 10 >= s.producer->acknowledged() + 100)
          break;
        auto name = std::to_string(sent++);
        REQUIRE(s.producer->send(full_batch_of(name)));
        expected.insert(expected.end(), 10, name);
      }
      s.world.drain();
      while (!s.open.empty()) {
        // It may be lost on its way there, or the answer on its way back.
        auto dice = s.world.random() % 6;
        auto request = s.requests[s.requests.size() - s.open.size()];
        put_response response;
        if (dice != 0)
          response = store.take(request);
        dice < 2 ? s.fail(errc::connection_lost) : s.answer(response);
      }
      s.world.run_for(2s);
    }
    INFO("seed " << seed);
    CHECK(s.producer->finish());
    CHECK(store.bodies == expected);
    CHECK(s.producer->repeated() > 0);
  }
}

TEST_CASE("producer: an idempotent one goes on in a new epoch when the store lost its messages",
          "[net]") {
  stand s(60s, 1, client::producer_identity{{1, 2}, 3});
  auto first_of = [&](std::size_t asked) {
    auto message = s.requests[asked].messages.read().next().value();
    CHECK(storage::find_property(message->properties, storage::property::keys) == "k");
    return storage::producer_sequence::parse(message->properties).value();
  };
  for (auto* name : {"1", "2", "3"})
    REQUIRE(s.producer->send(full_batch_of(name)));
  s.answer(stored());
  s.fail(errc::connection_lost); // the machine went down, and came back without the first one
  s.refuse(errc::connection_lost);
  s.refuse(errc::offset_too_large);
  s.refuse(errc::offset_too_large);
  CHECK(s.asked == strings{"1", "2", "3", "2", "3", "2", "3"});
  CHECK(first_of(3) == storage::producer_sequence{{1, 2}, 3, 11});
  CHECK(first_of(5) == storage::producer_sequence{{1, 2}, 4, 1});
  CHECK(first_of(6) == storage::producer_sequence{{1, 2}, 4, 11});
  REQUIRE(s.producer->send(full_batch_of("4")));
  for (int i = 0; i < 3; ++i)
    s.answer(stored());
  CHECK(first_of(7) == storage::producer_sequence{{1, 2}, 4, 21});
  CHECK(s.producer->finish());
}

TEST_CASE("producer: an idempotent one that is forgotten goes on if nothing is in doubt", "[net]") {
  for (bool doubt : {false, true}) {
    stand s(60s, 1, client::producer_identity{{1, 2}, 3});
    REQUIRE(s.producer->send(full_batch_of("1")));
    s.answer(stored());
    REQUIRE(s.producer->send(full_batch_of("2")));
    if (doubt)
      s.fail(errc::connection_lost);
    s.refuse(errc::offset_too_small);
    if (!doubt)
      s.answer(stored());
    auto done = s.producer->finish();
    CHECK(done.has_value() != doubt);
    if (doubt)
      CHECK(done.error().code == errc::maybe_stored);
  }
}
