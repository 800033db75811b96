#include "net/tls/tls_context.hpp"

#include <cerrno>
#include <fstream>
#include <string_view>
#include <utility>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace troupe::net {

namespace {

using storage::errc;
using storage::error;
using storage::result;

/// What to do about most of it.
std::string and_how_to(std::string_view what) {
  std::string out(what);
  return out.append("; docs/operating.md shows how certificates are made");
}

error wrong(const tls_files& of, const char* key, const std::string& what) {
  auto& file = key == std::string_view("ca")    ? of.ca
               : key == std::string_view("key") ? of.key
                                                : of.certificate;
  return {errc::invalid_argument, of.keys + key + " = " + file + " " + what};
}

/// OpenSSL does not tell a file that is missing from one that is none of its own.
result<void> check_readable(const tls_files& of, const char* key, const std::string& file) {
  if (file.empty())
    return error{errc::invalid_argument, of.keys + key +
                                             and_how_to(" is missing: give certificate, key and "
                                                        "ca")};
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  if (in && in.peek() != std::ifstream::traits_type::eof())
    return boost::outcome_v2::success();
  if (errno == 0)
    return wrong(of, key, and_how_to("is empty"));
  auto failed = storage::system_error(errno, "cannot be read");
  return wrong(of, key, failed.message + "; does it exist, and may this user read it?");
}

/// Nobody is asked for a passphrase: a node starts alone.
int no_passphrase(char*, int, int, void*) {
  return 0;
}

result<void> take_ca(SSL_CTX& context, const tls_files& files, tls_use use) {
  TROUPE_TRY(check_readable(files, "ca", files.ca));
  if (SSL_CTX_load_verify_file(&context, files.ca.c_str()) != 1)
    return wrong(files, "ca", and_how_to("holds no certificate in PEM form"));
  if (use == tls_use::door) // clients with several certificates choose by the authority's name
    SSL_CTX_set_client_CA_list(&context, SSL_load_client_CA_file(files.ca.c_str()));
  return boost::outcome_v2::success();
}

result<void> take_files(SSL_CTX& context, const tls_files& files, tls_use use) {
  TROUPE_TRY(check_readable(files, "certificate", files.certificate));
  TROUPE_TRY(check_readable(files, "key", files.key));
  ERR_clear_error();
  if (SSL_CTX_use_certificate_chain_file(&context, files.certificate.c_str()) != 1)
    return wrong(files, "certificate",
                 and_how_to("is no certificate in PEM form that may be used"));
  SSL_CTX_set_default_passwd_cb(&context, no_passphrase);
  if (SSL_CTX_use_PrivateKey_file(&context, files.key.c_str(), SSL_FILETYPE_PEM) != 1) {
    bool other = ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH ||
                 ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_TYPE_MISMATCH;
    return wrong(files, "key",
                 other ? "does not fit the certificate " + files.certificate +
                             ": give the key with which it was requested"
                       : "is no private key in PEM form without a passphrase; openssl pkey -in "
                         "FILE -out NEW takes one off");
  }
  if (SSL_CTX_check_private_key(&context) != 1)
    return wrong(files, "key",
                 "does not fit the certificate " + files.certificate +
                     ": give the key with which it was requested");
  if (use == tls_use::door && files.ca.empty())
    return boost::outcome_v2::success();
  return take_ca(context, files, use);
}

/// What every peer would refuse is better known before the first one comes.
result<void> check_certificate(SSL_CTX& context, const tls_files& files, X509& own, int purpose) {
  std::unique_ptr<X509_STORE_CTX, decltype(&X509_STORE_CTX_free)> check{X509_STORE_CTX_new(),
                                                                        X509_STORE_CTX_free};
  STACK_OF(X509)* between = nullptr;
  SSL_CTX_get0_chain_certs(&context, &between);
  if (!check ||
      X509_STORE_CTX_init(check.get(), SSL_CTX_get_cert_store(&context), &own, between) != 1)
    return error{errc::unavailable, "no memory to check a certificate"};
  X509_STORE_CTX_set_purpose(check.get(), purpose);
  if (X509_verify_cert(check.get()) == 1)
    return boost::outcome_v2::success();
  auto problem = X509_STORE_CTX_get_error(check.get());
  bool of_ca = X509_STORE_CTX_get_error_depth(check.get()) > 0;
  auto* key = of_ca ? "ca" : "certificate";
  switch (problem) {
  case X509_V_ERR_CERT_HAS_EXPIRED:
    return wrong(files, key, and_how_to("has expired: make a new one"));
  case X509_V_ERR_CERT_NOT_YET_VALID:
    return wrong(files, key, "is not valid yet: is the clock of this machine right?");
  case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
  case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
  case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
  case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
  case X509_V_ERR_CERT_SIGNATURE_FAILURE: // another one of the same name
    return wrong(files, "certificate",
                 and_how_to("is not of the authority ca = " + files.ca + ": sign it with that"));
  case X509_V_ERR_INVALID_PURPOSE:
    return wrong(files, key,
                 "may not be used for this: a node's is for servers and clients (extendedKeyUsage "
                 "serverAuth and clientAuth, or none), a program's for clients");
  default:
    return wrong(
        files, key,
        and_how_to(std::string("would be refused: ") + X509_verify_cert_error_string(problem)));
  }
}

/// A door's certificate is of an authority that its clients know, not the node.
result<void> check_time(const tls_files& files, const X509& own) {
  if (X509_cmp_current_time(X509_get0_notAfter(&own)) < 0)
    return wrong(files, "certificate", and_how_to("has expired: make a new one"));
  if (X509_cmp_current_time(X509_get0_notBefore(&own)) > 0)
    return wrong(files, "certificate", "is not valid yet: is the clock of this machine right?");
  return boost::outcome_v2::success();
}

void set_rules(SSL_CTX& context, tls_use use, bool believes) {
  // Older clients in other languages have no TLS 1.3.
  SSL_CTX_set_min_proto_version(&context, use == tls_use::door ? TLS1_2_VERSION : TLS1_3_VERSION);
  SSL_CTX_set_options(&context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
  SSL_CTX_set_verify(&context,
                     believes ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT : SSL_VERIFY_NONE,
                     nullptr);
  // Nothing is resumed: each connection shows its certificate. And so a node's first word after the
  // handshake is its greeting.
  SSL_CTX_set_session_cache_mode(&context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(&context, 0);
  SSL_CTX_set_mode(&context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                 SSL_MODE_RELEASE_BUFFERS);
}

std::int64_t days_until_end(const X509& own) {
  int days = 0;
  int seconds = 0;
  ASN1_TIME_diff(&days, &seconds, nullptr, X509_get0_notAfter(&own));
  return days;
}

} // namespace

result<std::shared_ptr<const tls_context>> tls_context::load(const tls_files& files, tls_use use) {
  ERR_clear_error();
  context_pointer made{SSL_CTX_new(TLS_method()), SSL_CTX_free};
  if (!made)
    return error{errc::unavailable, "no memory for TLS"};
  set_rules(*made, use, use != tls_use::door || !files.ca.empty());
  auto taken = take_files(*made, files, use);
  ERR_clear_error();
  if (!taken)
    return taken.error();
  auto* own = SSL_CTX_get0_certificate(made.get());
  auto good = use == tls_use::door ? check_time(files, *own)
                                   : check_certificate(*made, files, *own, X509_PURPOSE_SSL_CLIENT);
  if (good && use == tls_use::node)
    good = check_certificate(*made, files, *own, X509_PURPOSE_SSL_SERVER);
  ERR_clear_error();
  if (!good)
    return good.error();
  auto days = days_until_end(*own);
  return std::shared_ptr<const tls_context>(new tls_context(std::move(made), days));
}

std::unique_ptr<tls_session> tls_context::session(int socket, tls_session::handshake how) const {
  return tls_session::make(*context_, socket, how);
}

} // namespace troupe::net
