#include "storage/format/properties.hpp"
#include "tests/support/actor_stand.hpp"
#include "tests/support/catch.hpp"

#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;
using action = observed_file_system::action;

namespace {

constexpr int entries_a_file = 10;
constexpr int messages = 30;
constexpr std::size_t entry_bytes = storage::queue_entry_bytes;

/// A queue whose entries are in files of ten, between the messages of another queue.
struct doubted_queue : actor_stand {
  doubted_queue() {
    options.store.queue_file_size_bytes = entries_a_file * entry_bytes;
    open();
    add_pipeline();
    start();
    std::vector<text_message> all;
    for (int i = 0; i < messages; ++i) {
      all.emplace_back("m" + std::to_string(i), 0, i % 2 == 0 ? "even" : "odd");
      all.emplace_back("other", 1);
      bodies.push_back("m" + std::to_string(i));
    }
    stored = put(put_of("a", all)).results;
    world.run_for(3s); // the entries are in the files
    for (int file = 0; file < messages / entries_a_file; ++file)
      sound.push_back(bytes(file));
  }

  std::string path(int file) const {
    return storage::queue_directory(options.store) + "/a/0/" +
           storage::offset_file_name(file * entries_a_file * static_cast<int>(entry_bytes));
  }
  std::string bytes(int file) const {
    std::ifstream in(path(file), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void damage(int entry, const std::function<void(char*)>& how) {
    auto file = entry / entries_a_file;
    auto all = bytes(file);
    how(all.data() + static_cast<std::size_t>(entry % entries_a_file) * entry_bytes);
    std::ofstream(path(file), std::ios::binary | std::ios::in) << all;
  }
  void flip(int entry, std::size_t bit) {
    damage(entry, [bit](char* at) { at[bit / 8] ^= static_cast<char>(1U << (bit % 8)); });
  }
  void set_offset(int entry, log_offset offset) {
    damage(entry, [offset](char* at) {
      storage::big_endian::store(reinterpret_cast<std::byte*>(at), offset);
    });
  }
  /// Of a message the record in the log.
  void lose(std::size_t message) const {
    std::fstream log(storage::log_file_path(options.store, 0),
                     std::ios::binary | std::ios::in | std::ios::out);
    log.seekp(stored.at(2 * message).offset);
    log << std::string(60, '\0');
  }
  bool is_sound() const {
    for (int file = 0; file < messages / entries_a_file; ++file)
      if (bytes(file) != sound[static_cast<std::size_t>(file)])
        return false;
    return true;
  }
  answer<pull_response> pull(queue_offset from, const std::string& tag = {}) {
    pull_request request;
    request.topic = "a";
    request.from = from;
    request.max_messages = 1000;
    if (!tag.empty())
      request.tag_hashes = {storage::java_hash(tag)};
    auto answered = world.request<pull_response>(client(), request);
    world.drain();
    return answered;
  }
  /// What somebody reads who goes on at `next` each time.
  std::vector<std::string> follow(const std::string& tag = {}, queue_offset from = 0) {
    std::vector<std::string> read;
    for (int pulls = 0; pulls < 3 * messages; ++pulls) {
      auto part = pull(from, tag).value();
      if (part.status != pull_status::found && part.status != pull_status::filtered)
        return read;
      for (auto& body : bodies_of(part.records))
        read.push_back(body);
      from = part.next;
    }
    return read;
  }
  queue_manager_status status() {
    return world.ask<queue_manager_status>(roles.queue_manager, status_atom_v).value();
  }

  std::vector<std::string> bodies;
  std::vector<message_result> stored;
  std::vector<std::string> sound;
};

std::vector<std::string> without(std::vector<std::string> all, const std::string& one) {
  std::erase(all, one);
  return all;
}

} // namespace

TEST_CASE("queue_manager: an entry with a wrong bit is corrected when it is read",
          "[actors][doubt]") {
  doubted_queue t;
  for (auto entry : {0, 1, 9, 10, 14, 20, 28, 29})
    for (std::size_t bit = 0; bit < 8 * entry_bytes; bit += entry == 14 ? 1 : 5) {
      CAPTURE(entry, bit);
      t.flip(entry, bit);
      REQUIRE(t.follow() == t.bodies);
      REQUIRE(t.is_sound());
    }
  CHECK(t.status().damaged_messages == 0);
  CHECK(t.status().failure.empty());
}

TEST_CASE("queue_manager: wrong entries that are neighbours are corrected", "[actors][doubt]") {
  doubted_queue t;
  auto zeros = [](char* at) { std::fill_n(at, entry_bytes, '\0'); };
  auto ones = [](char* at) { std::fill_n(at, entry_bytes, '\xff'); };
  auto noise = [](char* at) { at[6] ^= 1; };
  auto next_one = [](char* at) { std::copy_n(at + entry_bytes, entry_bytes, at); };
  using change = std::function<void(char*)>;
  for (auto& [first, how] : std::vector<std::pair<int, std::vector<change>>>{
           {5, {noise, noise}},
           {8, {zeros, ones, noise, ones}},
           {0, {ones, noise}},
           {28, {noise, ones}},
           {28, {zeros, zeros}},
           {12, {next_one}},
           {3, std::vector<change>(25, zeros)},
       }) {
    CAPTURE(first, how.size());
    for (std::size_t i = 0; i < how.size(); ++i)
      t.damage(first + static_cast<int>(i), how[i]);
    REQUIRE(t.follow() == t.bodies);
    REQUIRE(t.is_sound());
  }
  CHECK(t.status().damaged_messages == 0);
}

TEST_CASE("queue_manager: a filter does not hide what it cannot tell", "[actors][doubt]") {
  doubted_queue t;
  std::vector<std::string> even;
  for (int i = 0; i < messages; i += 2)
    even.push_back("m" + std::to_string(i));
  t.flip(6, 60);
  CHECK(t.follow("even") == even);
  CHECK(t.is_sound());
  t.damage(8, [](char* at) { std::fill_n(at, entry_bytes, '\0'); });
  CHECK(t.follow("even") == even);
  CHECK(t.is_sound());
  t.damage(7, [](char* at) { std::copy_n(at - entry_bytes + 12, 8, at + 12); }); // another's tag
  t.follow("even");
  CHECK(t.is_sound());
  CHECK(t.follow("even") == even);
  t.flip(12, 8 * 19); // hidden from those with a filter, until somebody reads it
  CHECK(t.follow() == t.bodies);
  CHECK(t.follow("even") == even);
  CHECK(t.status().damaged_messages == 0);
}

TEST_CASE("queue_manager: a message that the log does not hold is left out, its entry stays",
          "[actors][doubt]") {
  doubted_queue t;
  t.lose(13);
  auto rest = without(t.bodies, "m13");
  for (int i = 0; i < 3; ++i)
    CHECK(t.follow() == rest);
  CHECK(t.is_sound());
  t.flip(12, 61);
  t.flip(14, 62);
  CHECK(t.follow() == rest); // also when those beside it are wrong
  CHECK(t.is_sound());
  t.flip(13, 61); // where it was nobody knows any more
  CHECK(t.follow() == rest);
  CHECK(t.status().damaged_messages == 1);
  CHECK(t.status().failure.empty());
  CHECK(all_stored(t.put(put_of("a", {{"x"}}))));
}

TEST_CASE("queue_manager: what the log has lost with the end of a run is not passed over",
          "[actors][doubt][spread]") {
  doubted_queue t;
  t.lose(13);
  // A writer that has begun the log anew, and has not met these queues yet; or nobody at all.
  auto writer = t.roles.writer;
  bool answers = GENERATE(true, false);
  auto next = t.world.play<writer_actor>([answers](caf::event_based_actor*) {
    if (!answers)
      return caf::message_handler{};
    return caf::message_handler{[](follow_atom) {
      log_state log;
      log.run = 99;
      return log;
    }};
  });
  auto roles = t.roles;
  roles.writer = next;
  t.world.tell(t.roles.queue_manager, roles);
  t.world.drain();
  CHECK(t.pull(0).value().next == 13);
  CHECK(t.pull(13).code() == errc::unavailable);
  CHECK(t.status().damaged_messages == 0);
  // It is the log of before after all: the message is damaged.
  roles.writer = writer;
  t.world.tell(t.roles.queue_manager, roles);
  t.world.drain();
  CHECK(t.follow() == without(t.bodies, "m13"));
}

TEST_CASE("queue_manager: damage in the log does not hide what lies behind it", "[actors][doubt]") {
  doubted_queue t;
  auto& other = t.stored.at(2 * 12 + 1); // of the other queue, between 12 and 13
  {
    std::fstream log(storage::log_file_path(t.options.store, 0),
                     std::ios::binary | std::ios::in | std::ios::out);
    log.seekp(other.offset);
    log << std::string(60, '\0');
  }
  t.flip(13, 61);
  CHECK(t.follow() == t.bodies);
  CHECK(t.is_sound());
}

TEST_CASE("queue_manager: a message is shown although its entry cannot be written",
          "[actors][doubt]") {
  doubted_queue t;
  bool broken = true;
  t.files.fault = [&](action what, const std::string& path) {
    return broken && what == action::write && path.find("/consumequeue/") != std::string::npos
               ? errc::io_error
               : errc::none;
  };
  t.flip(11, 60);
  CHECK(t.follow() == t.bodies);
  CHECK_FALSE(t.is_sound());
  broken = false;
  CHECK(t.follow() == t.bodies);
  CHECK(t.is_sound());
}

TEST_CASE("queue_manager: as long as the log cannot be read nobody passes an entry in doubt",
          "[actors][doubt]") {
  doubted_queue t;
  t.flip(11, 60);
  for (auto& one : t.roles.readers)
    t.world.kill(one);
  t.world.drain();
  auto before = t.pull(11);
  CHECK(before.get().has_error());
  t.roles.readers.clear();
  t.add_readers();
  t.announce();
  bool broken = true;
  t.files.read_fault = [&](const std::string& path) {
    return broken && path.find("/commitlog/") != std::string::npos ? errc::io_error : errc::none;
  };
  CHECK(t.pull(11).get().has_error());
  CHECK(t.status().damaged_messages == 0);
  broken = false;
  CHECK(t.follow({}, 11).size() == messages - 11);
  CHECK(t.is_sound());
}

TEST_CASE("queue_manager: an entry that leads before the log's beginning has not expired",
          "[actors][doubt]") {
  doubted_queue t;
  t.world
      .ask<put_bundle_response>(t.roles.writer, group_of(put_of("b", numbered("n", 150, 1, 600))))
      .value();
  REQUIRE(all_stored(t.put(put_of("a", numbered("x", 5)))));
  t.world.run_for(3s);
  auto min = static_cast<log_offset>(t.options.store.log_file_size_bytes);
  t.world.tell(t.roles.queue_manager, drop_atom_v, min);
  for (auto& one : t.roles.readers)
    t.world.tell(one, drop_atom_v, min);
  t.world.drain();
  REQUIRE(t.pull(0).value().next == messages);
  t.set_offset(messages + 2, 77);
  auto shown = t.follow({}, messages);
  CHECK(shown == std::vector<std::string>{"x0", "x1", "x2", "x3", "x4"});
}
