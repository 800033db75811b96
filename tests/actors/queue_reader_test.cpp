#include "actors/queue_manager.hpp"
#include "net/client.hpp"
#include "tests/support/actor_stand.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/comes_true.hpp"

#include <caf/scoped_actor.hpp>

#include <atomic>
#include <future>
#include <memory>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

pull_request wish(const std::string& topic, queue_offset from = 0) {
  pull_request request;
  request.topic = topic;
  request.from = from;
  request.max_messages = 32;
  request.max_bytes = 1 << 20;
  return request;
}

bool is_of(const std::string& path, const std::string& what) {
  return path.find(what) != std::string::npos;
}

/// A store with the topics "a", "b" and "keyed", whose queues are all in their files, and whose
/// disk can be told to stand still for whoever waits for it.
class cold_store {
public:
  explicit cold_store(storage::flush_policy flush = storage::flush_policy::async) {
    stand_.options.store.flush = flush;
    stand_.open();
    stand_.add_pipeline();
    stand_.start();
    for (auto* topic : {"a", "b"})
      REQUIRE(all_stored(stand_.put(put_of(topic, numbered("m", 20)))));
    REQUIRE(all_stored(stand_.put(put_of("keyed", {{"x", 0, {}, "k"}}))));
    stand_.world.drain();
    setup_.log_end = setup_.flushed = stand_.writer_state().end;
    REQUIRE(stand_.world.ask<stop_report>(stand_.roles.queue_manager, stop_atom_v).get());
    stand_.world.kill(stand_.roles.queue_manager);
    stand_.world.drain();
    client::configure(config_);
    system_ = std::make_unique<caf::actor_system>(config_);
    setup_.options = stand_.options;
    setup_.files = &stand_.files;
    setup_.clock = &stand_.clock;
    setup_.trust_queues = true;
    setup_.checkpoint =
        storage::load_checkpoint(stand_.files, storage::checkpoint_path(stand_.options.store))
            .value();
    queues = spawn_blocking(*system_, queue_manager, setup_);
    caf::scoped_actor me{*system_};
    me->request(queues, 10s, status_atom_v)
        .receive([](const queue_manager_status& s) { REQUIRE(s.entries == 41); },
                 [](const caf::error& e) { FAIL(from_caf(e).message); });
  }
  ~cold_store() {
    go_on();
    caf::anon_send_exit(queues, caf::exit_reason::kill);
    queues = nullptr;
    system_->await_all_actors_done(); // its queue-readers end with it
  }

  /// What lies there is in no page: whoever reads it waits until `go_on`.
  void freeze(const std::string& what) {
    stand_.files.cold = [what](const std::string& path, auto...) { return is_of(path, what); };
    stand_.files.read_fault = [this, what](const std::string& path) {
      if (is_of(path, what)) {
        ++waiting_;
        disk_.wait();
      }
      return errc::none;
    };
  }
  void go_on() {
    if (!std::exchange(goes_, true))
      gate_.set_value();
  }
  void wait_for_reader() const {
    REQUIRE(comes_true([this] { return waiting_ > 0; }));
  }
  caf::actor_system& system() { return *system_; }
  actor_stand& stand() { return stand_; }

  queue_manager_actor queues;

private:
  actor_stand stand_;
  queue_manager_setup setup_;
  caf::actor_system_config config_;
  std::unique_ptr<caf::actor_system> system_;
  std::promise<void> gate_;
  std::shared_future<void> disk_ = gate_.get_future().share();
  std::atomic<int> waiting_ = 0;
  bool goes_ = false;
};

/// Asks what waits for the disk, then what does not, then lets the disk go on.
template <class Answer, class... Question>
Answer ask_while_others_are_served(cold_store& t, Question... question) {
  caf::scoped_actor first{t.system()};
  caf::scoped_actor second{t.system()};
  auto slow = first->request(t.queues, 20s, std::move(question)...);
  t.wait_for_reader();
  second->request(t.queues, 5s, wish("b"))
      .receive([](const read_request& found) { CHECK(found.records.size() == 20); },
               [](const caf::error& e) { FAIL("it waits for the disk: " + from_caf(e).message); });
  t.go_on();
  Answer result;
  slow.receive([&](Answer& found) { result = std::move(found); },
               [](const caf::error& e) { FAIL(from_caf(e).message); });
  return result;
}

} // namespace

TEST_CASE("queue_reader: a cold queue delays its own pulls alone", "[actors]") {
  cold_store t;
  t.freeze("consumequeue/a/");
  auto found = ask_while_others_are_served<read_request>(t, wish("a", 5));
  CHECK(found.answer.status == pull_status::found);
  REQUIRE(found.records.size() == 15);
  CHECK(found.records.front().position == 5);
  CHECK(found.answer.next == 20);
}

TEST_CASE("queue_reader: the bounds of a cold queue delay nobody else", "[actors]") {
  cold_store t;
  t.freeze("consumequeue/a/");
  auto all =
      ask_while_others_are_served<bounds_read>(t, bounds_atom_v, std::string{"a"}, log_offset{0});
  REQUIRE(all.queues.size() == 1);
  CHECK(all.queues[0].max == 20);
  CHECK(all.last_records.at(0) > 0);
}

TEST_CASE("queue_reader: a question for a key delays nobody else", "[actors]") {
  cold_store t;
  t.freeze("/index/");
  key_query query;
  query.topic = "keyed";
  query.key = "k";
  query.end_ms = INT64_MAX;
  auto found = ask_while_others_are_served<key_read>(t, query);
  CHECK(found.offsets.size() == 1);
}

TEST_CASE("queue_reader: what is gone meanwhile is looked up again", "[actors]") {
  cold_store t;
  t.freeze("consumequeue/a/");
  caf::scoped_actor me{t.system()};
  auto slow = me->request(t.queues, 20s, wish("a", 5));
  t.wait_for_reader();
  tombstone dead;
  dead.topic = "a";
  dead.deleted_at = INT64_MAX / 2;
  dead.next_offsets = {20};
  caf::scoped_actor other{t.system()};
  other->request(t.queues, 5s, remove_atom_v, dead)
      .receive([](const tombstone&) {}, [](const caf::error& e) { FAIL(from_caf(e).message); });
  t.go_on();
  slow.receive(
      [](const read_request& found) {
        CHECK(found.answer.status == pull_status::offset_too_small);
        CHECK(found.answer.next == 20);
        CHECK(found.records.empty());
      },
      [](const caf::error& e) { FAIL(from_caf(e).message); });
}
