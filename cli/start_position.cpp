#include "cli/start_position.hpp"

#include "net/quantity.hpp"
#include "storage/clock.hpp"

#include <charconv>

namespace troupe::cli {

storage::result<client::start_position> start_of(const std::string& text) {
  if (text == "earliest")
    return client::start_position{client::start_earliest{}};
  if (text == "latest")
    return client::start_position{client::start_latest{}};
  queue_offset offset = 0;
  auto* end = text.data() + text.size();
  auto [stop, problem] = std::from_chars(text.data(), end, offset);
  if (problem == std::errc{} && stop == end && offset >= 0)
    return client::start_position{client::start_offset{offset}};
  auto moment = net::parse_moment(text, storage::system_wall_clock().now_ms());
  if (!moment)
    return storage::error{errc::invalid_argument,
                          "\"" + text +
                              "\": give earliest, latest, an offset, a time such as "
                              "2024-05-01T12:00:00Z, or a time ago such as -10m"};
  return client::start_position{client::start_time{moment.value()}};
}

} // namespace troupe::cli
