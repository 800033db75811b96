#include "net/gateway/name_registrar.hpp"

#include "net/gateway/socket_server.hpp"
#include "net/remoting/codes.hpp"
#include "net/remoting/frame.hpp"
#include "net/remoting/registration.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/comes_true.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <string>
#include <vector>

using namespace troupe;
using namespace troupe::net;
using namespace std::chrono_literals;
namespace request_code = remoting::request_code;

namespace {

/// A name server that notes what it is told.
class told_server {
public:
  explicit told_server(std::uint16_t port = 0) {
    auto made = socket_server::listen({}, "127.0.0.1", {port});
    REQUIRE(made);
    server_ = std::move(made.value());
    auto send = server_->send_function();
    REQUIRE(server_->start({[this, send](arrived batch) {
                              for (auto& request : batch.requests)
                                take(send, batch.from, request);
                            },
                            [](departed) {}}));
  }
  ~told_server() { server_->stop(); }

  std::uint16_t port() const { return server_->ports().front(); }
  void close_clients() { server_->close_clients(); }
  std::size_t count(std::int32_t code) const {
    std::lock_guard lock(mutex_);
    return static_cast<std::size_t>(std::count(codes_.begin(), codes_.end(), code));
  }
  /// Of the last registration.
  remoting::register_header header() const {
    std::lock_guard lock(mutex_);
    return header_;
  }
  std::vector<std::string> topics() const {
    std::lock_guard lock(mutex_);
    return topics_;
  }

  std::atomic<bool> deaf{false}; ///< answers nothing
  std::atomic<std::int32_t> answer_code{0};

private:
  void take(const socket_server::sender& send, connection_id from, const client_request& request) {
    std::lock_guard lock(mutex_);
    codes_.push_back(request.header.code);
    if (request.header.code == request_code::register_broker) {
      auto header = remoting::read_fields<remoting::register_header>(request.header);
      auto what = header ? remoting::read_registration(header.value(), request.header.version,
                                                       request.body.bytes())
                         : header.error();
      if (what) {
        header_ = header.value();
        topics_.clear();
        for (auto& topic : what.value().topics)
          topics_.push_back(topic.name);
      }
    }
    outgoing out;
    out.to = from;
    out.settled_bytes = request.bytes;
    if (!deaf)
      remoting::append_frame_head(
          out.head,
          remoting::answer_to(request.header.opaque, request.header.type, answer_code, "as told"),
          0);
    send(std::move(out));
  }

  std::unique_ptr<socket_server> server_;
  mutable std::mutex mutex_;
  std::vector<std::int32_t> codes_;
  remoting::register_header header_;
  std::vector<std::string> topics_;
};

name_registrar::topics named(std::initializer_list<const char*> names) {
  auto all = std::make_shared<std::map<std::string, storage::topic_info>>();
  for (auto* name : names)
    (*all)[name] = {name, 4, 4, 6};
  return all;
}

std::unique_ptr<name_registrar> registrar_for(std::vector<name_server> servers,
                                              bool auto_create = true) {
  auto made =
      name_registrar::start({std::move(servers), {"C", "n1", "127.0.0.1:10911"}, auto_create});
  REQUIRE(made);
  return std::move(made.value());
}

using names = std::vector<std::string>;
using test::comes_true;

} // namespace

TEST_CASE("name_registrar: it registers with all, says what is new, and takes its leave",
          "[sockets]") {
  told_server one, other;
  auto r = registrar_for({{"127.0.0.1", one.port()}, {"localhost", other.port()}});
  auto tell = r->sink();
  tell(named({"T"}));
  names first{"SELF_TEST_TOPIC", "n1", "TBW102", "T"};
  REQUIRE(comes_true([&] { return one.topics() == first && other.topics() == first; }));
  CHECK(one.header().broker == "n1");
  CHECK(one.header().address == "127.0.0.1:10911");
  CHECK(one.header().cluster == "C");
  CHECK(one.header().id == 0);
  CHECK(one.header().all_topics);
  CHECK(one.header().timeout_ms == 120'000);    // RocketMQ 5's drop who says 0
  CHECK_FALSE(one.header().ha_address.empty()); // Java wants it
  tell(named({"T", "U"}));
  names second{"SELF_TEST_TOPIC", "n1", "TBW102", "T", "U"};
  REQUIRE(comes_true([&] { return one.topics() == second && other.topics() == second; }));
  CHECK(one.count(request_code::unregister_broker) == 0);
  r->stop();
  CHECK(one.count(request_code::unregister_broker) == 1);
  CHECK(other.count(request_code::unregister_broker) == 1);
  tell(named({"too late"}));
}

TEST_CASE("name_registrar: never a single topic, which newer name servers refuse", "[sockets]") {
  told_server server;
  auto r = registrar_for({{"127.0.0.1", server.port()}}, false);
  r->sink()(named({}));
  REQUIRE(comes_true([&] { return server.count(request_code::register_broker) > 0; }));
  CHECK(server.topics() == names{"SELF_TEST_TOPIC", "n1"});
}

TEST_CASE("name_registrar: one that goes and comes again is told again", "[sockets]") {
  auto server = std::make_unique<told_server>();
  auto port = server->port();
  auto r = registrar_for({{"127.0.0.1", port}});
  r->sink()(named({"T"}));
  REQUIRE(comes_true([&] { return server->count(request_code::register_broker) == 1; }));
  server->close_clients();
  REQUIRE(comes_true([&] { return server->count(request_code::register_broker) == 2; }));
  server.reset();
  server = std::make_unique<told_server>(port);
  REQUIRE(comes_true([&] { return server->count(request_code::register_broker) == 1; }, 30s));
  CHECK(server->topics().back() == "T");
}

TEST_CASE("name_registrar: it ends soon, whoever does not answer", "[sockets]") {
  told_server silent, refusing;
  silent.deaf = true;
  refusing.answer_code = 1;
  auto r = registrar_for({{"127.0.0.1", silent.port()},
                          {"127.0.0.1", refusing.port()},
                          {"127.0.0.1", 1}, // nobody is there
                          {"no-such-host.invalid", 9876}});
  r->sink()(named({"T"}));
  REQUIRE(comes_true([&] {
    return silent.count(request_code::register_broker) == 1 &&
           refusing.count(request_code::register_broker) == 1;
  }));
  auto began = std::chrono::steady_clock::now();
  r->stop();
  CHECK(std::chrono::steady_clock::now() - began < 8s);
  CHECK(silent.count(request_code::unregister_broker) == 1);
  CHECK(refusing.count(request_code::unregister_broker) == 1);
}
