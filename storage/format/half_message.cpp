#include "storage/format/half_message.hpp"

#include "storage/format/producer_sequence.hpp"
#include "storage/format/property_text.hpp"
#include "storage/format/system_topics.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

namespace troupe::storage {

namespace {

/// What a later writing again adds: checks and where it was first, with their separators.
constexpr std::size_t later_bytes = 96;
/// The longest that a producer may have left in peace.
constexpr std::int64_t most_immunity_s = 30LL * 24 * 3600;

template <class Integer>
std::optional<Integer> number_of(std::string_view text) noexcept {
  Integer number = 0;
  auto* end = text.data() + text.size();
  auto [stop, failure] = std::from_chars(text.data(), end, number);
  if (failure != std::errc{} || stop != end)
    return std::nullopt;
  return number;
}

/// As Java reads it: in any case of the letters.
bool is_true(std::string_view value) noexcept {
  constexpr std::string_view word = "true";
  return value.size() == word.size() &&
         std::equal(value.begin(), value.end(), word.begin(),
                    [](char have, char want) { return (have | 0x20) == want; });
}

/// Its producer's number is that of the first record. The hosts' forms are the new record's.
std::int32_t plain_flags(std::int32_t flags) noexcept {
  return flags & ~(sysflag::sequenced | sysflag::born_host_v6 | sysflag::store_host_v6 |
                   sysflag::transaction_mask);
}

half_outcome outcome_in(std::string_view topic, const record_view& half) {
  half_outcome message;
  message.topic = topic;
  message.sysflag = plain_flags(half.sysflag);
  message.prepared_transaction_offset = half.prepared_transaction_offset;
  return message;
}

} // namespace

bool asks_for_transaction(std::string_view properties) noexcept {
  // Most messages have none, and that is seen without taking the text apart.
  constexpr std::string_view beginning = "TRAN_MSG\1";
  return properties.find(beginning) != std::string_view::npos &&
         is_true(find_property(properties, property::half_message));
}

bool becomes_half(std::string_view topic, std::int32_t flags,
                  std::string_view properties) noexcept {
  auto type = flags & sysflag::transaction_mask;
  return (type == 0 || type == sysflag::transaction_prepared) && asks_for_transaction(properties) &&
         takes_messages(topic);
}

result<void> check_transaction(std::int32_t flags, std::string_view properties,
                               std::string_view topic, std::int32_t queue_id) {
  auto type = flags & sysflag::transaction_mask;
  bool asks = asks_for_transaction(properties);
  if (type == sysflag::transaction_commit || type == sysflag::transaction_rollback)
    return error{errc::invalid_argument,
                 "only the broker marks a message as committed or rolled back (sysFlag)"};
  if (type == sysflag::transaction_prepared && !asks)
    return error{errc::invalid_argument,
                 "sysFlag says that the message is part of a transaction, but its property "
                 "TRAN_MSG is not true"};
  if (!asks)
    return boost::outcome_v2::success();
  if (find_property(properties, property::producer_group).empty())
    return error{errc::invalid_argument,
                 "a message of a transaction must name its producer group (property PGROUP)"};
  auto bytes = properties.size() + 1 + property::real_topic.size() + topic.size() +
               property::real_queue_id.size() + std::to_string(queue_id).size() + later_bytes;
  if (bytes > max_properties_bytes)
    return error{errc::too_large, "properties of " + std::to_string(bytes) +
                                      " bytes, with what a message of a transaction has beside "
                                      "its own; at most " +
                                      std::to_string(max_properties_bytes)};
  return boost::outcome_v2::success();
}

result<void> make_half(std::string_view properties, std::string_view topic, std::int32_t queue_id,
                       std::string& out) {
  // What it says already of a place or of checks is of another message. RocketMQ's clients drop the
  // delay of one that is part of a transaction.
  copy_without({property::delay, property::real_topic, property::real_queue_id,
                property::check_times, property::first_half},
               properties, out);
  append_property(out, property::real_topic, topic);
  append_property(out, property::real_queue_id, std::to_string(queue_id));
  if (out.size() > max_properties_bytes)
    return error{errc::too_large, "properties of " + std::to_string(out.size()) +
                                      " bytes, with the topic and the queue of a message of a "
                                      "transaction; at most " +
                                      std::to_string(max_properties_bytes)};
  return boost::outcome_v2::success();
}

half_facts facts_of(const record_view& half) noexcept {
  half_facts facts;
  bool waits = half.topic == half_topic; // and was not given up
  facts.first = waits ? half.queue_position : -1;
  for_each_property(half.properties, [&](std::string_view name, std::string_view value) {
    if (name == property::producer_group) {
      facts.group = value;
    } else if (name == property::unique_key) {
      facts.unique_key = value;
    } else if (name == property::check_times) {
      facts.checks = std::max(0, number_of<std::int32_t>(value).value_or(0));
      facts.written_again = true;
    } else if (name == property::first_half) {
      auto first = number_of<queue_offset>(value).value_or(-1);
      if (first >= 0 && (!waits || first < half.queue_position))
        facts.first = first;
      facts.written_again = true;
    } else if (name == property::check_immunity) {
      auto seconds =
          std::clamp<std::int64_t>(number_of<std::int64_t>(value).value_or(0), 0, most_immunity_s);
      facts.immunity_ms = seconds * 1000;
    }
  });
  return facts;
}

result<half_outcome> committed(const record_view& half) {
  auto message = outcome_in(find_property(half.properties, property::real_topic), half);
  if (auto good = check_topic_name(message.topic); !good)
    return error{errc::corrupt, "its property REAL_TOPIC names no topic: " + good.error().message};
  if (!takes_messages(message.topic))
    return error{errc::corrupt, "its property REAL_TOPIC names " + message.topic +
                                    ", one of RocketMQ's own, which nobody writes to"};
  auto queue = number_of<std::int32_t>(find_property(half.properties, property::real_queue_id));
  if (!queue || *queue < 0 || *queue >= static_cast<std::int32_t>(max_queues_per_topic))
    return error{errc::corrupt, "its property REAL_QID names no queue"};
  message.queue_id = *queue;
  message.sysflag |= sysflag::transaction_commit;
  message.prepared_transaction_offset = half.offset;
  // RocketMQ's brokers leave all others, those of the half included.
  copy_without({property::delay, property::record_crc}, half.properties, message.properties);
  return message;
}

half_outcome half_again(const record_view& half, std::int32_t checks) {
  auto message = outcome_in(half_topic, half);
  copy_without({property::check_times, property::first_half, property::record_crc}, half.properties,
               message.properties);
  append_property(message.properties, property::check_times, std::to_string(checks));
  if (auto first = facts_of(half).first; first >= 0)
    append_property(message.properties, property::first_half, std::to_string(first));
  return message;
}

bool may_wait_again(const record_view& message) {
  return asks_for_transaction(message.properties) &&
         !find_property(message.properties, property::producer_group).empty() &&
         committed(message).has_value();
}

half_outcome unresolved(const record_view& half) {
  auto message = outcome_in(unresolved_topic, half);
  copy_without({property::first_half, property::record_crc}, half.properties, message.properties);
  append_property(message.properties, property::first_half, std::to_string(facts_of(half).first));
  return message;
}

/// A producer that tries again has the same key and another time. A half that was written again has
/// another place.
static bool is_same(const record_view& found, const record_view& half) noexcept {
  auto key = find_property(half.properties, property::unique_key);
  return found.born_timestamp == half.born_timestamp && found.body_crc == half.body_crc &&
         !key.empty() && find_property(found.properties, property::unique_key) == key;
}

bool is_commit_of(const record_view& found, const record_view& half) noexcept {
  return (found.sysflag & sysflag::transaction_mask) == sysflag::transaction_commit &&
         found.topic == find_property(half.properties, property::real_topic) &&
         is_same(found, half);
}

bool is_given_up(const record_view& found, const record_view& half) noexcept {
  return found.topic == unresolved_topic && is_same(found, half);
}

std::string op_body(queue_offset half) {
  return std::to_string(half);
}

std::vector<queue_offset> done_by(const record_view& op) {
  std::vector<queue_offset> halves;
  if (find_property(op.properties, property::tags) != "d")
    return halves;
  std::string_view rest(reinterpret_cast<const char*>(op.body.data()), op.body.size());
  while (!rest.empty()) {
    auto end = rest.find(',');
    if (auto number = number_of<queue_offset>(rest.substr(0, end)); number && *number >= 0)
      halves.push_back(*number);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  return halves;
}

result<std::vector<std::byte>> record_for_check(const record_view& half, std::int32_t checks,
                                                log_offset offset, queue_offset position) {
  TROUPE_TRY(auto real, committed(half));
  std::string counted;
  if (facts_of(half).checks != checks) {
    copy_without({property::check_times}, half.properties, counted);
    append_property(counted, property::check_times, std::to_string(checks));
  }
  record_fields fields;
  fields.topic = real.topic;
  fields.queue_id = real.queue_id;
  fields.flag = half.flag;
  fields.sysflag = plain_flags(half.sysflag);
  fields.born_timestamp = half.born_timestamp;
  fields.born_host = half.born_host;
  fields.store_host = half.store_host;
  fields.reconsume_times = half.reconsume_times;
  fields.body = half.body;
  fields.properties = counted.empty() ? half.properties : std::string_view(counted);
  std::vector<std::byte> bytes(encoded_size(fields, false));
  encode_record(fields, {position, offset, half.store_timestamp}, false, bytes);
  return bytes;
}

} // namespace troupe::storage
