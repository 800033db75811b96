#include "net/admin/admin_server.hpp"
#include "net/admin/page_assets.hpp"
#include "tests/net/admin/http_client.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/comes_true.hpp"

#include <atomic>
#include <mutex>
#include <vector>

using namespace troupe;
using namespace troupe::net;
using namespace std::chrono_literals;
using test::get;
using test::http_client;

namespace {

/// A server that says what it was asked, or keeps it to itself.
struct open_port {
  explicit open_port(const admin_options& options = {}) {
    auto made = admin_server::listen(options, "127.0.0.1", 0, {"broker1"});
    REQUIRE(made);
    server = std::move(made.value());
    REQUIRE(server->start([this](const admin_request& request, admin_reply reply) {
      ++asked;
      if (request.path == "/tagged")
        return reply({200, "text/css", std::make_shared<std::string>("body{}"), "\"t1\""});
      if (request.path == "/silent") {
        std::lock_guard lock(mutex);
        return kept.push_back(std::move(reply));
      }
      if (request.path == "/large")
        return reply(text_answer(std::string(std::size_t{8} << 20, 'x')));
      reply(text_answer(request.path + "|" + request.query));
    }));
  }
  ~open_port() { server->stop(); }
  std::uint16_t port() const { return server->port(); }

  std::unique_ptr<admin_server> server;
  std::atomic<int> asked{0};
  std::mutex mutex;
  std::vector<admin_reply> kept;
};

int status_of(open_port& at, std::string_view request) {
  http_client client(at.port());
  auto a = client.ask(request);
  return a ? a->status : 0;
}

} // namespace

TEST_CASE("admin server: many requests on one connection are answered in order", "[admin]") {
  open_port at;
  http_client client(at.port());
  for (auto* target : {"/a", "/b?c=d", "/e?"}) {
    auto a = client.ask(get(target));
    REQUIRE(a);
    CHECK(a->status == 200);
  }
  REQUIRE(client.send(get("/1") + get("/2?x") + get("/3"))); // ahead of the answers
  CHECK(client.answer()->body == "/1|");
  CHECK(client.answer()->body == "/2|x");
  CHECK(client.answer()->body == "/3|");
}

TEST_CASE("admin server: what a page may do is in every answer", "[admin]") {
  open_port at;
  http_client client(at.port());
  for (auto* request : {"/x", "/tagged"}) {
    auto a = client.ask(get(request));
    REQUIRE(a);
    CHECK(a->field("content-security-policy").starts_with("default-src 'self'"));
    CHECK(a->field("x-content-type-options") == "nosniff");
    CHECK(a->field("x-frame-options") == "DENY");
    CHECK(a->field("access-control-allow-origin").empty());
    CHECK_FALSE(a->field("date").empty());
  }
  CHECK(client.ask(get("/x"))->field("cache-control") == "no-store");
  CHECK(client.ask("DELETE /x HTTP/1.1\r\nHost: localhost\r\n\r\n")
            ->field("x-content-type-options") == "nosniff");
}

TEST_CASE("admin server: what is known already is not sent again", "[admin]") {
  open_port at;
  http_client client(at.port());
  auto first = client.ask(get("/tagged"));
  CHECK(first->field("etag") == "\"t1\"");
  CHECK(first->field("content-type") == "text/css");
  auto again = client.ask(get("/tagged", "If-None-Match: \"t1\"\r\n"), true);
  CHECK(again->status == 304);
  CHECK(client.ask(get("/tagged", "If-None-Match: \"t0\"\r\n"))->status == 200);
}

TEST_CASE("admin server: HEAD is answered without the body", "[admin]") {
  open_port at;
  http_client client(at.port());
  auto a = client.ask("HEAD /abc HTTP/1.1\r\nHost: localhost\r\n\r\n", true);
  REQUIRE(a);
  CHECK(a->status == 200);
  CHECK(a->field("content-length") == "5");
  CHECK(client.ask(get("/abc"))->body == "/abc|"); // nothing lies between
}

TEST_CASE("admin server: what could change something, or is too large, is refused", "[admin]") {
  open_port at;
  std::string host = "Host: localhost\r\n";
  for (auto* method : {"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "BREW"})
    CHECK(status_of(at, std::string(method) + " / HTTP/1.1\r\n" + host + "\r\n") == 405);
  CHECK(status_of(at, "GET / HTTP/1.1\r\n" + host + "Content-Length: 5\r\n\r\nhello") == 413);
  CHECK(status_of(at, "POST / HTTP/1.1\r\n" + host + "Content-Length: 5\r\n\r\nhello") == 413);
  CHECK(status_of(at, "GET / HTTP/1.1\r\n" + host +
                          "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n") == 413);
  CHECK(status_of(at, "GET / HTTP/1.1\r\n" + host + "X: " + std::string(20'000, 'x') +
                          "\r\n\r\n") == 431);
  CHECK(status_of(at, "GET /" + std::string(40'000, 'x') + " HTTP/1.1\r\n" + host + "\r\n") == 431);
  CHECK(status_of(at, "GET http://localhost/ HTTP/1.1\r\n" + host + "\r\n") == 400);
  CHECK(status_of(at, "GET * HTTP/1.1\r\n" + host + "\r\n") == 400);
  CHECK(status_of(at, "G\x01T / HTTP/1.1\r\n" + host + "\r\n") == 400);
  CHECK(status_of(at, "no http at all\r\n\r\n") == 505);
  CHECK(status_of(at, "GET / HTTP/3.7\r\n" + host + "\r\n") == 505);
  CHECK(at.asked == 0);
}

TEST_CASE("admin server: a host that is not served here sees nothing", "[admin]") {
  open_port at;
  auto with = [&](const std::string& fields) {
    return status_of(at, "GET / HTTP/1.1\r\n" + fields + "\r\n");
  };
  CHECK(with("Host: evil.example\r\n") == 421);
  CHECK(with("Host: localhost.evil.example:10990\r\n") == 421);
  CHECK(with("") == 400);
  CHECK(with("Host: localhost\r\nHost: evil.example\r\n") == 400);
  CHECK(status_of(at, "GET / HTTP/1.0\r\n\r\n") == 400);
  CHECK(at.asked == 0);
  CHECK(with("Host: broker1:10990\r\n") == 200);
  CHECK(with("Host: 127.0.0.1\r\n") == 200);
}

TEST_CASE("admin server: who sends slowly, nothing, or takes nothing is let go", "[admin]") {
  admin_options options;
  options.request_time = 300ms;
  options.idle_time = 300ms;
  open_port at(options);
  http_client silent(at.port());
  http_client slow(at.port());
  http_client greedy(at.port());
  REQUIRE(slow.send("GET / HT"));
  for (int i = 0; i < 40; ++i) // never read: the socket's room is less
    greedy.send(get("/large"));
  CHECK(slow.ends());
  CHECK(silent.ends());
  CHECK(test::comes_true([&] { return !greedy.send(get("/x")); }));
}

TEST_CASE("admin server: more connections than it may have are closed at once", "[admin]") {
  admin_options options;
  options.connections = 2;
  open_port at(options);
  auto first = std::make_unique<http_client>(at.port());
  http_client second(at.port());
  REQUIRE(first->ask(get("/1")));
  REQUIRE(second.ask(get("/2")));
  http_client third(at.port());
  CHECK(third.ends());
  first.reset();
  CHECK(test::comes_true([&] { return http_client(at.port()).ask(get("/4")).has_value(); }));
}

TEST_CASE("admin server: one that waits holds up no other, and may be answered after the end",
          "[admin]") {
  std::vector<admin_reply> late;
  {
    open_port at;
    http_client waiting(at.port());
    REQUIRE(waiting.send(get("/silent")));
    REQUIRE(test::comes_true([&] { return at.asked == 1; }));
    http_client other(at.port());
    CHECK(other.ask(get("/x"))->status == 200);
    {
      std::lock_guard lock(at.mutex);
      at.kept.front()(text_answer("now"));
    }
    CHECK(waiting.answer()->body == "now");
    REQUIRE(waiting.send(get("/silent")));
    REQUIRE(test::comes_true([&] { return at.asked == 3; }));
    std::lock_guard lock(at.mutex);
    late = at.kept;
  }
  for (auto& reply : late)
    reply(text_answer("too late"));
}

TEST_CASE("page: each file is there with its type, and the first one at /", "[admin]") {
  auto* index = find_asset("/");
  REQUIRE(index != nullptr);
  CHECK(index == find_asset("/index.html"));
  CHECK(index->type == "text/html; charset=utf-8");
  CHECK(index->bytes.starts_with("<!doctype html>"));
  CHECK(index->bytes.ends_with("</html>\n"));
  CHECK(index->bytes.find("<script>") == std::string_view::npos); // the policy forbids it
  REQUIRE(find_asset("/page.js") != nullptr);
  CHECK(find_asset("/page.js")->tag != index->tag);
  CHECK(find_asset("/page.j") == nullptr);
  CHECK(find_asset("/../page.js") == nullptr);
}
