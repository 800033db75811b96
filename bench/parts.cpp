/// What the parts of the store cost by themselves. Figures are a record (or entry, or key) each:
/// `items_per_second` counts them, and 1e9 / items_per_second is nanoseconds of one.

#include "storage/check.hpp"
#include "storage/format/crc.hpp"
#include "storage/format/message_batch.hpp"
#include "storage/format/properties.hpp"
#include "storage/index/key_index.hpp"
#include "storage/log/commit_log.hpp"
#include "storage/log/log_scan.hpp"
#include "storage/log/log_view.hpp"
#include "storage/os/posix_file_system.hpp"
#include "storage/queues/queue_table.hpp"
#include "tests/support/bytes.hpp"
#include "tests/support/temporary_directory.hpp"

#include <benchmark/benchmark.h>

#include <array>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace {

using namespace troupe::storage;
using troupe::test::as_bytes;
using troupe::test::temporary_directory;

constexpr std::size_t body_bytes = 1024;
constexpr std::size_t batch_messages = 64;
constexpr std::int64_t some_time = 1'700'000'000'000;

std::int64_t count_of(const benchmark::State& state, std::size_t a_round) {
  return static_cast<std::int64_t>(state.iterations()) * static_cast<std::int64_t>(a_round);
}

const std::string& body() {
  static const auto text = [] {
    std::mt19937 random{42};
    std::string made(body_bytes, '\0');
    for (auto& c : made)
      c = static_cast<char>(random() & 0xff);
    return made;
  }();
  return text;
}

record_fields fields_of(std::string_view properties = {}) {
  record_fields fields;
  fields.topic = "bench-0";
  fields.queue_id = 3;
  fields.born_timestamp = some_time;
  fields.born_host = host::ipv4(0x7f000001, 40'000);
  fields.store_host = host::ipv4(0x7f000001, 10'911);
  fields.body = as_bytes(body());
  fields.properties = properties;
  return fields;
}

// -- records in memory ---------------------------------------------------------------------------

void crc(benchmark::State& state) {
  const std::string text(static_cast<std::size_t>(state.range(0)), 'c');
  for (auto _ : state)
    benchmark::DoNotOptimize(record_crc32(as_bytes(text)));
  state.SetItemsProcessed(count_of(state, 1));
  state.SetBytesProcessed(count_of(state, text.size()));
}
BENCHMARK(crc)->ArgName("bytes")->Arg(256)->Arg(1024)->Arg(4096);

void encode(benchmark::State& state) {
  auto fields = fields_of();
  std::vector<std::byte> out(encoded_size(fields, false));
  record_place place{.queue_position = 1, .offset = 0, .store_timestamp = some_time};
  for (auto _ : state) {
    encode_record(fields, place, false, out);
    place.offset += static_cast<log_offset>(out.size());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(count_of(state, 1));
}
BENCHMARK(encode);

/// Records one behind the other, as a log file holds them.
std::vector<std::byte> encoded_records(const record_fields& fields) {
  auto size = encoded_size(fields, false);
  std::vector<std::byte> bytes(size * batch_messages);
  for (std::size_t i = 0; i < batch_messages; ++i) {
    record_place place{.queue_position = static_cast<queue_offset>(i),
                       .offset = static_cast<log_offset>(i * size),
                       .store_timestamp = some_time};
    encode_record(fields, place, false, std::span(bytes).subspan(i * size, size));
  }
  return bytes;
}

void decode(benchmark::State& state, verify what) {
  auto bytes = encoded_records(fields_of());
  for (auto _ : state)
    for (byte_view rest = bytes; !rest.empty();) {
      auto offset = static_cast<log_offset>(bytes.size() - rest.size());
      auto found = decode_record(rest, offset, what);
      TROUPE_CHECK(found.kind == record_kind::message);
      rest = rest.subspan(found.size);
    }
  state.SetItemsProcessed(count_of(state, batch_messages));
}
BENCHMARK_CAPTURE(decode, structure, verify::structure);
BENCHMARK_CAPTURE(decode, structure_and_crc, verify::structure_and_crc);

void message_batch(benchmark::State& state) {
  message_batch_builder builder;
  new_message message;
  message.body = as_bytes(body());
  for (auto _ : state) {
    for (std::size_t i = 0; i < batch_messages; ++i)
      builder.add(message);
    auto block = builder.take();
    message_batch_reader reader(block.bytes());
    while (auto next = reader.next().value())
      benchmark::DoNotOptimize(next->body.data());
  }
  state.SetItemsProcessed(count_of(state, batch_messages));
}
BENCHMARK(message_batch);

void positions(benchmark::State& state, std::string_view properties) {
  auto bytes = encoded_records(fields_of(properties));
  std::vector<record_view> views;
  for (std::size_t at = 0; at < bytes.size(); at += views.back().size)
    views.push_back(
        decode_record(byte_view(bytes).subspan(at), static_cast<log_offset>(at), verify::structure)
            .view);
  position_builder builder;
  for (auto _ : state) {
    builder.start(0);
    for (auto& view : views)
      builder.add(view);
    benchmark::DoNotOptimize(builder.take(static_cast<log_offset>(bytes.size())));
  }
  state.SetItemsProcessed(count_of(state, batch_messages));
}
BENCHMARK_CAPTURE(positions, without_keys, "");
BENCHMARK_CAPTURE(positions, with_keys,
                  "UNIQ_KEY\1AC1100010001A2B3C4D5E6F70809\2KEYS\1order-17 customer-4\2"
                  "TAGS\1paid\2");

// -- the log -------------------------------------------------------------------------------------

/// A log of one file that is in the page cache already, so that only the calls are compared.
class log_store {
public:
  static constexpr std::uint64_t file_bytes = 64 * mib;

  static const log_store& shared() {
    static const log_store store;
    return store;
  }

  log_store() {
    options_.directory = directory_.path();
    options_.log_file_size_bytes = file_bytes;
    make_directories(posix_file_system(), log_directory(options_)).value();
    handle_ = create_log_file(posix_file_system(), options_, 0).value();
    commit_log log(options_, 0, handle_);
    auto fields = fields_of();
    record_place place{.queue_position = 0, .offset = 0, .store_timestamp = some_time};
    while (log.stage(fields, place) == commit_log::stage_result::staged) {
      offsets_.push_back(place.offset);
      if (log.staged_bytes() > 256 * kib)
        log.commit().value();
    }
    log.commit().value();
  }

  const options& settings() const noexcept { return options_; }
  const std::shared_ptr<file>& handle() const noexcept { return handle_; }
  const std::vector<log_offset>& offsets() const noexcept { return offsets_; }

private:
  temporary_directory directory_;
  options options_;
  std::shared_ptr<file> handle_;
  std::vector<log_offset> offsets_;
};

std::size_t records_of(const benchmark::State& state) {
  return static_cast<std::size_t>(state.range(0)) * kib / encoded_size(fields_of(), false);
}

/// The whole way into the log: encode with CRC, write through the seam.
void log_append(benchmark::State& state) {
  auto& store = log_store::shared();
  auto fields = fields_of();
  auto records = records_of(state);
  auto bytes = records * encoded_size(fields, false);
  record_place place{.queue_position = 0, .offset = 0, .store_timestamp = some_time};
  std::optional<commit_log> log(std::in_place, store.settings(), 0, store.handle());
  for (auto _ : state) {
    if (log->bytes_left_in_file() < bytes + blank_header_bytes)
      log.emplace(store.settings(), 0, store.handle());
    for (std::size_t i = 0; i < records; ++i)
      TROUPE_CHECK(log->stage(fields, place) == commit_log::stage_result::staged);
    log->commit().value();
  }
  state.SetItemsProcessed(count_of(state, records));
  state.SetBytesProcessed(count_of(state, bytes));
}
BENCHMARK(log_append)->ArgName("KiB")->Arg(64)->Arg(256);

/// Copies ready records together and gives them to `write(offset, bytes)`.
template <class Write>
void append_copies(benchmark::State& state, Write&& write) {
  auto records = records_of(state);
  std::vector<std::byte> record(encoded_size(fields_of(), false));
  encode_record(fields_of(), {}, false, record);
  std::vector<std::byte> buffer(records * record.size());
  std::uint64_t at = 0;
  for (auto _ : state) {
    if (at + buffer.size() > log_store::file_bytes)
      at = 0;
    for (std::size_t i = 0; i < records; ++i)
      std::memcpy(buffer.data() + i * record.size(), record.data(), record.size());
    write(at, byte_view(buffer));
    at += buffer.size();
  }
  state.SetItemsProcessed(count_of(state, records));
  state.SetBytesProcessed(count_of(state, buffer.size()));
}

/// Between this and `bare_append` lies the price of the file-system seam.
void seam_append(benchmark::State& state) {
  auto& handle = *log_store::shared().handle();
  append_copies(state, [&](std::uint64_t at, byte_view bytes) {
    std::array<byte_view, 1> parts{bytes};
    handle.write_at(at, parts).value();
  });
}
BENCHMARK(seam_append)->ArgName("KiB")->Arg(64)->Arg(256);

void bare_append(benchmark::State& state) {
  auto fd = ::open(log_store::shared().handle()->path().c_str(), O_WRONLY | O_CLOEXEC);
  TROUPE_CHECK(fd >= 0);
  append_copies(state, [&](std::uint64_t at, byte_view bytes) {
    auto written = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(at));
    TROUPE_CHECK(written == static_cast<ssize_t>(bytes.size()));
  });
  ::close(fd);
}
BENCHMARK(bare_append)->ArgName("KiB")->Arg(64)->Arg(256);

/// A reader's work for one message whose pages are in memory, in no order, CRC included.
void log_read_hot(benchmark::State& state) {
  static const log_store store; // the shared one is overwritten by the benchmarks above
  log_view view(posix_file_system(), store.settings(), 0);
  std::minstd_rand random{42};
  auto& offsets = store.offsets();
  for (auto _ : state)
    benchmark::DoNotOptimize(view.read(offsets[random() % offsets.size()]).value().view.size);
  state.SetItemsProcessed(count_of(state, 1));
}
BENCHMARK(log_read_hot);

/// What recovery does, on one core: records in the page cache, every check and CRC.
void log_scan_crc(benchmark::State& state) {
  static const log_store store;
  auto settings = store.settings();
  settings.scan_threads = static_cast<unsigned>(state.range(0));
  std::int64_t bytes = 0;
  for (auto _ : state) {
    log_scan scan(posix_file_system(), settings, {{0, 0}});
    bytes += scan.walk(0).value().end;
  }
  state.SetBytesProcessed(bytes);
}
BENCHMARK(log_scan_crc)->ArgName("threads")->Arg(1)->Arg(2)->UseRealTime();

// -- queues and index ----------------------------------------------------------------------------

constexpr std::size_t positions_a_batch = 4096;
/// A node writes queues out five times a second: this many entries lie between at 1 M/s.
constexpr std::size_t entries_a_write_out = 200'000;
constexpr std::uint32_t queues_a_topic = 1000;

/// Queues that exist on disk, and messages for a random one each.
class queue_store {
public:
  /// Made once for each number of queues, since making 10 000 files takes its time.
  static queue_store& of(std::uint32_t queues) {
    static std::map<std::uint32_t, std::unique_ptr<queue_store>> stores;
    auto& store = stores[queues];
    if (!store)
      store = std::make_unique<queue_store>(queues);
    return *store;
  }

  explicit queue_store(std::uint32_t queues) : next_(queues, 0) {
    options_.directory = directory_.path();
    queue_table_options own;
    own.open_files = 2UL * queues;
    table_ = queue_table::open(posix_file_system(), options_, own, {}).value();
    batch_.topics.resize((queues + queues_a_topic - 1) / queues_a_topic);
    for (std::size_t i = 0; i < batch_.topics.size(); ++i)
      batch_.topics[i] = "bench-" + std::to_string(i);
    for (std::uint32_t queue = 0; queue < queues; ++queue)
      add(queue);
    apply();
    table_->write_out().value();
  }

  void make_batch() {
    batch_.positions.clear();
    for (std::size_t i = 0; i < positions_a_batch; ++i)
      add(static_cast<std::uint32_t>(random_() % next_.size()));
  }

  void apply() {
    queue_table::applied done;
    table_->apply(batch_, 0, done, [](auto&, auto&) {}).value();
    TROUPE_CHECK(done.count == batch_.positions.size());
    applied_ += done.count;
    if (applied_ < entries_a_write_out)
      return;
    applied_ = 0;
    table_->write_out().value();
  }

private:
  void add(std::uint32_t queue) {
    position added;
    added.offset = log_end_;
    added.size = 1122;
    log_end_ += added.size;
    added.store_timestamp = some_time;
    added.topic = queue / queues_a_topic;
    added.queue_id = static_cast<std::int32_t>(queue % queues_a_topic);
    added.queue_position = next_[queue]++;
    batch_.positions.push_back(added);
  }

  temporary_directory directory_;
  options options_;
  std::unique_ptr<queue_table> table_;
  std::vector<queue_offset> next_;
  log_offset log_end_ = 0;
  position_batch batch_;
  std::size_t applied_ = 0;
  std::minstd_rand random_{42};
};

void queue_apply(benchmark::State& state) {
  auto& store = queue_store::of(static_cast<std::uint32_t>(state.range(0)));
  for (auto _ : state) {
    state.PauseTiming();
    store.make_batch();
    state.ResumeTiming();
    store.apply();
  }
  state.SetItemsProcessed(count_of(state, positions_a_batch));
}
BENCHMARK(queue_apply)->ArgName("queues")->Arg(16)->Arg(1'000)->Arg(10'000);

/// One key a message, spread over an index file of the default size.
void index_add(benchmark::State& state) {
  temporary_directory directory;
  options settings;
  settings.directory = directory.path();
  auto index = key_index::open(posix_file_system(), settings, system_wall_clock()).value();
  std::minstd_rand random{42};
  log_offset offset = 0;
  std::size_t unwritten = 0;
  for (auto _ : state) {
    std::array<std::uint32_t, 1> key{static_cast<std::uint32_t>(random())};
    index->add(offset, some_time + offset / 1'000'000, key).value();
    offset += 1122;
    if (++unwritten == entries_a_write_out) {
      unwritten = 0;
      index->write_out().value();
    }
  }
  state.SetItemsProcessed(count_of(state, 1));
}
BENCHMARK(index_add);

/// As a node does for its queue files.
void raise_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0)
    return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

} // namespace

int main(int argc, char** argv) {
  raise_file_limit();
  // A default that any later argument overrides: all of it takes seconds.
  std::string short_time = "--benchmark_min_time=0.2";
  std::vector<char*> arguments(argv, argv + argc);
  arguments.insert(arguments.begin() + 1, short_time.data());
  auto count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data()))
    return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
