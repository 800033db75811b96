#include "storage/os/file_system.hpp"
#include "storage/tables/recalled_messages.hpp"
#include "tests/support/catch.hpp"
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
  recalled_messages load() const { return recalled_messages::load(posix_file_system(), o).value(); }
};

} // namespace

TEST_CASE("recalled messages: they are kept until their time", "[storage]") {
  fixture f;
  auto table = f.load();
  CHECK(table.empty());
  REQUIRE(table.add({"t", "A", 500}).has_value());
  REQUIRE(table.add({"t", "B", 300}).has_value());
  REQUIRE(table.add({"t", "B", 300}).has_value());
  CHECK(f.load().empty());
  REQUIRE(table.save().has_value());
  auto again = f.load();
  CHECK(again.holds({"t", "A", 500}));
  CHECK_FALSE(again.holds({"t", "A", 501}));
  CHECK_FALSE(again.holds({"u", "A", 500}));
  CHECK(again.first_ms() == 300);
  CHECK_FALSE(again.remove_before(300));
  CHECK(again.remove_before(301));
  CHECK_FALSE(again.holds({"t", "B", 300}));
  again.remove({"t", "A", 500});
  CHECK(again.empty());
}

TEST_CASE("recalled messages: there is a bound, and what cannot be is ignored", "[storage]") {
  fixture f;
  auto table = f.load();
  for (std::size_t i = 0; i < recalled_messages::most; ++i)
    REQUIRE(table.add({"t", "k", static_cast<std::int64_t>(i)}).has_value());
  CHECK(table.add({"t", "k", -1}).error().code == errc::busy);
  CHECK(table.add({"t", "k", 5}).has_value());
  table.remove({"t", "k", 5});
  CHECK(table.add({"t", "k", -1}).has_value());
  auto large = f.load();
  REQUIRE(large.add({"t", std::string(recalled_messages::most_bytes - 1, 'x'), 1}).has_value());
  CHECK(large.add({"t", "x", 1}).error().code == errc::busy);
  std::ofstream(f.directory / "config/troupe-recalled.json")
      << R"({"recalled":[["t","k",7],["t","k"],["t",1,1],7,["t","k","7"]]})";
  auto read = f.load();
  CHECK(read.holds({"t", "k", 7}));
  CHECK(read.first_ms() == 7);
  CHECK(read.warnings().size() == 1);
}
