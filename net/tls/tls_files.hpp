#pragma once

#include <string>

namespace troupe::net {

/// `[tls]` of cluster.ini: PEM files. All are given, or none: then nothing is encrypted.
struct tls_files {
  std::string certificate;     ///< and what stands between it and the authority, in this order
  std::string key;             ///< without a passphrase
  std::string ca;              ///< whose certificates are believed
  std::string keys = "[tls] "; ///< what the configuration calls them, for messages: a beginning

  bool given() const noexcept { return !certificate.empty() || !key.empty() || !ca.empty(); }
};

} // namespace troupe::net
