#include "net/remoting/request_reply.hpp"

#include "storage/format/properties.hpp"
#include "storage/options.hpp"

namespace troupe::remoting {

namespace {

/// RocketMQ 5.0.0.
constexpr std::int32_t first_version_with_traces = 413;
constexpr std::string_view region = "DefaultRegion";

bool has_property(std::string_view properties, std::string_view name) noexcept {
  return !storage::find_property(properties, name).empty();
}

} // namespace

std::string reply_topic(std::string_view cluster) {
  return std::string(cluster) + "_REPLY_TOPIC";
}

bool wants_reply(std::string_view properties) noexcept {
  return has_property(properties, reply_property::client);
}

bool set_property(std::string& properties, std::string_view name, std::string_view value) {
  bool ends = properties.empty() || properties.back() == storage::property::value_end;
  auto more = name.size() + value.size() + (ends ? 2 : 3);
  if (properties.size() + more > storage::max_properties_bytes)
    return false;
  properties.reserve(properties.size() + more);
  if (!ends)
    properties += storage::property::value_end;
  properties.append(name) += storage::property::name_end;
  properties.append(value) += storage::property::value_end;
  return true;
}

void add_broker_properties(std::string& properties, std::int32_t client_version,
                           std::string_view cluster) {
  if (wants_reply(properties) &&
      storage::find_property(properties, reply_property::cluster) != cluster)
    set_property(properties, reply_property::cluster, cluster);
  if (client_version < first_version_with_traces ||
      has_property(properties, reply_property::region))
    return;
  set_property(properties, reply_property::region, region);
  if (!has_property(properties, reply_property::trace))
    set_property(properties, reply_property::trace, "true");
}

} // namespace troupe::remoting
