#include "net/config_table.hpp"
#include "net/quantity.hpp"

#include <string>

// The values of the table's settings as text.
namespace troupe::net {

using storage::errc;
using storage::error;
using storage::result;

namespace {

/// A number as the file shows it.
std::string number_text(quantity kind, std::int64_t value) {
  switch (kind) {
  case quantity::bytes:
    return size_text(value);
  case quantity::duration:
    return duration_text(value);
  case quantity::on_off:
    return value != 0 ? "on" : "off";
  case quantity::count:
  case quantity::percent:
  case quantity::text:
    break;
  }
  return std::to_string(value);
}

result<std::int64_t> parse_number(quantity kind, std::string_view value) {
  switch (kind) {
  case quantity::bytes:
    return parse_size(value);
  case quantity::duration:
    return parse_duration(value);
  case quantity::percent:
    return parse_percent(value);
  case quantity::on_off: {
    TROUPE_TRY(auto on, parse_switch(value));
    return on ? 1 : 0;
  }
  case quantity::count:
  case quantity::text:
    break;
  }
  return parse_count(value);
}

} // namespace

std::string written(const setting& s, const cluster_config& config, const node_config& node) {
  return s.kind == quantity::text ? s.text(config, node)
                                  : number_text(s.kind, s.number(config, node));
}

std::string range_text(const setting& s) {
  if (s.kind == quantity::text || s.kind == quantity::on_off)
    return {};
  auto steps = s.step == 1 ? std::string() : ", in steps of " + std::to_string(s.step);
  return " (" + number_text(s.kind, s.least) + " to " + number_text(s.kind, s.most) + steps + ")";
}

result<void> assign(const setting& s, cluster_config& config, node_config& node,
                    std::string_view value) {
  if (s.kind == quantity::text) {
    if (auto complaint = s.set_text(config, node, value); !complaint.empty())
      return error{errc::invalid_argument, "'" + std::string(value) + "' " + complaint};
    return boost::outcome_v2::success();
  }
  TROUPE_TRY(auto n, parse_number(s.kind, value));
  if (n < s.least || n > s.most)
    return error{errc::invalid_argument, "'" + std::string(value) +
                                             "' is out of range: " + number_text(s.kind, s.least) +
                                             " to " + number_text(s.kind, s.most)};
  if (n % s.step != 0)
    return error{errc::invalid_argument,
                 "'" + std::string(value) + "' is not a multiple of " + std::to_string(s.step)};
  s.set_number(config, node, n);
  return boost::outcome_v2::success();
}

} // namespace troupe::net
