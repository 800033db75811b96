// Several queue-managers as one.

#include "actors/queue_shares.hpp"

#include "actors/queue_share.hpp"
#include "tests/support/actor_stand.hpp"
#include "tests/support/catch.hpp"

#include <set>
#include <string>
#include <vector>

using namespace troupe;
using namespace troupe::test;

namespace {

/// One that says what it was asked, and answers with what the test gives it.
struct played_manager {
  queue_manager_status status;
  queue_state state;
  std::vector<std::string> asked;
  bool fails = false;

  queue_manager_actor play(sim::world& world) {
    return world.play<queue_manager_actor>([this](caf::event_based_actor*) {
      return caf::message_handler{
          [this](const position_list&) { asked.emplace_back("positions"); },
          [this](drop_atom, log_offset) { asked.emplace_back("drop"); },
          [this](const damaged_message&) { asked.emplace_back("damaged"); },
          [this](const pull_request& request) {
            asked.push_back("pull " + std::to_string(request.queue_id));
            return read_request{request.topic, request.queue_id, {}, {}};
          },
          [this](const key_query&) {
            asked.emplace_back("keys");
            return key_read{};
          },
          [this](bounds_atom, const std::string&, log_offset) {
            asked.emplace_back("bounds");
            return bounds_read{{queue_bounds{static_cast<std::int32_t>(status.share), 0, 1, 0, 0}},
                               {log_offset{7}}};
          },
          [this](remove_atom, const tombstone& dead) -> caf::result<tombstone> {
            asked.emplace_back("remove");
            if (fails)
              return make_caf_error(errc::connection_lost, "it ended");
            return dead;
          },
          [this](meet_atom, log_run, log_offset) {
            asked.emplace_back("meet");
            return status;
          },
          [this](resume_atom, log_offset) { return state; },
          [this](status_atom) { return status; },
      };
    });
  }
};

struct several {
  explicit several(std::vector<bool> there = {true, true, true}) : managers(there.size()) {
    queue_shares_setup setup;
    for (std::uint32_t i = 0; i < managers.size(); ++i) {
      managers[i].status.share = i;
      managers[i].status.run = 5;
      auto name = share_name("queue-manager", i, static_cast<std::uint32_t>(managers.size()));
      setup.shares.push_back({there[i] ? managers[i].play(world) : queue_manager_actor{}, name});
    }
    as_one = world.system().spawn(queue_shares, std::move(setup));
  }
  std::size_t asked(const std::string& what) const {
    std::size_t count = 0;
    for (auto& one : managers)
      count += static_cast<std::size_t>(std::ranges::count(one.asked, what));
    return count;
  }
  template <class Answer, class... Arguments>
  sim::answer<Answer> ask(Arguments... arguments) {
    return world.ask<Answer>(as_one, arguments...);
  }

  std::vector<played_manager> managers;
  sim::world world{3};
  queue_manager_actor as_one;
};

} // namespace

TEST_CASE("queue_share: every queue has one keeper, and all have some", "[actors]") {
  for (std::uint32_t shares = 1; shares <= most_queue_shares; ++shares) {
    std::set<std::uint32_t> keepers;
    for (std::int32_t queue = 0; queue < 64; ++queue) {
      auto keeper = share_of(topic_hash("orders"), queue, shares);
      CHECK(keeper < shares);
      keepers.insert(keeper);
    }
    CHECK(keepers.size() == shares);
  }
  // Files depend on it.
  CHECK(topic_hash("orders") == 0xe52ffdee);
  CHECK(share_of(topic_hash("orders"), 0, 3) == 2);
  CHECK(share_of(topic_hash("orders"), 1, 3) == 0);
  CHECK(share_name("queue-manager", 0, 1) == "queue-manager");
  CHECK(share_name("queue-manager", 1, 3) == "queue-manager 2");
  CHECK(share_directory("/d", 0, 1) == "/d");
  CHECK(share_directory("/d", 1, 3) == "/d/queues-2-of-3");
}

TEST_CASE("queue_shares: a queue's keeper is asked, of keys the first, otherwise all", "[actors]") {
  several t;
  for (std::int32_t queue = 0; queue < 6; ++queue) {
    pull_request request;
    request.topic = "orders";
    request.queue_id = queue;
    CHECK(t.ask<read_request>(request).value().queue_id == queue);
    auto keeper = share_of(topic_hash("orders"), queue, 3);
    CHECK(t.managers[keeper].asked.back() == "pull " + std::to_string(queue));
  }
  t.ask<key_read>(key_query{}).value();
  CHECK(t.managers[0].asked.back() == "keys");
  CHECK(t.asked("keys") == 1);
  t.world.tell(t.as_one, position_list{});
  t.world.tell(t.as_one, drop_atom_v, log_offset{9});
  t.world.tell(t.as_one, damaged_message{"here", "torn"});
  t.world.drain();
  CHECK(t.asked("positions") == 3);
  CHECK(t.asked("drop") == 3);
  CHECK(t.asked("damaged") == 1); // it is counted once
}

TEST_CASE("queue_shares: they are as far as the slowest of them", "[actors]") {
  several t;
  for (log_offset i = 0; i < 3; ++i) {
    auto& one = t.managers[static_cast<std::size_t>(i)];
    one.status.applied = 300 - i * 10;
    one.status.durable = 100 + i * 10;
    one.status.queues = 2;
    one.status.entries = 10;
    one.state.applied = 300 - i * 10;
    one.state.next_offsets["orders"] =
        i == 1 ? std::vector<queue_offset>{0, 4} : std::vector<queue_offset>{3, 0, 5};
  }
  auto status = t.ask<queue_manager_status>(status_atom_v).value();
  CHECK(status.run == 5);
  CHECK(status.applied == 280);
  CHECK(status.durable == 100);
  CHECK(status.queues == 6);
  CHECK(status.entries == 30);
  CHECK(status.missing == 0);
  REQUIRE(status.parts.size() == 3);
  for (auto& part : status.parts)
    CHECK(part.applied == 300 - static_cast<log_offset>(part.share) * 10);
  auto state = t.ask<queue_state>(resume_atom_v, log_offset{0}).value();
  CHECK(state.applied == 280);
  CHECK(state.next_offsets["orders"] == std::vector<queue_offset>{3, 4, 5});
  auto bounds = t.ask<bounds_read>(bounds_atom_v, std::string("orders"), log_offset{0}).value();
  CHECK(bounds.queues.size() == 3);
  CHECK(bounds.last_records.size() == 3);
  // Not one of them speaks of another log than the rest.
  t.managers[1].status.run = 6;
  CHECK(t.ask<queue_manager_status>(status_atom_v).value().run == 0);
}

TEST_CASE("queue_shares: what needs all fails while one is away, the rest goes on", "[actors]") {
  several t({true, false, true});
  auto status = t.ask<queue_manager_status>(status_atom_v).value();
  CHECK(status.missing == 1);
  CHECK(status.durable == 0); // nobody knows that of the one that is away
  auto met = t.ask<queue_manager_status>(meet_atom_v, log_run{5}, log_offset{0});
  CHECK(met.code() == errc::unavailable);
  CHECK(met.get().error().message == "the queue-manager 2 is not reachable");
  CHECK(t.asked("meet") == 0); // nor is it half done
  CHECK(t.ask<queue_state>(resume_atom_v, log_offset{0}).code() == errc::unavailable);
  CHECK(t.ask<tombstone>(remove_atom_v, tombstone{"orders", 1, {}}).code() == errc::unavailable);
  t.world.drain();
  CHECK(t.asked("remove") == 2); // those who are there show nothing of it any more
  CHECK(t.ask<bounds_read>(bounds_atom_v, std::string("orders"), log_offset{0}).code() ==
        errc::unavailable);
  for (std::int32_t queue = 0; queue < 3; ++queue) {
    pull_request request;
    request.topic = "orders";
    request.queue_id = queue;
    bool away = share_of(topic_hash("orders"), queue, 3) == 1;
    CHECK(t.ask<read_request>(request).code() == (away ? errc::unavailable : errc::none));
  }
  several none({false, false});
  CHECK(none.ask<queue_manager_status>(status_atom_v).code() == errc::unavailable);
}

TEST_CASE("queue_shares: one that fails is the answer of all", "[actors]") {
  several t;
  CHECK(t.ask<tombstone>(remove_atom_v, tombstone{"orders", 4, {}}).value().deleted_at == 4);
  t.managers[2].fails = true;
  CHECK(t.ask<tombstone>(remove_atom_v, tombstone{"orders", 4, {}}).code() ==
        errc::connection_lost);
  CHECK(t.asked("remove") == 6);
}
