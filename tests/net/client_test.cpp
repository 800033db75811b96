#include "net/client.hpp"

#include "actors/front.hpp"
#include "net/ask.hpp"
#include "net/consumer.hpp"
#include "net/unique_key.hpp"
#include "storage/format/properties.hpp"
#include "tests/support/catch.hpp"

#include <chrono>
#include <map>
#include <memory>
#include <set>

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace troupe;

namespace user {

/// What a program sends to its own actors.
struct order {
  std::string what;
  int count = 0;
};

template <class Inspector>
auto inspect(Inspector& f, order& x) {
  return f(caf::meta::type_name("order"), x.what, x.count);
}

} // namespace user

CAF_BEGIN_TYPE_ID_BLOCK(client_test, ::troupe::client::first_free_type_id)
CAF_ADD_TYPE_ID(client_test, (user::order))
CAF_END_TYPE_ID_BLOCK(client_test)

namespace {

struct client_system {
  caf::actor_system_config config;
  std::unique_ptr<caf::actor_system> system;
  client_system() {
    client::configure(config);
    system = std::make_unique<caf::actor_system>(config);
  }
};

/// Bytes of a file that is lost as soon as they were read.
struct lost_mapping final : storage::mapping {
  explicit lost_mapping(storage::byte_view bytes) { bytes_ = bytes; }
  bool damaged() const noexcept override { return lost; }
  void revoke() noexcept override { lost = true; }
  bool lost = false;
};

/// A topic of three queues. Answers pulls only when one waits in each, and then that of the last
/// queue; whoever waits for too long is told that there is nothing.
caf::behavior three_queues(caf::event_based_actor* self) {
  struct state {
    std::map<std::int32_t, caf::response_promise> waiting;
    std::vector<std::uint64_t> bytes;
  };
  auto open = std::make_shared<state>();
  auto answer = [open](std::int32_t queue, std::uint32_t damaged) {
    pull_response response;
    response.damaged = damaged;
    if (auto found = open->waiting.extract(queue))
      found.mapped().deliver(response);
  };
  return {
      [](bounds_atom, const std::string& topic) {
        return topic_description{{topic, 3, 3, 6}, {{0, 0, 0, -1}, {1, 0, 0, -1}, {2, 0, 0, -1}}};
      },
      [=](const pull_request& request) {
        auto promise = self->make_response_promise();
        open->waiting[request.queue_id] = promise;
        if (open->waiting.size() == 3)
          answer(2, 1);
        else
          self->delayed_send(self, std::chrono::milliseconds(request.wait_ms), retry_atom_v,
                             request.queue_id);
        return promise;
      },
      [=](retry_atom, std::int32_t queue) { answer(queue, 0); },
  };
}

/// Makes every client look as one of the next release.
auto next_release(front_actor::pointer self, front_actor real) -> front_actor::behavior_type {
  return {[self, real](hello_atom hello, std::uint32_t version, const std::string& cluster,
                       const std::string& name) {
            return self->delegate(real, hello, version + 1, cluster, name);
          },
          [self, real](const peer_hello& hello) { return self->delegate(real, hello); },
          [self, real](stop_atom stop, std::uint32_t version, const std::string& cluster,
                       const std::string& node) {
            return self->delegate(real, stop, version, cluster, node);
          }};
}

} // namespace

TEST_CASE("client: an address needs a host and a port", "[net]") {
  auto good = client::parse_address("node-1.example:10915");
  REQUIRE(good);
  CHECK(good.value().host == "node-1.example");
  CHECK(good.value().port == 10915);
  for (auto* text :
       {"", "host", "host:", ":10915", "host:0", "host:65536", "host:-1", "host:80x"}) {
    auto bad = client::parse_address(text);
    REQUIRE_FALSE(bad);
    CHECK(bad.error().code == errc::invalid_argument);
  }
}

TEST_CASE("client: several addresses have commas between, and a bad one is named", "[net]") {
  auto good = client::parse_address("a:1,b.example:2,[::1]:3");
  REQUIRE(good);
  CHECK(good.value().host == "a");
  CHECK(good.value().port == 1);
  REQUIRE(good.value().others.size() == 2);
  CHECK(good.value().others[0].host == "b.example");
  CHECK(good.value().others[0].port == 2);
  CHECK(good.value().others[1].port == 3);
  for (auto [text, bad] : {std::pair{"a:1,b", "\"b\""},
                           {"a,b:2", "\"a\""},
                           {"a:1,b:0,c:3", "\"b:0\""},
                           {"a:1,", "\"\""},
                           {",a:1", "\"\""}}) {
    auto refused = client::parse_address(text);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == errc::invalid_argument);
    CHECK(refused.error().message.find(std::string(bad) + " is no address") == 0);
  }
}

TEST_CASE("client: tags are parted by two bars, and a star is every tag", "[net]") {
  using tags = std::vector<std::string>;
  CHECK(client::parse_tags("A").value() == tags{"A"});
  CHECK(client::parse_tags(" A ||B||  C D ").value() == tags{"A", "B", "C D"});
  CHECK(client::parse_tags("A||||B").value() == tags{"A", "B"});
  CHECK(client::parse_tags("*").value().empty());
  CHECK(client::parse_tags("A || *").value().empty());
  for (auto nothing : {"", " ", "||", " || || "})
    CHECK(client::parse_tags(nothing).error().code == errc::invalid_argument);
}

TEST_CASE("client: unique keys are unique and have one length", "[net]") {
  std::set<std::string> keys;
  constexpr std::size_t count = 100'000;
  for (std::size_t i = 0; i < count; ++i) {
    auto key = client::next_unique_key();
    REQUIRE(key.size() == 32);
    keys.insert(std::move(key));
  }
  CHECK(keys.size() == count);
}

TEST_CASE("client: a batch carries what was added and is empty afterwards", "[net]") {
  client::batch batch{"orders"};
  REQUIRE(batch.add({.queue_id = 3, .body = "one", .tag = "t", .keys = "k1 k2", .flag = 9}));
  REQUIRE(batch.add({.queue_id = 0, .body = ""}));
  auto request = batch.take();
  CHECK(batch.count() == 0);
  CHECK(request.topic == "orders");
  CHECK(request.count == 2);
  CHECK(request.wait);

  auto reader = request.messages.read();
  auto first = reader.next();
  REQUIRE((first && first.value()));
  auto& message = *first.value();
  CHECK(message.queue_id == 3);
  CHECK(message.flag == 9);
  CHECK(client::text_of(message.body) == "one");
  CHECK(storage::find_property(message.properties, storage::property::tags) == "t");
  CHECK(storage::find_property(message.properties, storage::property::keys) == "k1 k2");
  auto key = storage::find_property(message.properties, storage::property::unique_key);
  CHECK(key.size() == 32);
  auto second = reader.next();
  REQUIRE((second && second.value()));
  CHECK(second.value()->body.empty());
  auto end = reader.next();
  REQUIRE(end);
  CHECK_FALSE(end.value());
}

namespace {

std::vector<std::int32_t> queues_of(const put_request& request) {
  std::vector<std::int32_t> queues;
  auto reader = request.messages.read();
  for (auto message = reader.next(); message && message.value(); message = reader.next())
    queues.push_back(message.value()->queue_id);
  return queues;
}

} // namespace

TEST_CASE("client: messages that name no queue take all in turn, also over requests", "[net]") {
  client::batch batch{topic_info{"orders", 3, 3, 6}};
  for (int i = 0; i < 4; ++i)
    REQUIRE(batch.add({.body = "x"}));
  CHECK(queues_of(batch.take()) == std::vector<std::int32_t>{0, 1, 2, 0});
  REQUIRE(batch.add({.body = "x"}));
  REQUIRE(batch.add({.queue_id = 0, .body = "x"}));
  REQUIRE(batch.add({.body = "x"}));
  CHECK(queues_of(batch.take()) == std::vector<std::int32_t>{1, 0, 2});
}

TEST_CASE("client: messages of one key go to one queue, the one that Java chooses", "[net]") {
  client::batch batch{topic_info{"orders", 8, 8, 6}};
  for (auto keys : {"a", "a b", " a", "order-1", "polygenelubricants"})
    REQUIRE(batch.add({.body = "x", .keys = keys}));
  // "a".hashCode() is 97, "order-1" -1207111310; the last has no absolute value.
  CHECK(queues_of(batch.take()) == std::vector<std::int32_t>{1, 1, 1, 6, 0});
}

TEST_CASE("client: without a number of queues a message must name its queue", "[net]") {
  client::batch batch{"orders"};
  auto refused = batch.add({.body = "x"});
  REQUIRE(!refused);
  CHECK(refused.error().code == errc::invalid_argument);
  CHECK(refused.error().message.find("queue_id") != std::string::npos);
  CHECK(batch.count() == 0);
}

TEST_CASE("client: what a program has set stays as it is", "[net]") {
  caf::actor_system_config config;
  config.set("scheduler.max-threads", std::size_t{7});
  config.set("scheduler.policy", caf::atom("stealing"));
  config.set("middleman.heartbeat-interval", caf::timespan{std::chrono::seconds(9)});
  config.set("middleman.app-identifiers", std::vector<std::string>{"mine"});
  client::configure(config);
  CHECK(caf::get<std::size_t>(config, "scheduler.max-threads") == 7);
  CHECK(caf::get<caf::atom_value>(config, "scheduler.policy") == caf::atom("stealing"));
  CHECK(caf::get<caf::timespan>(config, "middleman.heartbeat-interval") == std::chrono::seconds(9));
  CHECK(caf::get<caf::timespan>(config, "middleman.connection-timeout") == std::chrono::seconds(2));
  CHECK(caf::get<std::vector<std::string>>(config, "middleman.app-identifiers") ==
        std::vector<std::string>{"mine", "troupe"});
}

TEST_CASE("client: a program's own messages stand behind ours", "[net]") {
  caf::actor_system_config config;
  config.add_message_types<caf::id_block::client_test>();
  client::configure(config);
  caf::actor_system system{config};
  auto echo = system.spawn([] { return caf::behavior{[](const user::order& o) { return o; }}; });
  caf::scoped_actor self{system};
  auto answer = client::ask<user::order>(self, echo, user::order{"x", 3});
  REQUIRE(answer);
  CHECK(answer.value().count == 3);
}

TEST_CASE("client: a tag with a separator of properties is refused", "[net]") {
  client::batch batch{topic_info{"orders", 1, 1, 6}};
  CHECK(batch.add({.body = "x", .tag = "a\x02z"}).error().code == errc::invalid_argument);
  CHECK(batch.add({.body = "x", .keys = "a\x01z"}).error().code == errc::invalid_argument);
  CHECK(batch.count() == 0);
}

TEST_CASE("client: where nobody listens a request ends as unavailable in time", "[net]") {
  client_system client;
  client::connect_options options;
  options.port = 1;
  options.patience = std::chrono::milliseconds(300);
  auto connection = client::connect(*client.system, options);
  caf::scoped_actor self{*client.system};
  auto began = std::chrono::steady_clock::now();
  auto answer = client::ask<topic_list>(self, connection, list_atom_v);
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == errc::unavailable);
  CHECK(answer.error().message.find("not sent") != std::string::npos);
  CHECK(answer.error().message.find("127.0.0.1:1") != std::string::npos);
  CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(5));
  auto hello = client::ask<welcome>(self, connection, hello_atom_v);
  REQUIRE_FALSE(hello);
  CHECK(hello.error().message.find("troupe serve") != std::string::npos);
  caf::anon_send(connection, stop_atom_v);
}

TEST_CASE("client: what is wrong with its certificate is named, with the file", "[net]") {
  client_system client;
  client::connect_options options;
  options.port = 1;
  options.patience = std::chrono::milliseconds(300);
  options.tls = {"/nowhere/client.pem", "/nowhere/client.key", "/nowhere/ca.pem"};
  auto connection = client::connect(*client.system, options);
  caf::scoped_actor self{*client.system};
  auto hello = client::ask<welcome>(self, connection, hello_atom_v);
  REQUIRE_FALSE(hello);
  CHECK(hello.error().code == errc::invalid_argument);
  CHECK(hello.error().message.find("[tls] certificate = /nowhere/client.pem cannot be read: No "
                                   "such file") == 0);
  auto answer = client::ask<topic_list>(self, connection, list_atom_v);
  REQUIRE_FALSE(answer);
  CHECK(answer.error().message.find("not sent: [tls] certificate = /nowhere") == 0);
  caf::anon_send(connection, stop_atom_v);
}

TEST_CASE("client: a program may end while it dials in vain", "[net]") {
  // The system lets callers in, and nobody ever speaks to them.
  auto door = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  REQUIRE(::bind(door, generic, size) == 0);
  REQUIRE(::listen(door, 1) == 0);
  REQUIRE(::getsockname(door, generic, &size) == 0);
  auto began = std::chrono::steady_clock::now();
  {
    client_system client;
    client::connect_options options;
    options.port = ntohs(address.sin_port);
    auto connection = client::connect(*client.system, options);
    pollfd caller{door, POLLIN, 0};
    REQUIRE(::poll(&caller, 1, 5000) == 1);
    caf::anon_send(connection, stop_atom_v);
  }
  CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(10));
  ::close(door);
}

TEST_CASE("client: a request too large to cross is refused at once", "[net]") {
  client_system client;
  auto connection = client::connect(*client.system, {});
  caf::scoped_actor self{*client.system};
  put_request request;
  request.topic = "t";
  request.count = 1;
  request.messages = storage::slice::copy_of(std::vector<std::byte>(max_block_bytes + 1));
  auto answer = client::ask<put_response>(self, connection, request);
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == errc::too_large);
  caf::anon_send(connection, stop_atom_v);
}

TEST_CASE("client: a node of another version is refused for good, naming both", "[net]") {
  client_system node;
  auto door = node.system->spawn(front, front_setup{node_actor{}, "n1", "troupe"});
  auto published = node.system->spawn(next_release, door);
  auto port = node.system->middleman().publish(published, 0, "127.0.0.1");
  REQUIRE(port);
  {
    client_system client;
    client::connect_options options;
    options.port = *port;
    auto connection = client::connect(*client.system, options);
    caf::scoped_actor self{*client.system};
    for (int i = 0; i < 2; ++i) { // the second without dialling again
      auto answer = client::ask<topic_list>(self, connection, list_atom_v);
      REQUIRE_FALSE(answer);
      CHECK(answer.error().code == errc::version_mismatch);
      auto ours = std::to_string(protocol_version);
      auto theirs = std::to_string(protocol_version + 1);
      auto& text = answer.error().message;
      CHECK(text.find("speaks protocol version " + theirs) != std::string::npos);
      CHECK(text.find("n1 speaks " + ours) != std::string::npos);
    }
    caf::anon_send(connection, stop_atom_v);
  }
  caf::anon_send_exit(published, caf::exit_reason::user_shutdown);
  caf::anon_send_exit(door, caf::exit_reason::user_shutdown);
}

TEST_CASE("client: who follows has a pull waiting in every queue", "[net]") {
  client_system client;
  auto service = caf::actor_cast<store_service>(
      caf::actor_cast<caf::strong_actor_ptr>(client.system->spawn(three_queues)));
  client::consumer_options options;
  options.topic = "t";
  options.follow = true;
  std::string notes;
  {
    auto consumer = client::consumer::open(*client.system, service, options,
                                           [&](const std::string& note) { notes += note; });
    REQUIRE(consumer);
    for (int i = 0; i < 3 && notes.empty(); ++i)
      REQUIRE(consumer.value().next());
  }
  CHECK(notes.find("t queue 2: 1 messages are damaged") == 0);
  caf::anon_send_exit(service, caf::exit_reason::user_shutdown);
}

TEST_CASE("client: records that are lost on their way do not arrive as zeros", "[net]") {
  client_system client;
  std::vector<std::byte> zeros(200);
  auto map = std::make_shared<lost_mapping>(zeros);
  record_batch sent;
  sent.records.push_back(storage::slice::copy_of(zeros));
  sent.records.emplace_back(std::shared_ptr<const storage::mapping>(map), map->bytes());
  sent.left_out = 7;
  auto cross = [&] {
    std::vector<char> buffer;
    caf::binary_serializer sink{*client.system, buffer};
    CHECK_FALSE(sink(sent));
    record_batch arrived;
    caf::binary_deserializer source{*client.system, buffer};
    CHECK_FALSE(source(arrived));
    CHECK(arrived.left_out == 7);
    REQUIRE(arrived.records.size() == 2);
    return arrived;
  };
  CHECK(cross().records[1].size() == 200);
  map->revoke();
  auto decoded = client::decode(cross().records[1]);
  REQUIRE_FALSE(decoded);
  CHECK(decoded.error().message.find("try again") != std::string::npos);
}

TEST_CASE("client: a sound record of a file that was lost is not trusted", "[net]") {
  storage::record_fields fields;
  fields.topic = "t";
  std::vector<std::byte> bytes(storage::encoded_size(fields, false));
  storage::record_place place;
  place.offset = 4096;
  storage::encode_record(fields, place, false, bytes);
  auto map = std::make_shared<lost_mapping>(bytes);
  storage::slice record{std::shared_ptr<const storage::mapping>(map), map->bytes()};
  REQUIRE(client::decode(record));
  map->revoke(); // as if it came while the bytes were checked
  auto decoded = client::decode(record);
  REQUIRE_FALSE(decoded);
  CHECK(decoded.error().message.find("4096 was lost while it was read") != std::string::npos);
}

TEST_CASE("client: a block that the other end would refuse is not sent", "[net]") {
  client_system client;
  std::vector<std::byte> half(max_block_bytes / 2 + 1);
  auto owner = std::make_shared<int>();
  storage::slice part{std::shared_ptr<const void>(owner), half};
  record_batch sent;
  sent.records = {part, part};
  std::vector<char> buffer;
  caf::binary_serializer sink{*client.system, buffer};
  CHECK(sink(sent));
}
