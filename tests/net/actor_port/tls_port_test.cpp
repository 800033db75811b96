// The actor port above TLS: who comes in, and what strangers do to it.
#include "net/tls/tls_context.hpp"
#include "tests/net/actor_port/frames.hpp"
#include "tests/net/actor_port/open_node.hpp"
#include "tests/net/actor_port/tls_stranger.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/comes_true.hpp"

#include <chrono>
#include <fstream>
#include <iterator>
#include <list>
#include <random>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

struct tls_port {
  explicit tls_port(std::chrono::milliseconds greeting_time = 10s) {
    net::cluster_config with;
    with.tls = authority.issue("node");
    with.actor_port.greeting_time = greeting_time;
    node = std::make_unique<open_node>(with);
    client_files = authority.issue("client");
    client = std::make_unique<good_client>(port(), client_files);
    REQUIRE(client->served());
  }
  std::uint16_t port() const { return node->at.actor_port; }
  std::string greet(std::uint64_t number) const {
    return greeting(program(default_kind(*client->system), number));
  }

  temporary_directory directory;
  certificate_authority authority{directory.path()};
  std::unique_ptr<open_node> node;
  net::tls_files client_files;
  std::unique_ptr<good_client> client;
};

/// Is in, and stays: whoever disturbs others disturbs it.
struct witness {
  explicit witness(tls_port& at) : there(at.port(), at.client_files) {
    REQUIRE(there.comes_in());
    there.send(at.greet(4711));
  }
  bool undisturbed() {
    there.send(bytes_of({.operation = heartbeat}));
    return there.is_in();
  }
  tls_stranger there;
};

/// The first thing that a client says in TLS.
std::string client_hello() {
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context{SSL_CTX_new(TLS_method()),
                                                            SSL_CTX_free};
  std::unique_ptr<SSL, decltype(&SSL_free)> session{SSL_new(context.get()), SSL_free};
  auto* out = BIO_new(BIO_s_mem());
  SSL_set_bio(session.get(), BIO_new(BIO_s_mem()), out);
  (void)SSL_connect(session.get());
  std::string bytes(4096, '\0');
  bytes.resize(static_cast<std::size_t>(BIO_read(out, bytes.data(), 4096)));
  return bytes;
}

/// Why the client of these files is not let in; empty when it is.
std::string refusal_of(std::uint16_t port, const net::tls_files& files) {
  good_client client(port, files);
  std::string why;
  client.self->request(client.connection, 10s, hello_atom_v)
      .receive([](const welcome&) {}, [&](const caf::error& e) { why = from_caf(e).message; });
  return why;
}

std::string load_error(const net::tls_files& files) {
  auto loaded = net::tls_context::load(files, net::tls_use::node);
  if (loaded)
    return "loaded";
  CHECK(loaded.error().code == errc::invalid_argument);
  return loaded.error().message;
}

bool says(const std::string& text, std::initializer_list<std::string> words) {
  INFO(text);
  auto all = std::ranges::all_of(words, [&](auto& word) { return text.find(word) != text.npos; });
  CHECK(all);
  return all;
}

} // namespace

TEST_CASE("tls: with certificates of one authority large requests cross", "[tls]") {
  tls_port at;
  put_request request;
  request.topic = "nobody-made-it";
  request.count = 1;
  request.messages = storage::slice::copy_of(std::vector<std::byte>(24u << 20));
  bool answered = false; // that there is no such topic, or no such messages
  at.client->self->request(at.client->connection, 20s, request)
      .receive([&](const put_response&) { answered = true; }, [](const caf::error&) {});
  CHECK(answered);
  CHECK(at.client->served());
  CHECK(at.node->log.count("actor_port.cut") == 0);
}

TEST_CASE("tls: garbage and plain bytes are refused at once, and disturb nobody", "[tls]") {
  tls_port at;
  witness in(at);
  std::string noise(100'000, ' ');
  std::minstd_rand dice(1); // the same bytes in each run
  std::ranges::generate(noise, [&] { return static_cast<char>(dice()); });
  CHECK(is_cut_at_once(at.port(), noise));
  CHECK(is_cut_at_once(at.port(), std::string(100'000, '\x16')));
  CHECK(is_cut_at_once(at.port(), at.greet(5)));
  CHECK(is_cut_at_once(at.port(), bytes_of({.operation = handshake, .length = 2u << 30})));
  CHECK(is_cut_at_once(at.port(), "GET / HTTP/1.1\r\n\r\n"));
  CHECK(at.client->served());
  CHECK(in.undisturbed());
  CHECK(at.node->log.count("actor_port.cut") == 1); // the others are counted
  CHECK(at.node->log.count("it does not speak TLS") <= 1);
  says(refusal_of(at.port(), {}), {"wants TLS"});
}

TEST_CASE("tls: a handshake of changed bytes ends, in an error or by the greeting's time",
          "[tls]") {
  tls_port at(1s);
  witness in(at);
  auto hello = client_hello();
  std::minstd_rand dice(2);
  auto before = most_memory_kib();
  std::list<stranger> some;
  for (int i = 0; i < 600; ++i) {
    auto bytes = hello;
    for (auto n = 1 + dice() % 8; n > 0; --n)
      bytes[dice() % bytes.size()] = static_cast<char>(dice());
    bytes.resize(i % 3 == 0 ? dice() % bytes.size() : bytes.size());
    some.emplace_back(at.port());
    some.back().send(bytes);
    if (some.size() == 100) {
      for (auto& s : some)
        CHECK(s.ends_within(3s));
      some.clear();
      CHECK(at.client->served());
      CHECK(in.undisturbed());
    }
  }
  CHECK(most_memory_kib() < before + (50u << 10));
}

TEST_CASE("tls: silence and half a handshake end at the greeting's time", "[tls]") {
  tls_port at(1s);
  auto hello = client_hello();
  auto began = clock_type::now();
  stranger silent(at.port());
  stranger half(at.port());
  half.send(hello.substr(0, hello.size() / 2));
  stranger whole(at.port()); // and then nothing
  whole.send(hello);
  tls_stranger mute(at.port(), at.client_files); // in, but does not say who it is
  REQUIRE(mute.comes_in());
  CHECK_FALSE(silent.ends_within(500ms));
  CHECK(silent.ends_within(2s));
  CHECK(half.ends_within(1s));
  CHECK(whole.ends_within(1s));
  CHECK(mute.ends());
  CHECK(clock_type::now() - began < 3s);
  CHECK(at.client->served());
}

TEST_CASE("tls: who shows no certificate, or one of another authority, is refused", "[tls]") {
  tls_port at;
  witness in(at);
  temporary_directory elsewhere;
  certificate_authority other(elsewhere.path(), "other");
  certificate_authority namesake(elsewhere.path());
  auto foreign = other.issue("foreign");
  auto forged = namesake.issue("client");
  for (int i = 0; i < 20; ++i) {
    tls_stranger nameless(at.port());
    CHECK_FALSE(nameless.comes_in());
    says(nameless.reason(), {"wants a certificate"});
    tls_stranger stranger(at.port(), foreign);
    CHECK_FALSE(stranger.comes_in());
    says(stranger.reason(), {"another authority"});
    tls_stranger forger(at.port(), forged);
    CHECK_FALSE(forger.comes_in());
    says(forger.reason(), {"another authority"});
  }
  CHECK(in.undisturbed());
  CHECK(at.node->log.count("it shows no certificate") == 1);
  // A client of ours, to which the node is the stranger.
  says(refusal_of(at.port(), foreign), {"its certificate is refused"});
  says(refusal_of(at.port(), forged), {"its certificate is refused"});
  // And one that believes the node, which does not believe it.
  auto believing = foreign;
  believing.ca = at.client_files.ca;
  says(refusal_of(at.port(), believing), {"foreign.pem", "not of the authority"});
  auto expired = at.authority.issue("expired", {-7200, -3600});
  tls_stranger late(at.port(), expired);
  CHECK_FALSE(late.comes_in());
  says(late.reason(), {"has expired"});
  says(refusal_of(at.port(), expired), {"expired.pem", "has expired"});
  CHECK(at.client->served());
}

TEST_CASE("tls: those who go without a goodbye, or break off in the middle, disturb nobody",
          "[tls]") {
  tls_port at;
  witness in(at);
  for (int i = 0; i < 20; ++i) {
    tls_stranger hasty(at.port(), at.client_files);
    REQUIRE(hasty.comes_in());
    hasty.send(at.greet(100));
    if (i % 2 == 0)
      hasty.send_raw(std::string("\x17\x03\x03\x00\x40", 5).append(64, 'x'));
    else
      hasty.send_raw("\x17\x03\x03"); // and gone
    hasty.leave();
    CHECK(at.client->served());
    CHECK(in.undisturbed());
  }
}

TEST_CASE("tls: what those send who are in is checked as without it", "[tls]") {
  tls_port at;
  auto before = most_memory_kib();
  auto is_cut = [&](const std::string& bytes) {
    tls_stranger s(at.port(), at.client_files);
    REQUIRE(s.comes_in());
    s.send(bytes);
    return s.ends();
  };
  CHECK(is_cut(bytes_of({.operation = handshake})));
  CHECK(is_cut(bytes_of({.operation = 0, .data = 3})));
  CHECK(is_cut(std::string(1'000'000, 'x')));
  CHECK(is_cut(at.greet(5) + bytes_of({.operation = message,
                                       .length = 2u << 30,
                                       .data = ordinary,
                                       .source = 7,
                                       .destination = 1})));
  CHECK(most_memory_kib() < before + (50u << 10));
  CHECK(at.client->served());
}

TEST_CASE("tls: a node stops while strangers stand before its door", "[tls]") {
  tls_port at;
  std::list<stranger> crowd;
  for (int i = 0; i < 50; ++i)
    crowd.emplace_back(at.port());
  at.client.reset();
  auto began = clock_type::now();
  at.node.reset();
  CHECK(clock_type::now() - began < 5s);
  for (auto& s : crowd)
    CHECK(s.ends_within(1s));
}

TEST_CASE("tls: files that no peer would take are named with what to do", "[tls]") {
  temporary_directory directory;
  certificate_authority authority(directory.path());
  certificate_authority other(directory.path(), "other");
  const auto good = authority.issue("good");
  CHECK(load_error(good) == "loaded");
  auto with = [&](std::string net::tls_files::*which, const std::string& name) {
    auto files = good;
    files.*which = name.empty() ? "" : directory / name;
    return load_error(files);
  };
  std::ofstream(directory / "nonsense.pem") << "-----BEGIN CERTIFICATE-----\nx\n";
  std::ofstream(directory / "empty.pem");
  for (auto& [which, key] :
       {std::pair{&net::tls_files::certificate, "certificate = "},
        std::pair{&net::tls_files::key, "key = "}, std::pair{&net::tls_files::ca, "ca = "}}) {
    says(with(which, "none.pem"), {key, "none.pem", "No such file", "may this user read it?"});
    says(with(which, "empty.pem"), {key, "empty.pem", "empty"});
    says(with(which, "nonsense.pem"), {key, "nonsense.pem", "PEM form"});
    says(with(which, ""), {"is missing"});
  }
  authority.issue("second");
  says(with(&net::tls_files::key, "second.key"),
       {"key = ", "second.key", "does not fit", "good.pem"});
  says(with(&net::tls_files::ca, "other.pem"), {"good.pem", "not of the authority", "other.pem"});
  temporary_directory elsewhere;
  certificate_authority namesake(elsewhere.path());
  const auto forged =
      net::tls_files{directory / "good.pem", directory / "good.key", elsewhere / "ca.pem"};
  says(load_error(forged), {"good.pem", "not of the authority", elsewhere / "ca.pem"});
  says(load_error(authority.issue("old", {-7200, -60})), {"old.pem", "has expired"});
  says(load_error(authority.issue("early", {600, 7200})), {"early.pem", "not valid yet", "clock"});
}

TEST_CASE("tls: a node does not start with them, nor open beyond its machine without", "[tls]") {
  temporary_directory directory;
  certificate_authority authority(directory.path());
  program_of_its_own program;
  net::node_config settings;
  settings.name = "n";
  settings.directory = directory / "data";
  settings.actor_port = 0;
  settings.remoting_port = 0;
  settings.name_server_port.reset();
  auto refusal = [&](const net::cluster_config& with) {
    auto started =
        net::server::start(*program.system, with, settings, storage::posix_file_system());
    return started ? std::string() : started.error().message;
  };
  net::cluster_config with;
  with.tls = authority.issue("old", {-7200, -60});
  says(refusal(with), {"old.pem", "has expired"});
  CHECK_FALSE(std::filesystem::exists(directory / "data"));
  settings.actor_host = "0.0.0.0";
  says(refusal({}), {"actor-host = 0.0.0.0", "[node n]", "[tls]", "insecure = on"});
  CHECK_FALSE(std::filesystem::exists(directory / "data"));
  log_lines log;
  with.tls = authority.issue("soon", {-7200, 24L * 3600});
  with.options.store.log_file_size_bytes = storage::mib;
  with.options.store.index_slots = 1000;
  with.options.store.index_entries = 4000;
  CHECK(refusal(with).empty());
  CHECK(log.count("tls.expires") == 1);
}
