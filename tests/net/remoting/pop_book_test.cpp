#include "net/remoting/pop_book.hpp"

#include "tests/support/catch.hpp"

#include <set>

using namespace troupe::remoting;
using turn = pop_book::turn;
using outcome = pop_book::ack_outcome;

namespace {

const popped_queue q{"G", "T", 0};

std::vector<popped_message> messages(std::int64_t first, std::int64_t count) {
  std::vector<popped_message> all;
  for (auto i = first; i < first + count; ++i)
    all.push_back({i, 1000 + i});
  return all;
}

struct book_stand {
  pop_book book;
  book_stand() { book.learn(q, 0, true, 0); }
  void pop(std::int64_t first, std::int64_t count, std::int64_t pop_ms, std::int64_t due_ms) {
    REQUIRE(book.turn_of(q, false, "", pop_ms) == turn::free);
    REQUIRE(book.take(q, first, first + count, messages(first, count), {pop_ms, due_ms}));
  }
  const ordered_batch* pop_in_order(std::int64_t from, const std::vector<std::int64_t>& positions,
                                    std::int64_t pop_ms, std::int64_t due_ms,
                                    const std::string& attempt = {}) {
    return book.take_in_order(q, from, attempt, positions, {pop_ms, due_ms});
  }
};

} // namespace

TEST_CASE("pop_book: a queue is as far as its first message that is not done", "[remoting]") {
  book_stand t;
  CHECK(t.book.progress_of(q) == 0);
  t.pop(0, 3, 1, 100);
  CHECK(t.book.next(q) == 3);
  CHECK(t.book.progress_of(q) == 0);
  CHECK(t.book.acknowledge(q, 1, 1));
  CHECK(t.book.progress_of(q) == 0);
  CHECK(t.book.acknowledge(q, 0, 1));
  CHECK(t.book.progress_of(q) == 2);
  CHECK(t.book.acknowledge(q, 2, 1));
  CHECK(t.book.progress_of(q) == 3);
  CHECK(t.book.in_flight() == 0);
  CHECK_FALSE(t.book.next_due());
}

TEST_CASE("pop_book: a handle counts once, and only for its pop", "[remoting]") {
  book_stand t;
  t.pop(0, 2, 1, 100);
  CHECK_FALSE(t.book.acknowledge(q, 0, 2));
  CHECK_FALSE(t.book.acknowledge(q, 2, 1));
  CHECK_FALSE(t.book.acknowledge({"H", "T", 0}, 0, 1));
  CHECK(t.book.acknowledge(q, 0, 1));
  CHECK_FALSE(t.book.acknowledge(q, 0, 1));
  CHECK(t.book.change(q, 1, 1, {5, 200}));
  CHECK_FALSE(t.book.acknowledge(q, 1, 1));
  CHECK(t.book.next_due() == 200);
  CHECK(t.book.acknowledge(q, 1, 5));
}

TEST_CASE("pop_book: what two have read from one place goes to one of them", "[remoting]") {
  book_stand t;
  t.pop(0, 2, 1, 100);
  CHECK_FALSE(t.book.take(q, 0, 2, messages(0, 2), {2, 100}));
  CHECK_FALSE(t.book.take(q, 2, 3, messages(2, 2), {2, 100}));             // beyond its end
  CHECK_FALSE(t.book.take(q, 2, 5, {{4, 0}, {3, 0}}, {2, 100}));           // out of order
  CHECK_FALSE(t.book.take({"G", "U", 0}, 0, 1, messages(0, 1), {2, 100})); // not learned
  CHECK(t.book.take(q, 2, 3, messages(2, 1), {2, 100}));
}

TEST_CASE("pop_book: a message whose time is over is stored once more, then it is done",
          "[remoting]") {
  book_stand t;
  t.pop(0, 2, 1, 100);
  CHECK(t.book.expire(99, 10).messages.empty());
  auto over = t.book.expire(100, 1).messages;
  REQUIRE(over.size() == 1);
  CHECK(over[0].position == 0);
  CHECK(over[0].where == 1000);
  CHECK_FALSE(t.book.acknowledge(q, 0, 1)); // its copy comes
  CHECK(t.book.progress_of(q) == 0);
  t.book.not_returned(over[0], 150);
  CHECK(t.book.expire(100, 10).messages.size() == 1); // the other
  CHECK(t.book.next_due() == 150);
  over = t.book.expire(150, 10).messages;
  REQUIRE(over.size() == 1);
  t.book.returned(over[0]);
  CHECK(t.book.progress_of(q) == 1);
  t.book.returned(over[0]); // once more: nothing
  CHECK(t.book.in_flight() == 1);
}

TEST_CASE("pop_book: after a failure to store it once more its handle counts again", "[remoting]") {
  book_stand t;
  t.pop(0, 1, 1, 100);
  auto over = t.book.expire(100, 10).messages;
  t.book.not_returned(over.at(0), 200);
  CHECK(t.book.acknowledge(q, 0, 1));
  CHECK_FALSE(t.book.next_due());
}

TEST_CASE("pop_book: progress is kept of one queue at a time, and again when it went on",
          "[remoting]") {
  book_stand t;
  CHECK(t.book.take_changes().empty());
  t.pop(0, 3, 1, 100);
  CHECK(t.book.take_changes().empty());
  t.book.acknowledge(q, 0, 1);
  auto first = t.book.take_changes();
  REQUIRE(first.size() == 1);
  CHECK(first[0].offset == 1);
  t.book.acknowledge(q, 1, 1);
  CHECK(t.book.take_changes().empty());
  t.book.kept(first[0], true);
  auto second = t.book.take_changes();
  REQUIRE(second.size() == 1);
  CHECK(second[0].offset == 2);
  t.book.kept(second[0], false);
  CHECK(t.book.take_changes().size() == 1);
}

TEST_CASE("pop_book: where a queue begins is kept, unless it came from there", "[remoting]") {
  pop_book book;
  book.learn(q, 7, false, 0);
  REQUIRE(book.take_changes().size() == 1);
  CHECK(book.next(q) == 7);
}

TEST_CASE("pop_book: a quiet queue is asked for anew, one with messages popped is not",
          "[remoting]") {
  book_stand t;
  CHECK(t.book.is_unknown({"G", "U", 0}, 0));
  CHECK_FALSE(t.book.is_unknown(q, pop_book::trust_ms - 1));
  CHECK(t.book.is_unknown(q, pop_book::trust_ms));
  t.pop(0, 1, 1, 100);
  CHECK_FALSE(t.book.is_unknown(q, pop_book::trust_ms));
  t.book.learn(q, 50, true, 10);
  CHECK(t.book.next(q) == 1);
  t.book.acknowledge(q, 0, 1);
  CHECK_FALSE(t.book.is_unknown(q, pop_book::trust_ms)); // it is not kept yet
  auto change = t.book.take_changes();
  t.book.kept(change.at(0), true);
  CHECK(t.book.is_unknown(q, pop_book::trust_ms));
}

TEST_CASE("pop_book: an operator's word ends what is popped", "[remoting]") {
  book_stand t;
  t.pop(0, 3, 1, 100);
  auto over = t.book.expire(100, 1).messages;
  t.book.reset(q, 1, 5);
  CHECK(t.book.next(q) == 1);
  CHECK(t.book.in_flight() == 0);
  CHECK_FALSE(t.book.acknowledge(q, 1, 1));
  t.pop(1, 2, 6, 300);
  t.book.returned(over.at(0));
  CHECK(t.book.in_flight() == 2);
  CHECK(t.book.take_changes().empty());
}

TEST_CASE("pop_book: what the queue does not have is not waited for", "[remoting]") {
  book_stand t;
  t.pop(0, 4, 1, 100);
  t.book.jump(q, 2); // the log lost its end
  CHECK(t.book.in_flight() == 2);
  CHECK(t.book.next(q) == 2);
  t.pop(2, 2, 2, 100);
  t.book.skip(q, 4, 9);
  CHECK(t.book.next(q) == 9);
  t.book.skip(q, 4, 12); // somebody else was there
  CHECK(t.book.next(q) == 9);
}

TEST_CASE("pop_book: so much of a queue is popped, and no more", "[remoting]") {
  book_stand t;
  constexpr auto most = static_cast<std::int64_t>(pop_book::most_of_queue);
  t.pop(0, most, 1, 100);
  CHECK(t.book.turn_of(q, false, "", 1) == turn::full);
  CHECK_FALSE(t.book.take(q, most, most + 1, messages(most, 1), {1, 100}));
  t.book.acknowledge(q, 5, 1);
  CHECK(t.book.turn_of(q, false, "", 1) == turn::free);
  CHECK(t.book.room(q) == 1);
}

TEST_CASE("pop_book: in order, one batch of a queue is out at a time", "[remoting]") {
  book_stand t;
  REQUIRE(t.pop_in_order(0, {0, 1, 2}, 1, 100) != nullptr);
  CHECK(t.book.turn_of(q, true, "", 1) == turn::blocked);
  CHECK(t.book.turn_of(q, false, "", 1) == turn::blocked);
  CHECK(t.book.acknowledge_in_order(q, 1, 1) == outcome::done);
  CHECK(t.book.progress_of(q) == 0);
  CHECK(t.book.acknowledge_in_order(q, 0, 1) == outcome::done);
  CHECK(t.book.progress_of(q) == 2);
  CHECK(t.book.acknowledge_in_order(q, 5, 1) == outcome::not_here);
  CHECK(t.book.acknowledge_in_order(q, 2, 7) == outcome::other_pop);
  CHECK(t.book.turn_of(q, true, "", 99) == turn::blocked);
  CHECK(t.book.acknowledge_in_order(q, 2, 1) == outcome::done);
  CHECK(t.book.turn_of(q, true, "", 99) == turn::free);
  CHECK(t.book.next(q) == 3);
  CHECK(t.book.in_flight() == 0);
  CHECK_FALSE(t.book.next_due());
}

TEST_CASE("pop_book: in order, what is not acknowledged comes again and says how often",
          "[remoting]") {
  book_stand t;
  t.pop_in_order(0, {0, 1, 2}, 1, 100);
  t.book.acknowledge_in_order(q, 0, 1);
  CHECK(t.book.expire(100, 10).freed == std::vector{q});
  CHECK(t.book.turn_of(q, true, "", 100) == turn::free);
  CHECK(t.book.next(q) == 1);
  auto* again = t.pop_in_order(1, {1, 2, 3}, 101, 200);
  REQUIRE(again != nullptr);
  REQUIRE(again->tried().size() == 2);
  CHECK(again->tried()[0].position == 1);
  CHECK(again->tried()[0].count == 1);
  CHECK(again->least_tries() == 0);
  CHECK(t.book.acknowledge_in_order(q, 1, 1) == outcome::other_pop);
  CHECK(t.book.progress_of(q) == 1);
}

TEST_CASE("pop_book: in order, the same attempt gets the same again", "[remoting]") {
  book_stand t;
  t.pop_in_order(0, {0, 1}, 1, 100, "a");
  CHECK(t.book.turn_of(q, true, "b", 1) == turn::blocked);
  CHECK(t.book.turn_of(q, true, "", 1) == turn::blocked);
  REQUIRE(t.book.turn_of(q, true, "a", 1) == turn::free);
  auto* again = t.pop_in_order(0, {0, 1}, 2, 100, "a");
  REQUIRE(again != nullptr);
  CHECK(again->tried().empty());
}

TEST_CASE("pop_book: in order, a changed time holds the queue", "[remoting]") {
  book_stand t;
  t.pop_in_order(0, {0, 1}, 1, 100);
  CHECK(t.book.change_in_order(q, 0, 1, 50));
  CHECK(t.book.turn_of(q, true, "", 60) == turn::blocked); // the other one
  CHECK(t.book.change_in_order(q, 1, 1, 300));
  CHECK_FALSE(t.book.change_in_order(q, 1, 2, 400));
  CHECK(t.book.expire(299, 10).freed.empty());
  CHECK(t.book.expire(300, 10).freed.size() == 1);
}

TEST_CASE("pop_book: many queues are known, and those that rest make room", "[remoting]") {
  pop_book book;
  for (std::size_t i = 0; i < pop_book::most_queues; ++i)
    REQUIRE(book.learn({"G", "T", static_cast<std::int32_t>(i)}, 0, true, 0));
  CHECK_FALSE(book.learn({"G", "U", 0}, 0, true, 0));
  CHECK(book.learn({"G", "U", 0}, 0, true, pop_book::trust_ms));
}
