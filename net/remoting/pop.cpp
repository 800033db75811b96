#include "net/remoting/pop.hpp"

#include "net/remoting/codes.hpp"
#include "net/remoting/json_members.hpp"
#include "net/remoting/send_back.hpp"
#include "storage/format/producer_sequence.hpp"
#include "storage/format/property_text.hpp"

#include <algorithm>
#include <limits>
#include <optional>

namespace troupe::remoting {

namespace {

using storage::errc;
using storage::error;
using storage::queue_offset;
using storage::result;

/// RocketMQ's names. The first is written by clients into what they received, for themselves.
constexpr std::string_view handle_property = "POP_CK";
constexpr std::string_view first_pop_property = "1ST_POP_TIME";

/// Of one body. A pop has at most 32 messages, of which filters may leave the farthest apart.
constexpr std::size_t most_pops = 10'000;
constexpr std::size_t most_offsets = 100'000;

/// The next word, and the text behind it.
std::string_view next_word(std::string_view& text) {
  auto end = std::min(text.find(' '), text.size());
  auto word = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return word;
}

void append_part(std::string& out, const std::string& part) {
  if (!out.empty())
    out += ';';
  out += part;
}

std::string place_of(bool retry, std::int32_t queue_id) {
  return (retry ? "1 " : "0 ") + std::to_string(queue_id) + ' ';
}

/// Six bits; nothing for what is none of base64's letters.
std::optional<std::uint32_t> sextet_of(char c) noexcept {
  constexpr std::string_view letters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  auto at = letters.find(c);
  if (at == std::string_view::npos)
    return std::nullopt;
  return static_cast<std::uint32_t>(at);
}

/// The numbers of the bits that are set in Java's BitSet.toByteArray, as base64.
result<std::vector<queue_offset>> bits_in(const json_members& ack, const std::string& text) {
  std::string_view left = text;
  while (!left.empty() && left.back() == '=')
    left.remove_suffix(1);
  std::vector<queue_offset> bits;
  std::uint32_t gathered = 0;
  int have = 0;
  queue_offset first = 0; // of the byte
  for (auto c : left) {
    auto six = sextet_of(c);
    if (!six)
      return ack.wrong("the bits are no base64");
    gathered = (gathered << 6 | *six) & 0xffffU;
    have += 6;
    if (have < 8)
      continue;
    have -= 8;
    auto byte = gathered >> have & 0xffU;
    for (unsigned bit = 0; bit < 8; ++bit)
      if ((byte >> bit & 1U) != 0)
        bits.push_back(first + bit);
    first += 8;
    if (bits.size() > most_offsets)
      return ack.wrong("it has more than " + std::to_string(most_offsets) + " messages");
  }
  return bits;
}

/// A member has a short name; some clients may write the long one.
result<std::string> text_of(const json_members& ack, const char* name, const char* long_name) {
  return ack.text(ack.find(name) != nullptr ? name : long_name);
}
result<std::int64_t> integer_of(const json_members& ack, const char* name, const char* long_name) {
  return ack.integer(ack.find(name) != nullptr ? name : long_name);
}

result<std::int32_t> small_of(const json_members& ack, const char* name, const char* long_name) {
  TROUPE_TRY(auto value, integer_of(ack, name, long_name));
  if (value < 0 || value > std::numeric_limits<std::int32_t>::max())
    return ack.wrong(std::string(long_name) + " is out of range");
  return static_cast<std::int32_t>(value);
}

result<std::string> topic_of(const json_members& ack, const std::string& group) {
  TROUPE_TRY(auto topic, text_of(ack, "t", "topic"));
  TROUPE_TRY(auto retry, text_of(ack, "r", "retry"));
  if (group.empty() || topic.empty() || group.size() > longest_name || topic.size() > longest_name)
    return ack.wrong("group and topic must have 1 to " + std::to_string(longest_name) + " bytes");
  if (retry.empty() || retry == "0")
    return topic;
  if (retry == "1")
    return pop_retry_topic(topic, group);
  return ack.wrong("there are no topics for retries of this kind: '" + retry.substr(0, 40) + "'");
}

result<batch_ack> read_ack(const json_members& from) {
  batch_ack ack;
  TROUPE_TRY(ack.group, text_of(from, "c", "consumerGroup"));
  TROUPE_TRY(ack.topic, topic_of(from, ack.group));
  TROUPE_TRY(ack.queue_id, small_of(from, "q", "queueId"));
  TROUPE_TRY(ack.handle.revive_queue, small_of(from, "rq", "reviveQueueId"));
  TROUPE_TRY(ack.handle.pop_ms, integer_of(from, "pt", "popTime"));
  TROUPE_TRY(ack.handle.invisible_ms, integer_of(from, "it", "invisibleTime"));
  TROUPE_TRY(auto start, integer_of(from, "so", "startOffset"));
  TROUPE_TRY(auto bits, text_of(from, "b", "bitSet"));
  TROUPE_TRY(ack.offsets, bits_in(from, bits));
  if (start < 0 || start > std::numeric_limits<std::int64_t>::max() / 2)
    return from.wrong("startOffset is out of range");
  for (auto& offset : ack.offsets)
    offset += start;
  return ack;
}

} // namespace

result<pop_handle> read_handle(std::string_view text) {
  auto whole = text;
  next_word(text); // where the pop began
  auto pop_ms = parse_integer<std::int64_t>(next_word(text));
  auto invisible_ms = parse_integer<std::int64_t>(next_word(text));
  auto revive_queue = parse_integer<std::int32_t>(next_word(text));
  if (!pop_ms || !invisible_ms || !revive_queue)
    return error{errc::invalid_argument,
                 "'" + std::string(whole.substr(0, 100)) + "' is no handle of a popped message"};
  return pop_handle{*pop_ms, *invisible_ms, *revive_queue};
}

std::string pop_retry_topic(std::string_view topic, std::string_view group) {
  return std::string(retry_prefix).append(group).append("_").append(topic);
}

void pop_places::add(bool retry, std::int32_t queue_id, queue_offset start,
                     const std::vector<queue_offset>& offsets) {
  auto place = place_of(retry, queue_id);
  append_part(starts_, place + std::to_string(start));
  append_part(offsets_, place);
  for (std::size_t i = 0; i < offsets.size(); ++i)
    offsets_.append(i == 0 ? "" : ",").append(std::to_string(offsets[i]));
}

/// Clients look for a message's own count, and before 5.1 for its queue's.
void pop_places::add_counts(std::int32_t queue_id, const ordered_batch& batch) {
  auto queue = std::to_string(queue_id);
  for (auto& each : batch.tried())
    append_part(counts_, "0 qo" + queue + '%' + std::to_string(each.position) + ' ' +
                             std::to_string(each.count));
  append_part(counts_, "0 " + queue + ' ' + std::to_string(batch.least_tries()));
}

result<std::vector<batch_ack>> read_batch_ack(storage::byte_view body) {
  TROUPE_TRY(auto object, read_json_body(body, "batch of acknowledgements"));
  json_members root(object, "batch of acknowledgements");
  TROUPE_TRY(auto entries, root.objects("acks", most_pops));
  std::vector<batch_ack> acks;
  std::size_t offsets = 0;
  for (auto& entry : entries) {
    TROUPE_TRY(auto ack, read_ack(entry));
    offsets += ack.offsets.size();
    if (offsets > most_offsets)
      return root.wrong("it has more than " + std::to_string(most_offsets) + " messages");
    acks.push_back(std::move(ack));
  }
  return acks;
}

popped_copy copy_of_popped(const storage::record_view& origin, std::string_view group,
                           std::int64_t pop_ms) {
  popped_copy copy;
  copy.topic = origin.topic.starts_with(retry_prefix) ? std::string(origin.topic)
                                                      : pop_retry_topic(origin.topic, group);
  copy.sysflag =
      origin.sysflag & ~(storage::sysflag::sequenced | storage::sysflag::transaction_mask);
  auto times = std::clamp(origin.reconsume_times, 0, std::numeric_limits<std::int32_t>::max() - 1);
  copy.reconsume_times = times + 1;
  bool keeps_first = false;
  storage::for_each_property(origin.properties, [&](auto name, auto value) {
    bool first = name == first_pop_property;
    if (is_of_origin_alone(name) || name == handle_property || (first && times == 0))
      return;
    keeps_first = keeps_first || first;
    storage::append_property(copy.properties, name, value);
  });
  auto before = copy.properties.size();
  if (!keeps_first)
    storage::append_property(copy.properties, first_pop_property, std::to_string(pop_ms));
  if (copy.properties.size() > storage::max_properties_bytes)
    copy.properties.resize(before); // better without it than not at all
  return copy;
}

} // namespace troupe::remoting
