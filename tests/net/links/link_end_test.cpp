#include "net/link_end.hpp"

#include "actors/messages.hpp"
#include "net/client.hpp"
#include "net/link_pieces.hpp"
#include "sim/world.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>

using namespace troupe;

namespace {

/// Two ends of a link, and a role at one of them as it is seen from the other.
struct stand {
  explicit stand(const net::link_limits& limits = {})
      : here(make_end(limits, there, overflows)), there(make_end(limits, here, overflows)) {
    role = world.play<caf::actor>([this](caf::event_based_actor* self) -> caf::message_handler {
      return {[this](std::int32_t x) {
                told.push_back(x);
                return x + 1;
              },
              [this](const record_batch& batch) { told.push_back(first_byte(batch)); },
              [](std::int32_t size, create_atom) { return batch_of(size, 1); },
              [this, self](fetch_atom) {
                kept = self->make_response_promise<std::string>();
                return kept;
              },
              [self, this](seen_atom, std::int32_t x) { return self->delegate(second, x); }};
    });
    second = world.play<caf::actor>([](caf::event_based_actor*) -> caf::message_handler {
      return {[](std::int32_t x) { return x + 100; }};
    });
    port = there->port_before(caf::actor_cast<caf::strong_actor_ptr>(role));
    exit = caf::actor_cast<caf::actor>(here->exit_before(port));
    world.drain();
  }
  ~stand() {
    here->close();
    there->close();
  }

  static std::int32_t first_byte(const record_batch& batch) {
    return std::to_integer<std::int32_t>(batch.records[0].bytes()[0]);
  }
  static record_batch batch_of(std::int32_t size, std::int32_t number) {
    std::vector<std::byte> bytes(static_cast<std::size_t>(size), static_cast<std::byte>(number));
    return {{storage::slice::copy_of(bytes)}, 0};
  }
  std::shared_ptr<net::link_end> make_end(const net::link_limits& limits,
                                          std::shared_ptr<net::link_end>& other, int& overflowed) {
    return std::make_shared<net::link_end>(
        world.system(), limits,
        net::link_end::callbacks{[this, &other](std::uint64_t total) {
                                   if (carries) // it crosses, too
                                     world.inside(role,
                                                  [&other, total] { other->peer_took(total); });
                                 },
                                 [&overflowed](const std::string&) { ++overflowed; },
                                 [this](std::uint64_t total) { asked.push_back(total); }});
  }

  /// Counts how often the exit's end is seen.
  caf::actor watch_exit() {
    auto watcher =
        world.play<caf::actor>([this](caf::event_based_actor* self) -> caf::message_handler {
          self->set_down_handler([this](const caf::down_msg&) { ++downs; });
          self->monitor(exit);
          return {[](watch_atom) {}};
        });
    world.drain();
    return watcher;
  }

  sim::world world;
  int downs = 0;
  bool carries = true; ///< word of what has been taken
  int overflows = 0;
  std::vector<std::uint64_t> asked; ///< whether so much has been taken
  std::shared_ptr<net::link_end> here;
  std::shared_ptr<net::link_end> there;
  std::vector<std::int32_t> told;
  caf::response_promise kept;
  caf::actor role;
  caf::actor second;
  caf::strong_actor_ptr port;
  caf::actor exit;
};

constexpr net::link_limits small{.open_bytes = 10'000, .waiting_bytes = 50'000};

} // namespace

TEST_CASE("link end: what is sent to a role of the peer reaches it, and answers come back",
          "[links]") {
  stand s;
  CHECK(s.world.ask<std::int32_t>(s.exit, std::int32_t{4}).value() == 5);
  s.world.tell(s.exit, std::int32_t{7});
  s.world.drain();
  CHECK(s.told == std::vector<std::int32_t>{4, 7});
  auto later = s.world.request<std::string>(s.exit, fetch_atom_v);
  s.world.drain();
  CHECK_FALSE(later.there());
  s.world.inside(s.role, [&] { s.kept.deliver(std::string{"late"}); });
  s.world.drain();
  CHECK(later.value() == "late");
}

TEST_CASE("link end: a role may leave the answer to another", "[links]") {
  stand s;
  CHECK(s.world.ask<std::int32_t>(s.exit, seen_atom_v, std::int32_t{1}).value() == 101);
  s.second = s.exit; // and that other may be behind the link
  CHECK(s.world.ask<std::int32_t>(s.role, seen_atom_v, std::int32_t{1}).value() == 2);
}

TEST_CASE("link end: nothing passes a closed one, and who asks is told", "[links]") {
  auto closes_there = GENERATE(false, true);
  stand s;
  auto open = s.world.request<std::string>(s.exit, fetch_atom_v);
  s.world.drain();
  (closes_there ? s.there : s.here)->close();
  s.world.tell(s.exit, std::int32_t{7});
  auto refused = s.world.ask<std::int32_t>(s.exit, std::int32_t{8});
  CHECK(refused.code() == errc::connection_lost);
  CHECK(s.told.empty());
  s.world.inside(s.role, [&] { s.kept.deliver(std::string{"late"}); });
  s.world.drain();
  CHECK_FALSE(open.there());                  // nor does an answer of before
  (closes_there ? s.there : s.here)->close(); // once more does no harm
}

TEST_CASE("link end: its end is seen, and the role lives on", "[links]") {
  stand s;
  auto watcher = s.watch_exit();
  s.here->close();
  s.world.drain();
  CHECK(s.downs == 1);
  CHECK(s.world.ask<std::int32_t>(s.role, std::int32_t{4}).value() == 5);
}

TEST_CASE("link end: the end of a role is seen at the other end", "[links]") {
  stand s;
  auto watcher = s.watch_exit();
  s.world.kill(s.role);
  s.world.drain();
  CHECK(s.downs == 1);
}

TEST_CASE("link end: a peer does not end the role", "[links]") {
  stand s;
  caf::anon_send_exit(s.exit, caf::exit_reason::kill);
  caf::anon_send_exit(caf::actor_cast<caf::actor>(s.port), caf::exit_reason::kill);
  s.world.drain();
  CHECK(s.world.ask<std::int32_t>(s.role, std::int32_t{4}).value() == 5);
}

TEST_CASE("link end: beyond the window messages wait, in order", "[links]") {
  stand s{small};
  s.carries = false;
  for (std::int32_t i = 0; i < 14; ++i)
    s.world.tell(s.exit, stand::batch_of(3000, i));
  s.world.tell(s.exit, std::int32_t{99}); // a small one does not overtake them
  s.world.drain();
  CHECK(s.told == std::vector<std::int32_t>{0, 1, 2, 3});
  CHECK(s.here->open_bytes() >= small.open_bytes);
  CHECK(s.here->open_bytes() < small.open_bytes + 3500);
  CHECK(s.here->waiting_bytes() > 9 * 3000);
  s.carries = true;
  s.here->peer_took(s.here->open_bytes());
  s.world.drain();
  CHECK(s.told.size() == 15);
  CHECK(std::ranges::is_sorted(s.told));
  CHECK(s.here->waiting_bytes() == 0);
  CHECK(s.overflows == 0);
}

TEST_CASE("link end: who takes nothing does not make it hold without end", "[links]") {
  stand s{small};
  s.carries = false;
  for (std::int32_t i = 0; i < 40; ++i)
    s.world.tell(s.exit, stand::batch_of(3000, i));
  s.world.drain();
  CHECK(s.overflows > 0);
  CHECK(s.here->waiting_bytes() <= small.waiting_bytes);
}

TEST_CASE("link end: answers are counted as what is sent", "[links]") {
  stand s{small};
  s.carries = false;
  std::vector<sim::answer<record_batch>> answers;
  for (int i = 0; i < 6; ++i)
    answers.push_back(s.world.request<record_batch>(s.exit, std::int32_t{3000}, create_atom_v));
  s.world.drain();
  auto there = [&] {
    return std::ranges::count_if(answers, [](auto& answer) { return answer.there(); });
  };
  CHECK(there() == 4);
  s.carries = true;
  s.there->peer_took(s.there->open_bytes());
  s.world.drain();
  CHECK(there() == 6);
}

TEST_CASE("link end: word of more than was sent, or of less, changes nothing", "[links]") {
  stand s{small};
  s.carries = false;
  for (std::int32_t i = 0; i < 6; ++i)
    s.world.tell(s.exit, stand::batch_of(3000, i));
  s.world.drain();
  auto open = s.here->open_bytes();
  s.here->peer_took(open + 1);
  s.here->peer_took(0);
  s.world.drain();
  CHECK(s.told.size() == 4);
  CHECK(s.here->open_bytes() == open);
}

// -- pieces --------------------------------------------------------------------------------------

namespace {

constexpr net::link_limits tiny_pieces{
    .open_bytes = 10'000, .piece_bytes = 1'000, .waiting_bytes = 500'000};

} // namespace

TEST_CASE("link end: a large message crosses in pieces, and so does a large answer", "[links]") {
  stand s(tiny_pieces);
  auto big = s.batch_of(95'000, 7);
  s.world.tell(s.exit, big);
  s.world.tell(s.exit, std::int32_t{8}); // in its order
  s.world.drain();
  CHECK(s.told == std::vector<std::int32_t>{7, 8});
  auto answer = s.world.ask<record_batch>(s.exit, std::int32_t{40'000}, create_atom_v).value();
  REQUIRE(answer.records.size() == 1);
  CHECK(answer.records[0].size() == 40'000);
  CHECK(s.first_byte(answer) == 1);
  CHECK(s.overflows == 0);
  CHECK(s.here->open_bytes() < 4 * tiny_pieces.piece_bytes); // all of it was counted as taken
}

TEST_CASE("link end: no more of a large message is under way than the window has", "[links]") {
  stand s(tiny_pieces);
  s.carries = false;
  s.world.tell(s.exit, s.batch_of(95'000, 7));
  s.world.drain();
  CHECK(s.told.empty());
  CHECK(s.here->open_bytes() <= tiny_pieces.open_bytes + 2 * tiny_pieces.piece_bytes);
  CHECK(s.here->waiting_bytes() > 80'000);
  // What comes between takes its turn behind it.
  s.world.tell(s.exit, std::int32_t{8});
  s.world.drain();
  CHECK(s.told.empty());
  s.carries = true;
  s.here->peer_took(s.here->open_bytes());
  s.world.drain();
  CHECK(s.told == std::vector<std::int32_t>{7, 8});
}

TEST_CASE("link end: pieces that do not fit together end the link", "[links]") {
  stand s(tiny_pieces);
  auto bytes = storage::slice::copy_of_text("0123456789");
  auto port = caf::actor_cast<caf::actor>(s.port);
  std::vector<link_piece> wrong;
  SECTION("one is missing") {
    wrong = {{bytes, 20}, {bytes, 0}};
  }
  SECTION("the last one is no message of ours") {
    wrong = {{bytes, 10}, {bytes, 0}};
  }
  SECTION("it would be larger than any message") {
    wrong = {{bytes, net::largest_message}};
  }
  SECTION("one without content") {
    wrong = {{storage::slice{}, 10}};
  }
  for (auto& piece : wrong)
    s.world.tell(port, piece);
  s.world.drain();
  CHECK(s.overflows == 1);
  CHECK(s.told.empty());
}

TEST_CASE("link end: a full one asks once whether all has been taken", "[links]") {
  stand s{small};
  s.carries = false; // as when it was sent to actors that have ended
  for (std::int32_t i = 0; i < 6; ++i)
    s.world.tell(s.exit, stand::batch_of(3000, i));
  s.world.drain();
  CHECK(s.asked == std::vector<std::uint64_t>{s.here->open_bytes()});
  s.here->peer_took(s.asked.front());
  s.world.drain();
  CHECK(s.told.size() == 6);
  CHECK(s.asked.size() == 1); // nothing waits
}
