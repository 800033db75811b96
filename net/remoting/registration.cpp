#include "net/remoting/registration.hpp"

#include "net/remoting/admin_bodies.hpp"
#include "net/remoting/json_members.hpp"
#include "storage/format/crc.hpp"
#include "storage/tables/fastjson.hpp"

#include <isa-l/igzip_lib.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <utility>

namespace troupe::remoting {

namespace {

namespace json = boost::json;
using storage::errc;
using storage::error;
using storage::result;

constexpr std::string_view where = "registration";
/// Of one direction: Java has no limit, but nobody has so many.
constexpr std::int64_t most_queues = 65536;
constexpr std::int64_t most_perm = 0xff;
/// RocketMQ 5.0.0, which appends its static topics to a compressed body.
constexpr std::int32_t first_with_mappings = 412;

error wrong(std::string what) {
  return {errc::invalid_argument, "registration: " + std::move(what)};
}

result<std::int32_t> in_range(const char* name, std::int64_t value, std::int64_t most) {
  if (value < 0 || value > most)
    return wrong(std::string(name) + " is " + std::to_string(value) + ", not 0 to " +
                 std::to_string(most));
  return static_cast<std::int32_t>(value);
}

result<void> check_name(const char* what, const std::string& name, bool may_be_empty = false) {
  if ((name.empty() && !may_be_empty) || name.size() > longest_name)
    return wrong(std::string(what) + " must have 1 to " + std::to_string(longest_name) + " bytes");
  return boost::outcome_v2::success();
}

// -- JSON ----------------------------------------------------------------------------------------

result<json::object> read_object(byte_view body, std::string_view what) {
  TROUPE_TRY(auto value,
             storage::parse_fastjson({reinterpret_cast<const char*>(body.data()), body.size()},
                                     std::string(what)));
  if (!value.is_object())
    return wrong("the body is no object");
  return std::move(value.get_object());
}

result<data_version> version_of(const json::object& object) {
  json_members members(object, where);
  data_version version;
  TROUPE_TRY(version.state, members.integer("stateVersion"));
  TROUPE_TRY(version.timestamp_ms, members.integer("timestamp"));
  TROUPE_TRY(version.counter, members.integer("counter"));
  return version;
}

result<registered_topic> topic_of(const std::string& name, const json::object& object) {
  json_members members(object, where);
  registered_topic topic;
  topic.name = name;
  auto number = [&](const char* key, std::int32_t& into, std::int64_t most) -> result<void> {
    if (members.find(key) == nullptr)
      return boost::outcome_v2::success();
    TROUPE_TRY(auto value, members.integer(key));
    TROUPE_TRY(into, in_range(key, value, most));
    return boost::outcome_v2::success();
  };
  TROUPE_TRY(number("readQueueNums", topic.read_queues, most_queues));
  TROUPE_TRY(number("writeQueueNums", topic.write_queues, most_queues));
  TROUPE_TRY(number("perm", topic.perm, most_perm));
  TROUPE_TRY(number("topicSysFlag", topic.sysflag, 0x7fffffff));
  return topic;
}

/// The object of that name; null where it is missing.
result<const json::object*> member_object(const json::object& of, const char* name) {
  auto* value = of.if_contains(name);
  if (value == nullptr || value->is_null())
    return static_cast<const json::object*>(nullptr);
  if (!value->is_object())
    return wrong(std::string(name) + " is no object");
  return &value->get_object();
}

result<registration> read_json(byte_view body) {
  registration read;
  if (body.empty())
    return read;
  TROUPE_TRY(auto root, read_object(body, where));
  TROUPE_TRY(auto* wrapper, member_object(root, "topicConfigSerializeWrapper"));
  if (wrapper == nullptr)
    return read;
  TROUPE_TRY(auto* version, member_object(*wrapper, "dataVersion"));
  if (version != nullptr) {
    TROUPE_TRY(read.version, version_of(*version));
  }
  TROUPE_TRY(auto* topics, member_object(*wrapper, "topicConfigTable"));
  if (topics == nullptr)
    return read;
  if (topics->size() > most_registered_topics)
    return wrong("it names more than " + std::to_string(most_registered_topics) + " topics");
  for (auto& [key, value] : *topics) {
    std::string name(key);
    TROUPE_TRY(check_name("a topic's name", name));
    if (!value.is_object())
      return wrong("topic " + name + " is no object");
    TROUPE_TRY(auto topic, topic_of(name, value.get_object()));
    read.topics.push_back(std::move(topic));
  }
  return read;
}

// -- compressed ----------------------------------------------------------------------------------

/// A zlib stream, no longer than a registration may be.
result<std::string> inflate(byte_view body) {
  constexpr std::size_t piece = std::size_t{64} << 10;
  auto state = std::make_unique<inflate_state>();
  isal_inflate_init(state.get());
  state->crc_flag = ISAL_ZLIB;
  auto* bytes = reinterpret_cast<const std::uint8_t*>(body.data());
  state->next_in = const_cast<std::uint8_t*>(bytes); // only read from
  state->avail_in = static_cast<std::uint32_t>(body.size());
  std::string out;
  while (state->block_state != ISAL_BLOCK_FINISH) {
    auto before = out.size();
    if (before >= most_registration_bytes)
      return wrong("it has more than " + std::to_string(most_registration_bytes) + " bytes");
    out.resize(before + piece);
    state->next_out = reinterpret_cast<std::uint8_t*>(out.data()) + before;
    state->avail_out = static_cast<std::uint32_t>(piece);
    auto outcome = isal_inflate(state.get());
    out.resize(before + piece - state->avail_out);
    if (outcome != ISAL_DECOMP_OK)
      return wrong("the compressed body is damaged");
    if (out.size() == before && state->block_state != ISAL_BLOCK_FINISH)
      return wrong("the compressed body ends too early");
  }
  return out;
}

/// Runs through `int32 length, bytes` one behind another.
class texts {
public:
  explicit texts(std::string_view all) : rest_(all) {}

  std::optional<std::int32_t> number() {
    if (rest_.size() < 4)
      return std::nullopt;
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i)
      value = value << 8 | static_cast<std::uint8_t>(rest_[static_cast<std::size_t>(i)]);
    rest_.remove_prefix(4);
    return static_cast<std::int32_t>(value);
  }
  std::optional<std::string_view> text() {
    auto length = number();
    if (!length || *length < 0 || static_cast<std::size_t>(*length) > rest_.size())
      return std::nullopt;
    auto found = rest_.substr(0, static_cast<std::size_t>(*length));
    rest_.remove_prefix(found.size());
    return found;
  }

private:
  std::string_view rest_;
};

/// "name read write perm SINGLE_TAG {attributes}": Java's own text of a topic, without its flag.
result<registered_topic> parse_topic(std::string_view line) {
  registered_topic topic;
  std::vector<std::string_view> words;
  while (words.size() < 5) {
    auto end = std::min(line.find(' '), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  topic.name = words[0];
  TROUPE_TRY(check_name("a topic's name", topic.name));
  std::int32_t* numbers[] = {&topic.read_queues, &topic.write_queues, &topic.perm};
  for (std::size_t i = 0; i < 3; ++i) {
    auto parsed = parse_integer<std::int32_t>(words[i + 1]);
    if (!parsed)
      return wrong("the settings of topic " + topic.name + " cannot be read");
    TROUPE_TRY(*numbers[i], in_range(i < 2 ? "a number of queues" : "perm", *parsed,
                                     i < 2 ? most_queues : most_perm));
  }
  return topic;
}

result<registration> read_compressed(byte_view body, std::int32_t sender_version) {
  TROUPE_TRY(auto plain, inflate(body));
  registration read;
  texts all(plain);
  auto version = all.text();
  if (!version)
    return wrong("the compressed body has no version");
  TROUPE_TRY(read.version, read_data_version(std::as_bytes(std::span(*version))));
  auto count = all.number();
  if (!count || *count < 0 || static_cast<std::size_t>(*count) > most_registered_topics)
    return wrong("it names no number of topics, or more than " +
                 std::to_string(most_registered_topics));
  for (std::int32_t i = 0; i < *count; ++i) {
    auto line = all.text();
    if (!line)
      return wrong("the compressed body ends within its topics");
    TROUPE_TRY(auto topic, parse_topic(*line));
    read.topics.push_back(std::move(topic));
  }
  // Filter servers, and the static topics of newer ones, are not for us; they have to be whole.
  if (!all.text() || (sender_version >= first_with_mappings && !all.number()))
    return wrong("the compressed body ends too early");
  return read;
}

} // namespace

storage::result<registration> read_registration(const register_header& header,
                                                std::int32_t sender_version, byte_view body) {
  if (body.size() > most_registration_bytes)
    return error{errc::too_large, "registration: " + std::to_string(body.size()) +
                                      " bytes; at most " + std::to_string(most_registration_bytes)};
  if (header.body_crc != 0 &&
      static_cast<std::uint32_t>(header.body_crc) != storage::record_crc32(body))
    return wrong("crc32 not match");
  if (header.compressed && !body.empty())
    return read_compressed(body, sender_version);
  return read_json(body);
}

std::string write_registration(const registration& what, register_header& header) {
  std::string out = "{\"filterServerList\":[],\"topicConfigSerializeWrapper\":{\"dataVersion\":" +
                    write_data_version(what.version) + ",\"topicConfigTable\":{";
  bool first = true;
  for (auto& topic : what.topics) {
    if (!std::exchange(first, false))
      out += ',';
    append_json_text(out, topic.name);
    out += ':' + write_topic(topic);
  }
  out += "}}}";
  header.body_crc = static_cast<std::int32_t>(storage::record_crc32(std::as_bytes(std::span(out))));
  return out;
}

storage::result<data_version> read_data_version(byte_view body) {
  TROUPE_TRY(auto object, read_json_body(body, "data version"));
  return version_of(object);
}

std::string write_data_version(const data_version& v) {
  return "{\"counter\":" + std::to_string(v.counter) +
         ",\"stateVersion\":" + std::to_string(v.state) +
         ",\"timestamp\":" + std::to_string(v.timestamp_ms) + '}';
}

storage::result<void> check_broker(const broker_header& broker) {
  TROUPE_TRY(check_name("brokerName", broker.broker));
  TROUPE_TRY(check_name("brokerAddr", broker.address));
  TROUPE_TRY(check_name("clusterName", broker.cluster));
  if (broker.id < 0)
    return wrong("brokerId is below 0");
  return boost::outcome_v2::success();
}

} // namespace troupe::remoting
