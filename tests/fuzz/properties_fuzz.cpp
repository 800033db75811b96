#include "storage/format/delayed_message.hpp"
#include "storage/format/properties.hpp"
#include "storage/format/record.hpp"
#include "storage/format/timer_message.hpp"
#include "tests/fuzz/hostile.hpp"

#include <string_view>
#include <utility>
#include <vector>

using namespace troupe;
using namespace troupe::storage;
using fuzz::require;

namespace {

using pairs = std::vector<std::pair<std::string_view, std::string_view>>;

bool inside(std::string_view outer, std::string_view part) {
  return part.data() >= outer.data() && part.data() + part.size() <= outer.data() + outer.size();
}

pairs pairs_of(std::string_view text) {
  pairs found;
  for_each_property(text, [&](std::string_view name, std::string_view value) {
    require(inside(text, name) && inside(text, value), "a property lies inside of its text");
    require(!name.empty() && !value.empty(), "a property that counts has a name and a value");
    found.emplace_back(name, value);
  });
  return found;
}

void check_found(std::string_view text, const pairs& all) {
  for (auto& [name, first] : all) {
    std::string_view last;
    for (auto& [other, value] : all)
      if (other == name)
        last = value;
    require(find_property(text, name) == last, "of a repeated name the last value counts");
  }
}

void check_rebuilt(const pairs& all) {
  properties_builder builder;
  pairs kept;
  for (auto& pair : all)
    if (builder.add(pair.first, pair.second))
      kept.push_back(pair);
  require(property_problem(builder.text()) == nullptr, "a text that was built is sound");
  require(pairs_of(builder.text()) == kept, "what was built is found again, in its order");
}

void check_keys(std::string_view text) {
  const indexed_properties found(text);
  require(found.tags == find_property(text, property::tags) &&
              found.keys == find_property(text, property::keys) &&
              found.unique_key == find_property(text, property::unique_key) &&
              found.delay == find_property(text, property::delay),
          "one pass finds what a search for each name finds");
  for_each_key(found, [&](std::string_view key) {
    require(!key.empty() && inside(text, key), "a key lies inside of its text");
    require(key_hash("topic", key) <= 0x7fffffff, "the hash of a key is not negative");
  });
  constexpr std::int64_t now = 1'767'225'600'000;
  auto delivery = tags_code(delay_topic, found, now, delay_levels{});
  require(delivery == java_hash(found.tags) || (delivery > now && delivery <= now + 7'200'000),
          "a delayed message is due within two hours");
}

/// A message that is put off waits where it says, and comes back without its delay.
void check_delay_forms(std::string_view text) {
  std::string waiting;
  if (asked_level(text) == 0 || check_delay(text, "topic", 7).has_error())
    return;
  auto level = put_off(text, "topic", 7, {}, waiting);
  require(level.has_value() && level.value() == asked_level(waiting) && level.value() <= 18,
          "what passes the check can be put off");
  record_view view;
  view.topic = delay_topic;
  view.properties = waiting;
  auto message = due(view, 0);
  require(message.has_value() && message.value().topic == "topic" && message.value().queue_id == 7,
          "it comes to where it belongs");
  require(asked_level(message.value().properties) == 0, "it is not put off again");
}

/// A message that waits for a time says so, asks for it until it is over, and not again.
void check_timer_forms(std::string_view text) {
  constexpr std::int64_t now = 1'767'225'600'000;
  auto time = asked_time(text, now);
  std::string waiting;
  if (!time || !time.value() || *time.value() <= now ||
      put_off_until(text, "topic", 7, *time.value(), now, level_until(*time.value(), now, {}), {},
                    waiting)
          .has_error())
    return;
  require(waits_until(waiting) == *time.value(), "it waits until its time");
  record_view view;
  view.topic = delay_topic;
  view.properties = waiting;
  auto early = due(view, now);
  require(early.has_value() && early.value().topic == "topic" && early.value().queue_id == 7,
          "it knows where it belongs");
  require(asked_time(early.value().properties, now).value() == *time.value(),
          "it asks for its time again");
  auto over = due(view, *time.value());
  require(over.has_value() && !asked_time(over.value().properties, now).value(),
          "what has come is not put off again");
}

/// No character of UTF-8, and no broken piece of one, goes on behind an ASCII byte.
void check_hash(std::string_view text) {
  for (std::size_t at = 0; at < text.size(); ++at)
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      require(java_hash(text) == java_hash(text.substr(at), java_hash(text.substr(0, at))),
              "a hash goes on where it was cut");
      return;
    }
}

} // namespace

/// Any bytes as the properties of a record.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > max_properties_bytes)
    return -1;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  auto all = pairs_of(text);
  if (all.size() < 100) // the check takes the square
    check_found(text, all);
  check_rebuilt(all);
  check_keys(text);
  check_hash(text);
  check_delay_forms(text);
  check_timer_forms(text);
  auto* problem = property_problem(text);
  require(problem == nullptr || *problem != '\0', "a problem has a name");
  return 0;
}
