#pragma once

#include "net/actor_port/frame_check.hpp"
#include "storage/big_endian.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

/// Bytes as a client of the actor port sends them, and as strangers do.
namespace troupe::test {

struct frame_head {
  std::uint8_t operation = 0;
  std::uint8_t flags = 0;
  std::uint64_t length = 0;
  std::uint64_t data = 0;
  std::uint64_t source = 0;
  std::uint64_t destination = 0;
};

inline std::string bytes_of(const frame_head& h) {
  std::array<std::byte, net::frame_rules::header_bytes> out{};
  out[0] = std::byte{h.operation};
  out[3] = std::byte{h.flags};
  auto* at = storage::big_endian::store(&out[4], static_cast<std::uint32_t>(h.length));
  for (auto number : {h.data, h.source, h.destination})
    at = storage::big_endian::store(at, number);
  return {reinterpret_cast<const char*>(out.data()), out.size()};
}

constexpr std::uint8_t handshake = 1;
constexpr std::uint8_t message = 2;
constexpr std::uint8_t monitor = 4;
constexpr std::uint8_t down = 5;
constexpr std::uint8_t heartbeat = 6;
constexpr std::uint64_t ordinary = 1ULL << 60; ///< id of a message that is no request

/// A program's id with a number in it; `kind` are its first eight bytes.
inline std::string program(std::string_view kind, std::uint64_t number) {
  std::string id(kind.substr(0, 8));
  id.resize(net::frame_rules::node_bytes, '\1');
  storage::big_endian::store(reinterpret_cast<std::byte*>(id.data() + 12), number);
  return id;
}

inline std::string greeting(const std::string& id) {
  return bytes_of({.operation = handshake, .length = id.size()}) + id;
}

inline std::string number_bytes(std::uint64_t number) {
  std::string out(sizeof number, '\0');
  storage::big_endian::store(reinterpret_cast<std::byte*>(out.data()), number);
  return out;
}

/// Content of a message: no later receivers, the types' names, the values.
inline std::string content(const std::string& types, const std::string& values) {
  return std::string(3, '\0') + static_cast<char>(types.size()) + types + values;
}

inline std::string message_to(std::uint64_t whom, const std::string& body,
                              std::uint64_t id = ordinary, std::uint64_t from = 77) {
  return bytes_of({.operation = message,
                   .length = body.size(),
                   .data = id,
                   .source = from,
                   .destination = whom}) +
         body;
}

} // namespace troupe::test
