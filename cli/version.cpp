#include "cli/version.hpp"

#include "actors/messages.hpp"

#include <CLI/Version.hpp>
#include <boost/version.hpp>
#include <caf/config.hpp>
#include <openssl/crypto.h>
#include <spdlog/version.h>

#include <array>
#include <string_view>

namespace troupe::cli {

namespace {

std::string dotted(int major, int minor, int patch) {
  return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch);
}

} // namespace

std::string version_text() {
  std::string boost = BOOST_LIB_VERSION; // "1_74"
  for (auto& c : boost)
    c = c == '_' ? '.' : c;
  const std::array<std::pair<std::string_view, std::string>, 8> lines{{
      {"commit", TROUPE_COMMIT},
      {"protocol", std::to_string(protocol_version)},
      {"CAF", dotted(CAF_MAJOR_VERSION, CAF_MINOR_VERSION, CAF_PATCH_VERSION)},
      {"Boost", boost},
      {"OpenSSL", ::OpenSSL_version(OPENSSL_VERSION)}, // the one that runs
      {"spdlog", dotted(SPDLOG_VER_MAJOR, SPDLOG_VER_MINOR, SPDLOG_VER_PATCH)},
      {"CLI11", CLI11_VERSION},
      {"compiler", __VERSION__},
  }};
  std::string text = "troupe " TROUPE_VERSION;
  for (auto& [name, value] : lines)
    text.append("\n").append(name).append(std::string(10 - name.size(), ' ')).append(value);
  return text;
}

} // namespace troupe::cli
