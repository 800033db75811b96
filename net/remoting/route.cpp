#include "net/remoting/route.hpp"

#include <utility>

namespace troupe::remoting {

namespace {

/// RocketMQ 4.9.4, whose clients are the first to send and read standard JSON.
constexpr std::int32_t first_standard_version = 402;

std::string quoted(const std::string& text) {
  std::string out;
  append_json_text(out, text);
  return out;
}

void append_addresses(std::string& out, const broker_data& at, route_dialect dialect) {
  out += "\"brokerAddrs\":{";
  bool first = true;
  for (auto& [id, address] : at.addresses) {
    if (!std::exchange(first, false))
      out += ',';
    auto key = std::to_string(id);
    out += (dialect == route_dialect::standard ? '"' + key + '"' : key) + ':' + quoted(address);
  }
  out += "},\"brokerName\":" + quoted(at.broker) + ",\"cluster\":" + quoted(at.cluster);
}

} // namespace

broker_data alone(const broker_address& at) {
  return {at.cluster, at.broker, {{0, at.address}}};
}

route_dialect dialect_for(const command& request, bool accepts_standard_only) noexcept {
  return accepts_standard_only || request.version >= first_standard_version
             ? route_dialect::standard
             : route_dialect::bare_keys;
}

route route_to(const broker_address& at, const storage::topic_info& topic) {
  return {{alone(at)}, {{at.broker, topic.read_queues, topic.write_queues, topic.perm}}, {}};
}

std::string write_route(const route& to, route_dialect dialect) {
  // Rust clients refuse a route that lacks any of these members.
  std::string out = "{\"brokerDatas\":";
  append_json_list(out, to.brokers, [&](const broker_data& b) {
    out += '{';
    append_addresses(out, b, dialect);
    out += std::string(",\"enableActingMaster\":") + (b.acting_master ? "true" : "false") + '}';
  });
  out += ",\"filterServerTable\":{}";
  if (!to.order.empty())
    out += ",\"orderTopicConf\":" + quoted(to.order);
  out += ",\"queueDatas\":";
  append_json_list(out, to.queues, [&](const queue_data& q) {
    out += "{\"brokerName\":" + quoted(q.broker) + ",\"perm\":" + std::to_string(q.perm) +
           ",\"readQueueNums\":" + std::to_string(q.read_queues) +
           ",\"topicSysFlag\":" + std::to_string(q.sysflag) +
           ",\"writeQueueNums\":" + std::to_string(q.write_queues) + '}';
  });
  return out += '}';
}

std::string write_route(const broker_address& at, const storage::topic_info& topic,
                        route_dialect dialect) {
  return write_route(route_to(at, topic), dialect);
}

std::string write_cluster_info(const std::vector<broker_data>& brokers) {
  std::string out = "{\"brokerAddrTable\":{";
  std::map<std::string, std::vector<std::string>> clusters;
  bool first = true;
  for (auto& b : brokers) {
    if (!std::exchange(first, false))
      out += ',';
    out += quoted(b.broker) + ":{";
    append_addresses(out, b, route_dialect::bare_keys); // whoever asks
    out += '}';
    clusters[b.cluster].push_back(b.broker);
  }
  out += "},\"clusterAddrTable\":{";
  first = true;
  for (auto& [cluster, names] : clusters) {
    if (!std::exchange(first, false))
      out += ',';
    out += quoted(cluster) + ':';
    append_json_list(out, names, [&](const std::string& name) { append_json_text(out, name); });
  }
  return out += "}}";
}

std::string write_cluster_info(const broker_address& at) {
  return write_cluster_info(std::vector{alone(at)});
}

} // namespace troupe::remoting
