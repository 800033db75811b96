#include "storage/format/properties.hpp"
#include "storage/logging.hpp"
#include "storage/repair/inspect.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/started_store.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

using namespace troupe::storage;
using namespace troupe::test;

namespace {

namespace disk = std::filesystem;

const index_geometry geometry{100, 400};

std::vector<std::string> index_files(const golden_copy& store) {
  std::vector<std::string> files;
  for (auto& entry : disk::directory_iterator(store.root() + "/index"))
    files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

/// The bytes of an index file, to be changed.
struct contents {
  std::string path;
  std::vector<std::byte> bytes;

  explicit contents(const std::string& file) : path(file), bytes(read_bytes(file)) {}
  void flip(std::uint64_t at, int bit) { bytes.at(at) ^= std::byte(1 << bit); }
  std::uint32_t number(std::uint64_t at) const {
    return big_endian::load<std::uint32_t>(bytes.data() + at);
  }
  std::uint64_t used_slot() const {
    for (std::uint32_t slot = 0;; ++slot)
      if (number(geometry.slot_at(slot)) > 0)
        return geometry.slot_at(slot);
  }
  std::uint64_t last_entry() const { return geometry.entry_at(number(36) - 1); }
  void save() const {
    std::ofstream out(path, std::ios::binary);
    out.write(reinterpret_cast<const char*>(bytes.data()),
              static_cast<std::streamsize>(bytes.size()));
  }
};

using change = std::function<void(contents&)>;

struct damage {
  std::string what;
  bool in_old_files; ///< a start finds it however old the file is
  std::function<void(const std::string& file)> inflict;
};

damage changed(const std::string& what, bool in_old_files, const change& how) {
  return {what, in_old_files, [how](const std::string& file) {
            contents found(file);
            how(found);
            found.save();
          }};
}

std::vector<damage> damages() {
  auto zero = [](std::uint64_t from, std::uint64_t count) {
    return [=](contents& file) {
      std::fill_n(file.bytes.begin() + static_cast<std::ptrdiff_t>(from), count, std::byte{0});
    };
  };
  auto flip = [](std::uint64_t at, int bit) { return [=](contents& file) { file.flip(at, bit); }; };
  return {
      changed("header zeroed", true, zero(0, 40)),
      changed("all zeroed", true, zero(0, geometry.file_bytes())),
      changed("begin time too late", true, flip(1, 6)),
      changed("begin time a minute off", true, flip(6, 7)),
      changed("end time too early", true, flip(3, 0)),
      changed("begin offset", true, flip(22, 0)),
      changed("end offset", true, flip(30, 0)),
      changed("fewer entries counted", true,
              [](contents& file) { file.bytes[39] = std::byte(file.number(36) / 2); }),
      changed("more entries counted than there is room for", true, flip(36, 3)),
      changed("slots in use", true, flip(33, 0)),
      changed("a slot that leads elsewhere", false,
              [](contents& file) { file.flip(file.used_slot() + 3, 0); }),
      changed("a slot that is empty", false,
              [](contents& file) {
                auto at = static_cast<std::ptrdiff_t>(file.used_slot());
                std::fill_n(file.bytes.begin() + at, 4, std::byte{0});
              }),
      changed("slots zeroed", false, zero(40, 400)),
      changed("a link", false, [](contents& file) { file.flip(file.last_entry() + 19, 0); }),
      changed("an entry's hash", false,
              [](contents& file) { file.flip(geometry.entry_at(5) + 3, 0); }),
      changed("an entry's offset", false,
              [](contents& file) { file.flip(geometry.entry_at(5) + 10, 0); }),
      changed("an entry's time", false,
              [](contents& file) { file.flip(geometry.entry_at(5) + 12, 7); }),
      changed("entries zeroed", false, zero(geometry.entry_at(2), 60)),
      {"missing", true, [](auto& file) { disk::remove(file); }},
      {"cut", true, [](auto& file) { disk::resize_file(file, 4096); }},
      {"emptied", true, [](auto& file) { disk::resize_file(file, 0); }},
  };
}

/// How the store was left, by Java or by a node of ours that had started on it.
struct stopped {
  std::string what;
  std::function<void(const options& o)> leave;
};

std::vector<stopped> stops() {
  auto run = [](const options& o) { save_own_checkpoint(o, start(o)); };
  return {{"stopped in order",
           [run](auto& o) {
             run(o);
             stop(o);
           }},
          {"killed", run},
          {"without a checkpoint",
           [run](auto& o) {
             run(o);
             disk::remove(checkpoint_path(o));
           }},
          {"stopped in order, without a checkpoint",
           [run](auto& o) {
             run(o);
             stop(o);
             disk::remove(checkpoint_path(o));
           }},
          {"stopped by Java", [](auto&) {}}};
}

/// How many keys of the log's messages a query does not find.
std::size_t hidden_keys(const running& node, const std::string& name) {
  std::size_t hidden = 0;
  for (auto& m : read_manifest(name)) {
    if (m.kind == "rollback")
      continue;
    auto properties = "UNIQ_KEY\1" + m.unique_key + "\2KEYS\1" + m.keys + "\2";
    for_each_key(indexed_properties(properties), [&](std::string_view key) {
      auto found =
          node.queues.index->query(m.topic, key, 64, m.store_timestamp, m.store_timestamp).value();
      hidden += std::ranges::find(found, m.offset) == found.end() ? 1 : 0;
    });
  }
  return hidden;
}

std::vector<finding> findings_of(const golden_copy& store) {
  std::vector<finding> found;
  auto report = [&](finding one) { found.push_back(std::move(one)); };
  auto files = find_store_files(fast_files(), store.root(), {100, 400}, report).value();
  REQUIRE(verify_store(fast_files(), files, clock_of_tests, report));
  return found;
}

} // namespace

TEST_CASE("index_recovery: damage of any kind hides no key from the next start", "[storage]") {
  for (auto& how : stops())
    for (auto& damage : damages())
      for (std::size_t place = 0; place < 5; ++place)
        for (bool old : {false, true}) {
          if (old && !damage.in_old_files)
            continue;
          CAPTURE(how.what, damage.what, place, old);
          golden_copy store("normal-5.3.3");
          auto o = store.options();
          how.leave(o);
          auto files = index_files(store);
          REQUIRE(files.size() == 5);
          damage.inflict(files[place]);
          o.compared_bytes = old ? 40'000 : o.compared_bytes;
          auto node = start(o);
          REQUIRE(node.caught_up.has_value());
          CHECK(hidden_keys(node, "normal-5.3.3") == 0);
        }
}

TEST_CASE("index_recovery: what a start has mended needs no mending again", "[storage]") {
  for (auto& damage : damages()) {
    CAPTURE(damage.what);
    golden_copy store("normal-5.3.3");
    damage.inflict(index_files(store)[2]);
    save_own_checkpoint(store.options(), start(store.options()));
    stop(store.options());
    auto again = start(store.options());
    CHECK(again.queues.applied == again.store.log.end);
    CHECK(hidden_keys(again, "normal-5.3.3") == 0);
  }
}

TEST_CASE("index_recovery: a sound index stays as it is", "[storage]") {
  for (auto* name : {"normal-4.9.8", "normal-5.3.3", "extras-5.3.3", "propcrc-5.3.3"})
    for (bool own : {false, true}) {
      CAPTURE(name, own);
      golden_copy store(name);
      if (own) {
        save_own_checkpoint(store.options(), start(store.options()));
        stop(store.options());
      }
      auto before = tree_of(store.root() + "/index");
      auto node = start(store.options());
      CHECK(node.queues.applied == node.store.log.end);
      CHECK(tree_of(store.root() + "/index") == before);
      stop(store.options());
      CHECK(findings_of(store).empty());
    }
}

TEST_CASE("index_recovery: verify names all damage", "[storage]") {
  for (auto& damage : damages())
    for (std::size_t place = 0; place < 5; ++place) {
      CAPTURE(damage.what, place);
      golden_copy store("normal-5.3.3");
      damage.inflict(index_files(store)[place]);
      auto found = findings_of(store);
      CHECK(std::ranges::any_of(found, [&](auto& one) {
        return one.file.find("/index/") != std::string::npos && !one.harmless;
      }));
    }
}

TEST_CASE("index_recovery: a query that meets damage says so once", "[storage]") {
  golden_copy store("normal-5.3.3");
  auto node = start(store.options());
  contents file(index_files(store)[1]);
  file.flip(file.used_slot() + 2, 7);
  file.save();
  std::vector<std::string> lines;
  set_log_sink([&](std::string_view line) { lines.emplace_back(line); });
  auto hidden = hidden_keys(node, "normal-5.3.3") + hidden_keys(node, "normal-5.3.3");
  set_log_sink(nullptr);
  CHECK(hidden > 0);
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].find("index.damaged file=" + file.path) != std::string::npos);
}
