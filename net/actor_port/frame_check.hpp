#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>

namespace troupe::net {

/// What may come in at the actor port. The framework's protocol is a stream of frames: a header of
/// 32 bytes (operation, two zeros, flags, u32 length, u64 data, u64 source, u64 destination, all
/// big-endian), then a payload of that length. A program is known by an id of 32 bytes.
struct frame_rules {
  static constexpr std::size_t header_bytes = 32;
  static constexpr std::size_t node_bytes = 32;

  std::array<std::byte, node_bytes> own_node{}; ///< this program's id
  std::uint64_t nobody = 0;                     ///< a name that no actor bears
  std::uint32_t longest_message = 0;            ///< bytes of a payload
  /// The messages that clients may send, by their types as they are written on the wire
  /// ("@<>+@atom+put_request"); those that begin with an atom, also by that.
  std::map<std::string, std::set<std::uint64_t>, std::less<>> messages;
};

/// What the checks of all connections share.
class frame_surroundings {
public:
  virtual ~frame_surroundings() = default;
  /// True when whoever speaks on this connection may address the actor.
  virtual bool exposed(std::uint64_t actor) = 0;
  /// True for another node of the store: it may send every message to what is exposed, and its
  /// answers are waited for.
  virtual bool trusted() = 0;
  /// The program of that id speaks on this connection; false when another one bears the id.
  virtual bool claim(std::string_view node) = 0;
  /// A message was made harmless instead of being handed on.
  virtual void dropped(std::string_view reason) = 0;
};

/// Checks what one connection brings, frame by frame and before anybody else reads it: the
/// framework trusts its peers, and some headers end the process that does. Knows the bytes of the
/// protocol and nothing of actors or sockets. Belongs to one thread.
class frame_check {
public:
  /// Both must outlive the check.
  frame_check(const frame_rules& rules, frame_surroundings& around) noexcept
      : rules_(rules), around_(around) {}

  /// How many bytes belong together next: a header, or the payload that it announced.
  std::size_t wanted() const noexcept { return payload_bytes_ > 0 ? payload_bytes_ : header; }
  bool inside_frame() const noexcept { return payload_bytes_ > 0; }
  /// It is known who speaks.
  bool greeted() const noexcept { return !peer_.empty(); }

  /// Takes `wanted()` bytes, and changes those that must not have an effect. False ends the
  /// connection; nothing may be read from it any more, and `offence` says why.
  bool take(std::span<std::byte> bytes);
  std::string_view offence() const noexcept { return offence_; }

private:
  static constexpr std::size_t header = frame_rules::header_bytes;
  struct fields;

  bool check_header(std::byte* at);
  bool check_client_handshake(const fields& h);
  bool check_message_header(const fields& h, std::byte* at);
  bool check_notice(const fields& h);
  bool check_payload(std::span<std::byte> bytes);
  bool take_peer(std::string_view node);
  bool check_message(std::span<std::byte> bytes);
  bool refuse(std::string_view why);

  const frame_rules& rules_;
  frame_surroundings& around_;
  std::size_t payload_bytes_ = 0; ///< 0: a header is next
  std::uint8_t operation_ = 0;
  bool for_nobody_ = false; ///< the message whose payload is next
  bool hidden_ = false;     ///< and it names an actor that is not exposed
  bool trusted_ = false;    ///< for good
  int handshakes_ = 0;
  std::string peer_;
  std::unordered_set<std::uint64_t> senders_;
  std::string_view offence_;
};

} // namespace troupe::net
