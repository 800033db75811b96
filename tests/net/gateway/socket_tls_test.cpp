// The ports for RocketMQ clients, which find out by the first byte whether a client speaks TLS.

#include "net/gateway/socket_server.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/comes_true.hpp"
#include "tests/support/socket_client.hpp"
#include "tests/support/temporary_directory.hpp"

#include <atomic>
#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

using namespace troupe;
using namespace troupe::net;
using test::socket_client;

namespace {

using state = tls_session::state;

/// Answers each request with a body of so many bytes.
class echo_door {
public:
  echo_door(tls_mode mode, tls_files files,
            std::chrono::milliseconds frame_time = std::chrono::seconds(30)) {
    files.keys = "[gateway] tls-";
    auto loaded = door_tls::open(files);
    INFO((loaded ? std::string() : loaded.error().message));
    REQUIRE(loaded);
    tls = loaded.value();
    gateway_options options;
    options.tls = mode;
    options.frame_time = frame_time;
    auto made = socket_server::listen(options, "127.0.0.1", {0}, tls);
    REQUIRE(made);
    server = std::move(made.value());
    port = server->ports().front();
    auto arrive = [this, send = server->send_function()](arrived batch) {
      for (auto& request : batch.requests) {
        outgoing out;
        out.to = batch.from;
        out.settled_bytes = request.bytes;
        received += request.body.size();
        std::string body(answer_bytes, 'a');
        remoting::append_frame_head(
            out.head, remoting::answer_to(request.header.opaque, request.header.type, 0),
            2 * body.size());
        out.body = {storage::slice::copy_of_text(body), storage::slice::copy_of_text(body)};
        send(std::move(out));
      }
    };
    REQUIRE(server->start({arrive, [this](departed) { ++ended; }}));
  }
  ~echo_door() { server->stop(); }

  std::shared_ptr<door_tls> tls;
  std::unique_ptr<socket_server> server;
  std::uint16_t port = 0;
  std::atomic<std::size_t> answer_bytes = 10;
  std::atomic<std::size_t> received = 0;
  std::atomic<int> ended = 0;
};

/// A client that believes the authority of these files, and shows their certificate if told to.
class tls_client {
public:
  tls_client(std::uint16_t port, const tls_files& files, bool shows, int most = TLS1_3_VERSION)
      : context_(SSL_CTX_new(TLS_method()), SSL_CTX_free), fd_(test::dial_loopback(port)) {
    SSL_CTX_set_max_proto_version(context_.get(), most);
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
    REQUIRE(SSL_CTX_load_verify_file(context_.get(), files.ca.c_str()) == 1);
    if (shows) {
      REQUIRE(SSL_CTX_use_certificate_chain_file(context_.get(), files.certificate.c_str()) == 1);
      REQUIRE(SSL_CTX_use_PrivateKey_file(context_.get(), files.key.c_str(), SSL_FILETYPE_PEM) ==
              1);
    }
    timeval patience{10, 0};
    (void)::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    session_ = tls_session::make(*context_, fd_, SSL_connect);
  }
  ~tls_client() { ::close(fd_); }
  tls_client(const tls_client&) = delete;
  tls_client& operator=(const tls_client&) = delete;

  bool shakes_hands() { return session_->shake_hands() == state::done; }
  bool send(std::string_view bytes) {
    std::size_t done = 0;
    while (!bytes.empty()) {
      if (session_->write(bytes.data(), bytes.size(), done) != state::done)
        return false;
      bytes.remove_prefix(done);
    }
    return true;
  }
  /// Bytes of the next answer's body, or nothing when the other side hangs up.
  std::optional<std::size_t> reads() {
    for (;;) {
      auto next = splitter_.next();
      if (!next)
        return std::nullopt;
      if (next.value())
        return next.value()->body.size();
      auto room = splitter_.room();
      std::size_t done = 0;
      if (session_->read(room.data(), room.size(), done) != state::done)
        return std::nullopt;
      splitter_.received(done);
    }
  }
  bool is_served() {
    return shakes_hands() && send(test::request_frame(1, 100)) && reads().has_value();
  }
  /// Past TLS.
  int socket() const { return fd_; }

private:
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_;
  int fd_;
  std::unique_ptr<tls_session> session_;
  remoting::frame_splitter splitter_;
};

bool plain_is_served(std::uint16_t port) {
  socket_client plain(port);
  plain.send(test::request_frame(1, 100));
  return plain.reads_an_answer(1);
}

struct files_of_two {
  test::temporary_directory directory;
  test::certificate_authority authority{directory.path()};
  test::certificate_authority other{directory.path(), "other"};
  tls_files server = authority.issue("server");
  tls_files client = authority.issue("client");
  tls_files stranger = other.issue("stranger");

  /// As most have it: clients show nothing.
  tls_files one_way() const { return {server.certificate, server.key, ""}; }
};

} // namespace

TEST_CASE("sockets: permissive takes both on one port, required only TLS", "[gateway]") {
  files_of_two f;
  for (auto mode : {tls_mode::permissive, tls_mode::required}) {
    echo_door door(mode, f.one_way());
    CHECK(tls_client(door.port, f.client, false).is_served());
    CHECK(tls_client(door.port, f.client, false, TLS1_2_VERSION).is_served());
    CHECK(plain_is_served(door.port) == (mode == tls_mode::permissive));
    CHECK_FALSE(tls_client(door.port, f.stranger, false).is_served()); // it does not believe us
    CHECK(tls_client(door.port, f.client, false).is_served());
  }
}

TEST_CASE("sockets: off closes who begins with TLS", "[gateway]") {
  files_of_two f;
  echo_door door(tls_mode::off, f.one_way());
  CHECK_FALSE(tls_client(door.port, f.client, false).is_served());
  CHECK(plain_is_served(door.port));
}

TEST_CASE("sockets: with an authority only its clients are served", "[gateway]") {
  files_of_two f;
  echo_door door(tls_mode::required, f.server);
  CHECK(tls_client(door.port, f.client, true).is_served());
  CHECK_FALSE(tls_client(door.port, f.client, false).is_served());
  auto foreign = f.stranger;
  foreign.ca = f.client.ca;
  CHECK_FALSE(tls_client(door.port, foreign, true).is_served());
  CHECK_FALSE(tls_client(door.port, f.client, false, TLS1_2_VERSION).is_served());
  CHECK(tls_client(door.port, f.client, true, TLS1_2_VERSION).is_served());
}

TEST_CASE("sockets: large requests and answers through TLS", "[gateway]") {
  files_of_two f;
  echo_door door(tls_mode::required, f.one_way());
  door.answer_bytes = 3 * storage::mib;
  tls_client client(door.port, f.client, false);
  REQUIRE(client.shakes_hands());
  for (int i = 0; i < 4; ++i) {
    REQUIRE(client.send(test::request_frame(i, 5 * storage::mib + 17)));
    CHECK(client.reads() == 6 * storage::mib);
  }
  door.answer_bytes = 1;
  std::string many;
  for (int i = 0; i < 3000; ++i)
    many += test::request_frame(i, 50);
  REQUIRE(client.send(many));
  int answers = 0;
  while (answers < 3000 && client.reads() == 2u)
    ++answers;
  CHECK(answers == 3000);
  CHECK(door.received == 4 * (5 * storage::mib + 17) + 3000 * 50);
}

TEST_CASE("sockets: what is no handshake, or never ends, is closed", "[gateway]") {
  files_of_two f;
  echo_door door(tls_mode::permissive, f.one_way(), std::chrono::seconds(1));
  socket_client liar(door.port);
  liar.send("\x16" + std::string(1000, 'x'));
  CHECK_FALSE(liar.reads_an_answer(1));
  socket_client slow(door.port);
  slow.send(std::string("\x16\x03\x01\x02\x00", 5));
  CHECK(test::comes_true([&] { return door.ended == 2; }));
  CHECK(tls_client(door.port, f.client, false).is_served());
}

TEST_CASE("sockets: a new certificate is for those who come then, a broken one is not taken",
          "[gateway]") {
  files_of_two f;
  echo_door door(tls_mode::required, f.one_way());
  tls_client before(door.port, f.client, false);
  CHECK(before.is_served());
  std::filesystem::rename(f.stranger.certificate, f.server.certificate);
  door.tls->look(); // the key is still that of before
  CHECK(tls_client(door.port, f.client, false).is_served());
  std::filesystem::rename(f.stranger.key, f.server.key);
  door.tls->look();
  CHECK_FALSE(tls_client(door.port, f.client, false).is_served());
  CHECK(tls_client(door.port, f.stranger, false).is_served());
  CHECK(before.send(test::request_frame(2, 10)));
  CHECK(before.reads().has_value());
}

TEST_CASE("sockets: certificates that no client would take are refused by name", "[gateway]") {
  files_of_two f;
  auto why = [](tls_files files) {
    files.keys = "[gateway] tls-";
    auto loaded = door_tls::open(files);
    return loaded ? std::string() : loaded.error().message;
  };
  CHECK(why(f.one_way()).empty());
  CHECK(why({f.server.certificate, f.client.key, ""}).find("[gateway] tls-key = ") == 0);
  CHECK(why({f.server.certificate, f.server.key, f.server.key}).find("[gateway] tls-ca = ") == 0);
  auto late = f.authority.issue("late", {-7200, -3600});
  CHECK(why({late.certificate, late.key, ""}).find("has expired") != std::string::npos);
  CHECK(why({"/none.pem", f.server.key, ""}).find("[gateway] tls-certificate = /none.pem") == 0);
}
