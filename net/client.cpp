#include "net/client.hpp"

#include "net/unique_key.hpp"
#include "storage/properties.hpp"

#include <charconv>
#include <chrono>
#include <utility>

namespace troupe::client {

storage::result<connect_options> parse_address(std::string_view address) {
  connect_options options;
  auto colon = address.rfind(':');
  auto port = colon == std::string_view::npos ? std::string_view{} : address.substr(colon + 1);
  auto* end = port.data() + port.size();
  auto [stop, problem] = std::from_chars(port.data(), end, options.port);
  if (problem != std::errc{} || stop != end || options.port == 0 || colon == 0)
    return storage::error{errc::invalid_argument, "\"" + std::string{address} +
                                                      "\" is no address: give host:port, such as "
                                                      "127.0.0.1:10915"};
  options.host = address.substr(0, colon);
  return options;
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
  entry.queue_id = m.queue_id;
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

void configure(caf::actor_system_config& config) {
  config.add_message_types<caf::id_block::troupe>();
  config.add_message_types<caf::id_block::troupe_roles>();
  config.add_error_category(error_category(),
                            [](std::uint8_t code, caf::atom_value, const caf::message& context) {
                              std::string text{name_of(static_cast<errc>(code))};
                              if (context.match_elements<std::string>())
                                text += ": " + context.get_as<std::string>(0);
                              return text;
                            });
  config.load<caf::io::middleman>();
  config.set("middleman.app-identifiers", std::vector<std::string>{"troupe"});
  config.set("middleman.heartbeat-interval", caf::timespan{std::chrono::milliseconds(500)});
  config.set("middleman.connection-timeout", caf::timespan{std::chrono::seconds(2)});
  config.set("scheduler.policy", caf::atom("sharing"));
  config.set("scheduler.max-threads", std::size_t{2});
}

} // namespace troupe::client
