#include "storage/queues/queue_view.hpp"

#include "storage/log/log_file.hpp"
#include "storage/os/posix_file_system.hpp"
#include "storage/queues/queue_table.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/observed_file_system.hpp"
#include "tests/support/temporary_directory.hpp"

#include <rapidcheck.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>
#include <thread>

using namespace troupe::storage;
using namespace troupe::test;

namespace {

constexpr log_offset no_end = 1LL << 60;
using append_result = queue_table::append_result;

/// A store with 10 entries in each queue file, unless told otherwise.
struct fixture {
  temporary_directory directory;
  observed_file_system fs{posix_file_system()};
  options o;
  queue_table_options own;
  std::unique_ptr<queue_table> table;

  explicit fixture(std::uint64_t file_bytes = 200, std::size_t tail = 8) {
    o.directory = directory.path();
    o.queue_file_size_bytes = file_bytes;
    own.tail_entries = tail;
    own.open_files = 4;
    reopen();
  }
  void reopen() {
    table.reset();
    table = queue_table::open(fs, o, own, {0, no_end, 0}).value();
  }
  consume_queue& queue() { return *table->find("T", 0); }
  std::string file(std::int64_t start) const {
    return directory / "consumequeue/T/0/" + offset_file_name(start);
  }
  /// Message n lies at 1000 + 100 n, and its code tells it from others with its number.
  void append(queue_offset from, queue_offset to, std::int64_t code = 0) {
    for (auto n = from; n < to; ++n) {
      position p;
      p.offset = 1000 + 100 * n;
      p.size = 100;
      p.tags_code = code + n;
      p.queue_position = n;
      auto done = table->append(*table->create("T").value(), p);
      REQUIRE((done.has_value() && done.value() == append_result::appended));
    }
  }
};

/// An answer and an error, such that two can be compared.
struct told {
  errc code = errc::none;
  std::string message;
  std::vector<queue_entry> entries;
  queue_offset number = 0;
  friend bool operator==(const told&, const told&) = default;
};
[[maybe_unused]] std::ostream& operator<<(std::ostream& out, const told& t) {
  return out << name_of(t.code) << " \"" << t.message << "\", " << t.entries.size() << " entries, "
             << t.number;
}

template <class Reader>
told told_read(Reader&& read) {
  told all;
  if (auto done = read(all.entries); done.has_error())
    all = {done.error().code, done.error().message, std::move(all.entries), 0};
  return all;
}
told told_entry(const result<queue_entry>& found) {
  return found ? told{errc::none, {}, {found.value()}, 0}
               : told{found.error().code, found.error().message, {}, 0};
}
told told_number(const result<queue_offset>& found) {
  return found ? told{errc::none, {}, {}, found.value()}
               : told{found.error().code, found.error().message, {}, 0};
}

told read_of(const consume_queue& queue, queue_offset from, std::size_t count) {
  return told_read([&](auto& into) { return queue.read(from, count, into); });
}
told read_of(queue_view_reader& reader, const queue_view& view, queue_offset from,
             std::size_t count) {
  return told_read([&](auto& into) { return reader.read(view, from, count, into); });
}

void damage(const std::string& path, std::size_t at, const std::string& bytes) {
  std::fstream out(path, std::ios::in | std::ios::out | std::ios::binary);
  out.seekp(static_cast<std::streamoff>(at));
  out << bytes;
}

/// Some questions, answered by the owner and by a view alike.
void compare(queue_view_reader& reader, const consume_queue& queue) {
  const auto view = queue.view();
  for (int i = 0; i < 4; ++i) {
    const auto from = *rc::gen::inRange<queue_offset>(-1, queue.next() + 3);
    const auto count = *rc::gen::inRange<std::size_t>(0, 40);
    RC_ASSERT(read_of(reader, view, from, count) == read_of(queue, from, count));
    RC_ASSERT(told_entry(reader.entry(view, from)) == told_entry(queue.entry(from)));
    const auto offset = *rc::gen::inRange<log_offset>(0, 1000 + 100 * (queue.next() + 2));
    RC_ASSERT(told_number(reader.find_first(view, offset)) ==
              told_number(queue.find_first(offset)));
  }
}

/// A view, and what it showed.
struct kept_view {
  queue_view view;
  std::vector<queue_entry> entries;
  std::size_t cuts = 0;
};

} // namespace

TEST_CASE("queue_view: reading a view is reading the queue at that moment", "[storage]") {
  CHECK(rc::check("histories", [] {
    fixture f;
    queue_view_reader reader(f.fs, *rc::gen::inRange<std::size_t>(1, 6));
    std::vector<kept_view> kept;
    std::size_t cuts = 0;
    queue_offset next = 0;
    f.append(next, 1);
    ++next;
    for (int step = *rc::gen::inRange(1, 40); step > 0; --step) {
      switch (*rc::gen::inRange(0, 8)) {
      case 0:
        RC_ASSERT(f.table->write_out().has_value());
        break;
      case 1:
        RC_ASSERT(f.table->drop_until(1000 + 100 * *rc::gen::inRange<queue_offset>(0, next + 1))
                      .has_value());
        break;
      case 2:
        RC_ASSERT(
            f.table->truncate(1000 + 100 * *rc::gen::inRange<queue_offset>(next / 2, next + 1))
                .has_value());
        cuts += f.queue().next() < next ? 1 : 0;
        next = f.queue().next();
        break;
      case 3: // deleted and made anew
        if (*rc::gen::inRange(0, 4) != 0)
          break;
        RC_ASSERT(f.table->remove("T").has_value());
        ++cuts;
        next = 0;
        [[fallthrough]];
      default: {
        const auto to = next + *rc::gen::inRange<queue_offset>(1, 25);
        f.append(next, to, static_cast<std::int64_t>(cuts) << 32);
        next = to;
      }
      }
      compare(reader, f.queue());
      kept_view now{f.queue().view(), {}, cuts};
      RC_ASSERT(f.queue().read(f.queue().min(), SIZE_MAX, now.entries).has_value());
      kept.push_back(std::move(now));
      auto& old = kept[*rc::gen::inRange<std::size_t>(0, kept.size())];
      RC_ASSERT(f.queue().cut_since(old.view) == (old.cuts != cuts));
      if (old.cuts != cuts)
        continue;
      // What is gone is missing at the beginning; nothing else changes.
      auto first = old.view.at.min;
      while (first < old.view.at.next && reader.entry(old.view, first).has_error()) {
        RC_ASSERT(reader.entry(old.view, first).error().code == errc::not_found);
        RC_ASSERT(read_of(reader, old.view, first, 1).code == errc::offset_too_small);
        ++first;
      }
      RC_ASSERT(first <= std::max(old.view.at.min, f.queue().min()));
      std::vector<queue_entry> left;
      RC_ASSERT(reader.read(old.view, first, SIZE_MAX, left).has_value());
      RC_ASSERT(std::ranges::equal(
          left, std::span(old.entries).subspan(static_cast<std::size_t>(first - old.view.at.min))));
    }
  }));
}

TEST_CASE("queue_view: damage is told as the owner tells it", "[storage]") {
  fixture f;
  f.append(0, 27);
  REQUIRE(f.table->write_out());
  queue_view_reader reader(f.fs);
  damage(f.file(200), 5 * 20, std::string(20, '\x80'));
  auto view = f.queue().view();
  auto damaged = read_of(reader, view, 10, 10);
  CHECK(damaged.code == errc::corrupt);
  CHECK(damaged.entries.size() == 5);
  CHECK(damaged == read_of(f.queue(), 10, 10));
  CHECK(told_entry(reader.entry(view, 15)) == told_entry(f.queue().entry(15)));
  for (log_offset at = 900; at < 4000; at += 50)
    CHECK(told_number(reader.find_first(view, at)) == told_number(f.queue().find_first(at)));

  std::filesystem::resize_file(f.file(0), 100);
  CHECK(read_of(reader, view, 0, 10).code == errc::corrupt);
  f.reopen();
}

TEST_CASE("queue_view: files of a queue that was cut are not taken from before", "[storage]") {
  fixture f;
  f.append(0, 25);
  REQUIRE(f.table->write_out());
  queue_view_reader reader(f.fs);
  const auto before = f.queue().view();
  REQUIRE(read_of(reader, before, 0, 30).entries.size() == 25);
  REQUIRE(reader.open_count() == 3);

  REQUIRE(f.table->truncate(1000 + 100 * 5));
  f.append(5, 25, 1000);
  REQUIRE(f.table->write_out());
  CHECK(f.queue().cut_since(before));
  auto now = f.queue().view();
  CHECK_FALSE(f.queue().cut_since(now));
  CHECK(read_of(reader, now, 0, 30) == read_of(f.queue(), 0, 30));
  CHECK(reader.entry(now, 12).value().tags_code == 1012);

  REQUIRE(f.table->remove("T"));
  CHECK(read_of(reader, now, 0, 30).entries.size() == 25); // open, and still there
  f.append(0, 25, 2000);
  REQUIRE(f.table->write_out());
  CHECK(f.queue().cut_since(now));
  CHECK(reader.entry(f.queue().view(), 12).value().tags_code == 2012);
  CHECK(f.queue().correct(3, std::vector{f.queue().entry(3).value()}).value());
}

TEST_CASE("queue_view: what was removed meanwhile is gone, and nothing worse", "[storage]") {
  fixture f;
  f.append(0, 35);
  REQUIRE(f.table->write_out());
  queue_view_reader reader(f.fs);
  const auto before = f.queue().view();
  REQUIRE(f.table->drop_until(1000 + 100 * 22));
  CHECK(read_of(reader, before, 3, 5).code == errc::offset_too_small);
  CHECK(reader.entry(before, 3).error().code == errc::not_found);
  CHECK(reader.find_first(before, 1000).error().code == errc::not_found);
  CHECK(read_of(reader, before, 20, 99).entries.size() == 15);
  CHECK_FALSE(f.queue().cut_since(before));
  REQUIRE(f.table->remove("T"));
  reader.close();
  CHECK(reader.open_count() == 0);
  CHECK(read_of(reader, before, 20, 99).code == errc::offset_too_small);
}

TEST_CASE("queue_view: a reader has few files open, and no removed ones for long", "[storage]") {
  fixture f;
  f.append(0, 95);
  REQUIRE(f.table->write_out());
  queue_view_reader reader(f.fs, 3);
  CHECK(read_of(reader, f.queue().view(), 0, 99).entries.size() == 95);
  CHECK(reader.open_count() == 3);
  REQUIRE(f.table->drop_until(1000 + 100 * 94));
  f.append(95, 105);
  REQUIRE(f.table->write_out());
  CHECK(read_of(reader, f.queue().view(), 94, 99).entries.size() == 11);
  CHECK(reader.open_count() == 2); // that from 90 on and its successor

  queue_view_reader poor(f.fs, 8);
  int refused = 0;
  f.fs.read_fault = [&](const std::string& path) {
    const bool another = refused == 0 && poor.open_count() > 0 && path == f.file(2000);
    refused += another ? 1 : 0;
    return another ? errc::too_many_files : errc::none;
  };
  CHECK(read_of(poor, f.queue().view(), 94, 99).entries.size() == 11);
  CHECK(refused == 1);
  CHECK(poor.open_count() == 1);
  f.fs.read_fault = [&](const std::string&) { return errc::too_many_files; };
  CHECK(read_of(poor, f.queue().view(), 94, 2).code == errc::too_many_files);
}

TEST_CASE("consume_queue: who must not wait gets what is in memory", "[storage]") {
  fixture f(20'000, 8);
  f.append(0, 400);
  REQUIRE(f.table->write_out());
  f.append(400, 405);
  f.reopen(); // which loses the tail
  f.append(400, 405);
  auto& queue = f.queue();
  std::optional<std::uint64_t> cold_page;
  std::size_t asked = 0;
  f.fs.cold = [&](const std::string&, std::uint64_t at, std::size_t size) {
    ++asked;
    return cold_page && at / 4096 <= *cold_page && *cold_page <= (at + size - 1) / 4096;
  };
  CHECK(read_of(queue, 0, 1000).entries.size() == 405);
  CHECK(asked == 0);

  queue_files::only_resident guard{f.table->files()};
  CHECK(read_of(queue, 0, 1000).entries.size() == 405);
  CHECK(asked == 1);
  cold_page = 1; // entries 204.8 to 409.6
  CHECK(read_of(queue, 100, 50).entries.size() == 50);
  auto first = read_of(queue, 100, 1000);
  CHECK(first.code == errc::none);
  CHECK(first.entries.size() == 104); // without the tail: there are no gaps
  CHECK(first.entries.back().tags_code == 203);
  CHECK(read_of(queue, 204, 1).code == errc::not_resident);
  auto none = read_of(queue, 300, 1000);
  CHECK(none.code == errc::not_resident);
  CHECK(none.entries.empty());
  CHECK(read_of(queue, 400, 10).entries.size() == 5);
  CHECK(queue.entry(10).has_value());
  CHECK(queue.entry(300).error().code == errc::not_resident);
  CHECK(queue.entry(402).has_value());
  CHECK(queue.find_first(1000 + 100 * 403).value() == 403);
  CHECK(queue.find_first(1000 + 100 * 390).error().code == errc::not_resident);
  { queue_files::only_resident again{f.table->files()}; }
  CHECK(queue.entry(300).error().code == errc::not_resident);
}

TEST_CASE("consume_queue: who must not wait opens no file", "[storage]") {
  fixture f;
  f.own.open_files = 1;
  f.append(0, 25);
  REQUIRE(f.table->write_out());
  f.reopen();
  REQUIRE(f.queue().entry(3).has_value());
  {
    queue_files::only_resident guard{f.table->files()};
    f.fs.read_fault = [](const std::string& path) {
      FAIL("opened " << path);
      return errc::none;
    };
    CHECK(f.queue().entry(13).error().code == errc::not_resident);
    CHECK(read_of(f.queue(), 10, 10).code == errc::not_resident);
    f.fs.read_fault = {};
    auto some = read_of(f.queue(), 3, 20);
    CHECK(some.code == errc::none);
    CHECK(some.entries.size() == 7); // up to the end of the open file
  }
  CHECK(f.queue().entry(13).has_value());
}

TEST_CASE("queue_view: an owner goes on while another thread reads", "[storage]") {
  fixture f(2'000, 16);
  std::mutex passing;
  std::optional<queue_view> passed;
  bool ended = false;
  std::string wrong;
  std::uint64_t views = 0;
  f.append(0, 1);
  passed = f.queue().view();
  std::thread other([&] {
    queue_view_reader reader(posix_file_system(), 4);
    for (;;) {
      queue_view view;
      {
        std::scoped_lock lock{passing};
        if (ended)
          return;
        view = *passed;
      }
      std::vector<queue_entry> found;
      auto done = reader.read(view, view.at.min, SIZE_MAX, found);
      auto where = reader.find_first(view, 1000 + 100 * (view.at.next - 1));
      bool right = done.has_value() || done.error().code == errc::offset_too_small;
      right =
          right && (!done || static_cast<queue_offset>(found.size()) == view.at.next - view.at.min);
      for (std::size_t i = 0; i < found.size(); ++i)
        right = right && found[i].tags_code == view.at.min + static_cast<queue_offset>(i);
      right = right &&
              (where ? where.value() == view.at.next - 1 : where.error().code == errc::not_found);
      std::scoped_lock lock{passing};
      ++views;
      if (!right && wrong.empty())
        wrong = "next " + std::to_string(view.at.next) + ", found " + std::to_string(found.size()) +
                (done ? "" : ": " + done.error().message);
    }
  });
  for (queue_offset n = 1; n < 6'000; ++n) {
    f.append(n, n + 1);
    if (n % 7 == 0)
      CHECK(f.table->write_out().has_value());
    if (n % 500 == 0)
      CHECK(f.table->drop_until(1000 + 100 * (n - 300)).has_value());
    std::scoped_lock lock{passing};
    passed = f.queue().view();
  }
  {
    std::scoped_lock lock{passing};
    ended = true;
  }
  other.join();
  INFO(wrong);
  CHECK(wrong.empty());
  CHECK(views > 0);
}
