#include "net/actor_port/frame_check.hpp"

#include "storage/big_endian.hpp"

#include <optional>

namespace troupe::net {

namespace {

namespace big_endian = storage::big_endian;

namespace operation {
constexpr std::uint8_t client_handshake = 1;
constexpr std::uint8_t message = 2;
constexpr std::uint8_t routed_message = 3; ///< two ids of programs stand before its content
constexpr std::uint8_t monitor = 4;
constexpr std::uint8_t down = 5;
constexpr std::uint8_t heartbeat = 6;
} // namespace operation

constexpr std::size_t destination_at = 24;
constexpr std::byte to_a_name{1};     ///< flag: the destination is a name, not a number
constexpr std::uint8_t some_flag = 2; ///< of a handshake; says nothing here

constexpr std::uint64_t is_response = 1ULL << 63;
constexpr std::uint64_t is_stream = 1ULL << 61;

/// A message of no arguments: three bytes, and the name of no types.
constexpr std::size_t least_message = 4;
constexpr std::uint32_t longest_down = 64u << 10;
/// From whom a routed message is and for whom.
constexpr std::size_t routed_bytes = 2 * frame_rules::node_bytes;
/// A client repeats it when two connections cross.
constexpr int most_handshakes = 4;
/// The framework keeps something of each actor that sends, as long as the connection lasts.
constexpr std::size_t most_senders = 4096;

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// A length as it stands before a text: 7 bits a byte, the lowest first.
std::optional<std::size_t> read_length(std::span<const std::byte> bytes, std::size_t& at) {
  std::size_t length = 0;
  for (unsigned shift = 0; shift <= 14; shift += 7) {
    if (at >= bytes.size())
      return std::nullopt;
    auto next = std::to_integer<std::size_t>(bytes[at++]);
    length |= (next & 0x7f) << shift;
    if ((next & 0x80) == 0)
      return length;
  }
  return std::nullopt;
}

/// What a client's framework answers when the framework here asks who spawns actors there: as a
/// message of its own, to an actor that nobody else knows.
constexpr std::string_view spawn_server_answer = "@<>+@atom+@str+@strong_actor_ptr+@str";

} // namespace

struct frame_check::fields {
  explicit fields(const std::byte* at)
      : operation(std::to_integer<std::uint8_t>(at[0])),
        reserved(big_endian::load<std::uint16_t>(at + 1)),
        flags(std::to_integer<std::uint8_t>(at[3])),
        length(big_endian::load<std::uint32_t>(at + 4)),
        data(big_endian::load<std::uint64_t>(at + 8)),
        source(big_endian::load<std::uint64_t>(at + 16)),
        destination(big_endian::load<std::uint64_t>(at + destination_at)) {}

  std::uint8_t operation;
  std::uint16_t reserved;
  std::uint8_t flags;
  std::uint32_t length;
  std::uint64_t data;
  std::uint64_t source;
  std::uint64_t destination;
};

bool frame_check::refuse(std::string_view why) {
  offence_ = why;
  return false;
}

bool frame_check::take(std::span<std::byte> bytes) {
  if (!offence_.empty() || bytes.size() != wanted())
    return refuse("bytes after the end");
  if (!inside_frame())
    return check_header(bytes.data());
  payload_bytes_ = 0;
  return check_payload(bytes);
}

bool frame_check::check_header(std::byte* at) {
  const fields h(at);
  operation_ = h.operation;
  if (h.reserved != 0)
    return refuse("no header of the actors' protocol");
  if (h.operation != operation::client_handshake && !greeted())
    return refuse("a frame before the handshake");
  bool good = false;
  switch (h.operation) {
  case operation::client_handshake:
    good = check_client_handshake(h);
    break;
  case operation::message:
    good = check_message_header(h, at);
    break;
  case operation::routed_message: // what a program leaves to us that it was asked by another one
    trusted_ = trusted_ || around_.trusted();
    if (!trusted_ || h.length < routed_bytes + least_message)
      return refuse("relaying, which is not offered");
    good = check_message_header(h, at);
    break;
  case operation::monitor:
  case operation::down:
  case operation::heartbeat:
    good = check_notice(h);
    break;
  default: // a server's handshake, though nobody was dialled
    return refuse("an operation that clients have no use for");
  }
  if (good)
    payload_bytes_ = h.length;
  return good;
}

bool frame_check::check_client_handshake(const fields& h) {
  if ((h.flags != 0 && h.flags != some_flag) || h.length != frame_rules::node_bytes ||
      h.data != 0 || h.source != 0 || h.destination != 0)
    return refuse("a malformed handshake");
  if (++handshakes_ > most_handshakes)
    return refuse("one handshake after the other");
  return true;
}

bool frame_check::check_message_header(const fields& h, std::byte* at) {
  if (h.flags > 1 || h.length < least_message || h.destination == 0)
    return refuse("a malformed message header");
  if (h.length > rules_.longest_message)
    return refuse("a message that is too long");
  if ((h.data & is_stream) != 0) // its content would be taken for a stream's, unseen
    return refuse("a message of a stream");
  trusted_ = trusted_ || around_.trusted();
  if (h.source != 0 && !trusted_ && !senders_.contains(h.source)) {
    if (senders_.size() >= most_senders)
      return refuse("too many senders");
    senders_.insert(h.source);
  }
  // Each client asks for two servers of the framework by name, and answers what the framework here
  // asks of his: that is no offence, and nobody waits for it.
  bool named = h.flags != 0;
  bool answer = (h.data & is_response) != 0;
  hidden_ = false;
  for_nobody_ = named || (answer ? !trusted_ : !around_.exposed(h.destination));
  if (!for_nobody_)
    return true;
  hidden_ = !named && !answer;
  // Who asked is told that there is nobody.
  at[3] = to_a_name;
  big_endian::store(at + destination_at, rules_.nobody);
  return true;
}

/// Without a receiver among the actors: somebody wants to be told of an end, tells of one, or that
/// he is there.
bool frame_check::check_notice(const fields& h) {
  constexpr auto two_nodes = std::uint32_t{2 * frame_rules::node_bytes};
  bool good = h.flags == 0 && h.data == 0;
  if (h.operation == operation::monitor)
    good = good && h.length == two_nodes && h.source == 0 && h.destination != 0;
  else if (h.operation == operation::down)
    good = good && h.length > two_nodes && h.length <= longest_down && h.source != 0 &&
           h.destination == 0;
  else
    good = good && h.length == 0 && h.source == 0 && h.destination == 0;
  return good || refuse("a malformed notice");
}

bool frame_check::check_payload(std::span<std::byte> bytes) {
  auto text = text_of(bytes);
  constexpr auto node = frame_rules::node_bytes;
  switch (operation_) {
  case operation::client_handshake:
    return take_peer(text);
  case operation::monitor:
  case operation::down:
    return (text.substr(0, node) == peer_ && text.substr(node, node) == text_of(rules_.own_node)) ||
           refuse("a notice in the name of another program");
  case operation::routed_message:
    if (text.substr(node, node) != text_of(rules_.own_node))
      return refuse("relaying, which is not offered");
    return check_message(bytes.subspan(routed_bytes));
  default:
    return check_message(bytes);
  }
}

bool frame_check::take_peer(std::string_view node) {
  constexpr std::size_t kind_bytes = 8;
  if (greeted())
    return node == peer_ || refuse("a second program on one connection");
  auto own = text_of(rules_.own_node);
  if (node.substr(0, kind_bytes) != own.substr(0, kind_bytes) ||
      node.substr(kind_bytes, 4) == std::string_view("\0\0\0\0", 4))
    return refuse("no id of a program");
  if (node == own || !around_.claim(node))
    return refuse("the id of another program");
  peer_ = node;
  return true;
}

/// Content: u8 count of later receivers, u16 0, the types' names as one text, then the values.
bool frame_check::check_message(std::span<std::byte> bytes) {
  std::size_t at = 3;
  auto length = read_length(bytes, at);
  if (!length || *length > bytes.size() - at || big_endian::load<std::uint16_t>(&bytes[1]) != 0)
    return refuse("a message without types");
  if (bytes[0] != std::byte{0}) // they would get the answer, exposed or not
    return refuse("a message with later receivers");
  auto types = text_of(bytes.subspan(at, *length));
  if (hidden_ && types != spawn_server_answer)
    around_.dropped("for an actor that is not exposed");
  if (trusted_)
    return true;
  auto values = bytes.subspan(at + *length);
  auto found = rules_.messages.find(types);
  bool known = found != rules_.messages.end();
  if (known && !found->second.empty())
    known = values.size() >= sizeof(std::uint64_t) &&
            found->second.contains(big_endian::load<std::uint64_t>(values.data()));
  if (known)
    return true;
  if (!for_nobody_)
    around_.dropped("a message that is none of a client's");
  bytes[1] = bytes[2] = std::byte{0xff}; // types that nobody knows: it arrives empty
  return true;
}

} // namespace troupe::net
