#pragma once

#include "net/tls/tls_files.hpp"

#include <cstdint>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace troupe::test {

/// Signs certificates, whose files it puts into a directory.
class certificate_authority {
public:
  explicit certificate_authority(std::string directory, const std::string& name = "ca")
      : directory_(std::move(directory)), key_(EVP_EC_gen("P-256")),
        own_(certificate(name, *key_, nullptr, {})) {
    write(name + ".pem", [&](std::FILE* to) { return PEM_write_X509(to, own_.get()); });
    ca_ = directory_ + "/" + name + ".pem";
  }

  /// Seconds from now.
  struct validity {
    long from = -3600;
    long to = 90L * 24 * 3600;
  };

  /// Certificate and key for a node or program, in NAME.pem and NAME.key.
  net::tls_files issue(const std::string& name, validity valid = {-3600, 90L * 24 * 3600}) {
    key_pointer key{EVP_EC_gen("P-256")};
    auto made = certificate(name, *key, own_.get(), valid);
    write(name + ".pem", [&](std::FILE* to) { return PEM_write_X509(to, made.get()); });
    write(name + ".key", [&](std::FILE* to) {
      return PEM_write_PrivateKey(to, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    });
    return {directory_ + "/" + name + ".pem", directory_ + "/" + name + ".key", ca_};
  }

private:
  template <class T, void (*Free)(T*)>
  struct freed {
    void operator()(T* x) const { Free(x); }
  };
  using key_pointer = std::unique_ptr<EVP_PKEY, freed<EVP_PKEY, EVP_PKEY_free>>;
  using certificate_pointer = std::unique_ptr<X509, freed<X509, X509_free>>;

  template <class Write>
  void write(const std::string& name, Write how) const {
    auto* to = std::fopen((directory_ + "/" + name).c_str(), "w");
    auto good = to != nullptr && how(to) == 1;
    if (to != nullptr)
      std::fclose(to);
    if (!good)
      throw std::runtime_error("cannot write " + name);
  }

  /// Without an issuer: of the authority itself.
  certificate_pointer certificate(const std::string& name, EVP_PKEY& key, const X509* issuer,
                                  validity valid) {
    certificate_pointer made{X509_new()};
    X509_set_version(made.get(), X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made.get()), ++serial_);
    X509_gmtime_adj(X509_getm_notBefore(made.get()), valid.from);
    X509_gmtime_adj(X509_getm_notAfter(made.get()), valid.to);
    X509_set_pubkey(made.get(), &key);
    auto* subject = X509_get_subject_name(made.get());
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    X509_set_issuer_name(made.get(), issuer == nullptr ? subject : X509_get_subject_name(issuer));
    if (issuer == nullptr)
      if (auto* is_ca =
              X509V3_EXT_conf_nid(nullptr, nullptr, NID_basic_constraints, "critical,CA:TRUE")) {
        X509_add_ext(made.get(), is_ca, -1);
        X509_EXTENSION_free(is_ca);
      }
    if (X509_sign(made.get(), key_.get(), EVP_sha256()) == 0)
      throw std::runtime_error("cannot sign a certificate");
    return made;
  }

  std::string directory_;
  long serial_ = 0;
  key_pointer key_;
  certificate_pointer own_;
  std::string ca_;
};

} // namespace troupe::test
