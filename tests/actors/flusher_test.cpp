#include "actors/flusher.hpp"
#include "storage/recovery/checkpoint.hpp"
#include "tests/support/actor_stand.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <filesystem>
#include <numeric>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;
using action = observed_file_system::action;

namespace {

const std::string first_file = "/commitlog/00000000000000000000";

struct sync_pipeline : actor_stand {
  explicit sync_pipeline(std::uint64_t seed = 1) : actor_stand(seed) {
    options.store.flush = storage::flush_policy::sync;
  }
  void run() {
    open();
    add_pipeline();
    start();
  }
  answer<put_bundle_response> send(put_request request) {
    return world.request<put_bundle_response>(roles.writer, group_of(std::move(request)));
  }
  std::size_t syncs() const { return files.count(action::sync, "/commitlog/"); }
  log_offset flushed() {
    return world.ask<flusher_status>(roles.flusher, status_atom_v).value().flushed;
  }
};

} // namespace

TEST_CASE("flusher: each flush counts once, with what it made durable", "[actors]") {
  sync_pipeline t;
  t.run();
  for (int i = 0; i < 5; ++i)
    REQUIRE(all_stored(t.put(put_of("a", numbered("m", 3, 1, 3000)))));
  auto status = t.world.ask<flusher_status>(t.roles.flusher, status_atom_v).value();
  auto all_of = [](const storage::histogram_counts& h) {
    return std::accumulate(h.counts.begin(), h.counts.end(), std::uint64_t{0});
  };
  CHECK(status.flushes >= 5);
  CHECK(all_of(status.flush_us) == status.flushes);
  CHECK(all_of(status.flush_bytes) == status.flushes);
  CHECK(status.flush_bytes.sum == static_cast<std::uint64_t>(status.flushed));
}

TEST_CASE("flusher: no answer before the sync that covers the message", "[actors]") {
  auto seed = GENERATE(range(std::uint64_t{1}, std::uint64_t{6}));
  sync_pipeline t{seed};
  t.run();
  REQUIRE(all_stored(t.put(put_of("a", {{"first"}}))));
  for (int i = 0; i < 20; ++i) {
    auto before = t.files.events.size();
    auto sent = t.send(put_of("a", numbered("m", 3, 1, 3000)));
    REQUIRE(t.world.run_until([&] { return sent.there(); }));
    auto end = sent.value().responses.at(0).results.back().offset;
    // After the write of its file came a sync of the same file.
    auto name = storage::offset_file_name(end - end % 65536);
    auto is = [&](action what) {
      return [&, what](const observed_file_system::event& e) {
        return e.what == what && e.path.ends_with(name);
      };
    };
    auto& events = t.files.events;
    auto written = std::find_if(events.begin() + static_cast<std::ptrdiff_t>(before), events.end(),
                                is(action::write));
    REQUIRE(written != events.end());
    CHECK(std::find_if(written, events.end(), is(action::sync)) != events.end());
    CHECK(t.flushed() > end);
  }
}

TEST_CASE("flusher: an answer that needs no flush does not wait for one", "[actors]") {
  sync_pipeline t;
  t.run();
  REQUIRE(all_stored(t.put(put_of("a", {{"first"}}))));
  t.world.drain();
  bool stuck = true;
  t.files.fault = [&](action what, const std::string&) {
    return what == action::sync && stuck ? errc::io_error : errc::none;
  };
  auto request = put_of("a", {{"no need"}});
  request.wait = false;
  CHECK(all_stored(t.put(request)));
}

TEST_CASE("flusher: on an asynchronous node a failing disk does not hold answers", "[actors]") {
  sync_pipeline t;
  t.options.store.flush = storage::flush_policy::async;
  t.run();
  auto before = t.syncs();
  CHECK(all_stored(t.put(put_of("a", {{"x"}}))));
  t.world.drain();
  CHECK(t.syncs() > before); // flushed at once all the same
  CHECK(t.flushed() == t.writer_state().end);
}

TEST_CASE("flusher: all who wait share one sync", "[actors]") {
  sync_pipeline t;
  t.run();
  REQUIRE(all_stored(t.put(put_of("a", {{"first"}}))));
  t.world.drain();
  auto before = t.files.count(action::sync, first_file);
  std::vector<answer<put_bundle_response>> sent;
  sent.reserve(100);
  for (int i = 0; i < 100; ++i)
    sent.push_back(t.send(put_of("a", {{"m"}})));
  t.world.drain();
  for (auto& each : sent) {
    REQUIRE(each.there());
    CHECK(all_stored(each.value().responses.at(0)));
  }
  auto used = t.files.count(action::sync, first_file) - before;
  CHECK(used >= 1);
  CHECK(used < 50); // the scheduler may cut the crowd, but never into ones
}

TEST_CASE("flusher: one message too large does not make the others' answer early", "[actors]") {
  auto seed = GENERATE(range(std::uint64_t{1}, std::uint64_t{9}));
  sync_pipeline t{seed};
  t.run();
  REQUIRE(all_stored(t.put(put_of("a", {{"first"}}))));
  t.world.drain();
  auto before = t.syncs();
  auto mixed = t.put(put_of("a", {{std::string(70'000, 'x')}, {"stored"}}));
  CHECK(mixed.results.at(0).code == errc::too_large);
  CHECK(mixed.results.at(1).code == errc::none);
  CHECK(t.syncs() > before);
  CHECK(t.flushed() > mixed.results.at(1).offset);
}

TEST_CASE("flusher: a failed sync is final", "[actors]") {
  sync_pipeline t;
  t.run();
  auto before = t.put(put_of("a", {{"before"}}));
  REQUIRE(all_stored(before));
  t.world.drain();
  bool broken = true;
  t.files.fault = [&](action what, const std::string& path) {
    return broken && what == action::sync && path.find("/commitlog/") != std::string::npos
               ? errc::io_error
               : errc::none;
  };
  auto doubtful = t.put(put_of("a", numbered("m", 2)));
  for (auto& result : doubtful.results)
    CHECK(result.code == errc::maybe_stored);
  CHECK(doubtful.failure.message.find("maybe stored: flushing the commit log failed") == 0);
  broken = false;
  t.world.run_for(5s);
  auto syncs = t.syncs();
  auto refused = t.put(put_of("a", {{"after"}}));
  CHECK(refused.results.at(0).code == errc::write_stopped);
  CHECK(refused.failure.message.find("reads go on") != std::string::npos);
  t.world.run_for(5s);
  CHECK(t.syncs() == syncs); // a later success would prove nothing
  CHECK(t.flushed() <= doubtful.results[0].offset);
  pull_request pull;
  pull.topic = "a";
  auto found = t.world.ask<pull_response>(t.client(), pull).value();
  CHECK(bodies_of(found.records) ==
        std::vector<std::string>{"before"}); // nothing doubtful is shown
  auto report =
      t.world.ask<stop_report>(t.roles.flusher, stop_atom_v, t.writer_state().end).value();
  CHECK(report.left_over.find("flushing the commit log failed") != std::string::npos);
  CHECK(t.syncs() == syncs);
}

TEST_CASE("flusher: who gathered for a flush that fails is answered too", "[actors]") {
  auto seed = GENERATE(range(std::uint64_t{1}, std::uint64_t{20}));
  sync_pipeline t{seed};
  t.run();
  REQUIRE(all_stored(t.put(put_of("a", {{"before"}}))));
  t.world.drain();
  t.files.fault = [](action what, const std::string& path) {
    return what == action::sync && path.find("/commitlog/") != std::string::npos ? errc::io_error
                                                                                 : errc::none;
  };
  std::vector<answer<put_bundle_response>> sent;
  for (int i = 0; i < 10; ++i) {
    sent.push_back(t.send(put_of("a", {{"m"}})));
    for (auto steps = t.world.random() % 4; steps > 0; --steps)
      t.world.step();
  }
  t.world.run_for(1s);
  for (auto& each : sent) {
    REQUIRE(each.there());
    auto code = each.value().responses.at(0).results.at(0).code;
    CHECK((code == errc::maybe_stored || code == errc::write_stopped));
  }
}

TEST_CASE("flusher: a file made ahead is removed at stop, one with messages is not", "[actors]") {
  sync_pipeline t;
  t.run();
  REQUIRE(all_stored(t.put(put_of("a", numbered("m", 15, 1, 3000))))); // over half of a file
  t.world.drain();
  auto ahead = storage::log_file_path(t.options.store, 65536);
  REQUIRE(std::filesystem::exists(ahead));
  CHECK(t.world.ask<stop_report>(t.roles.flusher, stop_atom_v, t.writer_state().end)
            .value()
            .left_over.empty());
  CHECK_FALSE(std::filesystem::exists(ahead));
  CHECK(std::filesystem::exists(t.directory / ("store" + first_file)));
}

TEST_CASE("flusher: a stop that ends among the files made ahead leaves no hole", "[actors]") {
  sync_pipeline t;
  t.run();
  REQUIRE(all_stored(t.put(put_of("a", numbered("m", 15, 1, 3000)))));
  t.world.drain();
  t.world.tell(t.roles.flusher, extend_atom_v, log_offset{131072}); // as after a failed write
  t.world.drain();
  std::size_t removed = 0;
  t.files.fault = [&](action what, const std::string&) {
    return what == action::remove && ++removed > 1 ? storage::errc::io_error : storage::errc::none;
  };
  t.world.ask<stop_report>(t.roles.flusher, stop_atom_v, t.writer_state().end).value();
  CHECK(removed == 2);
  CHECK(std::filesystem::exists(storage::log_file_path(t.options.store, 65536)));
  CHECK_FALSE(std::filesystem::exists(storage::log_file_path(t.options.store, 131072)));
}

TEST_CASE("flusher: files that were filled are synced in their order", "[actors]") {
  sync_pipeline t;
  t.run();
  auto request = put_of("a", numbered("m", 100, 1, 3000));
  REQUIRE(all_stored(t.put(request)));
  std::vector<std::string> synced;
  for (auto& e : t.files.events)
    if (e.what == action::sync && e.path.find("/commitlog/") != std::string::npos)
      synced.push_back(e.path);
  // The last sync of each file comes before the last one of the next.
  for (log_offset start = 0; start < log_offset{4} * 65536; start += 65536) {
    auto last = [&](log_offset of) {
      auto found = std::find_if(synced.rbegin(), synced.rend(), [&](const std::string& path) {
        return path.ends_with(storage::offset_file_name(of));
      });
      return synced.rend() - found;
    };
    CHECK(last(start) > 0);
    CHECK(last(start) < last(start + 65536));
  }
}

TEST_CASE("flusher: who asks for an offset hears when it is durable", "[actors]") {
  sync_pipeline t;
  t.options.store.flush = storage::flush_policy::async;
  t.run();
  auto response = t.put(put_of("a", {{"x"}}));
  auto end = t.writer_state().end;
  auto flushed = t.world.ask<log_flushed>(t.roles.flusher, flush_atom_v, log_run{0}, end);
  CHECK(flushed.value().end >= end);
  CHECK(flushed.value().store_ms == t.clock.ms);
  // Of something that is not written yet: after it is.
  auto future = t.world.request<log_flushed>(t.roles.flusher, flush_atom_v, log_run{0}, end + 1);
  t.world.run_for(1s);
  CHECK_FALSE(future.there());
  REQUIRE(all_stored(t.put(put_of("a", {{"y"}}))));
  t.world.drain();
  REQUIRE(future.there());
  CHECK(future.value().end > end);
}

TEST_CASE("flusher: an old request makes no file where the log has been", "[actors]") {
  sync_pipeline t;
  t.run();
  for (int i = 0; i < 3; ++i)
    REQUIRE(all_stored(t.put(put_of("a", numbered("m", 20, 1, 3000)))));
  REQUIRE(t.flushed() > 65536);
  // As retention does it; then a request comes that was held up since the file was opened.
  std::filesystem::remove(t.options.store.directory + first_file);
  t.world.tell(t.roles.flusher, extend_atom_v, log_offset{0});
  t.world.drain();
  CHECK_FALSE(std::filesystem::exists(t.options.store.directory + first_file));
}

TEST_CASE("flusher: what kept a file away from one run does not bar the next one", "[actors]") {
  sync_pipeline t;
  t.run();
  auto full = true;
  t.files.fault = [&full](action, const std::string& path) {
    return full && path.find("/commitlog/") != std::string::npos ? storage::errc::no_space
                                                                 : storage::errc::none;
  };
  t.world.tell(t.roles.flusher, extend_atom_v, log_offset{10 * 65536});
  t.world.drain();
  REQUIRE(t.writer_state().refusal != "");
  // The writer is another one by now, and needs no file yet.
  full = false;
  log_state next;
  next.run = 99;
  next.end = next.flushed = t.writer_state().end;
  t.world.tell(t.roles.flusher, attach_atom_v, next);
  t.world.run_for(2s);
  CHECK(t.writer_state().refusal == "");
}

TEST_CASE("flusher: without queues beside the log it keeps the checkpoint", "[actors][spread]") {
  sync_pipeline t;
  t.open();
  t.add_pipeline();
  flusher_setup setup;
  setup.options = t.options;
  setup.files = &t.files;
  setup.end = t.store->log.end;
  setup.keeps_checkpoint = true;
  t.roles.flusher = t.world.system().spawn(flusher, std::move(setup));
  t.start();
  auto checkpoint = [&] {
    return storage::load_checkpoint(t.files, storage::checkpoint_path(t.options.store)).value();
  };
  auto before = checkpoint();
  REQUIRE(all_stored(t.put(put_of("a", {{"first"}}))));
  auto end = t.flushed();
  REQUIRE(end > 0);
  CHECK(checkpoint().safe_offset == before.safe_offset); // not with every flush
  t.world.run_for(t.options.flusher.queue_interval + 10ms);
  auto kept = checkpoint();
  CHECK(kept.only_log());
  CHECK(kept.safe_offset == end);
  CHECK(kept.log_time > 0);
  // RocketMQ reads here how far its queues are durable.
  CHECK(kept.queue_time == 0);
  CHECK(kept.index_time == 0);
  CHECK(kept.minimum_time() == 0);
  CHECK(kept.sizes == storage::file_sizes::of(t.options.store));
  REQUIRE(all_stored(t.put(put_of("a", {{"second"}}))));
  auto last = t.flushed();
  t.world.ask<stop_report>(t.roles.flusher, stop_atom_v, last).value();
  CHECK(checkpoint().safe_offset == last);
}
