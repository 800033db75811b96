#include "net/gateway/socket_server.hpp"
#include "net/remoting/frame.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/comes_true.hpp"
#include "tests/support/socket_client.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

using namespace troupe;
using namespace troupe::net;
using namespace std::chrono_literals;
using test::socket_client;

namespace {

constexpr auto patience = 10s;

/// A server whose requests the test answers when it likes.
class open_door {
public:
  explicit open_door(const gateway_options& options) {
    auto made = socket_server::listen(options, "127.0.0.1", {0});
    REQUIRE(made);
    server = std::move(made.value());
    port = server->ports().front();
    send = server->send_function();
    auto arrive = [this](arrived batch) {
      std::lock_guard lock(mutex_);
      for (auto& request : batch.requests) {
        if (echo)
          send(answer(batch.from, request, {}));
        requests_.emplace_back(batch.from, std::move(request));
      }
      changed_.notify_all();
    };
    auto end = [this](departed who) {
      std::lock_guard lock(mutex_);
      gone_.push_back(who.from);
      changed_.notify_all();
    };
    REQUIRE(server->start({arrive, end}));
  }
  ~open_door() { server->stop(); }

  static outgoing answer(connection_id to, const client_request& request,
                         std::vector<storage::slice> body) {
    outgoing out;
    out.to = to;
    out.settled_bytes = request.bytes;
    auto header = remoting::answer_to(request.header.opaque, request.header.type, 0);
    std::size_t bytes = 0;
    for (auto& slice : body)
      bytes += slice.size();
    remoting::append_frame_head(out.head, header, bytes);
    out.body = std::move(body);
    return out;
  }

  std::pair<connection_id, client_request> next_request() {
    std::unique_lock lock(mutex_);
    REQUIRE(changed_.wait_for(lock, patience, [&] { return !requests_.empty(); }));
    auto first = std::move(requests_.front());
    requests_.pop_front();
    return first;
  }
  std::size_t arrived_requests() {
    std::lock_guard lock(mutex_);
    return requests_.size();
  }
  bool ends(std::size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, [&] { return gone_.size() >= count; });
  }
  std::size_t ended() {
    std::lock_guard lock(mutex_);
    return gone_.size();
  }

  std::unique_ptr<socket_server> server;
  std::uint16_t port = 0;
  socket_server::sender send;
  std::atomic<bool> echo = false;

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::pair<connection_id, client_request>> requests_;
  std::vector<connection_id> gone_;
};

gateway_options small_door() {
  gateway_options o;
  o.connections = 100;
  o.connections_per_address = 100;
  o.connection_bytes = storage::mib;
  o.total_bytes = 4 * storage::mib;
  o.unread_bytes = 4 * storage::mib;
  return o;
}

/// A body that lies in a mapped file, or seems to.
storage::slice mapped_body(std::size_t size) {
  struct bytes_of_a_file final : storage::mapping {
    explicit bytes_of_a_file(std::size_t n) : text(n, 'm') {
      bytes_ = std::as_bytes(std::span(text));
    }
    bool damaged() const noexcept override { return false; }
    void revoke() noexcept override {}
    std::string text;
  };
  auto file = std::make_shared<bytes_of_a_file>(size);
  auto bytes = file->bytes();
  return {std::shared_ptr<const storage::mapping>(std::move(file)), bytes};
}

/// True if a client is answered within a second, whatever others do.
bool serves(open_door& door) {
  door.echo = true;
  socket_client good(door.port);
  auto began = std::chrono::steady_clock::now();
  good.send(test::request_frame(7, 10'000));
  bool answered = good.reads_an_answer(7);
  bool in_time = std::chrono::steady_clock::now() - began < 1s;
  door.echo = false;
  return answered && in_time;
}

} // namespace

TEST_CASE("sockets: unfinished frames of many leave room for one that comes later", "[gateway]") {
  open_door door(small_door());
  std::vector<socket_client> greedy;
  for (int i = 0; i < 60; ++i) {
    greedy.emplace_back(door.port);
    greedy.back().send(test::announced_frame(15 * storage::mib));
    greedy.back().send_what_is_taken(14 * storage::mib);
  }
  CHECK(serves(door));
}

TEST_CASE("sockets: a frame larger than any share is completed in its turn", "[gateway]") {
  auto options = small_door();
  options.total_bytes = 64 * storage::kib;
  open_door door(options);
  std::vector<std::thread> senders;
  std::atomic<int> answered = 0;
  door.echo = true;
  for (int i = 0; i < 4; ++i)
    senders.emplace_back([&, i] {
      socket_client client(door.port);
      client.send(test::request_frame(i, 3 * storage::mib));
      answered += client.reads_an_answer(i) ? 1 : 0;
      client.send(test::request_frame(i + 10, 20));
      answered += client.reads_an_answer(i + 10) ? 1 : 0;
    });
  for (auto& t : senders)
    t.join();
  CHECK(answered == 8);
}

TEST_CASE("sockets: who has the turn and sends nothing makes way for those who wait", "[gateway]") {
  auto options = small_door();
  options.total_bytes = 64 * storage::kib;
  open_door door(options);
  socket_client silent(door.port);
  silent.send(test::announced_frame(15 * storage::mib));
  silent.send(std::string(14 * storage::mib, 'x')); // more than is taken from who has not the turn
  door.echo = true;
  socket_client good(door.port);
  good.send(test::request_frame(1, storage::mib));
  CHECK(good.reads_an_answer(1));
  CHECK(door.ends(1));
}

TEST_CASE("sockets: requests of some that are not answered do not stop others", "[gateway]") {
  open_door door(small_door());
  std::vector<socket_client> greedy;
  for (int i = 0; i < 9; ++i) {
    greedy.emplace_back(door.port);
    greedy.back().send_what_is_taken(test::request_frames(40'000));
  }
  // Each counts what it costs the node, not only its 21 bytes.
  CHECK(door.arrived_requests() < 4 * storage::mib / 1024);
  CHECK(serves(door));
}

TEST_CASE("sockets: answers that are not read stop nobody but their client", "[gateway]") {
  auto options = small_door();
  options.unread_bytes = storage::gib;
  open_door door(options);
  std::vector<socket_client> deaf;
  for (int i = 0; i < 9; ++i) {
    deaf.emplace_back(door.port);
    deaf.back().send(test::request_frame(i, 100));
    auto [from, request] = door.next_request();
    for (int piece = 0; piece < 32; ++piece)
      door.send(open_door::answer(from, request, {mapped_body(256 * storage::kib)}));
    deaf.back().send(test::request_frame(100, 100));
  }
  CHECK(door.ended() == 0);
  CHECK(door.arrived_requests() == 0);
  CHECK(serves(door));
}

TEST_CASE("sockets: of unread answers the largest holder is closed first", "[gateway]") {
  for (bool mapped : {true, false}) {
    open_door door(small_door());
    socket_client small(door.port), large(door.port);
    auto give = [&](socket_client& to, std::size_t bytes) {
      to.send(test::request_frame(1, 10));
      auto [from, request] = door.next_request();
      auto body =
          mapped ? mapped_body(bytes) : storage::slice::copy_of_text(std::string(bytes, 'c'));
      door.send(open_door::answer(from, request, {body}));
      return from;
    };
    give(small, 8 * storage::mib); // more than the buffers of the system take
    CHECK(door.ended() <= 1);
    give(large, 40 * storage::mib);
    REQUIRE(door.ends(1));
    CHECK(serves(door));
  }
}

TEST_CASE("sockets: a receipt is let go when the client has the answer, or never will",
          "[gateway]") {
  open_door door(small_door());
  socket_client client(door.port);
  std::atomic<int> taken = 0;
  auto give = [&](std::size_t bytes) {
    client.send(test::request_frame(1, 10));
    auto [from, request] = door.next_request();
    auto out = open_door::answer(from, request, {mapped_body(bytes)});
    out.receipt = std::shared_ptr<void>(nullptr, [&](void*) { ++taken; });
    door.send(std::move(out));
  };
  give(1000);
  CHECK(client.reads_an_answer(1));
  CHECK(test::comes_true([&] { return taken == 1; }));
  give(3 * storage::mib + 512 * storage::kib);
  CHECK(client.reads_an_answer(1));
  CHECK(test::comes_true([&] { return taken == 2; }));
  give(32 * storage::mib); // over the limit, so the connection is closed
  CHECK(door.ends(1));
  CHECK(test::comes_true([&] { return taken == 3; }));
}

TEST_CASE("sockets: an address has no more connections than its share", "[gateway]") {
  auto options = small_door();
  options.connections = 10;
  options.connections_per_address = 0; // half
  open_door door(options);
  door.echo = true;
  std::vector<socket_client> greedy;
  for (int i = 0; i < 8; ++i)
    greedy.emplace_back(door.port);
  int served = 0;
  for (auto& client : greedy) {
    client.send(test::request_frame(1, 10));
    served += client.reads_an_answer(1) ? 1 : 0;
  }
  CHECK(served == 5);
  socket_client other(door.port, "127.0.0.2");
  other.send(test::request_frame(1, 10));
  CHECK(other.reads_an_answer(1));
  greedy.clear();
  CHECK(test::comes_true([&] {
    socket_client again(door.port);
    again.send(test::request_frame(1, 10));
    return again.reads_an_answer(1);
  }));
}

TEST_CASE("sockets: what is one request too many of an address is refused, and may come again",
          "[gateway]") {
  auto options = small_door();
  options.requests_per_address = 3;
  open_door door(options);
  socket_client one(door.port);
  socket_client same(door.port);
  socket_client other(door.port, "127.0.0.2");
  one.send(test::request_frame(1, 10) + test::request_frame(2, 10));
  auto first = door.next_request();
  door.next_request();
  same.send(test::request_frame(3, 10));
  door.next_request();
  same.send(test::request_frame(4, 10));
  CHECK(same.reads_an_answer(4)); // refused: nobody else answers
  CHECK(door.arrived_requests() == 0);
  other.send(test::request_frame(5, 10));
  door.next_request();
  door.send(open_door::answer(first.first, first.second, {}));
  CHECK(one.reads_an_answer(1));
  same.send(test::request_frame(6, 10));
  door.next_request();
}

TEST_CASE("sockets: what a connection leaves open is free when it is closed", "[gateway]") {
  auto options = small_door();
  options.requests_per_address = 2;
  open_door door(options);
  socket_client keeper(door.port); // the address stays known
  keeper.send(test::request_frame(1, 10));
  door.next_request();
  {
    socket_client one(door.port);
    one.send(test::request_frame(2, 10));
    door.next_request();
  }
  CHECK(door.ends(1));
  keeper.send(test::request_frame(3, 10));
  CHECK(door.next_request().second.header.opaque == 3);
}

TEST_CASE("sockets: a connection's requests are its account's from the time it is known",
          "[gateway]") {
  open_door door(small_door());
  auto account = std::make_shared<request_share>("account 'a'", "requests-per-account", 2);
  socket_client one(door.port);
  socket_client same(door.port);
  one.send(test::request_frame(1, 10));
  auto first = door.next_request();
  door.send({.to = first.first, .head = {}, .body = {}, .account = account});
  same.send(test::request_frame(2, 10));
  auto second = door.next_request();
  door.send({.to = second.first, .head = {}, .body = {}, .account = account});
  // An answer shows that the word before it was taken.
  door.send(open_door::answer(second.first, second.second, {}));
  CHECK(same.reads_an_answer(2));
  same.send(test::request_frame(3, 10));
  auto third = door.next_request();
  same.send(test::request_frame(4, 10));
  CHECK(same.reads_an_answer(4)); // refused
  door.send(open_door::answer(first.first, first.second, {}));
  CHECK(one.reads_an_answer(1));
  same.send(test::request_frame(5, 10));
  CHECK(door.next_request().second.header.opaque == 5);
}

TEST_CASE("sockets: who is to leave reads his answer before", "[gateway]") {
  open_door door(small_door());
  socket_client one(door.port);
  one.send(test::request_frame(1, 10));
  auto first = door.next_request();
  door.send(open_door::answer(first.first, first.second, {}));
  door.send({.to = first.first, .head = {}, .body = {}, .last = true});
  CHECK(one.reads_an_answer(1));
  CHECK(door.ends(1));
}

TEST_CASE("sockets: closing all settles what they hold, and clients come again", "[gateway]") {
  open_door door(small_door());
  auto fill = [&] {
    std::vector<socket_client> greedy;
    for (int i = 0; i < 9; ++i) {
      auto before = door.arrived_requests();
      greedy.emplace_back(door.port);
      greedy.back().send_what_is_taken(test::request_frames(40'000));
      CHECK(test::comes_true([&] { return door.arrived_requests() > before; }));
    }
    return greedy;
  };
  auto first = fill();
  auto taken = door.arrived_requests();
  CHECK(taken > 1000);
  door.server->close_clients();
  REQUIRE(door.ends(9));
  auto second = fill();
  CHECK(door.arrived_requests() > taken + 1000); // as many as if nobody had been there before
}
