#include "net/client.hpp"

#include "net/unique_key.hpp"
#include "storage/format/properties.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <limits>
#include <utility>

namespace troupe::client {

namespace {

storage::result<door_address> parse_door(std::string_view text) {
  door_address door;
  auto colon = text.rfind(':');
  auto port = colon == std::string_view::npos ? std::string_view{} : text.substr(colon + 1);
  auto* end = port.data() + port.size();
  auto [stop, problem] = std::from_chars(port.data(), end, door.port);
  if (problem != std::errc{} || stop != end || door.port == 0 || colon == 0)
    return storage::error{errc::invalid_argument,
                          "\"" + std::string{text} +
                              "\" is no address: give host:port, such as 127.0.0.1:10915; "
                              "several with commas between"};
  door.host = text.substr(0, colon);
  return door;
}

} // namespace

storage::result<connect_options> parse_address(std::string_view addresses) {
  connect_options options;
  auto comma = addresses.find(',');
  TROUPE_TRY(auto first, parse_door(addresses.substr(0, comma)));
  options.host = std::move(first.host);
  options.port = first.port;
  while (comma != std::string_view::npos) {
    addresses.remove_prefix(comma + 1);
    comma = addresses.find(',');
    TROUPE_TRY(auto door, parse_door(addresses.substr(0, comma)));
    options.others.push_back(std::move(door));
  }
  return options;
}

namespace {

/// Java's hash of the string, as a number of one of `queues`. Java takes the absolute value, and so
/// 0 for the one that has none.
std::int32_t queue_of_key(std::string_view key, std::int32_t queues) {
  std::uint32_t hash = 0;
  for (auto c : key)
    hash = 31 * hash + static_cast<unsigned char>(c);
  auto value = static_cast<std::int32_t>(hash);
  return value == std::numeric_limits<std::int32_t>::min() ? 0 : std::abs(value) % queues;
}

} // namespace

storage::result<std::int32_t> batch::queue_of(const message& m) {
  if (m.queue_id != any_queue)
    return m.queue_id;
  if (queues_ <= 0)
    return storage::error{errc::invalid_argument,
                          "no queue: give a message of topic " + topic_ +
                              " its queue_id, or make the batch with the topic's topic_info"};
  if (auto first = m.keys.find_first_not_of(' '); first != std::string_view::npos) {
    auto key = m.keys.substr(first);
    return queue_of_key(key.substr(0, key.find(' ')), queues_);
  }
  return std::exchange(turn_, (turn_ + 1) % queues_);
}

storage::result<void> batch::add(const message& m) {
  storage::properties_builder properties;
  bool good = properties.add(storage::property::unique_key, next_unique_key());
  if (!m.tag.empty())
    good = properties.add(storage::property::tags, m.tag) && good;
  if (!m.keys.empty())
    good = properties.add(storage::property::keys, m.keys) && good;
  if (!good)
    return storage::error{errc::invalid_argument,
                          "a tag or key must not hold the characters 0x00, 0x01 or 0x02"};
  auto text = properties.take();
  text += m.properties;
  storage::new_message entry;
  TROUPE_TRY(entry.queue_id, queue_of(m));
  entry.flag = m.flag;
  entry.born_timestamp = std::chrono::duration_cast<std::chrono::milliseconds>(
                             std::chrono::system_clock::now().time_since_epoch())
                             .count();
  entry.body = std::as_bytes(std::span{m.body});
  entry.properties = text;
  builder_.add(entry);
  return boost::outcome_v2::success();
}

put_request batch::take(bool wait) {
  put_request request;
  request.topic = topic_;
  request.count = builder_.count();
  request.messages = builder_.take();
  request.wait = wait;
  request.born_host = storage::host::ipv4(0x7f000001, 0);
  return request;
}

namespace {

template <class T>
void set_default(caf::actor_system_config& config, caf::string_view name, T value) {
  if (caf::get_if<T>(&config, name) == caf::none)
    config.set(name, std::move(value));
}

/// Nodes and clients find each other by this one; a program may have others besides.
void add_application(caf::actor_system_config& config) {
  constexpr auto name = "middleman.app-identifiers";
  auto all = caf::get_or(config, name, std::vector<std::string>{});
  if (std::find(all.begin(), all.end(), "troupe") != all.end())
    return;
  all.emplace_back("troupe");
  config.set(name, std::move(all));
}

} // namespace

void configure(caf::actor_system_config& config) {
  config.add_message_types<caf::id_block::troupe>();
  config.add_message_types<caf::id_block::troupe_roles>();
  config.add_message_types<caf::id_block::troupe_links>();
  config.add_error_category(error_category(),
                            [](std::uint8_t code, caf::atom_value, const caf::message& context) {
                              std::string text{name_of(static_cast<errc>(code))};
                              if (context.match_elements<std::string>())
                                text += ": " + context.get_as<std::string>(0);
                              return text;
                            });
  config.load<caf::io::middleman>();
  add_application(config);
  set_default(config, "middleman.heartbeat-interval",
              caf::timespan{std::chrono::milliseconds(500)});
  set_default(config, "middleman.connection-timeout", caf::timespan{std::chrono::seconds(2)});
  set_default(config, "scheduler.policy", caf::atom("sharing"));
  set_default(config, "scheduler.max-threads", std::size_t{2});
}

} // namespace troupe::client
