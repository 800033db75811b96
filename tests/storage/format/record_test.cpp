#include "storage/format/record.hpp"

#include "storage/big_endian.hpp"
#include "storage/format/crc.hpp"
#include "storage/format/properties.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/manifest.hpp"
#include "tests/support/read_record.hpp"

#include <openssl/evp.h>
#include <rapidcheck.h>

#include <algorithm>
#include <array>
#include <filesystem>

using namespace troupe::storage;
using namespace troupe::test;

namespace {

std::string sha256(byte_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr);
  std::string text;
  for (unsigned i = 0; i < size; ++i) {
    text.push_back("0123456789abcdef"[digest[i] >> 4]);
    text.push_back("0123456789abcdef"[digest[i] & 15]);
  }
  return text;
}

std::vector<std::byte> encoded(const record_fields& fields, const record_place& place,
                               bool record_crc) {
  std::vector<std::byte> bytes(encoded_size(fields, record_crc));
  encode_record(fields, place, record_crc, bytes);
  return bytes;
}

/// Walks the log of a golden store and calls `visit` for each message.
template <class Visit>
void walk_golden_log(const std::string& store, Visit&& visit) {
  std::vector<std::string> files;
  for (auto& entry : std::filesystem::directory_iterator(golden_path(store) + "/store/commitlog"))
    files.push_back(entry.path().string());
  std::sort(files.begin(), files.end());
  log_offset start = 0;
  for (auto& file : files) {
    auto content = read_bytes(file);
    byte_view rest{content};
    while (!rest.empty()) {
      auto at = start + static_cast<log_offset>(content.size() - rest.size());
      auto found = decode_record(rest, at, verify::structure_and_crc);
      if (found.kind == record_kind::end) {
        CHECK(std::string(found.problem) == "");
        break;
      }
      if (found.kind == record_kind::message)
        visit(found.view);
      rest = rest.subspan(found.size);
    }
    start += static_cast<log_offset>(content.size());
  }
}

std::string shown_host(std::string text) {
  // The manifest writes IPv6 addresses without brackets and without leaving out zeros.
  if (std::count(text.begin(), text.end(), ':') < 2)
    return text;
  auto port = text.rfind(':');
  auto address = text.substr(0, port);
  return "[" + address.replace(address.find(":0:0:0:0:0:"), 11, "::") + "]" + text.substr(port);
}

void check_equal(const record_view& view, const golden_message& want) {
  CHECK(std::string(view.topic) == want.topic);
  CHECK(view.queue_id == want.queue_id);
  CHECK(view.queue_position == want.queue_offset);
  CHECK(view.offset == want.offset);
  CHECK(view.size == want.size);
  CHECK(view.store_timestamp == want.store_timestamp);
  CHECK(view.born_timestamp == want.born_timestamp);
  CHECK(view.born_host.text() == shown_host(want.born_host));
  CHECK(view.store_host.text() == shown_host(want.store_host));
  CHECK(view.sysflag == want.sysflag);
  CHECK(view.flag == want.flag);
  CHECK(view.reconsume_times == want.reconsume_times);
  CHECK(view.prepared_transaction_offset == want.prepared_transaction_offset);
  CHECK(view.body.size() == want.body_size);
  CHECK(sha256(view.body) == want.body_sha256);
  CHECK(message_id(view.store_host, view.offset) == want.message_id);
  CHECK(view.has_queue_entry() == want.has_queue_entry());
  std::map<std::string, std::string> properties;
  for_each_property(view.properties, [&](std::string_view name, std::string_view value) {
    if (name != property::record_crc)
      properties[std::string(name)] = value;
  });
  CHECK(properties == want.properties);
}

/// A record of arbitrary content that passes `check_fields`.
struct random_record {
  std::string topic;
  std::string properties;
  std::vector<std::uint8_t> body;
  record_fields fields;
  record_place place;
  bool record_crc = false;
};

rc::Gen<std::string> text_of(const std::string& alphabet, std::size_t from, std::size_t to) {
  return rc::gen::mapcat(rc::gen::inRange(from, to), [alphabet](std::size_t size) {
    return rc::gen::container<std::string>(size, rc::gen::elementOf(alphabet));
  });
}

host random_host() {
  host result;
  result.v6 = *rc::gen::arbitrary<bool>();
  for (std::size_t i = 0; i < (result.v6 ? 16U : 4U); ++i)
    result.address[i] = *rc::gen::arbitrary<std::uint8_t>();
  result.port = *rc::gen::inRange(0, 65536);
  return result;
}

void fill(random_record& r) {
  r.topic = *text_of("abcXYZ019_-%|", 1, 256);
  if (r.topic.size() > max_topic_bytes)
    r.topic.replace(0, 7, "%RETRY%");
  properties_builder builder;
  for (int i = *rc::gen::inRange(0, 4); i > 0; --i)
    RC_ASSERT(builder.add(*text_of("abKEYS", 1, 9), *text_of("xyz \n", 1, 30)));
  r.properties = builder.take();
  if (!r.properties.empty() && *rc::gen::arbitrary<bool>())
    r.properties.pop_back();
  r.body = *rc::gen::arbitrary<std::vector<std::uint8_t>>();
  r.record_crc = *rc::gen::arbitrary<bool>();
  r.fields.topic = r.topic;
  r.fields.queue_id = *rc::gen::inRange(0, 1024);
  r.fields.flag = *rc::gen::arbitrary<std::int32_t>();
  r.fields.born_host = random_host();
  r.fields.store_host = random_host();
  r.fields.sysflag = (r.fields.born_host.v6 ? sysflag::born_host_v6 : 0) |
                     (r.fields.store_host.v6 ? sysflag::store_host_v6 : 0) |
                     *rc::gen::inRange(0, 16);
  r.fields.born_timestamp = *rc::gen::arbitrary<std::int64_t>();
  r.fields.reconsume_times = *rc::gen::arbitrary<std::int32_t>();
  r.fields.prepared_transaction_offset = *rc::gen::arbitrary<std::int64_t>();
  r.fields.body = std::as_bytes(std::span(r.body));
  r.fields.properties = r.properties;
  r.place.queue_position = *rc::gen::arbitrary<std::int64_t>();
  r.place.offset = *rc::gen::inRange<std::int64_t>(0, 1LL << 50);
  r.place.store_timestamp = *rc::gen::arbitrary<std::int64_t>();
}

bool mentions(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

record_fields plain_fields() {
  record_fields fields;
  fields.topic = "T";
  fields.born_host = host::ipv4(1, 2);
  fields.store_host = host::ipv4(3, 4);
  return fields;
}

} // namespace

TEST_CASE("record: every record of the golden stores equals its manifest line", "[storage]") {
  for (auto& store : golden_stores()) {
    CAPTURE(store);
    auto manifest = read_manifest(store);
    std::size_t next = 0;
    std::sort(manifest.begin(), manifest.end(),
              [](auto& a, auto& b) { return a.offset < b.offset; });
    walk_golden_log(store, [&](const record_view& view) {
      CAPTURE(view.offset);
      REQUIRE(next < manifest.size());
      check_equal(view, manifest[next++]);
    });
    CHECK(next == manifest.size());
  }
}

TEST_CASE("record: encoding a decoded golden record gives the same bytes", "[storage]") {
  std::size_t with_crc = 0;
  std::size_t v2 = 0;
  for (auto& store : golden_stores()) {
    walk_golden_log(store, [&](const record_view& view) {
      auto fields = fields_of(view);
      bool crc = !find_property(view.properties, property::record_crc).empty();
      if (crc)
        fields.properties.remove_suffix(20);
      with_crc += crc;
      v2 += view.v2;
      auto bytes = encoded(fields, place_of(view), crc);
      CHECK(std::equal(bytes.begin(), bytes.end(), view.bytes.begin(), view.bytes.end()));
    });
  }
  CHECK(with_crc == 80);
  CHECK(v2 == 1);
}

TEST_CASE("record: what is encoded decodes to the same fields", "[storage]") {
  CHECK(rc::check("round trip", [] {
    random_record r;
    fill(r);
    options o;
    o.record_crc = r.record_crc;
    RC_ASSERT(check_fields(r.fields, o).has_value());
    auto bytes = encoded(r.fields, r.place, r.record_crc);
    auto size = bytes.size();
    bytes.resize(size + *rc::gen::inRange<std::size_t>(0, 20));
    auto found = decode_record(bytes, r.place.offset, verify::structure_and_crc);
    RC_ASSERT(found.kind == record_kind::message);
    RC_ASSERT(found.size == size);
    const auto& view = found.view;
    RC_ASSERT(view.topic == r.topic);
    RC_ASSERT(view.v2 == (r.topic.size() > max_topic_bytes));
    RC_ASSERT(
        std::equal(view.body.begin(), view.body.end(), r.fields.body.begin(), r.fields.body.end()));
    RC_ASSERT(view.properties.starts_with(r.properties));
    RC_ASSERT(find_property(view.properties, property::record_crc).empty() == !r.record_crc);
    RC_ASSERT(view.queue_id == r.fields.queue_id);
    RC_ASSERT(view.flag == r.fields.flag);
    RC_ASSERT(view.sysflag == r.fields.sysflag);
    RC_ASSERT(view.born_timestamp == r.fields.born_timestamp);
    RC_ASSERT(view.born_host == r.fields.born_host);
    RC_ASSERT(view.store_host == r.fields.store_host);
    RC_ASSERT(view.reconsume_times == r.fields.reconsume_times);
    RC_ASSERT(view.prepared_transaction_offset == r.fields.prepared_transaction_offset);
    RC_ASSERT(view.queue_position == r.place.queue_position);
    RC_ASSERT(view.store_timestamp == r.place.store_timestamp);
    auto parsed = parse_message_id(message_id(view.store_host, view.offset));
    RC_ASSERT(parsed.has_value());
    RC_ASSERT(parsed.value().store_host == view.store_host);
    RC_ASSERT(parsed.value().offset == view.offset);
  }));
}

TEST_CASE("record: random bytes and mutated records stay inside the given bytes", "[storage]") {
  CHECK(rc::check("mutations", [] {
    random_record r;
    fill(r);
    auto bytes = encoded(r.fields, r.place, r.record_crc);
    for (int i = *rc::gen::inRange(1, 5); i > 0; --i)
      bytes[*rc::gen::inRange<std::size_t>(0, bytes.size())] =
          static_cast<std::byte>(*rc::gen::arbitrary<std::uint8_t>());
    bytes.resize(*rc::gen::inRange<std::size_t>(0, bytes.size() + 1));
    bytes.shrink_to_fit();
    auto found = decode_record(bytes, r.place.offset, verify::structure);
    if (found.kind == record_kind::message) {
      RC_ASSERT(found.size <= bytes.size());
      RC_ASSERT(found.view.offset == r.place.offset);
      const auto* from = reinterpret_cast<const char*>(bytes.data());
      RC_ASSERT(found.view.properties.data() >= from);
      RC_ASSERT(found.view.properties.data() + found.view.properties.size() <= from + found.size);
      RC_ASSERT(found.view.body.size() + found.view.topic.size() + found.view.properties.size() <=
                bytes.size());
    }
  }));
}

TEST_CASE("record: a record read at another offset than its own is refused", "[storage]") {
  CHECK(rc::check("own offset", [] {
    random_record r;
    fill(r);
    auto bytes = encoded(r.fields, r.place, r.record_crc);
    auto other =
        *rc::gen::distinctFrom(rc::gen::inRange<std::int64_t>(0, 1LL << 50), r.place.offset);
    RC_ASSERT(decode_record(bytes, other, verify::structure).kind == record_kind::end);
  }));
}

TEST_CASE("record: the record CRC notices any changed bit", "[storage]") {
  auto fields = plain_fields();
  fields.properties = "TAGS\1a";
  auto bytes = encoded(fields, {}, true);
  REQUIRE(decode_record(bytes, 0, verify::structure_and_crc).kind == record_kind::message);
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    // A changed name of the CRC property itself makes it an ordinary one, as before RocketMQ 5.
    const auto from_end = bytes.size() - bit / 8;
    if (from_end <= 20 && (from_end > 11 || from_end == 1))
      continue;
    auto damaged = bytes;
    damaged[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    CAPTURE(bit);
    CHECK(decode_record(damaged, 0, verify::structure_and_crc).kind == record_kind::end);
  }
}

TEST_CASE("record: a changed body and a zeroed sector fail the content checks only", "[storage]") {
  std::vector<std::byte> body(2000, std::byte{7});
  auto fields = plain_fields();
  fields.body = body;
  std::string properties = "TAGS\1" + std::string(600, 'x') + "\2";
  fields.properties = properties;
  auto bytes = encoded(fields, {}, false);
  auto wrong_body = bytes;
  wrong_body[1000] ^= std::byte{1};
  CHECK(decode_record(wrong_body, 0, verify::structure).kind == record_kind::message);
  CHECK(std::string(decode_record(wrong_body, 0, verify::structure_and_crc).problem) ==
        "CRC of the body is wrong");
  auto lost_sector = bytes;
  std::fill_n(lost_sector.end() - 512, 512, std::byte{0});
  CHECK(std::string(decode_record(lost_sector, 0, verify::structure_and_crc).problem) ==
        "topic or properties hold a NUL");
}

TEST_CASE("record: zeros are a clean end, other unreadable bytes name their problem", "[storage]") {
  std::vector<std::byte> zeros(100);
  auto clean = decode_record(zeros, 0, verify::structure_and_crc);
  CHECK(clean.kind == record_kind::end);
  CHECK(std::string(clean.problem) == "");
  std::vector<std::byte> bytes(100);
  big_endian::store(bytes.data(), std::uint32_t{100});
  CHECK(std::string(decode_record(bytes, 0, verify::structure).problem) ==
        "magic number is none of a record's");
  big_endian::store(bytes.data() + 4, record_layout::magic_v1);
  big_endian::store(bytes.data(), std::uint32_t{101});
  CHECK(std::string(decode_record(bytes, 0, verify::structure).problem) ==
        "record is longer than what is left in its file");
  CHECK(decode_record(byte_view(bytes).first(7), 0, verify::structure).kind == record_kind::end);
  CHECK(decode_record({}, 0, verify::structure).kind == record_kind::end);
}

TEST_CASE("record: a blank reaches to the end of its file and nowhere else", "[storage]") {
  std::vector<std::byte> bytes(64);
  encode_blank(64, std::span<std::byte, blank_header_bytes>(bytes.data(), blank_header_bytes));
  auto found = decode_record(bytes, 4096, verify::structure_and_crc);
  CHECK(found.kind == record_kind::blank);
  CHECK(found.size == 64);
  CHECK(decode_record(byte_view(bytes).first(63), 4096, verify::structure).kind ==
        record_kind::end);
}

TEST_CASE("record: fields that cannot be stored are refused by name", "[storage]") {
  options limits;
  limits.max_message_size_bytes = 10;
  auto problem = [&](auto change) {
    auto fields = plain_fields();
    change(fields);
    auto checked = check_fields(fields, limits);
    return checked.has_value() ? std::string() : checked.error().message;
  };
  CHECK(problem([](auto&) {}) == "");
  CHECK(mentions(problem([](auto& f) { f.topic = ""; }), "topic"));
  CHECK(mentions(problem([](auto& f) { f.topic = "../x"; }), "topic"));
  CHECK(mentions(problem([](auto& f) { f.topic = std::string_view("a\0b", 3); }), "topic"));
  std::string name(128, 'a');
  CHECK(mentions(problem([&](auto& f) { f.topic = name; }), "127"));
  std::string retry = "%RETRY%" + std::string(248, 'g');
  CHECK(problem([&](auto& f) { f.topic = retry; }) == "");
  CHECK(mentions(problem([](auto& f) { f.queue_id = -1; }), "queue id"));
  CHECK(mentions(problem([](auto& f) { f.queue_id = 1024; }), "queue id"));
  std::array<std::byte, 11> body{};
  CHECK(mentions(problem([&](auto& f) { f.body = body; }), "max-message-size"));
  std::string_view nul("a\1b\0\2", 5);
  CHECK(mentions(problem([&](auto& f) { f.properties = nul; }), "NUL"));
  CHECK(mentions(problem([](auto& f) { f.properties = "abc"; }), "separator"));
  CHECK(mentions(problem([](auto& f) { f.properties = "\1b\2"; }), "without a name"));
  CHECK(mentions(problem([](auto& f) {
                   f.properties = "__CRC32#\1"
                                  "1\2";
                 }),
                 "__CRC32#"));
  std::string most = "a\1" + std::string(max_properties_bytes - 3, 'v') + "\2";
  CHECK(problem([&](auto& f) { f.properties = most; }) == "");
  limits.record_crc = true;
  CHECK(mentions(problem([&](auto& f) { f.properties = most; }), "properties have 32767"));
}

TEST_CASE("record: message ids that are none are refused", "[storage]") {
  CHECK(parse_message_id("7F00000100002A9F00000000000C41DF").value().offset == 803295);
  CHECK(parse_message_id("7f00000100002a9f00000000000c41df").value().offset == 803295);
  CHECK_FALSE(parse_message_id("7F00000100002A9F00000000000C41D").has_value());
  CHECK_FALSE(parse_message_id("7F00000100002A9F00000000000C41DG").has_value());
  CHECK_FALSE(parse_message_id("7F00000100002A9FF0000000000C41DF").has_value());
  CHECK_FALSE(parse_message_id("").has_value());
}

TEST_CASE("crc: equals zlib's and can be continued", "[storage]") {
  std::string text = "123456789";
  auto bytes = std::as_bytes(std::span(text));
  CHECK(crc32(bytes) == 0xcbf43926U);
  CHECK(crc32(bytes.subspan(4), crc32(bytes.first(4))) == 0xcbf43926U);
  CHECK(crc32({}) == 0);
  CHECK(record_crc32(bytes) == 0x4bf43926U);
}
