#include "storage/os/posix_file_system.hpp"
#include "storage/tables/delay_offsets.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/manifest.hpp"
#include "tests/support/temporary_directory.hpp"

#include <filesystem>
#include <fstream>

using namespace troupe::storage;
using namespace troupe::test;

namespace {

struct fixture {
  temporary_directory directory;
  options o;

  fixture() {
    o.directory = directory.path();
    std::filesystem::create_directories(directory / "config");
  }
  std::string path() const { return directory / "config/delayOffset.json"; }
  void write(const std::string& text) const {
    std::ofstream(path(), std::ios::binary | std::ios::trunc) << text;
  }
  std::string text() const {
    std::ifstream in(path(), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  delay_offsets load() const { return delay_offsets::load(posix_file_system(), o).value(); }
};

} // namespace

TEST_CASE("delay offsets: RocketMQ's own file is read, changed and read again", "[storage]") {
  fixture f;
  std::filesystem::copy_file(golden_path("config-5.3.3") + "/delayOffset.json", f.path());
  auto table = f.load();
  CHECK(table.warnings().empty());
  CHECK(table.find(3) == 1);
  CHECK(table.find(16) == 1);
  CHECK_FALSE(table.find(1));
  CHECK_FALSE(table.changed());
  table.set(3, 1);
  CHECK_FALSE(table.changed());
  table.set(3, 12);
  table.set(1, 4);
  CHECK(table.changed());
  REQUIRE(table.save(1'700'000'000'000).has_value());
  CHECK_FALSE(table.changed());
  auto text = f.text();
  CHECK(text.find("\t3:12") != std::string::npos); // Java wants bare numbers
  CHECK(text.find("\"counter\":1") != std::string::npos);
  CHECK(text.find("stateVersion") != std::string::npos);
  auto again = f.load();
  CHECK(again.find(3) == 12);
  CHECK(again.find(1) == 4);
  CHECK(again.find(16) == 1);
}

TEST_CASE("delay offsets: none yet, as 4.9 writes them, and what cannot be", "[storage]") {
  fixture f;
  CHECK_FALSE(f.load().find(1));
  f.write(R"({"offsetTable":{1:12,"2":"7"}})");
  auto old = f.load();
  CHECK(old.find(1) == 12);
  CHECK(old.find(2) == 7);
  f.write(R"({"offsetTable":{0:1,65:1,x:1,1:-1,2:"x",3:[],4:9,99999999999:1},"other":5})");
  auto table = f.load();
  CHECK(table.warnings().size() == 7);
  CHECK(table.find(4) == 9);
  CHECK_FALSE(table.find(1));
  table.set(0, 3);
  table.set(65, 3);
  table.set(4, -3);
  CHECK_FALSE(table.changed());
  table.set(4, 10);
  REQUIRE(table.save(1).has_value());
  CHECK(f.text().find("65:1") != std::string::npos); // of other settings, perhaps
  CHECK(f.text().find("\"other\":5") != std::string::npos);
  for (auto* broken : {R"({"offsetTable":7})", R"({"offsetTable":null})", "{}"}) {
    f.write(broken);
    CHECK_FALSE(f.load().find(4));
  }
  f.write("{");
  std::filesystem::remove(f.path() + ".bak");
  CHECK(delay_offsets::load(posix_file_system(), f.o).error().code == errc::corrupt);
}

TEST_CASE("delay offsets: what is settled behind them is kept, as long as they are the same",
          "[storage]") {
  fixture f;
  auto table = f.load();
  table.set(2, 5);
  table.set_window(2, delay_core::window{9, 12, {5, 7}});
  REQUIRE(table.save(1'700'000'000'000).has_value());
  CHECK(f.load().window(2) == delay_core::window{9, 12, {5, 7}});
  CHECK_FALSE(f.load().window(1));
  auto text = f.text();
  auto with = [&](const std::string& from, const std::string& to) {
    auto other = text;
    auto at = other.find(from);
    REQUIRE(at != std::string::npos);
    f.write(other.replace(at, from.size(), to));
    return f.load().window(2);
  };
  CHECK_FALSE(with("2:5", "2:6")); // RocketMQ went on
  CHECK_FALSE(with("[5,7]", "[7,5]"));
  CHECK_FALSE(with("[5,7]", "[4,7]"));
  CHECK_FALSE(with("[5,7]", "[5,-7]"));
  CHECK_FALSE(with("[5,7]", "7"));
  CHECK_FALSE(with("\"next\":9", "\"next\":4"));
  CHECK_FALSE(with("\"noticed\":12", "\"noticed\":-1"));
  f.write(text);
  auto again = f.load();
  again.set_window(2, delay_core::window{9, 12, {5, 7}});
  CHECK_FALSE(again.changed());
  again.set_window(2, std::nullopt);
  CHECK(again.changed());
  REQUIRE(again.save(1'700'000'000'000).has_value());
  CHECK(f.text().find("windows") == std::string::npos);
}
