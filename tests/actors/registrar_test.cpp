#include "tests/actors/registrar_stand.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/manifest.hpp"

#include <filesystem>
#include <fstream>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;
using action = observed_file_system::action;

TEST_CASE("registrar: a created topic is on disk before the answer", "[actors]") {
  registrar_stand t;
  t.run();
  auto before = t.files.events.size();
  CHECK(t.create("orders", 4).value().write_queues == 4);
  std::vector<action> done;
  for (auto i = before; i < t.files.events.size(); ++i)
    if (t.files.events[i].path.find("/config") != std::string::npos)
      done.push_back(t.files.events[i].what);
  // Written, synced, put in place, and the place synced: in this order.
  auto at = done.begin();
  for (auto step : {action::write, action::sync, action::rename, action::sync_directory}) {
    at = std::find(at, done.end(), step);
    REQUIRE(at != done.end());
  }
  t.world.drain();
  REQUIRE(t.announced.topics);
  CHECK(t.announced.topics->at("orders").read_queues == 4);
  t.reload();
  CHECK(t.topics() == std::map<std::string, std::int32_t>{{"orders", 4}});
}

TEST_CASE("registrar: a topic that could not be saved is not there", "[actors]") {
  registrar_stand t;
  t.run();
  t.files.fault = [](action what, const std::string& path) {
    return what == action::rename && path.ends_with("topics.json") ? errc::no_space : errc::none;
  };
  CHECK(t.create("orders", 4).code() == errc::no_space);
  CHECK(t.topics().empty());
  t.files.fault = nullptr;
  CHECK(t.create("orders", 2).value().write_queues == 2);
}

TEST_CASE("registrar: creating a topic that exists answers with it, by any numbers", "[actors]") {
  registrar_stand t;
  t.run();
  t.create("orders", 4).value();
  for (auto wished : {4, 8, 1})
    CHECK(t.create("orders", wished).value().write_queues == 4);
}

TEST_CASE("registrar: a topic's numbers can be changed, all or nothing", "[actors]") {
  registrar_stand t;
  t.run();
  auto update = [&](std::int32_t read, std::int32_t write, std::int32_t perm) {
    return t.world.ask<topic_info>(t.roles.registrar, update_atom_v,
                                   topic_info{"orders", read, write, perm});
  };
  CHECK(update(4, 4, 6).value().write_queues == 4); // creates it
  CHECK(update(8, 2, 4).value().read_queues == 8);
  t.world.drain();
  CHECK(t.announced.topics->at("orders").perm == 4);
  for (auto queues : {0, -1, 1025, INT32_MIN})
    CHECK(update(8, queues, 6).code() == errc::invalid_argument);
  CHECK(update(8, 8, 16).code() == errc::invalid_argument);
  t.files.fault = [](action what, const std::string& path) {
    return what == action::rename && path.ends_with("topics.json") ? errc::no_space : errc::none;
  };
  CHECK(update(1, 1, 6).code() == errc::no_space);
  t.files.fault = nullptr;
  CHECK(t.topics() == std::map<std::string, std::int32_t>{{"orders", 2}});
  t.reload();
  CHECK(t.announced.topics->at("orders").read_queues == 8);
}

TEST_CASE("registrar: settings and offsets of groups are listed, kept and forgotten", "[actors]") {
  registrar_stand t;
  t.run();
  t.create("orders", 2).value();
  auto list = [&](const std::string& group) {
    return t.world.ask<group_list>(t.roles.registrar, list_atom_v, group).value();
  };
  auto set = [&](const std::string& group, const std::string& json) {
    return t.world.ask<group_settings>(t.roles.registrar, store_atom_v,
                                       group_settings{group, json});
  };
  for (auto& offset : {group_offset{"g", "orders", 0, 5}, group_offset{"h", "orders", 1, 6}})
    t.world.ask<group_offset>(t.roles.registrar, store_atom_v, offset).value();
  CHECK(set("g", R"({"retryMaxTimes":3})").value().group == "g");
  CHECK(set("a/b", "{}").code() == errc::invalid_argument);
  CHECK(set("g", R"({"retryMaxTimes":-7})").code() == errc::invalid_argument);
  t.files.fault = [](action what, const std::string& path) {
    return what == action::rename && path.ends_with("subscriptionGroup.json") ? errc::no_space
                                                                              : errc::none;
  };
  CHECK(set("k", "{}").code() == errc::no_space);
  t.files.fault = nullptr;
  CHECK(list("").offsets.size() == 2);
  CHECK(list("h").offsets.at(0).offset == 6);
  CHECK(list("h").settings.empty());
  t.reload();
  REQUIRE(list("").settings.size() == 1);
  CHECK(list("g").settings[0].json.find("\"retryMaxTimes\":3") != std::string::npos);
  auto forget = [&](const std::string& group, bool offsets) {
    t.world
        .ask<group_settings>(t.roles.registrar, remove_atom_v, group_settings{group, {}}, offsets)
        .value();
  };
  t.world.ask<group_offset>(t.roles.registrar, store_atom_v, group_offset{"g", "orders", 0, 5})
      .value();
  forget("g", false);
  CHECK(list("g").settings.empty());
  CHECK(list("g").offsets.size() == 1);
  forget("g", true);
  CHECK(list("g").offsets.empty());
}

TEST_CASE("registrar: impossible topics are refused and leave the file alone", "[actors]") {
  registrar_stand t;
  t.run();
  t.create("good", 1).value();
  auto before = read_bytes(t.config("topics.json"));
  for (auto& name : {std::string("a/b"), std::string(".."), std::string(), std::string(128, 'x'),
                     std::string("a\nb"), std::string("a\0b", 3)})
    CHECK(t.create(name, 4).code() == errc::invalid_argument);
  for (auto queues : {0, -1, 1025, INT32_MAX, INT32_MIN})
    CHECK(t.create("bad", queues).code() == errc::invalid_argument);
  CHECK(t.topics() == std::map<std::string, std::int32_t>{{"good", 1}});
  CHECK(read_bytes(t.config("topics.json")) == before);
}

TEST_CASE("registrar: a deleted topic stays deleted and goes on numbering when made again",
          "[actors]") {
  registrar_stand t;
  t.run();
  t.create("orders", 2).value();
  REQUIRE(all_stored(t.put(put_of("orders", numbered("m", 5, 2)))));
  t.world.drain();
  auto dead = t.remove("orders").value();
  CHECK(dead.next_offsets == std::vector<queue_offset>{3, 2});
  CHECK(t.announced.topics->count("orders") == 0);
  CHECK(t.put(put_of("orders", {{"x"}})).results.at(0).code == errc::not_found);
  t.reload();
  CHECK(t.topics().empty());
  CHECK(t.remove("orders").code() == errc::not_found);
  t.create("orders", 2).value();
  t.world.drain();
  auto again = t.put(put_of("orders", {{"new0", 0}, {"new1", 1}}));
  REQUIRE(all_stored(again));
  CHECK(again.results[0].queue_position == 3);
  CHECK(again.results[1].queue_position == 2);
}

TEST_CASE("registrar: a deletion that could not be saved did not happen", "[actors]") {
  registrar_stand t;
  t.run();
  t.create("orders", 1).value();
  REQUIRE(all_stored(t.put(put_of("orders", {{"0"}}))));
  t.files.fault = [](action what, const std::string& path) {
    return what == action::rename && path.find("tombstones") != std::string::npos ? errc::no_space
                                                                                  : errc::none;
  };
  CHECK(t.remove("orders").code() == errc::no_space);
  t.files.fault = nullptr;
  CHECK(t.topics().count("orders") == 1);
  auto still = t.put(put_of("orders", {{"1"}}));
  REQUIRE(all_stored(still));
  CHECK(still.results[0].queue_position == 1);
  pull_request pull;
  pull.topic = "orders";
  t.world.drain();
  CHECK(t.world.ask<pull_response>(t.client(), pull).value().records.size() == 2);
}

TEST_CASE("registrar: a topic that is only in the log is restored", "[actors]") {
  registrar_stand t;
  t.run();
  REQUIRE(all_stored(t.put(put_of("lost", {{"x", 0}, {"y", 11}}))));
  t.world.drain();
  CHECK(t.topics() == std::map<std::string, std::int32_t>{{"lost", 12}});
  CHECK(t.announced.topics->at("lost").read_queues == 12);
  t.reload();
  CHECK(t.topics() == std::map<std::string, std::int32_t>{{"lost", 12}});
}

TEST_CASE("registrar: queues that are found do not undo what was set", "[actors]") {
  registrar_stand t;
  t.run();
  t.create("orders", 8).value();
  REQUIRE(all_stored(t.put(put_of("orders", {{"x", 7}}))));
  t.world.drain();
  t.world.ask<topic_info>(t.roles.registrar, update_atom_v, topic_info{"orders", 4, 4, 4}).value();
  caf::anon_send(t.roles.registrar, seen_atom_v, std::string("orders"), std::int32_t{7});
  t.world.drain();
  auto& kept = t.announced.topics->at("orders");
  CHECK(kept.perm == 4);
  CHECK(kept.write_queues == 4);
  CHECK(kept.read_queues == 4);
  auto before = read_bytes(t.config("topics.json"));
  t.reload();
  t.world.tell(t.roles.registrar, seen_atom_v, std::string("orders"), std::int32_t{7});
  t.world.run_for(1s);
  CHECK(t.announced.topics->at("orders").read_queues == 4);
  CHECK(read_bytes(t.config("topics.json")) == before);
}

TEST_CASE("registrar: a topic that is being restored grows with its queues", "[actors]") {
  registrar_stand t;
  t.run();
  t.world.tell(t.roles.registrar, seen_atom_v, std::string("lost"), std::int32_t{0});
  t.world.drain();
  for (std::int32_t queue : {11, 3, 20})
    t.world.tell(t.roles.registrar, seen_atom_v, std::string("lost"), queue);
  t.world.run_for(1s);
  CHECK(t.announced.topics->at("lost").read_queues == 21);
  // The first at once, the others together; a file that is replaced goes to .bak.
  CHECK(t.files.count(action::rename, "topics.json") == 3);
  CHECK(t.files.count(action::rename, "topics.json.bak") == 1);
  t.world.ask<topic_info>(t.roles.registrar, update_atom_v, topic_info{"lost", 2, 2, 6}).value();
  t.world.tell(t.roles.registrar, seen_atom_v, std::string("lost"), std::int32_t{20});
  t.world.run_for(1s);
  CHECK(t.announced.topics->at("lost").read_queues == 2);
}

TEST_CASE("registrar: many new topics at once cost a few saves, and nobody waits for them all",
          "[actors]") {
  registrar_stand t;
  t.run();
  auto saves = t.files.count(action::rename, "topics.json");
  std::vector<answer<topic_info>> made;
  std::size_t between = 0;
  for (int i = 0; i < 3000; ++i) {
    made.push_back(t.world.request<topic_info>(
        t.roles.registrar, create_atom_v, topic_info{"%RETRY%g" + std::to_string(i), 1, 1, 6}));
    if (i % 30 != 0)
      continue;
    auto stored = t.world.ask<group_offset>(t.roles.registrar, fetch_atom_v,
                                            group_offset{"g", "none", 0, -1});
    between += stored.value().offset == -1;
    t.world.run_for(10ms);
  }
  CHECK(between == 100);
  REQUIRE(t.world.run_until([&] {
    return std::all_of(made.begin(), made.end(), [](auto& one) { return one.there(); });
  }));
  for (auto& one : made)
    CHECK(one.value().read_queues == 1);
  CHECK(t.files.count(action::rename, "topics.json") - saves <= 2 * 12);
  t.reload();
  CHECK(t.topics().size() == 3000);
}

TEST_CASE("registrar: topics that wait for a save that fails are all not there", "[actors]") {
  registrar_stand t;
  t.run();
  t.create("old", 4).value();
  t.files.fault = [](action what, const std::string& path) {
    return what == action::rename && path.ends_with("/topics.json") ? errc::no_space : errc::none;
  };
  std::vector<answer<topic_info>> asked;
  auto ask = [&](auto atom, const std::string& name, std::int32_t queues) {
    asked.push_back(
        t.world.request<topic_info>(t.roles.registrar, atom, topic_info{name, queues, queues, 6}));
  };
  ask(create_atom_v, "a", 1);
  ask(create_atom_v, "a", 1);
  ask(update_atom_v, "a", 2);
  ask(update_atom_v, "old", 8);
  ask(update_atom_v, "old", 9);
  t.world.run_for(1s);
  for (auto& one : asked)
    CHECK(one.code() == errc::no_space);
  CHECK(t.topics() == std::map<std::string, std::int32_t>{{"old", 4}});
  t.files.fault = nullptr;
  t.create("b", 1).value();
  t.reload();
  CHECK(t.topics() == std::map<std::string, std::int32_t>{{"b", 1}, {"old", 4}});
}

TEST_CASE("registrar: there may be as many topics as max-topics says", "[actors]") {
  registrar_stand t;
  t.options.store.max_topics = 2;
  t.run();
  t.create("a", 1).value();
  t.create("b", 1).value();
  auto third = t.create("c", 1);
  CHECK(third.code() == errc::too_large);
  CHECK(third.reason().find("max-topics") != std::string::npos);
  CHECK(t.create("b", 1).value().read_queues == 1);
  t.world.tell(t.roles.registrar, seen_atom_v, std::string("lost"), std::int32_t{0});
  t.world.run_for(1s);
  CHECK(t.topics().size() == 3); // its messages are there
  t.remove("a").value();
  t.remove("lost").value();
  t.create("c", 1).value();
}

TEST_CASE("registrar: messages on their way do not bring a deleted topic back", "[actors]") {
  registrar_stand t;
  t.run();
  t.create("orders", 1).value();
  t.remove("orders").value();
  t.world.tell(t.roles.registrar, seen_atom_v, std::string("orders"), std::int32_t{0});
  t.world.drain();
  CHECK(t.topics().empty());
}

TEST_CASE("registrar: what it does not know in the files survives", "[actors]") {
  registrar_stand t;
  t.open();
  std::filesystem::create_directories(t.directory / "store/config");
  std::ofstream(t.config("topics.json"))
      << R"({"dataVersion":{"counter":7,"stateVersion":0,"timestamp":1},"ours":{"deep":[1,2]},)"
      << R"("topicConfigTable":{"old":{"topicName":"old","readQueueNums":3,"writeQueueNums":3,)"
      << R"("perm":6,"order":true,"attributes":{"+x":"y"},"topicSysFlag":2}}})";
  std::ofstream(t.config("consumerOffset.json"))
      << R"({"dataVersion":{"counter":1},"extra":"kept","offsetTable":{"old@g":{0:5,1:6}}})";
  t.run();
  CHECK(t.topics() == std::map<std::string, std::int32_t>{{"old", 3}});
  t.create("new", 1).value();
  auto stored =
      t.world.ask<group_offset>(t.roles.registrar, store_atom_v, group_offset{"g", "old", 0, 9});
  CHECK(stored.value().offset == 9);
  t.world.run_for(6s);
  auto topics = t.json("topics.json");
  CHECK(topics.at("ours").at("deep").as_array().size() == 2);
  auto& old = topics.at("topicConfigTable").at("old");
  CHECK(old.at("order").as_bool());
  CHECK(old.at("attributes").at("+x").as_string() == "y");
  CHECK(old.at("topicSysFlag").as_int64() == 2);
  CHECK(topics.at("topicConfigTable").as_object().contains("new"));
  auto offsets = read_bytes(t.config("consumerOffset.json"));
  std::string text(reinterpret_cast<const char*>(offsets.data()), offsets.size());
  CHECK(text.find("\"extra\"") != std::string::npos);
  t.reload();
  auto fetched = [&](std::int32_t queue) {
    return t.world
        .ask<group_offset>(t.roles.registrar, fetch_atom_v, group_offset{"g", "old", queue, -1})
        .value()
        .offset;
  };
  CHECK(fetched(0) == 9);
  CHECK(fetched(1) == 6);
  CHECK(fetched(2) == -1);
}

TEST_CASE("registrar: group offsets are saved every few seconds and at stop", "[actors]") {
  registrar_stand t;
  t.run();
  t.create("orders", 2).value();
  auto store = [&](queue_offset offset) {
    return t.world.ask<group_offset>(t.roles.registrar, store_atom_v,
                                     group_offset{"g", "orders", 1, offset});
  };
  auto saves = [&] { return t.files.count(action::rename, "consumerOffset.json"); };
  auto before = saves();
  for (queue_offset i = 0; i < 100; ++i)
    store(i).value();
  CHECK(saves() == before);
  t.world.run_for(5100ms);
  CHECK(saves() == before + 1);
  t.world.run_for(20s);
  CHECK(saves() == before + 1); // nothing new
  store(500).value();
  CHECK(t.world.ask<stop_report>(t.roles.registrar, stop_atom_v).value().left_over.empty());
  t.reload();
  auto fetched = t.world.ask<group_offset>(t.roles.registrar, fetch_atom_v,
                                           group_offset{"g", "orders", 1, -1});
  CHECK(fetched.value().offset == 500);
  CHECK(store(-7).code() == errc::invalid_argument);
  auto nowhere =
      t.world.ask<group_offset>(t.roles.registrar, store_atom_v, group_offset{"g", "none", 0, 1});
  CHECK(nowhere.code() == errc::not_found);
}

namespace {

struct offsets_stand : registrar_stand {
  offsets_stand() {
    run();
    create("orders", 4).value();
  }
  answer<group_offset> store(const std::string& group, std::int32_t queue, queue_offset offset) {
    return world.ask<group_offset>(roles.registrar, store_atom_v,
                                   group_offset{group, "orders", queue, offset});
  }
  queue_offset fetch(const std::string& group, std::int32_t queue) {
    return world
        .ask<group_offset>(roles.registrar, fetch_atom_v, group_offset{group, "orders", queue, -1})
        .value()
        .offset;
  }
};

} // namespace

TEST_CASE("registrar: an offset whose storing was answered survives a kill", "[actors]") {
  offsets_stand t;
  for (queue_offset i = 1; i <= 59; ++i)
    t.store("g", 0, i).value();
  t.store("h", 3, 7).value();
  t.reload();
  CHECK(t.fetch("g", 0) == 59);
  CHECK(t.fetch("h", 3) == 7);
  t.store("g", 0, 60).value();
  t.world.run_for(6s);
  t.reload();
  CHECK(t.fetch("g", 0) == 60);
  CHECK_FALSE(std::filesystem::exists(t.config("troupe-offsets.journal")));
}

TEST_CASE("registrar: offsets that come together are one write, and one sync if need be",
          "[actors]") {
  registrar_stand t;
  t.options.store.flush = storage::flush_policy::sync;
  t.run();
  t.create("orders", 4).value();
  auto writes = t.files.count(action::write, "journal");
  std::vector<answer<group_offset>> stored;
  for (queue_offset i = 0; i < 1000; ++i)
    stored.push_back(t.world.request<group_offset>(
        t.roles.registrar, store_atom_v, group_offset{"g" + std::to_string(i), "orders", 0, i}));
  t.world.drain();
  for (auto& one : stored)
    CHECK(one.there());
  auto more = t.files.count(action::write, "journal") - writes;
  CHECK(more >= 1);
  CHECK(more <= 1000); // as the scheduler lets them come
  CHECK(t.files.count(action::sync, "journal") == t.files.count(action::write, "journal"));
}

TEST_CASE("registrar: an offset that could not be written is refused and not seen", "[actors]") {
  offsets_stand t;
  t.store("g", 0, 5).value();
  t.files.fault = [](action what, const std::string& path) {
    return what == action::write && path.ends_with("journal") ? errc::no_space : errc::none;
  };
  CHECK(t.store("g", 0, 6).code() == errc::no_space);
  CHECK(t.fetch("g", 0) == 5);
  t.files.fault = nullptr;
  t.store("g", 1, 8).value();
  t.reload();
  CHECK(t.fetch("g", 0) == 5);
  CHECK(t.fetch("g", 1) == 8);
}

TEST_CASE("registrar: offsets that cannot be saved do not keep a node from stopping", "[actors]") {
  offsets_stand t;
  t.files.fault = [](action what, const std::string& path) {
    return what == action::rename && path.ends_with("consumerOffset.json") ? errc::too_large
                                                                           : errc::none;
  };
  t.store("g", 0, 5).value();
  t.world.run_for(20s);
  t.store("g", 0, 6).value();
  auto report = t.world.ask<stop_report>(t.roles.registrar, stop_atom_v);
  CHECK(report.value().left_over.empty());
  CHECK(t.files.count(action::sync, "journal") == 1);
  t.reload();
  CHECK(t.fetch("g", 0) == 6);
}

TEST_CASE("registrar: a group that is forgotten does not come back with a kill", "[actors]") {
  offsets_stand t;
  t.store("g", 0, 5).value();
  t.store("h", 0, 6).value();
  t.files.fault = [](action what, const std::string& path) {
    return what == action::rename && path.ends_with("consumerOffset.json") ? errc::no_space
                                                                           : errc::none;
  };
  t.world.ask<group_settings>(t.roles.registrar, remove_atom_v, group_settings{"g", {}}, true)
      .value();
  t.reload();
  CHECK(t.fetch("g", 0) == -1);
  CHECK(t.fetch("h", 0) == 6);
}

TEST_CASE("registrar: a group beyond the end of its queue is set back to it", "[actors]") {
  registrar_stand t;
  t.run();
  t.create("orders", 4).value();
  for (std::int32_t queue = 0; queue < 3; ++queue)
    t.world
        .ask<group_offset>(t.roles.registrar, store_atom_v, group_offset{"g", "orders", queue, 31})
        .value();
  t.reload();
  queue_state ends;
  ends.next_offsets["orders"] = {31, 12};
  t.world.tell(t.roles.registrar, ends);
  auto kept = [&](std::int32_t queue) {
    return t.world
        .ask<group_offset>(t.roles.registrar, fetch_atom_v, group_offset{"g", "orders", queue, -1})
        .value()
        .offset;
  };
  CHECK(kept(0) == 31);
  CHECK(kept(1) == 12);
  CHECK(kept(2) == 0); // nobody knows of any message
  // It is kept, too.
  t.reload();
  CHECK(kept(1) == 12);
}
