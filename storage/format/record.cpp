#include "storage/format/record.hpp"

#include "storage/big_endian.hpp"
#include "storage/check.hpp"
#include "storage/format/crc.hpp"
#include "storage/format/properties.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>

namespace troupe::storage {

namespace {

constexpr std::uint32_t v6_extra_bytes = 12;
using record_layout::crc_property_bytes;
constexpr std::size_t crc_digits = 10;
constexpr std::size_t crc_digits_at = property::record_crc.size() + 1;

/// Reads fields one behind the other; the caller has made sure that they are there.
class field_reader {
public:
  explicit field_reader(byte_view bytes) : bytes_(bytes) {}
  std::size_t left() const noexcept { return bytes_.size(); }

  template <class T>
  T number() noexcept {
    return big_endian::load<T>(take(sizeof(T)).data());
  }
  byte_view take(std::size_t count) noexcept {
    auto part = bytes_.first(count);
    bytes_ = bytes_.subspan(count);
    return part;
  }
  std::string_view text(std::size_t count) noexcept {
    auto part = take(count);
    return {reinterpret_cast<const char*>(part.data()), part.size()};
  }
  host address(bool v6) noexcept {
    host result;
    result.v6 = v6;
    auto part = take(v6 ? 16 : 4);
    std::memcpy(result.address.data(), part.data(), part.size());
    result.port = number<std::int32_t>();
    return result;
  }

private:
  byte_view bytes_;
};

std::byte* store_host(std::byte* to, const host& from) noexcept {
  const std::size_t bytes = from.v6 ? 16 : 4;
  std::memcpy(to, from.address.data(), bytes);
  return big_endian::store(to + bytes, from.port);
}

std::byte* store_bytes(std::byte* to, const void* from, std::size_t count) noexcept {
  if (count != 0)
    std::memcpy(to, from, count);
  return to + count;
}

std::uint32_t host_extra_bytes(bool born_v6, bool store_v6) noexcept {
  return (born_v6 ? v6_extra_bytes : 0) + (store_v6 ? v6_extra_bytes : 0);
}

bool needs_separator(std::string_view properties) noexcept {
  return !properties.empty() && properties.back() != property::value_end;
}

/// The last bytes of `properties` if they are a record CRC.
std::string_view crc_property(std::string_view properties) noexcept {
  if (properties.size() < crc_property_bytes)
    return {};
  auto tail = properties.substr(properties.size() - crc_property_bytes);
  bool is_crc = tail.starts_with(property::record_crc) &&
                tail[property::record_crc.size()] == property::name_end &&
                tail.back() == property::value_end;
  return is_crc ? tail : std::string_view{};
}

/// Ten decimal digits, the least significant first; above 32 bits when they are none.
std::uint64_t parse_crc(std::string_view property) noexcept {
  std::uint64_t value = 0;
  for (std::size_t i = crc_digits; i-- > 0;) {
    char digit = property[crc_digits_at + i];
    if (digit < '0' || digit > '9')
      return std::numeric_limits<std::uint64_t>::max();
    value = value * 10 + static_cast<std::uint64_t>(digit - '0');
  }
  return value;
}

std::byte* store_crc(std::byte* to, std::uint32_t crc) noexcept {
  to = store_bytes(to, property::record_crc.data(), property::record_crc.size());
  *to++ = static_cast<std::byte>(property::name_end);
  for (std::size_t i = 0; i < crc_digits; ++i) {
    *to++ = static_cast<std::byte>('0' + crc % 10);
    crc /= 10;
  }
  *to++ = static_cast<std::byte>(property::value_end);
  return to;
}

decoded ended(const char* problem) noexcept {
  decoded result;
  result.problem = problem;
  return result;
}

/// Fills `view` from a whole record; answers what is wrong, or null.
const char* parse(byte_view record, bool v2, record_view& view) noexcept {
  field_reader in(record);
  view.bytes = record;
  view.size = in.number<std::uint32_t>();
  in.take(4);
  view.v2 = v2;
  view.body_crc = in.number<std::uint32_t>();
  view.queue_id = in.number<std::int32_t>();
  view.flag = in.number<std::int32_t>();
  view.queue_position = in.number<std::int64_t>();
  view.offset = in.number<std::int64_t>();
  view.sysflag = in.number<std::int32_t>();
  const bool born_v6 = (view.sysflag & sysflag::born_host_v6) != 0;
  const bool store_v6 = (view.sysflag & sysflag::store_host_v6) != 0;
  const std::uint32_t fixed =
      record_layout::fixed_bytes_v1 + host_extra_bytes(born_v6, store_v6) + (v2 ? 1 : 0);
  if (record.size() < fixed)
    return "record is shorter than its fixed fields";
  view.born_timestamp = in.number<std::int64_t>();
  view.born_host = in.address(born_v6);
  view.store_timestamp = in.number<std::int64_t>();
  view.store_host = in.address(store_v6);
  view.reconsume_times = in.number<std::int32_t>();
  view.prepared_transaction_offset = in.number<std::int64_t>();

  // What body, topic and properties have together is known; each takes its part of it.
  std::size_t rest = record.size() - fixed;
  const auto body = in.number<std::uint32_t>();
  if (body > rest)
    return "body is longer than its record";
  view.body = in.take(body);
  rest -= body;
  const std::size_t topic = v2 ? in.number<std::uint16_t>() : in.number<std::uint8_t>();
  if (topic > rest || topic > (v2 ? 0x7fffU : 0x7fU))
    return "topic is longer than its record allows";
  view.topic = in.text(topic);
  rest -= topic;
  const auto properties = in.number<std::uint16_t>();
  if (properties != rest || properties > max_properties_bytes)
    return "lengths of the parts do not add up to the record's size";
  view.properties = in.text(properties);
  return nullptr;
}

/// The checks that read all bytes; answers what is wrong, or null.
const char* verify_content(const record_view& view) noexcept {
  if (record_crc32(view.body) != view.body_crc)
    return "CRC of the body is wrong";
  // Nothing stores a NUL there, but a sector that was never written reads as NULs.
  if (view.topic.find('\0') != std::string_view::npos ||
      view.properties.find('\0') != std::string_view::npos)
    return "topic or properties hold a NUL";
  if (auto crc = crc_property(view.properties); !crc.empty()) {
    if (record_crc32(view.bytes.first(view.bytes.size() - crc_property_bytes)) != parse_crc(crc))
      return "CRC of the record is wrong";
  }
  return nullptr;
}

} // namespace

decoded decode_record(byte_view bytes, log_offset offset, verify what) noexcept {
  if (bytes.size() < blank_header_bytes)
    return ended("less than a header is left in the file");
  const auto size = big_endian::load<std::uint32_t>(bytes.data());
  const auto magic = big_endian::load<std::uint32_t>(bytes.data() + 4);
  if (magic == record_layout::magic_blank) {
    if (size != bytes.size())
      return ended("blank does not reach to the end of its file");
    decoded result;
    result.kind = record_kind::blank;
    result.size = size;
    return result;
  }
  if (size == 0 && magic == 0)
    return ended("");
  const bool v2 = magic == record_layout::magic_v2;
  if (!v2 && magic != record_layout::magic_v1)
    return ended("magic number is none of a record's");
  if (size < record_layout::fixed_bytes_v1)
    return ended("record is shorter than its fixed fields");
  if (size > bytes.size())
    return ended("record is longer than what is left in its file");
  decoded result;
  auto* problem = parse(bytes.first(size), v2, result.view);
  if (problem == nullptr && result.view.offset != offset)
    problem = "record belongs to another offset";
  if (problem == nullptr && what == verify::structure_and_crc)
    problem = verify_content(result.view);
  if (problem != nullptr)
    return ended(problem);
  result.kind = record_kind::message;
  result.size = size;
  return result;
}

std::uint32_t encoded_size(const record_fields& fields, bool record_crc) noexcept {
  std::size_t size = record_layout::fixed_bytes_v1 +
                     host_extra_bytes(fields.born_host.v6, fields.store_host.v6) +
                     fields.body.size() + fields.topic.size() + fields.properties.size();
  if (fields.topic.size() > max_topic_bytes)
    size += 1;
  if (record_crc)
    size += crc_property_bytes + (needs_separator(fields.properties) ? 1 : 0);
  return static_cast<std::uint32_t>(size);
}

void encode_record(const record_fields& fields, const record_place& place, bool record_crc,
                   std::span<std::byte> out) noexcept {
  const auto size = encoded_size(fields, record_crc);
  TROUPE_CHECK(out.size() == size);
  const bool v2 = fields.topic.size() > max_topic_bytes;
  const auto flags = (fields.sysflag & ~(sysflag::born_host_v6 | sysflag::store_host_v6)) |
                     (fields.born_host.v6 ? sysflag::born_host_v6 : 0) |
                     (fields.store_host.v6 ? sysflag::store_host_v6 : 0);
  auto* to = out.data();
  to = big_endian::store(to, size);
  to = big_endian::store(to, v2 ? record_layout::magic_v2 : record_layout::magic_v1);
  to = big_endian::store(to, record_crc32(fields.body));
  to = big_endian::store(to, fields.queue_id);
  to = big_endian::store(to, fields.flag);
  to = big_endian::store(to, place.queue_position);
  to = big_endian::store(to, place.offset);
  to = big_endian::store(to, flags);
  to = big_endian::store(to, fields.born_timestamp);
  to = store_host(to, fields.born_host);
  to = big_endian::store(to, place.store_timestamp);
  to = store_host(to, fields.store_host);
  to = big_endian::store(to, fields.reconsume_times);
  to = big_endian::store(to, fields.prepared_transaction_offset);
  to = big_endian::store(to, static_cast<std::uint32_t>(fields.body.size()));
  to = store_bytes(to, fields.body.data(), fields.body.size());
  to = v2 ? big_endian::store(to, static_cast<std::uint16_t>(fields.topic.size()))
          : big_endian::store(to, static_cast<std::uint8_t>(fields.topic.size()));
  to = store_bytes(to, fields.topic.data(), fields.topic.size());
  const auto properties = static_cast<std::size_t>(out.data() + size - to) - 2;
  to = big_endian::store(to, static_cast<std::uint16_t>(properties));
  to = store_bytes(to, fields.properties.data(), fields.properties.size());
  if (record_crc) {
    if (needs_separator(fields.properties))
      *to++ = static_cast<std::byte>(property::value_end);
    to = store_crc(to, record_crc32(out.first(size - crc_property_bytes)));
  }
  TROUPE_CHECK(to == out.data() + size);
}

void encode_blank(std::uint32_t size, std::span<std::byte, blank_header_bytes> out) noexcept {
  big_endian::store(big_endian::store(out.data(), size), record_layout::magic_blank);
}

result<void> check_topic_name(std::string_view topic) {
  auto refuse = [&](std::string_view why) {
    std::string shown(topic.substr(0, max_retry_topic_bytes));
    std::ranges::replace_if(
        shown, [](char c) { return c < ' ' || c > '~'; }, '?');
    return error{errc::invalid_argument, "topic '" + shown + "' " + std::string(why)};
  };
  if (topic.empty())
    return refuse("is empty: give it a name");
  for (char c : topic) {
    bool allowed = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                   c == '%' || c == '|' || c == '_' || c == '-';
    if (!allowed)
      return refuse("holds a character that is not allowed: use letters, digits, %, |, _ and -");
  }
  const bool of_group = topic.starts_with("%RETRY%") || topic.starts_with("%DLQ%");
  const auto limit = of_group ? max_retry_topic_bytes : max_topic_bytes;
  if (topic.size() > limit)
    return refuse("is longer than " + std::to_string(limit) + " bytes: shorten it");
  return boost::outcome_v2::success();
}

result<void> check_fields(const record_fields& fields, const options& limits) {
  TROUPE_TRY(check_topic_name(fields.topic));
  if (fields.queue_id < 0 || static_cast<std::uint32_t>(fields.queue_id) >= max_queues_per_topic)
    return error{errc::invalid_argument, "queue id " + std::to_string(fields.queue_id) +
                                             " is not in 0.." +
                                             std::to_string(max_queues_per_topic - 1)};
  if (fields.body.size() > limits.max_message_size_bytes)
    return error{errc::too_large, "body has " + std::to_string(fields.body.size()) +
                                      " bytes, more than max-message-size " +
                                      std::to_string(limits.max_message_size_bytes)};
  const auto room = max_properties_bytes - (limits.record_crc ? crc_property_bytes + 1 : 0);
  if (fields.properties.size() > room)
    return error{errc::too_large, "properties have " + std::to_string(fields.properties.size()) +
                                      " bytes, more than " + std::to_string(room)};
  if (auto* problem = property_problem(fields.properties))
    return error{errc::invalid_argument,
                 std::string("property text ") + problem + ": the client must encode it anew"};
  // At the end of a record it would be taken for the store's own check and fail it.
  if (!find_property(fields.properties, property::record_crc).empty())
    return error{errc::invalid_argument,
                 "property __CRC32# is the store's own: remove it before sending"};
  return boost::outcome_v2::success();
}

host host::ipv4(std::uint32_t address, std::int32_t port) noexcept {
  host result;
  for (std::size_t i = 0; i < 4; ++i)
    result.address[i] = static_cast<std::uint8_t>(address >> (24 - 8 * i));
  result.port = port;
  return result;
}

std::string host::text() const {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  ::inet_ntop(v6 ? AF_INET6 : AF_INET, address.data(), buffer.data(), buffer.size());
  std::string shown = buffer.data();
  return (v6 ? "[" + shown + "]:" : shown + ":") + std::to_string(port);
}

namespace {

void append_hex(std::string& text, std::uint64_t value, int digits) {
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4)
    text.push_back("0123456789ABCDEF"[(value >> shift) & 0xf]);
}

/// The number, or nothing if one of the characters is no hex digit.
std::optional<std::uint64_t> parse_hex(std::string_view text) {
  std::uint64_t value = 0;
  for (char c : text) {
    auto digit = c >= '0' && c <= '9'   ? c - '0'
                 : c >= 'A' && c <= 'F' ? c - 'A' + 10
                 : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                        : -1;
    if (digit < 0)
      return std::nullopt;
    value = value << 4 | static_cast<std::uint64_t>(digit);
  }
  return value;
}

} // namespace

std::string message_id(const host& store_host, log_offset offset) {
  std::string text;
  for (std::size_t i = 0; i < (store_host.v6 ? 16U : 4U); ++i)
    append_hex(text, store_host.address[i], 2);
  append_hex(text, static_cast<std::uint32_t>(store_host.port), 8);
  append_hex(text, static_cast<std::uint64_t>(offset), 16);
  return text;
}

result<parsed_message_id> parse_message_id(std::string_view text) {
  error bad{errc::invalid_argument,
            "message id is not 32 or 56 hex digits (host, port and log offset)"};
  if (text.size() != 32 && text.size() != 56)
    return bad;
  parsed_message_id result;
  result.store_host.v6 = text.size() == 56;
  const std::size_t address_bytes = result.store_host.v6 ? 16 : 4;
  for (std::size_t i = 0; i < address_bytes; ++i) {
    auto byte = parse_hex(text.substr(2 * i, 2));
    if (!byte)
      return bad;
    result.store_host.address[i] = static_cast<std::uint8_t>(*byte);
  }
  auto port = parse_hex(text.substr(2 * address_bytes, 8));
  auto offset = parse_hex(text.substr(2 * address_bytes + 8));
  if (!port || !offset || static_cast<log_offset>(*offset) < 0)
    return bad;
  result.store_host.port = static_cast<std::int32_t>(*port);
  result.offset = static_cast<log_offset>(*offset);
  return result;
}

} // namespace troupe::storage
