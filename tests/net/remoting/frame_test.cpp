#include "net/remoting/frame.hpp"
#include "storage/big_endian.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/frames.hpp"

#include <boost/json.hpp>
#include <rapidcheck.h>

#include <algorithm>
#include <cstring>
#include <map>

using namespace troupe;
using namespace troupe::remoting;
namespace json = boost::json;
using test::as_bytes;
using test::as_text;
using test::captured_file;
using test::cut;

namespace {

std::string refusal(std::string_view bytes) {
  auto frames = cut(bytes);
  REQUIRE(frames.has_error());
  return frames.error().message;
}

std::string frame_of(std::string_view header, std::string_view body = {}, unsigned type = 0) {
  std::string out(8, '\0');
  auto* to = reinterpret_cast<std::byte*>(out.data());
  to = storage::big_endian::store(to, static_cast<std::uint32_t>(4 + header.size() + body.size()));
  storage::big_endian::store(to, static_cast<std::uint32_t>(type << 24 | header.size()));
  return out.append(header).append(body);
}

storage::result<command> decode(std::string_view text, header_type type = header_type::json) {
  return decode_header(type, as_bytes(text));
}

std::string decode_error(std::string_view text, header_type type = header_type::json) {
  auto c = decode(text, type);
  REQUIRE(c.has_error());
  return c.error().message;
}

command reencoded(command c, header_type type) {
  c.type = type;
  std::string out;
  auto taken = append_header(out, c);
  auto again = decode(out, taken);
  REQUIRE(again);
  again.value().type = header_type::json;
  return again.value();
}

std::string scalar_text(const json::value& v) {
  return v.is_string() ? std::string(v.get_string()) : json::serialize(v);
}

/// The header as a general JSON library reads it.
command expected_header(const json::object& o) {
  auto number = [&](const char* name) {
    return o.contains(name) ? static_cast<std::int32_t>(o.at(name).as_int64()) : 0;
  };
  command c;
  c.code = number("code");
  c.version = number("version");
  c.opaque = number("opaque");
  c.flag = number("flag");
  if (auto* language = o.if_contains("language"))
    c.language = language_number(language->as_string());
  if (auto* remark = o.if_contains("remark"); remark && remark->is_string())
    c.remark = remark->as_string();
  if (auto* ext = o.if_contains("extFields"); ext && ext->is_object())
    for (auto& [name, value] : ext->as_object())
      if (!value.is_null())
        c.ext.add(name, scalar_text(value));
  return c;
}

} // namespace

TEST_CASE("frame: captured frames decode as their senders meant, and again after encoding",
          "[remoting]") {
  auto text = captured_file("frames.bin");
  auto frames = cut(text);
  REQUIRE(frames);
  CHECK(frames.value().size() == 776);
  auto binary = captured_file("binary_headers.jsonl");
  std::string_view lines = binary;
  for (auto& f : frames.value()) {
    auto decoded = decode_header(f.type, f.header.bytes());
    REQUIRE(decoded);
    auto& c = decoded.value();
    auto source = as_text(f.header.bytes());
    if (f.type == header_type::binary) {
      source = lines.substr(0, lines.find('\n'));
      lines.remove_prefix(source.size() + 1);
    }
    c.type = header_type::json;
    CHECK(c == expected_header(json::parse(source).as_object()));
    CHECK(reencoded(c, header_type::json) == c);
    CHECK(reencoded(c, header_type::binary) == c);
  }
  CHECK(lines.empty());
}

TEST_CASE("frame: the pieces in which a stream arrives make no difference", "[remoting]") {
  auto text = captured_file("frames.bin");
  auto whole = cut(text).value();
  for (std::size_t size : {1, 2, 3, 7, 8, 9, 1000, 4095, 5000}) {
    auto frames = cut(text, [size] { return size; });
    REQUIRE(frames);
    REQUIRE(frames.value().size() == whole.size());
    for (std::size_t i = 0; i < whole.size(); ++i) {
      REQUIRE(as_text(frames.value()[i].header.bytes()) == as_text(whole[i].header.bytes()));
      REQUIRE(as_text(frames.value()[i].body.bytes()) == as_text(whole[i].body.bytes()));
    }
  }
}

TEST_CASE("frame: bytes that were handed out never change", "[remoting]") {
  CHECK(rc::check("kept", [](const std::vector<std::string>& bodies) {
    std::string stream;
    for (auto& body : bodies)
      stream += frame_of("{}", body);
    auto frames = cut(stream, [] { return *rc::gen::inRange<std::size_t>(1, 40); });
    RC_ASSERT(frames.has_value());
    RC_ASSERT(frames.value().size() == bodies.size());
    for (std::size_t i = 0; i < bodies.size(); ++i)
      RC_ASSERT(as_text(frames.value()[i].body.bytes()) == bodies[i]);
  }));
}

TEST_CASE("frame: a block holds what came and what its frame needs, and is given back",
          "[remoting]") {
  constexpr std::size_t large = std::size_t{16} << 20;
  auto stream = frame_of("{}", std::string(large - 6, 'x')) + frame_of("{}").substr(0, 3);
  frame_splitter splitter;
  std::string_view rest = stream;
  while (!rest.empty()) {
    auto next = splitter.next_held_bytes();
    auto room = splitter.room();
    REQUIRE(splitter.held_bytes() == next);
    auto count = std::min({rest.size(), room.size(), std::size_t{100'000}});
    std::memcpy(room.data(), rest.data(), count);
    splitter.received(count);
    auto came = stream.size() - rest.size() + count;
    REQUIRE(splitter.held_bytes() <= std::min(2 * came + 512 * 1024, large + 512 * 1024));
    rest.remove_prefix(count);
    while (splitter.next().value()) {
    }
  }
  CHECK(splitter.pending() == 3);
  splitter.give_back();
  CHECK(splitter.held_bytes() < 512 * 1024);
  auto end = frame_of("{}").substr(3);
  std::memcpy(splitter.room().data(), end.data(), end.size());
  splitter.received(end.size());
  auto last = splitter.next();
  REQUIRE(last.value());
  CHECK(as_text(last.value()->header.bytes()) == "{}");
  splitter.give_back();
  CHECK(splitter.held_bytes() == 0);
}

TEST_CASE("header: decoding gives what was encoded, in both forms", "[remoting]") {
  CHECK(rc::check("round trip", [](std::int16_t code, std::int32_t opaque, std::int32_t flag,
                                   const std::vector<std::pair<std::string, std::string>>& ext) {
    command c;
    c.code = code;
    c.version = *rc::gen::inRange<std::int32_t>(-1, 500);
    c.language = static_cast<std::uint8_t>(*rc::gen::inRange(0, 13));
    c.opaque = opaque;
    c.flag = flag;
    c.remark = *rc::gen::arbitrary<std::string>();
    for (auto& [name, value] : ext)
      c.ext.add(name, value);
    RC_ASSERT(reencoded(c, header_type::json) == c);
    RC_ASSERT(reencoded(c, header_type::binary) == c);
  }));
}

TEST_CASE("header: a code of more than 16 bits is written as JSON", "[remoting]") {
  command c;
  c.code = 200050;
  c.type = header_type::binary;
  std::string out;
  append_frame_head(out, c, 3);
  auto frames = cut(out + "abc");
  REQUIRE(frames);
  CHECK(frames.value()[0].type == header_type::json);
  CHECK(decode(as_text(frames.value()[0].header.bytes())).value().code == 200050);
}

TEST_CASE("header: an answer has its request's number and form", "[remoting]") {
  command request;
  request.opaque = -7;
  request.type = header_type::binary;
  auto answer = answer_to(request.opaque, request.type, 3, "no");
  CHECK(answer.opaque == -7);
  CHECK(answer.type == header_type::binary);
  CHECK(answer.is_answer());
  CHECK(answer.code == 3);
  CHECK(answer.remark == "no");
}

TEST_CASE("header: values that are no text count as their text", "[remoting]") {
  auto c = decode(R"( {"extFields":{"a":0,"b":true,"c":-12.50,"d":false,"e":null,"f":1e400,)"
                  R"("g":123456789012345678901234567890,"h":"\u00e9\n","a":7},"code":"10",)"
                  R"("remark":null,"unknown":[{"x":[1]},2],"version":317} )");
  REQUIRE(c);
  auto value = [&](const char* name) { return *c.value().ext.find(name); };
  CHECK(value("a") == "7");
  CHECK(value("b") == "true");
  CHECK(value("c") == "-12.50");
  CHECK(value("d") == "false");
  CHECK(c.value().ext.find("e") == nullptr);
  CHECK(value("f") == "1e400");
  CHECK(value("g") == "123456789012345678901234567890");
  CHECK(value("h") == "\xc3\xa9\n");
  CHECK(c.value().code == 10);
  CHECK(c.value().version == 317);
  CHECK(decode(R"({"extFields":null,"code":1})").value().ext.size() == 0);
  CHECK(decode("{}").value().code == 0);
}

TEST_CASE("frame: what cannot be a frame is refused before its bytes are waited for",
          "[remoting]") {
  using namespace std::string_literals;
  CHECK(refusal("\xff\xff\xff\xff"s) == "malformed frame: a length of -1, outside 4 to 16777216");
  CHECK(refusal("\x80\0\0\0"s) ==
        "malformed frame: a length of -2147483648, outside 4 to 16777216");
  CHECK(refusal("\0\0\0\3"s) == "malformed frame: a length of 3, outside 4 to 16777216");
  CHECK(refusal("\x01\0\0\1"s) == "malformed frame: a length of 16777217, outside 4 to 16777216");
  CHECK(refusal("\x7f\xff\xff\xff"s).find("a length of 2147483647") != std::string::npos);
  CHECK(refusal("\0\0\0\5\0\0\0\2"s) == "malformed frame: a header of 2 bytes in a frame of 5");
  CHECK(refusal("\1\0\0\0\0\x20\0\0"s) ==
        "malformed frame: a header of 2097152 bytes in a frame of 16777216");
  CHECK(refusal("\0\0\0\5\2\0\0\0"s) == "malformed frame: unknown header type 2");
  CHECK(refusal("\0\0\0\5\xff\0\0\0"s) == "malformed frame: unknown header type 255");
  CHECK(refusal("GET / HTTP/1.1\r\n\r\n").find("a length of 1195725856") != std::string::npos);
  CHECK(cut(frame_of("", "")).value().size() == 1);
}

TEST_CASE("frame: an announced length takes no memory", "[remoting]") {
  frame_splitter splitter;
  auto head = frame_of("{}");
  storage::big_endian::store(reinterpret_cast<std::byte*>(head.data()), 16u << 20);
  std::size_t sent = 0;
  while (sent < 100'000) {
    auto room = splitter.room();
    REQUIRE(room.size() <= std::max<std::size_t>(8192, 4 * sent));
    auto count = std::min<std::size_t>(room.size(), 1000);
    std::memset(room.data(), 0, count);
    std::memcpy(room.data(), head.data(), sent == 0 ? head.size() : 0);
    splitter.received(count);
    REQUIRE_FALSE(splitter.next().value());
    sent += count;
  }
}

TEST_CASE("header: broken JSON is refused with the reason", "[remoting]") {
  CHECK(decode_error("").find("bad JSON header") == 0);
  CHECK(decode_error("not json").find("syntax error at byte 0") != std::string::npos);
  CHECK(decode_error("[]") == "bad JSON header: the header is an array");
  CHECK(decode_error("7") == "bad JSON header: the header is no object");
  CHECK(decode_error("null") == "bad JSON header: the header is no object");
  CHECK(decode_error("{\"code\":1} x") == "bad JSON header: bytes follow the header's object");
  CHECK(decode_error("{\"code\":1}{}") == "bad JSON header: bytes follow the header's object");
  CHECK(decode_error("{\"code\":1").find("incomplete") != std::string::npos);
  CHECK(decode_error("{\"code\":3000000000}") ==
        "bad JSON header: code is not a number of 32 bits: '3000000000'");
  CHECK(decode_error("{\"opaque\":-99999999999999999999999}").find("opaque") != std::string::npos);
  CHECK(decode_error("{\"version\":1.5}") ==
        "bad JSON header: version is not a number of 32 bits: '1.5'");
  CHECK(decode_error("{\"flag\":true}").find("flag is not a number") != std::string::npos);
  CHECK(decode_error("{\"code\":{}}") == "bad JSON header: code is an object");
  CHECK(decode_error("{\"remark\":[]}") == "bad JSON header: remark is an array");
  CHECK(decode_error("{\"extFields\":[]}") == "bad JSON header: extFields is an array");
  CHECK(decode_error("{\"extFields\":\"x\"}") == "bad JSON header: extFields is no object");
  CHECK(decode_error("{\"extFields\":{\"a\":{}}}") ==
        "bad JSON header: ext field 'a' is an object");
  CHECK(decode_error("{\"extFields\":{\"a\":[1]}}") ==
        "bad JSON header: ext field 'a' is an array");
  std::string deep = "{\"x\":";
  for (int i = 0; i < 100'000; ++i)
    deep += '[';
  CHECK(decode_error(deep).find("too deep") != std::string::npos);
}

TEST_CASE("header: broken binary is refused with the field", "[remoting]") {
  command c;
  c.remark = "remark";
  c.ext.add("name", "value");
  std::string good;
  append_binary_header(good, c);
  for (std::size_t size = 0; size < good.size(); ++size)
    CHECK(decode_error(std::string_view(good).substr(0, size), header_type::binary)
              .find("bad binary header") == 0);
  CHECK(decode_error(good + "x", header_type::binary) ==
        "bad binary header: bytes follow the ext fields");
  auto with = [&](std::size_t at, std::int32_t value) {
    auto bytes = good;
    storage::big_endian::store(reinterpret_cast<std::byte*>(bytes.data()) + at, value);
    return decode_error(bytes, header_type::binary);
  };
  constexpr std::size_t remark_length = 13, ext_length = 23, value_length = 33;
  CHECK(with(remark_length, -1) == "bad binary header: remark claims -1 bytes of 25");
  CHECK(with(remark_length, 0x7fffffff).find("remark claims 2147483647 bytes") !=
        std::string::npos);
  CHECK(with(ext_length, 1 << 30).find("extFields claims") != std::string::npos);
  CHECK(with(value_length, -5).find("ext field 'name' claims -5 bytes of 5") != std::string::npos);
}
