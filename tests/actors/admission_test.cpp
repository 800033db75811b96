#include "actors/admission.hpp"

#include "tests/support/catch.hpp"

#include <random>
#include <set>

using namespace troupe;

namespace {

admission_case usual() {
  admission_case c;
  c.count = 10;
  c.capacity = 100;
  c.dirty_budget = 1000;
  return c;
}

} // namespace

TEST_CASE("admission: accept, delay or refuse, each for its reason", "[actors]") {
  struct row {
    const char* what;
    std::function<void(admission_case&)> change;
    admission verdict;
    errc code = errc::none;
  };
  const row table[] = {
      {"as usual", [](auto&) {}, admission::take},
      {"the last room", [](auto& c) { c.used = 90; }, admission::take},
      {"no room for all", [](auto& c) { c.used = 91; }, admission::wait},
      {"room was given before", [](auto& c) { c.used = 100, c.has_room = true; }, admission::take},
      {"as much as may be dirty", [](auto& c) { c.dirty = 1000; }, admission::take},
      {"too much is dirty", [](auto& c) { c.dirty = 1001; }, admission::wait},
      {"all that fits at once", [](auto& c) { c.count = 100; }, admission::take},
      {"never fits", [](auto& c) { c.count = 101; }, admission::refuse, errc::invalid_argument},
      {"deleted", [](auto& c) { c.deleted = true; }, admission::refuse, errc::not_found},
      {"not ready", [](auto& c) { c.ready = false; }, admission::refuse, errc::unavailable},
      {"too late", [](auto& c) { c.too_late = true; }, admission::refuse, errc::busy},
      {"too late in the middle", [](auto& c) { c.has_room = c.too_late = true; }, admission::refuse,
       errc::busy},
  };
  for (auto& [what, change, verdict, code] : table) {
    INFO(what);
    auto c = usual();
    change(c);
    storage::error why;
    CHECK(admit(c, {}, "t", why) == verdict);
    CHECK(why.code == code);
    CHECK(why.message.starts_with("not stored: ") == (verdict == admission::refuse));
    write_bars barred;
    barred.note({bar_source::cleaner, errc::disk_full, "the disk is full"});
    CHECK(admit(c, barred, "t", why) == admission::refuse);
    CHECK(why.message == "not stored: the disk is full");
  }
}

TEST_CASE("write_bars: what needs a restart is said before what may pass", "[actors]") {
  write_bars bars;
  CHECK(bars.gravest() == nullptr);
  bars.note({bar_source::cleaner, errc::disk_full, "full"});
  bars.note({bar_source::node, errc::write_stopped, "a role stopped"});
  REQUIRE(bars.gravest() != nullptr);
  CHECK(bars.gravest()->reason == "a role stopped");
  CHECK(bars.find(bar_source::cleaner, errc::disk_full)->reason == "full");
  CHECK(bars.find(bar_source::node, errc::disk_full) == nullptr);
  bars.lift(bar_source::node, errc::write_stopped);
  CHECK(bars.gravest()->reason == "full");
}

TEST_CASE("write_bars: none is lifted but by its source, code and number", "[actors]") {
  std::mt19937 random(7);
  std::set<std::tuple<int, int, unsigned>> model;
  write_bars bars;
  const errc codes[] = {errc::busy, errc::unavailable, errc::needs_repair};
  for (int step = 0; step < 2000; ++step) {
    auto source = static_cast<bar_source>(random() % 4);
    auto which = static_cast<int>(random() % 3);
    auto share = static_cast<std::uint32_t>(random() % 2);
    bool lift = random() % 2 == 0;
    bars.note({source, codes[which], lift ? "" : "a reason", share});
    auto key = std::tuple(static_cast<int>(source), which, share);
    if (lift)
      model.erase(key);
    else
      model.insert(key);
    REQUIRE(bars.empty() == model.empty());
    REQUIRE((bars.gravest() == nullptr) == model.empty());
    for (int i = 0; i < 3; ++i)
      REQUIRE((bars.find(source, codes[i]) != nullptr) ==
              (model.count({static_cast<int>(source), i, 0}) > 0));
  }
}
