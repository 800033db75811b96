#include "actors/session.hpp"

#include "storage/format/message_batch.hpp"
#include "tests/support/actor_stand.hpp"
#include "tests/support/bytes.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

/// A session before actors that the test plays.
struct session_stand {
  session_stand() {
    auto all = std::make_shared<std::map<std::string, topic_info>>();
    (*all)["t"] = {"t", 4, 4, 6};
    (*all)["read-only"] = {"read-only", 4, 4, 4};
    topics.topics = all;
  }

  void start() {
    auto& world = stand.world;
    stand.roles.writer = world.play<writer_actor>([this](caf::event_based_actor* self) {
      return caf::message_handler{[this, self](const put_bundle& group) {
        groups.push_back(group);
        promises.push_back(self->make_response_promise<put_bundle_response>());
        return promises.back();
      }};
    });
    stand.roles.registrar = world.play<registrar_actor>([this](caf::event_based_actor* self) {
      return caf::message_handler{[this, self](watch_atom) -> caf::result<topic_map> {
        if (!hold_topics)
          return topics;
        topic_promises.push_back(self->make_response_promise<topic_map>());
        return topic_promises.back();
      }};
    });
    stand.roles.queue_manager =
        world.play<queue_manager_actor>([this](caf::event_based_actor* self) {
          return caf::message_handler{[this, self](const pull_request& request) {
            pulls.push_back(request);
            pull_promises.push_back(self->make_response_promise<read_request>());
            return pull_promises.back();
          }};
        });
    stand.announce();
    session_setup setup{stand.options, {}, stand.roles, topics};
    session = world.system().spawn(troupe::session, std::move(setup));
    world.drain();
  }

  answer<put_response> send(put_request request) {
    auto sent = stand.world.request<put_response>(session, std::move(request));
    stand.world.drain();
    return sent;
  }
  /// The writer answers everything that it has: stored.
  void answer_all() {
    stand.world.inside(stand.roles.writer, [this] {
      for (std::size_t i = 0; i < promises.size(); ++i) {
        put_bundle_response response;
        for (auto& request : groups[i].requests) {
          put_response one;
          one.results.resize(request.count);
          for (auto& result : one.results)
            result.offset = 1;
          response.responses.push_back(one);
        }
        promises[i].deliver(response);
      }
      promises.clear();
      groups.clear();
    });
    stand.world.drain();
  }
  /// The answer of a request that must not reach the writer.
  storage::error refusal(put_request request) {
    auto sent = send(std::move(request));
    CHECK(groups.empty());
    CHECK(sent.there());
    auto& response = sent.value();
    CHECK(response.results.at(0).code == response.failure.code);
    return response.failure;
  }

  actor_stand stand;
  topic_map topics;
  session_actor session;
  std::vector<put_bundle> groups;
  std::vector<caf::typed_response_promise<put_bundle_response>> promises;
  std::vector<pull_request> pulls;
  std::vector<caf::typed_response_promise<read_request>> pull_promises;
  bool hold_topics = false; ///< the registrar takes its time
  std::vector<caf::typed_response_promise<topic_map>> topic_promises;
};

/// Why a put was not stored, in whichever form it was said.
errc outcome(answer<put_response>& sent) {
  return sent.code() != errc::none ? sent.code() : sent.value().failure.code;
}

put_request with_properties(const std::string& properties) {
  storage::message_batch_builder builder;
  storage::new_message message;
  message.properties = properties;
  builder.add(message);
  put_request request;
  request.topic = "t";
  request.count = 1;
  request.messages = builder.take();
  return request;
}

} // namespace

TEST_CASE("session: a good request reaches the writer, and its answer the client", "[actors]") {
  session_stand t;
  t.start();
  auto sent = t.send(put_of("t", {{"x"}, {"", 3}})); // a body of 0 bytes is a body
  REQUIRE(t.groups.size() == 1);
  CHECK(t.groups[0].requests.at(0).count == 2);
  CHECK_FALSE(sent.there());
  t.answer_all();
  REQUIRE(sent.there());
  CHECK(all_stored(sent.value()));
}

TEST_CASE("session: bad requests end here, with the reason", "[actors]") {
  session_stand t;
  t.stand.options.store.max_message_size_bytes = 1000;
  t.start();
  auto unknown = t.refusal(put_of("unknown", {{"x"}}));
  CHECK(unknown.code == errc::not_found);
  CHECK(unknown.message.find("troupe topic create unknown") != std::string::npos);
  CHECK(t.refusal(put_of("read-only", {{"x"}})).code == errc::invalid_argument);
  auto queue = t.refusal(put_of("t", {{"x"}, {"y", 4}}));
  CHECK(queue.code == errc::invalid_argument);
  CHECK(queue.message.find("no queue 4, only 0 to 3") != std::string::npos);
  CHECK(t.refusal(put_of("t", {{"x", -1}})).code == errc::invalid_argument);
  CHECK(t.refusal(put_of("t", {{"x", INT32_MIN}})).code == errc::invalid_argument);
  auto large = t.refusal(put_of("t", {{"x"}, {std::string(1001, 'x')}}));
  CHECK(large.code == errc::too_large);
  CHECK(large.message.find("message 1 of the batch") != std::string::npos);
  CHECK(large.message.find("1001") != std::string::npos);
  auto nul = t.refusal(with_properties(std::string("a\1b\0c\2", 6)));
  CHECK(nul.code == errc::invalid_argument);
  CHECK(t.refusal(with_properties("no structure")).code == errc::invalid_argument);
  CHECK(t.refusal(with_properties("k\1" + std::string(40'000, 'v') + "\2")).code ==
        errc::too_large);
  CHECK(t.groups.empty());
}

TEST_CASE("session: nothing overtakes a put whose topic is not known yet", "[actors]") {
  session_stand t;
  t.hold_topics = true;
  t.start();
  auto first = t.send(put_of("new", {{"1"}}));
  REQUIRE(t.topic_promises.size() == 1);
  // The node tells everybody of the topic before the registrar answers this session.
  auto all = std::make_shared<std::map<std::string, topic_info>>(*t.topics.topics);
  (*all)["new"] = {"new", 1, 1, 6};
  t.stand.world.tell(t.session, topic_map{all});
  auto second = t.send(put_of("new", {{"2"}}));
  CHECK(t.groups.empty());
  t.stand.world.inside(t.stand.roles.registrar, [&] {
    for (auto& promise : t.topic_promises)
      promise.deliver(topic_map{all});
  });
  t.stand.world.drain();
  std::vector<std::string> bodies;
  for (auto& group : t.groups)
    for (auto& request : group.requests) {
      auto batch = request.messages.read();
      bodies.push_back(as_text(batch.next().value()->body));
    }
  CHECK(bodies == std::vector<std::string>{"1", "2"});
  t.answer_all();
  CHECK(all_stored(second.value()));
}

TEST_CASE("session: a batch must hold what it announces", "[actors]") {
  session_stand t;
  t.start();
  for (std::uint32_t count : {0u, 1u, 3u, 65'000u, 0xffffffffu}) {
    auto request = put_of("t", {{"a"}, {"b"}});
    request.count = count;
    auto refused = t.refusal(request);
    CHECK((refused.code == errc::invalid_argument || refused.code == errc::too_large));
  }
  put_request empty;
  empty.topic = "t";
  CHECK(t.refusal(empty).code == errc::invalid_argument);
  auto cut = put_of("t", {{"abcdef"}});
  cut.messages = cut.messages.packed().part(0, cut.messages.size() - 1);
  CHECK(t.refusal(cut).code == errc::invalid_argument);
  put_request noise;
  noise.topic = "t";
  noise.count = 1;
  noise.messages = storage::slice::copy_of(as_bytes(std::string(60, '\xff')));
  CHECK(t.refusal(noise).code == errc::invalid_argument);
}

TEST_CASE("session: a topic is described with everything that the writer has", "[actors]") {
  session_stand t;
  std::vector<log_offset> asked;
  auto& world = t.stand.world;
  t.start();
  t.stand.roles.writer = world.play<writer_actor>([](caf::event_based_actor*) {
    return caf::message_handler{[](status_atom) {
      writer_status status;
      status.end = 4711;
      return status;
    }};
  });
  t.stand.roles.queue_manager = world.play<queue_manager_actor>([&](caf::event_based_actor*) {
    return caf::message_handler{[&](bounds_atom, const std::string&, log_offset end) {
      asked.push_back(end);
      return bounds_read{{{2, 1, 5, 99}}, {-1}};
    }};
  });
  t.stand.roles.readers = {world.play<reader_actor>([](caf::event_based_actor*) {
    return caf::message_handler{[](const bounds_read& found) { return found.queues; }};
  })};
  world.tell(t.session, t.stand.roles);
  world.drain();
  auto described = [&] {
    return world.ask<topic_description>(t.session, bounds_atom_v, std::string("t")).value();
  };
  auto queues = described().queues;
  CHECK(asked == std::vector<log_offset>{4711});
  REQUIRE(queues.size() == 4);
  CHECK(queues[1].max == 0);
  CHECK(queues[2].max == 5);
  world.kill(t.stand.roles.writer); // then as far as the queues are
  CHECK(described().queues[2].max == 5);
  CHECK(asked.back() == 0);
}

TEST_CASE("session: a topic name that cannot be one is refused everywhere", "[actors]") {
  session_stand t;
  t.start();
  for (auto& name : {std::string("a/b"), std::string(".."), std::string("."), std::string(),
                     std::string("../../etc"), std::string(128, 'x'), std::string("a\nb"),
                     std::string("a\0b", 3), std::string("a b"), std::string("\xc3\xa4")}) {
    CHECK(t.refusal(put_of(name, {{"x"}})).code == errc::invalid_argument);
    pull_request pull;
    pull.topic = name;
    auto pulled = t.stand.world.ask<pull_response>(t.session, pull);
    CHECK(pulled.code() == errc::invalid_argument);
    auto described = t.stand.world.ask<topic_description>(t.session, bounds_atom_v, name);
    CHECK(described.code() == errc::not_found);
  }
  CHECK(t.pulls.empty());
}

TEST_CASE("session: negative and huge numbers of a pull do no harm", "[actors]") {
  session_stand t;
  t.start();
  pull_request request;
  request.topic = "t";
  request.from = -1;
  CHECK(t.stand.world.ask<pull_response>(t.session, request).code() == errc::invalid_argument);
  request.from = 0;
  request.queue_id = -5;
  CHECK(t.stand.world.ask<pull_response>(t.session, request).code() == errc::invalid_argument);
  CHECK(t.pulls.empty());
  request.queue_id = INT32_MAX;
  request.from = INT64_MAX;
  request.max_messages = 0xffffffff;
  request.max_bytes = ~std::uint64_t{0};
  auto huge = t.stand.world.request<pull_response>(t.session, request);
  t.stand.world.drain();
  REQUIRE(t.pulls.size() == 1);
  CHECK(t.pulls[0].max_messages == t.stand.options.pull.max_messages);
  CHECK(t.pulls[0].max_bytes == t.stand.options.pull.max_bytes);
  request.max_messages = 0;
  request.max_bytes = 0;
  t.stand.world.tell(t.session, request);
  t.stand.world.drain();
  REQUIRE(t.pulls.size() == 2);
  CHECK(t.pulls[1].max_messages == 1);
  CHECK(t.pulls[1].max_bytes == 1);
}

TEST_CASE("session: what arrives together goes to the writer together, by its wish to wait",
          "[actors]") {
  session_stand t;
  t.start();
  std::vector<answer<put_response>> sent;
  for (int i = 0; i < 10; ++i) {
    auto request = put_of("t", {{std::to_string(i)}});
    request.wait = i / 5 == 1;
    sent.push_back(t.stand.world.request<put_response>(t.session, request));
  }
  t.stand.world.drain();
  CHECK(t.groups.size() < 10);
  for (auto& group : t.groups)
    for (auto& request : group.requests)
      CHECK(request.wait == group.requests.front().wait);
  t.answer_all();
  for (auto& each : sent)
    CHECK(all_stored(each.value()));
}

TEST_CASE("session: whether they wait for the flush or not, puts keep their order", "[actors]") {
  session_stand t;
  t.start();
  std::vector<std::string> wanted;
  for (int i = 0; i < 20; ++i) {
    wanted.push_back(std::to_string(i));
    auto request = put_of("t", {{wanted.back()}});
    request.wait = i % 3 != 0;
    t.stand.world.tell(t.session, request);
  }
  t.stand.world.drain();
  std::vector<std::string> bodies;
  for (auto& group : t.groups)
    for (auto& request : group.requests) {
      CHECK(request.wait == group.requests.front().wait);
      auto batch = request.messages.read();
      bodies.push_back(as_text(batch.next().value()->body));
    }
  CHECK(bodies == wanted);
}

TEST_CASE("session: a time for delivery that is none, or of a transaction, is refused",
          "[actors]") {
  session_stand t;
  t.start();
  for (auto* property : {"TIMER_DELAY_SEC\1"
                         "soon\2",
                         "__STARTDELIVERTIME\1"
                         "1s\2",
                         "TIMER_DELAY_MS\1"
                         "5\2TRAN_MSG\1true\2PGROUP\1g\2"})
    CHECK(t.refusal(with_properties(property)).code == errc::invalid_argument);
}

TEST_CASE("session: a pull compares at most 64 tags, sorted", "[actors]") {
  session_stand t;
  t.start();
  pull_request request;
  request.topic = "t";
  request.tag_hashes = {5, -7, 3};
  t.stand.world.tell(t.session, request);
  t.stand.world.drain();
  REQUIRE(t.pulls.size() == 1);
  CHECK(t.pulls[0].tag_hashes == std::vector<std::int32_t>{-7, 3, 5});
  request.tag_hashes.assign(65, 1);
  auto refused = t.stand.world.ask<pull_response>(t.session, request);
  CHECK(refused.code() == errc::invalid_argument);
  CHECK(refused.reason().find("65 tags") != std::string::npos);
}

TEST_CASE("session: who waits for one that ends is told", "[actors]") {
  session_stand t;
  t.start();
  auto put = t.send(put_of("t", {{"x"}}));
  pull_request request;
  request.topic = "t";
  auto pull = t.stand.world.request<pull_response>(t.session, request);
  t.stand.world.drain();
  CHECK_FALSE(put.there());
  t.stand.world.kill(t.session);
  t.stand.world.drain();
  CHECK(put.code() == errc::connection_lost);
  CHECK(pull.code() == errc::connection_lost);
}

TEST_CASE("session: puts are not held by a registrar that is out of reach now",
          "[actors][spread]") {
  session_stand t;
  t.hold_topics = true;
  t.start();
  auto held = t.send(put_of("unknown", {{"1"}}));
  auto behind = t.send(put_of("t", {{"2"}}));
  CHECK_FALSE(held.there());
  auto roles = t.stand.roles;
  auto found = t.topics;
  roles.registrar =
      t.stand.world.play<registrar_actor>([found](caf::event_based_actor*) -> caf::message_handler {
        return {[found](watch_atom) { return found; }};
      });
  t.stand.world.tell(t.session, roles);
  t.stand.world.drain();
  CHECK(outcome(held) == errc::not_found);
  t.answer_all();
  CHECK(all_stored(behind.value()));
}

TEST_CASE("session: puts that are held keep their order, whichever question is answered first",
          "[actors][spread]") {
  session_stand t;
  t.hold_topics = true;
  t.start();
  auto unknown = t.send(put_of("unknown", {{"1"}}));
  auto first = t.send(put_of("t", {{"2"}}));
  auto second = t.send(put_of("t", {{"the one behind it"}}));
  t.stand.world.drain();
  REQUIRE(t.topic_promises.size() == 3);
  CHECK(t.groups.empty());
  // The answers to the others are lost on their way.
  t.stand.world.inside(t.stand.roles.registrar, [&] { t.topic_promises[2].deliver(t.topics); });
  t.stand.world.drain();
  CHECK(outcome(unknown) == errc::not_found);
  std::vector<std::size_t> sizes;
  for (auto& group : t.groups)
    for (auto& request : group.requests)
      sizes.push_back(request.messages.size());
  REQUIRE(sizes.size() == 2);
  CHECK(sizes[0] < sizes[1]);
  t.answer_all();
  CHECK(all_stored(first.value()));
  CHECK(all_stored(second.value()));
}

TEST_CASE("session: the time that a put was held is its producer's", "[actors]") {
  session_stand t;
  t.hold_topics = true;
  t.start();
  auto request = put_of("new", {{"x"}});
  request.time_left_ms = 2500;
  auto wait = GENERATE(1000ms, 3000ms);
  auto sent = t.send(request);
  t.stand.world.run_for(wait);
  auto all = std::make_shared<std::map<std::string, topic_info>>(*t.topics.topics);
  (*all)["new"] = {"new", 1, 1, 6};
  t.stand.world.inside(t.stand.roles.registrar,
                       [&] { t.topic_promises.front().deliver(topic_map{all}); });
  t.stand.world.drain();
  if (wait < 2500ms) {
    REQUIRE(t.groups.size() == 1);
    CHECK(t.groups[0].requests[0].time_left_ms == 1500);
  } else {
    CHECK(t.groups.empty());
    CHECK(outcome(sent) == errc::busy);
  }
}

TEST_CASE("session: more messages or bytes than the credit are refused as busy", "[actors]") {
  session_stand t;
  t.stand.options.session.credit_messages = 10;
  t.stand.options.session.credit_bytes = 2000;
  t.start();
  auto open = t.send(put_of("t", numbered("", 6)));
  auto over = t.send(put_of("t", numbered("", 5)));
  REQUIRE(over.there());
  CHECK(over.value().failure.code == errc::busy);
  CHECK(over.value().failure.message.find("6 messages") != std::string::npos);
  auto fits = t.send(put_of("t", numbered("", 4)));
  CHECK_FALSE(fits.there());
  t.answer_all();
  CHECK(all_stored(open.value()));
  CHECK(all_stored(fits.value()));
  auto first = t.send(put_of("t", {{std::string(1500, 'x')}}));
  auto second = t.send(put_of("t", {{std::string(1500, 'x')}}));
  CHECK(second.value().failure.code == errc::busy);
  t.answer_all();
  CHECK(all_stored(first.value()));
  // A single one is let in however large: otherwise it never would be.
  auto single = t.send(put_of("t", {{std::string(5000, 'x')}}));
  t.answer_all();
  CHECK(all_stored(single.value()));
  CHECK(t.send(put_of("t", numbered("", 11))).value().failure.code == errc::too_large);
}

TEST_CASE("session: requests of every kind take of the credit", "[actors]") {
  session_stand t;
  t.stand.options.session.credit_messages = 3;
  t.stand.options.session.credit_bytes = 64 * storage::kib;
  t.start();
  auto& world = t.stand.world;
  pull_request pull;
  pull.topic = "t";
  std::vector<answer<pull_response>> pulls;
  for (int i = 0; i < 3; ++i)
    pulls.push_back(world.request<pull_response>(t.session, pull));
  world.drain();
  CHECK(t.pulls.size() == 3);
  CHECK(world.ask<pull_response>(t.session, pull).code() == errc::busy);
  CHECK(world.ask<topic_list>(t.session, list_atom_v).code() == errc::busy);
  CHECK(world.ask<record_batch>(t.session, fetch_atom_v, log_offset{0}).code() == errc::busy);
  auto described = world.ask<topic_description>(t.session, bounds_atom_v, std::string("t"));
  CHECK(described.code() == errc::busy);
  auto unknown = t.send(put_of("unknown", {{"x"}}));
  CHECK(outcome(unknown) == errc::busy);
  world.run_for(t.stand.options.session.deadline + 200ms);
  // All of it came back. By bytes there is no room for a query beside another request.
  pulls.push_back(world.request<pull_response>(t.session, pull));
  world.drain();
  CHECK_FALSE(pulls.back().there());
  key_query query;
  query.topic = "t";
  CHECK(world.ask<record_batch>(t.session, query).code() == errc::busy);
  CHECK(t.pulls.size() == 4);
}

TEST_CASE("session: a pull costs no bytes while it waits, and what was found until it is answered",
          "[actors]") {
  session_stand t;
  t.stand.options.session.credit_bytes = 64 * storage::kib;
  auto& world = t.stand.world;
  std::vector<read_request> reads;
  std::vector<caf::typed_response_promise<pull_response>> read_promises;
  t.stand.roles.readers = {world.play<reader_actor>([&](caf::event_based_actor* self) {
    return caf::message_handler{[&, self](const read_request& request) {
      reads.push_back(request);
      read_promises.push_back(self->make_response_promise<pull_response>());
      return read_promises.back();
    }};
  })};
  t.start();
  pull_request pull;
  pull.topic = "t";
  pull.max_bytes = storage::mib;
  std::vector<answer<pull_response>> pulls;
  auto begin = [&](std::size_t count) {
    for (std::size_t i = 0; i < count; ++i)
      pulls.push_back(world.request<pull_response>(t.session, pull));
    world.drain();
  };
  auto find = [&](std::size_t which, std::initializer_list<std::uint32_t> kibs) {
    read_request found;
    found.topic = "t";
    found.answer.status = pull_status::found;
    for (auto size : kibs)
      found.records.push_back(
          {0, size * static_cast<std::uint32_t>(storage::kib), found.answer.next++, 0});
    world.inside(t.stand.roles.queue_manager,
                 [&, found] { t.pull_promises.at(which).deliver(found); });
    world.drain();
  };
  auto bring = [&](std::size_t which) {
    world.inside(t.stand.roles.readers[0],
                 [&, which] { read_promises.at(which).deliver(std::move(reads[which].answer)); });
    world.drain();
  };
  begin(100); // a MiB each, if they brought it
  REQUIRE(t.pulls.size() == 100);
  find(0, {20, 20});
  find(1, {20, 20});
  REQUIRE(reads.size() == 2);
  CHECK(reads[0].records.size() == 2);
  CHECK(reads[0].answer.next == 2);
  CHECK(reads[1].records.size() == 1); // the credit has no room for both
  CHECK(reads[1].answer.next == 1);
  find(2, {20});
  CHECK(reads.size() == 2);
  REQUIRE(pulls[2].there());
  CHECK(pulls[2].code() == errc::busy);
  bring(0);
  CHECK(pulls[0].value().next == 2);
  find(3, {30, 0, 1000'000}); // damaged ones cost nothing; what no record has does not count
  REQUIRE(reads.size() == 3);
  CHECK(reads[2].records.size() == 2);
  bring(1);
  bring(2);
  find(4, {1000, 1});
  REQUIRE(reads.size() == 4);
  CHECK(reads[3].records.size() == 1); // a single one is let in however large
  find(5, {1});
  CHECK(pulls[5].code() == errc::busy);
  bring(3);
  find(6, {64});
  CHECK(reads.size() == 5);
}

TEST_CASE("session: so many pulls of one client wait, and more when those are answered",
          "[actors]") {
  session_stand t;
  t.start();
  auto& world = t.stand.world;
  pull_request pull;
  pull.topic = "t";
  pull.wait_ms = 30'000;
  std::vector<answer<pull_response>> pulls;
  auto begin = [&] {
    pulls.push_back(world.request<pull_response>(t.session, pull));
    world.drain();
    return pulls.back().there();
  };
  for (int i = 0; i < 2048; ++i)
    REQUIRE_FALSE(begin());
  REQUIRE(begin());
  CHECK(pulls.back().code() == errc::busy);
  pull.wait_ms = 0;
  CHECK_FALSE(begin()); // one that does not wait
  world.inside(t.stand.roles.queue_manager, [&] { t.pull_promises.at(0).deliver(read_request{}); });
  world.drain();
  REQUIRE(pulls[0].there());
  pull.wait_ms = 30'000;
  CHECK_FALSE(begin());
  CHECK(begin());
}

TEST_CASE("session: no pull waits for longer than half a minute", "[actors]") {
  session_stand t;
  t.start();
  pull_request pull;
  pull.topic = "t";
  pull.wait_ms = 0xffffffff;
  auto parked = t.stand.world.request<pull_response>(t.session, pull);
  t.stand.world.drain();
  CHECK(t.pulls.at(0).wait_ms == 30'000);
  t.stand.world.run_for(30s + t.stand.options.session.deadline + 200ms);
  CHECK(parked.code() == errc::maybe_stored);
}

TEST_CASE("session: messages that all say WAIT=false are not waited for", "[actors]") {
  session_stand t;
  t.stand.options.store.flush = storage::flush_policy::sync;
  t.start();
  auto waits = [&](const std::vector<std::string>& properties) {
    storage::message_batch_builder builder;
    for (auto& text : properties) {
      storage::new_message message;
      message.properties = text;
      builder.add(message);
    }
    put_request request;
    request.topic = "t";
    request.count = builder.count();
    request.messages = builder.take();
    t.send(request);
    auto wait = t.groups.at(0).requests.at(0).wait;
    t.answer_all();
    return wait;
  };
  std::string no = "A\1b\2WAIT\1false\2";
  CHECK_FALSE(waits({no}));
  CHECK_FALSE(waits({no, no}));
  CHECK(waits({no, ""}));
  CHECK(waits({"", no}));
  CHECK(waits({"WAIT\1true\2"}));
  CHECK(waits({"A\1WAIT=false\2"}));
}

TEST_CASE("session: with synchronous flush only a durable message is fetched", "[actors]") {
  session_stand t;
  t.stand.options.store.flush = storage::flush_policy::sync;
  auto& world = t.stand.world;
  t.stand.roles.flusher = world.play<flusher_actor>([](caf::event_based_actor*) {
    return caf::message_handler{[](status_atom) { return flusher_status{1000, 1, {}}; }};
  });
  t.stand.roles.readers.resize(1);
  t.stand.roles.readers[0] = world.play<reader_actor>([](caf::event_based_actor*) {
    return caf::message_handler{[](fetch_atom, log_offset) {
      record_batch batch;
      batch.records.emplace_back();
      return batch;
    }};
  });
  t.start();
  auto fetch = [&](log_offset offset) {
    return world.ask<record_batch>(t.session, fetch_atom_v, offset);
  };
  CHECK(fetch(999).value().records.size() == 1);
  CHECK(fetch(1000).code() == errc::not_found);
}

TEST_CASE("session: a writer that never answers is answered for: maybe stored", "[actors]") {
  session_stand t;
  t.stand.options.session.deadline = 2s;
  t.stand.options.writer.parked_deadline = 1s;
  t.start();
  auto lost = t.send(put_of("t", numbered("", 7)));
  REQUIRE(t.groups.size() == 1);
  t.stand.world.run_for(2900ms);
  CHECK_FALSE(lost.there());
  t.stand.world.run_for(200ms);
  REQUIRE(lost.there());
  CHECK(outcome(lost) == errc::maybe_stored);
  // The late answer is nobody's any more, and the credit is whole.
  t.answer_all();
  CHECK(outcome(lost) == errc::maybe_stored);
  auto next = t.send(put_of("t", {{"next"}}));
  CHECK_FALSE(next.there());
  t.answer_all();
  CHECK(all_stored(next.value()));
}

TEST_CASE("session: answers in any order reach those who asked", "[actors]") {
  session_stand t;
  t.stand.options.session.deadline = 2s;
  t.start();
  auto seed = GENERATE(range(std::uint64_t{1}, std::uint64_t{5}));
  pull_request request;
  request.topic = "t";
  std::vector<answer<pull_response>> asked;
  for (int i = 0; i < 20; ++i) {
    request.from = i;
    asked.push_back(t.stand.world.request<pull_response>(t.session, request));
  }
  t.stand.world.drain();
  REQUIRE(t.pull_promises.size() == 20);
  auto answer_one = [&](std::size_t i) {
    t.stand.world.inside(t.stand.roles.queue_manager, [&t, i] {
      read_request response;
      response.answer.next = t.pulls[i].from;
      t.pull_promises[i].deliver(response);
    });
    t.stand.world.drain();
  };
  for (std::size_t i = 0; i < 20; ++i) {
    auto chosen = (i * 7 + seed) % 20;
    if (chosen % 5 == 0)
      continue; // never answered in time
    answer_one(chosen);
    REQUIRE(asked[chosen].there());
    CHECK(asked[chosen].value().next == static_cast<queue_offset>(chosen));
  }
  t.stand.world.run_for(2200ms);
  for (std::size_t i = 0; i < 20; i += 5) {
    CHECK(asked[i].code() == errc::maybe_stored);
    answer_one(i);
    CHECK(asked[i].code() == errc::maybe_stored);
  }
}

TEST_CASE("session: without a writer a request is refused at once", "[actors]") {
  session_stand t;
  t.start();
  auto roles = t.stand.roles;
  roles.writer = nullptr;
  roles.writer_ended = true;
  t.stand.world.tell(t.session, roles);
  auto refused = t.send(put_of("t", numbered("", 3)));
  REQUIRE(refused.there());
  CHECK(refused.value().failure.code == errc::write_stopped);
  CHECK(refused.value().results.size() == 3);
  roles.writer_ended = false; // only out of reach
  roles.elsewhere["writer"] = "log";
  t.stand.world.tell(t.session, roles);
  auto later = t.send(put_of("t", {{"x"}}));
  REQUIRE(later.there());
  CHECK(later.value().failure.code == errc::unavailable);
  CHECK(later.value().failure.message == "not stored: the writer (node log) is not reachable");
}

TEST_CASE("session: a writer that dies leaves doubt, not silence", "[actors]") {
  session_stand t;
  t.start();
  auto sent = t.send(put_of("t", {{"x"}}));
  t.stand.world.kill(t.stand.roles.writer);
  t.stand.world.run_for(20s);
  REQUIRE(sent.there());
  CHECK(outcome(sent) == errc::maybe_stored);
  auto late = t.send(put_of("t", {{"x"}}));
  REQUIRE(late.there());
  CHECK(outcome(late) == errc::maybe_stored);
}

TEST_CASE("session: ends with its client", "[actors]") {
  session_stand t;
  t.start();
  auto client = t.stand.world.system().spawn(
      [](caf::event_based_actor*) { return caf::behavior{[](const client_task&) {}}; });
  session_setup setup{t.stand.options, caf::actor_cast<caf::strong_actor_ptr>(client),
                      t.stand.roles, t.topics};
  auto own = t.stand.world.system().spawn(troupe::session, std::move(setup));
  t.stand.world.drain();
  t.stand.world.kill(client);
  t.stand.world.drain();
  pull_request request;
  request.topic = "t";
  auto asked = t.stand.world.ask<pull_response>(own, request);
  CHECK(asked.code() == errc::connection_lost);
}

TEST_CASE("session: one that stops refuses what is new and waits for changes, not for reads",
          "[actors]") {
  session_stand s;
  s.start();
  auto sent = s.send(put_of("t", {{"x"}}));
  pull_request pull;
  pull.topic = "t";
  pull.wait_ms = 20'000;
  auto waits = s.stand.world.request<pull_response>(s.session, pull);
  s.stand.world.drain();
  auto stopped = s.stand.world.request<bool>(s.session, stop_atom_v);
  s.stand.world.drain();
  CHECK_FALSE(stopped.there());
  CHECK(s.send(put_of("t", {{"x"}})).value().failure.code == errc::unavailable);
  s.answer_all();
  s.stand.world.run_until([&] { return stopped.there(); }, 1s);
  CHECK(stopped.value());
  CHECK(sent.value().results.at(0).code == errc::none);
  CHECK_FALSE(waits.there());
}
