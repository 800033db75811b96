#include "sim/store/storage_check.hpp"
#include "storage/log/log_file.hpp"
#include "storage/recovery/abort_marker.hpp"
#include "storage/recovery/queue_recovery.hpp"
#include "storage/recovery/store.hpp"
#include "storage/tables/topic_table.hpp"
#include "tests/support/catch.hpp"

#include <memory>

// Each of these was found by simulated runs, and lost something.

namespace {

using namespace troupe;
using namespace troupe::sim;

struct machine {
  machine() {
    options.directory = "/store";
    options.log_file_size_bytes = 16 * storage::kib;
    options.queue_file_size_bytes = 400;
    options.index_slots = 8;
    options.index_entries = 4;
    knobs.log_file_size_bytes = options.log_file_size_bytes;
    knobs.topics = 1;
    knobs.queues = 1;
    knobs.body_bytes = 100;
  }

  std::unique_ptr<store_process> start() {
    auto process = std::make_unique<store_process>(disk, options, knobs, clock, ledger);
    REQUIRE(process->recover());
    REQUIRE(process->catch_up());
    return process;
  }

  /// Ends the process, which takes its handles along.
  void kill(std::unique_ptr<store_process>& process) {
    process.reset();
    disk.restart();
  }
  void cut_power(std::unique_ptr<store_process>& process, survival how = survival::none) {
    process.reset();
    random_source random(1);
    disk.power_cut(how, random);
  }

  void fill(store_process& process, std::uint64_t seed, int batches = 1) {
    for (int i = 0; i < batches; ++i)
      REQUIRE(process.append(random_source(seed + static_cast<std::uint64_t>(i))));
  }
  void sync(store_process& process) {
    REQUIRE(process.dispatch(random_source(1)));
    REQUIRE(process.begin_sync());
    REQUIRE(process.finish_sync());
  }
  /// Where the log ends for the process after this one and a power cut.
  storage::log_offset end_after_power_cut(std::unique_ptr<store_process>& process) {
    cut_power(process);
    process = start();
    return process->end();
  }
  storage::checkpoint checkpoint() {
    return storage::load_checkpoint(disk, storage::checkpoint_path(options)).value();
  }

  simulated_disk disk;
  storage::options options;
  run_knobs knobs;
  run_clock clock;
  storage_ledger ledger;
};

} // namespace

TEST_CASE("recovery: what a killed process only wrote is durable after the next start", "[sim]") {
  machine m;
  auto process = m.start();
  m.fill(*process, 1, 3);
  auto end = process->end();
  m.kill(process);
  process = m.start();
  CHECK(process->end() == end);
  CHECK(m.end_after_power_cut(process) == end);
}

TEST_CASE("recovery: bytes of a failed sync are written again by the next start", "[sim]") {
  machine m;
  auto process = m.start();
  m.fill(*process, 1, 3);
  auto end = process->end();
  m.disk.set_faults({{.what = fault_kind::lost_sync, .kind = call_kind::sync}});
  CHECK(process->flush().has_error());
  m.kill(process);
  process = m.start();
  CHECK(process->end() == end);
  CHECK(m.end_after_power_cut(process) == end);
}

TEST_CASE("recovery: the log file of a killed process keeps its name", "[sim]") {
  machine m;
  auto process = m.start();
  m.disk.set_faults(
      {{.what = fault_kind::io_error, .kind = call_kind::remove},
       {.what = fault_kind::lost_sync, .kind = call_kind::sync_directory, .path = "commitlog"}});
  CHECK(process->append(random_source(1)).has_error());
  m.kill(process);
  process = m.start(); // finds the file, empty, and writes to it
  m.fill(*process, 2);
  REQUIRE(process->flush());
  auto end = process->end();
  REQUIRE(end > 0);
  CHECK(m.end_after_power_cut(process) == end);
}

TEST_CASE("recovery: after an orderly stop the beginning of a failed write is durable", "[sim]") {
  machine m;
  auto process = m.start();
  m.disk.set_faults({{.what = fault_kind::short_write,
                      .kind = call_kind::write,
                      .path = "commitlog",
                      .argument = 4000}});
  CHECK(process->append(random_source(1)).has_error());
  REQUIRE(process->stop());
  m.kill(process);
  process = m.start();
  auto end = process->end();
  REQUIRE(end > 0);
  CHECK(m.end_after_power_cut(process) == end);
}

TEST_CASE("open_store: store times go on although the clock was set back", "[sim]") {
  machine m;
  auto process = m.start();
  m.fill(*process, 1);
  REQUIRE(process->stop());
  auto last = m.clock.now;
  m.kill(process);
  m.clock.now -= 60'000;
  auto opened = storage::open_store(m.disk, m.options, m.clock);
  REQUIRE(opened);
  REQUIRE(opened.value().after_orderly_stop);
  CHECK(opened.value().log.last_store_timestamp == last);
}

TEST_CASE("recover_queues: a queue made since the checkpoint leaves the others alone", "[sim]") {
  machine m;
  auto process = m.start();
  m.fill(*process, 1);
  m.sync(*process);
  m.knobs.queues = 4;
  m.fill(*process, 10, 4);
  REQUIRE(process->flush());
  REQUIRE(process->dispatch(random_source(1)));
  REQUIRE(process->begin_sync()); // written, and no checkpoint
  REQUIRE(process->queues().queue_count() > 1);
  m.cut_power(process, survival::all);
  process = m.start();
  CHECK_FALSE(process->rebuilt());
  CHECK(check_store(*process, m.ledger).good());
}

TEST_CASE("recover_queues: an index that lost files does not cost the queues", "[sim]") {
  machine m;
  auto process = m.start();
  m.fill(*process, 1, 6);
  m.sync(*process);
  m.sync(*process);
  REQUIRE(m.checkpoint().index_files > 1);
  auto first = m.disk.list("/store/index").value().front().name;
  REQUIRE(m.disk.remove("/store/index/" + first));
  m.kill(process);
  SECTION("it is built again") {}
  SECTION("a process that died before that was done is not taken for done") {
    process = std::make_unique<store_process>(m.disk, m.options, m.knobs, m.clock, m.ledger);
    REQUIRE(process->recover());
    for (std::uint32_t file = 0; file < 20; ++file) { // as if files had been made
      auto path = "/store/index/" + std::to_string(20'300'101'000'000'000 + file);
      auto geometry = storage::index_geometry{m.options.index_slots, m.options.index_entries};
      auto made = storage::index_file::create(m.disk, path, geometry, {});
      REQUIRE(made);
      REQUIRE(made.value()->write_out());
    }
    m.kill(process);
  }
  process = m.start();
  CHECK_FALSE(process->rebuilt());
  auto found = check_store(*process, m.ledger);
  CHECK(found.wrong.value_or("") == "");
  CHECK(found.unreadable.value_or("") == "");
}

TEST_CASE("recover_queues: an index without queues and checkpoint is not believed", "[sim]") {
  machine m;
  auto process = m.start();
  m.fill(*process, 1, 6);
  for (int i = 0; i < 6; ++i)
    REQUIRE(process->dispatch(random_source(1)));
  REQUIRE(process->index().write_out());
  REQUIRE(process->flush());
  REQUIRE(process->index().file_count() > 1);
  auto first = m.disk.list("/store/index").value().front().name;
  REQUIRE(m.disk.remove("/store/index/" + first));
  m.kill(process);
  process = m.start();
  CHECK(check_store(*process, m.ledger).good());
}

TEST_CASE("discard_queues: the checkpoint no longer vouches for them", "[sim]") {
  machine m;
  auto process = m.start();
  m.fill(*process, 1, 2);
  m.sync(*process);
  REQUIRE(m.checkpoint().safe_offset > 0);
  REQUIRE(storage::discard_queues(m.disk, m.options, process->queues(), process->index(), 0));
  auto known = m.checkpoint();
  CHECK(known.safe_offset == 0);
  CHECK(known.entry_total == 0);
}

TEST_CASE("recovery: a page behind the end that cannot be read is not taken for zeros", "[sim]") {
  machine m;
  auto process = m.start();
  m.fill(*process, 1, 1);
  m.sync(*process);
  auto end = process->end();
  auto size = static_cast<std::int64_t>(m.options.log_file_size_bytes);
  for (std::uint64_t seed = 2; process->end() <= size; ++seed)
    m.fill(*process, seed);
  m.kill(process);
  // A power cut leaves nothing of the first pages behind what was synced.
  constexpr std::uint64_t page = 4096;
  auto path = storage::log_file_path(m.options, 0);
  {
    auto file = m.disk.open(path, storage::open_mode::read_write).value();
    REQUIRE(file->zero_range(static_cast<std::uint64_t>(end), 3 * page));
  }
  auto before = m.disk.fingerprint(storage::log_directory(m.options));
  m.disk.set_faults({{.what = fault_kind::broken_page,
                      .kind = call_kind::map,
                      .path = path,
                      .skip = GENERATE(0U, 1U),
                      .count = 1,
                      .argument = 3 * page}});
  auto opened = storage::open_store(m.disk, m.options, m.clock);
  REQUIRE(opened);
  REQUIRE(m.disk.faults_hit() == 1);
  CHECK(opened.value().log.needs_repair);
  CHECK(m.disk.fingerprint(storage::log_directory(m.options)) == before);
}

TEST_CASE("open_store: a table that was found replaced stays so after a power cut", "[sim]") {
  machine m;
  m.start();
  auto topics = storage::topic_table::load(m.disk, m.options).value();
  m.disk.set_faults(
      {{.what = fault_kind::crash, .kind = call_kind::sync_directory, .path = "/store/config"}});
  REQUIRE(topics.put({.name = "t"}));
  REQUIRE(topics.save(1).has_error());
  m.disk.restart();
  auto found = [&] {
    auto opened = storage::open_store(m.disk, m.options, m.clock);
    REQUIRE(opened);
    return opened.value().topics.contains("t");
  };
  REQUIRE(found());
  random_source random(1);
  m.disk.power_cut(survival::none, random);
  CHECK(found());
}
