#include "net/message_json.hpp"

#include "storage/check.hpp"
#include "storage/format/properties.hpp"

#include <openssl/evp.h>

#include <array>
#include <cstdio>
#include <utility>
#include <vector>

namespace troupe::net {

namespace {

using storage::byte_view;

void append_name(std::string& out, std::string_view name) {
  if (out.back() != '{')
    out += ',';
  out.append("\"").append(name).append("\":");
}

void append_number(std::string& out, std::string_view name, std::int64_t value) {
  append_name(out, name);
  out += std::to_string(value);
}

void append_text(std::string& out, std::string_view name, std::string_view value) {
  append_name(out, name);
  append_json_string(out, value);
}

/// A property of its own: null when there is none.
void append_property(std::string& out, std::string_view name, std::string_view value) {
  if (!value.empty())
    return append_text(out, name, value);
  append_name(out, name);
  out += "null";
}

/// Of a repeated name the last value counts.
void append_properties(std::string& out, std::string_view properties) {
  std::vector<std::pair<std::string_view, std::string_view>> pairs;
  storage::for_each_property(properties, [&](std::string_view name, std::string_view value) {
    for (auto& known : pairs)
      if (known.first == name) {
        known.second = value;
        return;
      }
    pairs.emplace_back(name, value);
  });
  append_name(out, "properties");
  out += '{';
  for (auto& [name, value] : pairs) {
    if (out.back() != '{')
      out += ',';
    append_json_string(out, name);
    out += ':';
    append_json_string(out, value);
  }
  out += '}';
}

/// As RocketMQ prints it, an IPv6 address with all its groups: "2001:db8:0:0:0:0:0:17:54321".
void append_host(std::string& out, std::string_view name, const storage::host& h) {
  if (!h.v6)
    return append_text(out, name, h.text());
  std::string text;
  for (std::size_t i = 0; i < h.address.size(); i += 2) {
    std::array<char, 8> group{};
    std::snprintf(group.data(), group.size(), "%x:", h.address[i] << 8 | h.address[i + 1]);
    text += group.data();
  }
  append_text(out, name, text + std::to_string(h.port));
}

void append_sha256(std::string& out, byte_view body) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::array<unsigned char, EVP_MAX_MD_SIZE> sum{};
  unsigned int length = 0;
  TROUPE_CHECK(EVP_Digest(body.data(), body.size(), sum.data(), &length, EVP_sha256(), nullptr) ==
               1);
  out += '"';
  for (unsigned int i = 0; i < length; ++i) {
    out += digits[sum[i] >> 4];
    out += digits[sum[i] & 0xf];
  }
  out += '"';
}

void append_base64(std::string& out, byte_view body) {
  out += '"';
  auto at = out.size();
  out.resize(at + (body.size() + 2) / 3 * 4 + 1); // and a NUL that OpenSSL adds
  auto length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data() + at),
                                reinterpret_cast<const unsigned char*>(body.data()),
                                static_cast<int>(body.size()));
  out.resize(at + static_cast<std::size_t>(length));
  out += '"';
}

/// All but the body.
void append_fields(std::string& out, const storage::record_view& m) {
  const storage::indexed_properties found(m.properties);
  out += '{';
  append_text(out, "topic", m.topic);
  append_number(out, "queueId", m.queue_id);
  append_number(out, "queueOffset", m.queue_position);
  append_number(out, "physOffset", m.offset);
  append_number(out, "size", m.size);
  append_number(out, "storeTimestamp", m.store_timestamp);
  append_number(out, "bornTimestamp", m.born_timestamp);
  append_host(out, "bornHost", m.born_host);
  append_host(out, "storeHost", m.store_host);
  append_number(out, "sysFlag", m.sysflag);
  append_number(out, "flag", m.flag);
  append_number(out, "reconsumeTimes", m.reconsume_times);
  append_number(out, "preparedTransactionOffset", m.prepared_transaction_offset);
  append_property(out, "tags", found.tags);
  append_property(out, "keys", found.keys);
  append_property(out, "uniqKey", found.unique_key);
  append_properties(out, m.properties);
  append_number(out, "bodyCrc", m.body_crc);
  append_number(out, "bodyLen", static_cast<std::int64_t>(m.body.size()));
}

} // namespace

void append_message_json(std::string& out, const storage::record_view& m) {
  append_fields(out, m);
  append_name(out, "bodySha256");
  append_sha256(out, m.body);
  append_name(out, "body");
  append_base64(out, m.body);
  append_text(out, "msgId", storage::message_id(m.store_host, m.offset));
  out += '}';
}

void append_message_json(std::string& out, const storage::record_view& m,
                         std::size_t most_body_bytes) {
  bool cut = m.body.size() > most_body_bytes;
  append_fields(out, m);
  append_name(out, "bodySha256");
  if (cut)
    out += "null";
  else
    append_sha256(out, m.body);
  append_name(out, "bodyCut");
  out += cut ? "true" : "false";
  append_name(out, "body");
  append_base64(out, m.body.first(cut ? most_body_bytes : m.body.size()));
  append_text(out, "msgId", storage::message_id(m.store_host, m.offset));
  out += '}';
}

} // namespace troupe::net
