#include "net/access/signature.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/params.h>

namespace troupe::access {

namespace {

/// Java's broker leaves it out of what it signs, though its clients sign it.
constexpr std::string_view unique_key_field = "_UNIQUE_KEY_QUERY";
constexpr std::size_t sha1_bytes = 20;

/// In the order of their names; of a repeated name the last one counts, as everywhere.
std::vector<std::pair<std::string_view, std::string_view>>
signed_values(const remoting::command& header, std::string_view left_out) {
  std::vector<std::pair<std::string_view, std::string_view>> values;
  values.reserve(header.ext.size());
  for (auto& [name, value] : header.ext)
    if (name != signature_field && name != left_out)
      values.emplace_back(name, value);
  std::stable_sort(values.begin(), values.end(),
                   [](auto& a, auto& b) { return a.first < b.first; });
  auto is_repeated = [&values](std::size_t i) {
    return i + 1 < values.size() && values[i].first == values[i + 1].first;
  };
  std::size_t kept = 0;
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!is_repeated(i))
      values[kept++] = values[i];
  values.resize(kept);
  return values;
}

bool is_same(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

} // namespace

storage::result<signing_key> signing_key::make(std::string_view secret) {
  using mac_pointer = std::unique_ptr<EVP_MAC, decltype(&EVP_MAC_free)>;
  mac_pointer mac{EVP_MAC_fetch(nullptr, "HMAC", nullptr), EVP_MAC_free};
  auto* made = mac ? EVP_MAC_CTX_new(mac.get()) : nullptr;
  context_pointer keyed{made, [](const EVP_MAC_CTX* c) {
                          EVP_MAC_CTX_free(const_cast<EVP_MAC_CTX*>(c)); // made by us
                        }};
  char digest[] = "SHA1";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_END};
  // No pointer would mean the key of before, also for a secret that is empty.
  auto* key = reinterpret_cast<const unsigned char*>(secret.empty() ? "" : secret.data());
  if (made == nullptr || EVP_MAC_init(made, key, secret.size(), parameters) != 1) {
    ERR_clear_error();
    return storage::error{storage::errc::unavailable, "signatures cannot be checked: OpenSSL has "
                                                      "no HMAC-SHA1, or no memory"};
  }
  return signing_key(std::move(keyed));
}

std::string signing_key::sign(const remoting::command& header, remoting::byte_view body,
                              std::string_view left_out) const {
  using copy_pointer = std::unique_ptr<EVP_MAC_CTX, decltype(&EVP_MAC_CTX_free)>;
  copy_pointer copy{EVP_MAC_CTX_dup(keyed_.get()), EVP_MAC_CTX_free};
  bool good = copy != nullptr;
  auto add = [&](const void* from, std::size_t size) {
    good = good && EVP_MAC_update(copy.get(), static_cast<const unsigned char*>(from), size) == 1;
  };
  for (auto& [name, value] : signed_values(header, left_out))
    if (!value.empty())
      add(value.data(), value.size());
  if (!body.empty())
    add(body.data(), body.size());
  std::array<unsigned char, sha1_bytes> digest{};
  std::size_t size = 0;
  if (!good || EVP_MAC_final(copy.get(), digest.data(), &size, digest.size()) != 1) {
    ERR_clear_error();
    return {};
  }
  std::array<unsigned char, 4 * ((sha1_bytes + 2) / 3) + 1> text{};
  auto length = EVP_EncodeBlock(text.data(), digest.data(), static_cast<int>(size));
  return {reinterpret_cast<const char*>(text.data()), static_cast<std::size_t>(length)};
}

std::string signing_key::sign(const remoting::command& header, remoting::byte_view body) const {
  return sign(header, body, {});
}

bool signing_key::has_signed(const remoting::command& header, remoting::byte_view body) const {
  auto* given = header.ext.find(signature_field);
  auto fits = [&](std::string_view left_out) {
    auto right = sign(header, body, left_out);
    return given != nullptr && !right.empty() && is_same(*given, right);
  };
  return fits({}) || (header.ext.find(unique_key_field) != nullptr && fits(unique_key_field));
}

} // namespace troupe::access
