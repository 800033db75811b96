#pragma once

#include "net/remoting/command.hpp"

#include <memory>
#include <string>
#include <string_view>

#include <openssl/evp.h>

namespace troupe::access {

/// The ext fields by which a client says who it is.
inline constexpr std::string_view access_key_field = "AccessKey";
inline constexpr std::string_view signature_field = "Signature";

/// A secret, ready to sign with: HMAC-SHA1 over the values of all ext fields but the signature, in
/// the order of their names, and the body behind them; in Base64. As RocketMQ's ACL 1.0 has it. Any
/// thread may call.
class signing_key {
public:
  /// Fails without memory.
  static storage::result<signing_key> make(std::string_view secret);

  /// Empty without memory.
  std::string sign(const remoting::command& header, remoting::byte_view body) const;
  /// Whether the request's own signature is that; in a time that tells nothing of it.
  bool has_signed(const remoting::command& header, remoting::byte_view body) const;

private:
  using context_pointer = std::shared_ptr<const EVP_MAC_CTX>;
  explicit signing_key(context_pointer keyed) : keyed_(std::move(keyed)) {}
  std::string sign(const remoting::command& header, remoting::byte_view body,
                   std::string_view left_out) const;

  context_pointer keyed_; ///< copied for each signature, so that the key is prepared once
};

} // namespace troupe::access
