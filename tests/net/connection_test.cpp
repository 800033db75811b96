#include "net/connection.hpp"

#include "sim/random.hpp"
#include "sim/world.hpp"
#include "tests/support/catch.hpp"

#include <map>
#include <string>
#include <vector>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

using strings = std::vector<std::string>;

/// Three doors in virtual time. Each sends its sessions' requests into `asked`, and what it answers
/// to a hello is up to the test.
struct doors {
  enum class mood { serves, is_away, is_silent, refuses, of_another_cluster };

  explicit doors(int count = 3) {
    for (int i = 0; i < count; ++i)
      moods[name_of(i)] = mood::is_away;
    client::connect_options options;
    options.host = "a";
    options.port = 1;
    for (int i = 1; i < count; ++i)
      options.others.push_back({name_of(i), 1});
    connection = client::connect_by(world.system(), options,
                                    [this](caf::local_actor* self) { return dialer(self); });
  }
  ~doors() {
    world.tell(connection, stop_atom_v);
    world.drain();
  }

  static std::string name_of(int i) { return {static_cast<char>('a' + i)}; }

  client::dialer_actor dialer(caf::local_actor* of) {
    return of->spawn(
        [this](client::dialer_actor::pointer self) -> client::dialer_actor::behavior_type {
          return {[this, self](caf::connect_atom, const std::string& host,
                               std::uint16_t) -> caf::result<caf::strong_actor_ptr> {
            dialled.push_back(host);
            self->quit();
            if (moods.at(host) == mood::is_away)
              return make_caf_error(errc::unavailable, "nobody listens there");
            return caf::actor_cast<caf::strong_actor_ptr>(front_of(host));
          }};
        });
  }

  front_actor front_of(const std::string& host) {
    return world.play<front_actor>([this, host](caf::event_based_actor*) -> caf::message_handler {
      return {[this, host](hello_atom, std::uint32_t, const std::string&,
                           const std::string&) -> caf::result<caf::strong_actor_ptr, welcome> {
        switch (moods.at(host)) {
        case mood::refuses:
          return make_caf_error(errc::unavailable, "node " + host + " is stopping");
        case mood::of_another_cluster:
          return make_caf_error(errc::version_mismatch, "node " + host + " belongs to another");
        default:
          sessions[host] = session_at(host);
          return {caf::actor_cast<caf::strong_actor_ptr>(sessions[host]), welcome{host, 1, 1}};
        }
      }};
    });
  }

  store_service session_at(const std::string& host) {
    return world.play<store_service>([this, host](caf::event_based_actor* self) {
      return caf::message_handler{[this, host, self](put_request& request) {
        asked.push_back(host + " " + request.topic);
        auto promise = self->make_response_promise();
        if (moods.at(host) != mood::is_silent)
          promise.deliver(put_response{{message_result{}}, {}});
        else
          silent.push_back(promise);
        return promise;
      }};
    });
  }

  /// As when its process ends.
  void kill(const std::string& host, mood then = mood::is_away) {
    moods[host] = then;
    world.kill(sessions[host]);
  }

  sim::answer<put_response> put(const std::string& what) {
    put_request request;
    request.topic = what;
    request.count = 1;
    return world.request<put_response>(connection, request);
  }
  strings take_dialled() { return std::exchange(dialled, {}); }

  std::map<std::string, mood> moods;
  std::map<std::string, store_service> sessions;
  std::vector<caf::response_promise> silent;
  strings dialled;
  strings asked;
  sim::world world;
  client::connection_actor connection;
};

using mood = doors::mood;

} // namespace

TEST_CASE("connection: doors are dialled in turn until one lets us in", "[net]") {
  doors d;
  d.moods = {{"a", mood::is_away}, {"b", mood::refuses}, {"c", mood::serves}};
  auto welcomed = d.world.ask<welcome>(d.connection, hello_atom_v);
  CHECK(welcomed.value().node == "c");
  CHECK(d.take_dialled() == strings{"a", "b", "c"});
  CHECK(d.world.now() < 100ms); // without a pause between
}

TEST_CASE("connection: a door of another cluster is passed by", "[net]") {
  doors d;
  d.moods = {{"a", mood::of_another_cluster}, {"b", mood::serves}, {"c", mood::serves}};
  CHECK(d.world.ask<welcome>(d.connection, hello_atom_v).value().node == "b");
}

TEST_CASE("connection: it is final only when every door is of another cluster", "[net]") {
  doors d(2);
  d.moods = {{"a", mood::of_another_cluster}, {"b", mood::is_away}};
  auto early = d.put("1");
  d.world.run_for(1s);
  CHECK_FALSE(early.there()); // b may come yet
  d.moods["b"] = mood::of_another_cluster;
  d.world.run_for(1s);
  REQUIRE(early.there());
  CHECK(early.code() == errc::version_mismatch);
  CHECK(early.reason().find("a:1 refuses") != std::string::npos);
  CHECK(early.reason().find("b:1 refuses") != std::string::npos);
  d.take_dialled();
  d.moods["b"] = mood::serves;
  d.world.run_for(5s);
  CHECK(d.take_dialled().empty());
}

TEST_CASE("connection: after a loss the door that was good is dialled first", "[net]") {
  doors d;
  d.moods = {{"a", mood::is_away}, {"b", mood::serves}, {"c", mood::serves}};
  auto first = d.put("1");
  d.world.run_for(1s);
  REQUIRE(first.there());
  d.take_dialled();
  d.kill("b", mood::serves); // only the session: the process is there
  d.world.drain();
  CHECK(d.take_dialled() == strings{"b"});
  d.world.ask<welcome>(d.connection, hello_atom_v).value();
  auto second = d.put("2");
  d.world.drain();
  CHECK(second.there());
  d.kill("b");
  d.world.drain();
  CHECK(d.take_dialled() == strings{"b", "c"});
}

TEST_CASE("connection: a door whose sessions end before they answer is left", "[net]") {
  doors d(2);
  d.moods = {{"a", mood::serves}, {"b", mood::serves}};
  REQUIRE(d.world.ask<welcome>(d.connection, hello_atom_v).value().node == "a");
  d.take_dialled();
  d.kill("a", mood::serves);
  d.world.run_for(1s);
  CHECK(d.take_dialled() == strings{"b"});
}

TEST_CASE("connection: when nobody is there the doors are tried again after a pause", "[net]") {
  doors d(2);
  auto sent = d.put("1");
  d.world.run_for(4s);
  CHECK_FALSE(sent.there());
  auto rounds = d.take_dialled();
  REQUIRE(rounds.size() > 10);
  CHECK(rounds.size() < 50);
  for (std::size_t i = 0; i < rounds.size(); ++i)
    CHECK(rounds[i] == doors::name_of(static_cast<int>(i % 2)));
  d.world.run_for(2s);
  REQUIRE(sent.there());
  CHECK(sent.code() == errc::unavailable);
  for (auto* part : {"not sent", "to a:1: nobody listens", "to b:1: nobody listens"})
    CHECK(sent.reason().find(part) != std::string::npos);
  auto hint = sent.reason().find("troupe serve");
  CHECK(hint != std::string::npos);
  CHECK(sent.reason().find("troupe serve", hint + 1) == std::string::npos); // said once
  CHECK(d.asked.empty());
}

TEST_CASE("connection: what was sent to a door that went away is not sent to another", "[net]") {
  doors d(2);
  d.moods = {{"a", mood::is_silent}, {"b", mood::serves}};
  auto first = d.put("1");
  auto second = d.put("2");
  d.world.drain();
  REQUIRE(d.asked == strings{"a 1", "a 2"});
  d.kill("a");
  d.world.drain();
  auto third = d.put("3");
  d.world.run_for(1s);
  CHECK(first.code() == errc::connection_lost);
  CHECK(second.code() == errc::connection_lost);
  CHECK(first.reason().find("a:1") != std::string::npos);
  CHECK(third.value().failure.code == errc::none);
  CHECK(d.asked == strings{"a 1", "a 2", "b 3"});
}

TEST_CASE("connection: a late answer of a door that was left is nobody's answer", "[net]") {
  doors d(2);
  d.moods = {{"a", mood::is_silent}, {"b", mood::is_away}};
  auto first = d.put("1");
  d.world.run_for(31s);
  REQUIRE(first.there());
  CHECK(first.code() == errc::maybe_stored);
  auto a = d.sessions["a"];
  d.world.inside(a, [&] { d.silent.at(0).deliver(put_response{{message_result{}}, {}}); });
  d.world.drain();
  CHECK(first.code() == errc::maybe_stored);
  CHECK(d.asked == strings{"a 1"});
}

TEST_CASE("connection: requests that wait for a door keep their order at the one found", "[net]") {
  doors d;
  strings expected;
  std::vector<sim::answer<put_response>> answers;
  for (int i = 0; i < 20; ++i) {
    answers.push_back(d.put(std::to_string(i)));
    expected.push_back("c " + std::to_string(i));
  }
  d.world.run_for(1s);
  d.moods["c"] = mood::serves;
  d.world.run_for(1s);
  for (auto& one : answers)
    CHECK(one.there());
  CHECK(d.asked == expected);
}

TEST_CASE("connection: doors that come and go under load take every request once", "[net]") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    doors d;
    sim::random_source draw(seed);
    d.moods = {{"a", mood::serves}, {"b", mood::serves}, {"c", mood::serves}};
    std::vector<sim::answer<put_response>> answers;
    for (int i = 0; i < 300; ++i) {
      answers.push_back(d.put(std::to_string(i)));
      d.world.run_for(std::chrono::milliseconds(draw.next() % 20));
      auto host = doors::name_of(static_cast<int>(draw.next() % 3));
      auto what = draw.next() % 20;
      if (what == 0 && d.sessions.count(host) > 0)
        d.kill(host);
      else if (what < 4)
        d.moods[host] = what == 1 ? mood::is_silent : what == 2 ? mood::refuses : mood::serves;
    }
    d.moods = {{"a", mood::serves}, {"b", mood::serves}, {"c", mood::serves}};
    d.world.run_for(60s);
    std::map<int, int> times;
    int before = -1;
    for (auto& one : d.asked) {
      auto number = std::stoi(one.substr(2));
      ++times[number];
      INFO("seed " << seed << ", request " << number);
      CHECK(number > before); // also over a change of doors
      before = number;
    }
    for (std::size_t i = 0; i < answers.size(); ++i) {
      INFO("seed " << seed << ", request " << i);
      REQUIRE(answers[i].there());
      if (answers[i].code() == errc::none)
        CHECK(times[static_cast<int>(i)] == 1);
      else if (answers[i].code() == errc::unavailable)
        CHECK(times.count(static_cast<int>(i)) == 0);
    }
  }
}
