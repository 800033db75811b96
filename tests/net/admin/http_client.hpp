#pragma once

#include "tests/support/loopback.hpp"

#include <cstdint>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace troupe::test {

/// An answer as it came.
struct http_answer {
  int status = 0;
  std::multimap<std::string, std::string> fields; ///< names in lower case
  std::string body;

  std::string field(const std::string& name) const {
    auto found = fields.find(name);
    return found == fields.end() ? std::string() : found->second;
  }
};

inline std::string get(std::string_view target, std::string_view more = {}) {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\n" + std::string(more) +
         "\r\n";
}

/// One connection to an HTTP port of this machine.
class http_client {
public:
  explicit http_client(std::uint16_t port) : fd_(dial_loopback(port, "127.0.0.1")) {}
  ~http_client() { ::close(fd_); }
  http_client(const http_client&) = delete;
  http_client& operator=(const http_client&) = delete;

  /// False when the other side has closed.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      auto count = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count <= 0)
        return false;
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
  }

  /// Nothing when the other side closed, or answers nothing for long. `head`: an answer to HEAD.
  std::optional<http_answer> answer(bool head = false) {
    auto end = std::string::npos;
    while ((end = read_.find("\r\n\r\n")) == std::string::npos)
      if (!more())
        return std::nullopt;
    http_answer a;
    a.status = std::atoi(read_.c_str() + std::string_view("HTTP/1.1 ").size());
    for (auto from = read_.find("\r\n") + 2; from < end + 2;) {
      auto to = read_.find("\r\n", from);
      auto line = read_.substr(from, to - from);
      auto colon = line.find(": ");
      auto name = line.substr(0, colon);
      for (auto& c : name)
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      a.fields.emplace(name, colon == line.npos ? std::string() : line.substr(colon + 2));
      from = to + 2;
    }
    read_.erase(0, end + 4);
    auto length =
        head ? 0U : static_cast<std::size_t>(std::atol(a.field("content-length").c_str()));
    while (read_.size() < length)
      if (!more())
        return std::nullopt;
    a.body = read_.substr(0, length);
    read_.erase(0, length);
    return a;
  }

  std::optional<http_answer> ask(std::string_view request, bool head = false) {
    return send(request) ? answer(head) : std::nullopt;
  }

  /// The other side closes, and sends nothing before.
  bool ends() {
    auto before = read_.size();
    while (more()) {
    }
    return closed_ && read_.size() == before;
  }

private:
  bool more() {
    pollfd p{fd_, POLLIN, 0};
    if (::poll(&p, 1, 20'000) <= 0)
      return false;
    char bytes[4096];
    auto count = ::recv(fd_, bytes, sizeof bytes, 0);
    closed_ = count <= 0;
    if (count > 0)
      read_.append(bytes, static_cast<std::size_t>(count));
    return !closed_;
  }

  int fd_;
  bool closed_ = false;
  std::string read_;
};

} // namespace troupe::test
