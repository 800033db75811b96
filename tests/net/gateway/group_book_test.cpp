#include "net/gateway/group_book.hpp"

#include "tests/net/gateway/desk_stand.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

struct book_stand : desk_stand {
  book_stand() {
    start();
    node.settings["G"] = R"({"retryQueueNums":3})";
  }
  net::group_book& book() { return room().book; }
  std::int32_t queues() {
    std::int32_t known = -1;
    run([&] { known = book().rules("G").retry_queues; });
    return known;
  }
};

} // namespace

TEST_CASE("group_book: a group is asked for once, and all who want it wait for that", "[gateway]") {
  book_stand t;
  int told = 0;
  t.run([&] {
    CHECK(t.book().find("G") == nullptr);
    for (int i = 0; i < 3; ++i)
      t.book().learn("G", [&] { told += t.book().rules("G").retry_queues; });
    CHECK(t.book().rules("G").retry_queues == 1);
    CHECK(told == 0);
  });
  CHECK(told == 9);
  t.run([&] { t.book().learn("G", [&] { ++told; }); });
  CHECK(told == 10);
  CHECK(t.node.settings_questions == 1);
}

TEST_CASE("group_book: what changes is learned, at once or after a while", "[gateway]") {
  book_stand t;
  t.run([&] { t.book().learn("G", [] {}); });
  t.node.settings["G"] = R"({"retryQueueNums":5})";
  bool told = GENERATE(false, true);
  if (told)
    t.run([&] { t.book().changed("G"); });
  CHECK(t.queues() == (told ? 5 : 3));
  t.world.run_for(31s);
  t.queues(); // asks
  CHECK(t.queues() == 5);
  t.node.settings.clear(); // deleted
  t.run([&] {
    t.book().changed("G");
    t.book().changed("G");
    t.book().changed("nobody knows it");
  });
  CHECK(t.queues() == 1);
  CHECK(t.node.settings_questions == (told ? 5 : 4));
}

TEST_CASE("group_book: defaults count while the registrar does not answer", "[gateway]") {
  bool away = true;
  desk_stand t;
  t.node.also = {[&away](list_atom, const std::string& group) -> caf::result<group_list> {
    if (away)
      return make_caf_error(errc::unavailable, "away");
    return group_list{{{group, R"({"retryQueueNums":3})"}}, {}};
  }};
  t.start();
  bool told = false;
  auto& book = t.room().book;
  t.run([&] { book.learn("G", [&] { told = true; }); });
  CHECK(told);
  t.run([&] { CHECK(book.find("G") != nullptr); });
  CHECK(book.rules("G") == remoting::group_rules{});
  away = false;
  t.world.run_for(6s);
  t.run([&] { book.find("G"); });
  t.run([&] { CHECK(book.rules("G").retry_queues == 3); });
}

TEST_CASE("group_book: no name asks for all groups", "[gateway]") {
  book_stand t;
  t.run([&] {
    CHECK(t.book().find("") != nullptr);
    CHECK(t.book().find(std::string(300, 'x')) != nullptr);
  });
  CHECK(t.node.settings_questions == 0);
}
