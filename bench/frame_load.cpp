/// What a RocketMQ client that costs nothing itself asks of a node: SEND_MESSAGE_V2 frames that are
/// made beforehand, so many open at a time over so many connections, and their answers only
/// counted. `frame_load put PORT --messages N --open N --connections N --bytes N`; the topic must
/// be there. `frame_load get PORT --messages N --connections N`: PULL_MESSAGE of up to 32, one open
/// for each connection, over what is in the topic's queues, again from the start at their ends.

#include <CLI/CLI.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

namespace {

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "frame_load: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

void append_number(std::string& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8)
    out += static_cast<char>(value >> shift & 0xff);
}

std::uint32_t number_at(const char* bytes) {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i)
    value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

/// As the Java client of 4.9.7 sends one message with a key.
std::string send_frame(std::uint32_t opaque, std::uint32_t queue, std::size_t body_bytes) {
  std::string header =
      R"({"code":310,"extFields":{"a":"bench","b":"bench","c":"TBW102","d":"4","e":")" +
      std::to_string(queue) + R"(","f":"0","g":"1700000000000","h":"0","i":"KEYS\u0001key)" +
      std::to_string(opaque) + R"(\u0002UNIQ_KEY\u00017F0000010A3C18B4AAC2)" +
      std::to_string(10'000'000 + opaque) +
      R"(\u0002WAIT\u0001true\u0002TAGS\u0001tag","j":"0","k":"false","m":"false"},"flag":0,)"
      R"("language":"JAVA","opaque":)" +
      std::to_string(opaque) + R"(,"serializeTypeCurrentRPC":"JSON","version":407})";
  std::string frame;
  append_number(frame, static_cast<std::uint32_t>(4 + header.size() + body_bytes));
  append_number(frame, static_cast<std::uint32_t>(header.size()));
  frame += header;
  frame.append(body_bytes, 'x');
  return frame;
}

struct connection {
  int socket = -1;
  std::string unsent;
  std::string unread;
  std::uint64_t open = 0;
};

int dial(std::uint16_t port) {
  int s = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(s, reinterpret_cast<sockaddr*>(&to), sizeof(to)) != 0 && errno != EINPROGRESS)
    fail("connect");
  int on = 1;
  ::setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  return s;
}

/// As a Java client pulls that says its expression each time, and does not wait.
std::string pull_frame(std::uint32_t opaque, std::uint32_t queue, std::uint64_t offset) {
  std::string header =
      R"({"code":11,"extFields":{"consumerGroup":"bench-get","topic":"bench","queueId":")" +
      std::to_string(queue) + R"(","queueOffset":")" + std::to_string(offset) +
      R"(","maxMsgNums":"32","sysFlag":"4","commitOffset":"0","suspendTimeoutMillis":"0",)"
      R"("subscription":"*","subVersion":"1","expressionType":"TAG"},"flag":0,)"
      R"("language":"JAVA","opaque":)" +
      std::to_string(opaque) + R"(,"serializeTypeCurrentRPC":"JSON","version":407})";
  std::string frame;
  append_number(frame, static_cast<std::uint32_t>(4 + header.size()));
  append_number(frame, static_cast<std::uint32_t>(header.size()));
  return frame += header;
}

/// The only answer that can be there, if it is whole: messages up to which number. None: 0.
bool take_pulled(connection& c, std::uint64_t& next) {
  if (c.unread.size() < 8)
    return false;
  auto length = number_at(c.unread.data());
  auto header_bytes = number_at(c.unread.data() + 4) & 0xffffff;
  if (c.unread.size() < 4 + std::size_t{length})
    return false;
  std::string_view header(c.unread.data() + 8, header_bytes);
  constexpr std::string_view key = "\"nextBeginOffset\":\"";
  auto at = header.find(key);
  auto found = header.find("\"code\":0,") != std::string_view::npos;
  if (found && at == std::string_view::npos) {
    std::fprintf(stderr, "frame_load: no nextBeginOffset\n");
    std::exit(1);
  }
  next = found ? std::strtoull(header.data() + at + key.size(), nullptr, 10) : 0;
  c.unread.erase(0, 4 + std::size_t{length});
  return true;
}

/// Takes whole answers; each must say success.
std::uint64_t take_answers(connection& c) {
  std::uint64_t count = 0;
  std::size_t at = 0;
  while (c.unread.size() - at >= 8) {
    auto length = number_at(c.unread.data() + at);
    if (c.unread.size() - at < 4 + std::size_t{length})
      break;
    std::string_view header(c.unread.data() + at + 8,
                            number_at(c.unread.data() + at + 4) & 0xffffff);
    if (header.find("\"code\":0,") == std::string_view::npos) {
      std::fprintf(stderr, "frame_load: refused: %.*s\n", static_cast<int>(header.size()),
                   header.data());
      std::exit(1);
    }
    at += 4 + std::size_t{length};
    ++count;
  }
  c.unread.erase(0, at);
  c.open -= count;
  return count;
}

void move_bytes(connection& c, const pollfd& ready) {
  if ((ready.revents & POLLOUT) != 0 && !c.unsent.empty()) {
    auto sent = ::send(c.socket, c.unsent.data(), c.unsent.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN)
      fail("send");
    if (sent > 0)
      c.unsent.erase(0, static_cast<std::size_t>(sent));
  }
  if ((ready.revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
    std::array<char, 65536> bytes;
    auto got = ::recv(c.socket, bytes.data(), bytes.size(), 0);
    if (got == 0 || (got < 0 && errno != EAGAIN))
      fail("the node closed the connection");
    if (got > 0)
      c.unread.append(bytes.data(), static_cast<std::size_t>(got));
  }
}

struct load {
  std::uint16_t port = 0;
  std::uint64_t messages = 100'000;
  std::uint64_t open = 256;
  std::size_t connections = 1;
  std::size_t bytes = 1024;
  std::uint32_t queues = 4;
};

double put(const load& wanted) {
  std::vector<std::string> frames; // few, sent again and again
  for (std::uint32_t i = 0; i < 1024; ++i)
    frames.push_back(send_frame(i, i % wanted.queues, wanted.bytes));
  std::vector<connection> all(wanted.connections);
  for (auto& c : all)
    c.socket = dial(wanted.port);
  auto each = std::max<std::uint64_t>(1, wanted.open / wanted.connections);
  auto begin = std::chrono::steady_clock::now();
  std::uint64_t sent = 0, answered = 0;
  std::vector<pollfd> polled(all.size());
  while (answered < wanted.messages) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      for (; all[i].open < each && sent < wanted.messages; ++sent, ++all[i].open)
        all[i].unsent += frames[sent % frames.size()];
      polled[i] = {all[i].socket,
                   static_cast<short>(POLLIN | (all[i].unsent.empty() ? 0 : POLLOUT)), 0};
    }
    if (::poll(polled.data(), polled.size(), 10'000) <= 0)
      fail("no answer within 10 s");
    for (std::size_t i = 0; i < all.size(); ++i) {
      move_bytes(all[i], polled[i]);
      answered += take_answers(all[i]);
    }
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double get(const load& wanted) {
  struct place {
    std::uint32_t queue = 0;
    std::uint64_t offset = 0;
  };
  std::vector<connection> all(wanted.connections);
  std::vector<place> places(all.size());
  std::vector<pollfd> polled(all.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i].socket = dial(wanted.port);
    places[i].queue = static_cast<std::uint32_t>(i) % wanted.queues;
  }
  auto begin = std::chrono::steady_clock::now();
  std::uint64_t got = 0;
  std::uint32_t opaque = 0, empty = 0;
  while (got < wanted.messages) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i].open == 0) {
        all[i].unsent += pull_frame(++opaque, places[i].queue, places[i].offset);
        all[i].open = 1;
      }
      polled[i] = {all[i].socket,
                   static_cast<short>(POLLIN | (all[i].unsent.empty() ? 0 : POLLOUT)), 0};
    }
    if (::poll(polled.data(), polled.size(), 10'000) <= 0)
      fail("no answer within 10 s");
    for (std::size_t i = 0; i < all.size(); ++i) {
      std::uint64_t next = 0;
      move_bytes(all[i], polled[i]);
      if (!take_pulled(all[i], next))
        continue;
      all[i].open = 0;
      auto came = next > places[i].offset ? next - places[i].offset : 0;
      got += came;
      empty = came > 0 ? 0 : empty + 1;
      places[i].offset = came > 0 ? next : 0;
      if (empty > 2 * all.size() + 2) {
        std::fprintf(stderr, "frame_load: the queues are empty\n");
        std::exit(1);
      }
    }
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

void add_options(CLI::App& verb, load& wanted) {
  verb.add_option("port", wanted.port, "The node's remoting port")->required();
  verb.add_option("--messages", wanted.messages, "How many");
  verb.add_option("--connections", wanted.connections, "How many")->check(CLI::Range(1, 1000));
  verb.add_option("--queues", wanted.queues, "Of the topic")->check(CLI::Range(1, 1024));
}

} // namespace

int main(int argc, char** argv) try {
  CLI::App app{"Frames of RocketMQ clients, made beforehand"};
  load wanted;
  auto* send = app.add_subcommand("put", "Send messages to the topic bench");
  auto* pull = app.add_subcommand("get", "Pull messages of the topic bench");
  app.require_subcommand(1);
  add_options(*send, wanted);
  add_options(*pull, wanted);
  send->add_option("--open", wanted.open, "Unanswered at a time, of all connections");
  send->add_option("--bytes", wanted.bytes, "Of a body");
  CLI11_PARSE(app, argc, argv);
  auto seconds = send->parsed() ? put(wanted) : get(wanted);
  std::printf("{\"messages\":%llu,\"seconds\":%.3f}\n",
              static_cast<unsigned long long>(wanted.messages), seconds);
  return 0;
} catch (const std::exception& what) {
  std::fprintf(stderr, "frame_load: %s\n", what.what());
  return 1;
}
