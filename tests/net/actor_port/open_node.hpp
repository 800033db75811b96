#pragma once

#include "net/actor_port/actor_port.hpp"
#include "net/client.hpp"
#include "net/server.hpp"
#include "storage/logging.hpp"
#include "storage/os/posix_file_system.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/loopback.hpp"
#include "tests/support/temporary_directory.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

/// A node with its actor port, and who comes there.
namespace troupe::test {

using namespace std::chrono_literals;

using clock_type = std::chrono::steady_clock;

struct program_of_its_own {
  program_of_its_own() {
    client::configure(config);
    system = std::make_unique<caf::actor_system>(config);
  }
  caf::actor_system_config config;
  std::unique_ptr<caf::actor_system> system;
};

/// Lines of the log while it lives.
class log_lines {
public:
  log_lines() {
    storage::set_log_sink([this](std::string_view line) {
      std::lock_guard lock(mutex_);
      lines_.emplace_back(line);
    });
  }
  ~log_lines() { storage::set_log_sink(nullptr); }
  std::size_t count(std::string_view what) {
    std::lock_guard lock(mutex_);
    return static_cast<std::size_t>(std::ranges::count_if(
        lines_, [&](auto& line) { return line.find(what) != std::string::npos; }));
  }

private:
  std::mutex mutex_;
  std::vector<std::string> lines_;
};

/// A whole node with its doors, in this process.
struct open_node : program_of_its_own {
  explicit open_node(net::cluster_config with = {}, std::function<void()> stop_ordered = {}) {
    net::node_config settings;
    settings.name = "n";
    settings.directory = directory.path();
    settings.actor_port = 0;
    settings.remoting_port = 0;
    settings.name_server_port.reset();
    with.options.store.log_file_size_bytes = storage::mib;
    with.options.store.index_slots = 1000;
    with.options.store.index_entries = 4000;
    auto started = net::server::start(*system, with, settings, storage::posix_file_system(), {},
                                      std::move(stop_ordered));
    REQUIRE(started);
    node = std::move(started).value();
    auto published = node->publish();
    REQUIRE(published);
    at = published.value();
  }
  ~open_node() {
    if (node)
      CHECK(node->stop());
  }

  log_lines log; ///< ends last
  temporary_directory directory;
  std::unique_ptr<net::server> node;
  net::server::address at;
};

/// A client that behaves, in a program of its own.
struct good_client : program_of_its_own {
  explicit good_client(std::uint16_t port, const client::tls_files& tls = {}) {
    client::connect_options options;
    options.port = port;
    options.tls = tls;
    connection = client::connect(*system, options);
  }
  ~good_client() { caf::anon_send(connection, stop_atom_v); }

  bool served() {
    bool good = false;
    self->request(connection, 10s, list_atom_v)
        .receive([&](const topic_list&) { good = true; }, [](const caf::error&) {});
    return good;
  }

  client::connection_actor connection;
  caf::scoped_actor self{*system};
};

/// Speaks bytes.
class stranger {
public:
  explicit stranger(std::uint16_t port) : socket_(dial_loopback(port)) {}
  stranger(stranger&& other) noexcept : socket_(std::exchange(other.socket_, -1)) {}
  ~stranger() { ::close(socket_); }

  void send(std::string_view bytes) {
    for (ssize_t n = 0; !bytes.empty(); bytes.remove_prefix(static_cast<std::size_t>(n)))
      if (n = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL); n <= 0)
        return;
  }
  bool hears_within(clock_type::duration time) {
    auto limit = std::chrono::ceil<std::chrono::milliseconds>(time);
    pollfd one{socket_, POLLIN, 0};
    char first = 0;
    return ::poll(&one, 1, static_cast<int>(limit.count())) == 1 &&
           ::recv(socket_, &first, 1, MSG_PEEK) == 1;
  }
  /// Reads until the node hangs up; false when it does not in that time.
  bool ends_within(clock_type::duration time) {
    auto until = clock_type::now() + time;
    std::array<char, 65536> buffer;
    for (;;) {
      auto left = std::chrono::ceil<std::chrono::milliseconds>(until - clock_type::now());
      pollfd one{socket_, POLLIN, 0};
      if (left.count() <= 0 || ::poll(&one, 1, static_cast<int>(left.count())) == 0)
        return false;
      if (::recv(socket_, buffer.data(), buffer.size(), 0) <= 0)
        return true;
    }
  }

private:
  int socket_;
};

inline bool is_cut_at_once(std::uint16_t port, const std::string& bytes) {
  stranger s(port);
  s.send(bytes);
  return s.ends_within(1500ms); // no deadline is so short
}

inline std::size_t most_memory_kib() {
  std::ifstream in("/proc/self/status");
  for (std::string word; in >> word;)
    if (std::size_t kib = 0; word == "VmHWM:" && in >> kib)
      return kib;
  return 0;
}

inline std::string default_kind(caf::actor_system& system) {
  std::vector<char> id;
  caf::binary_serializer sink{system, id};
  REQUIRE_FALSE(sink(system.node()));
  return {id.begin(), id.end()};
}

} // namespace troupe::test
