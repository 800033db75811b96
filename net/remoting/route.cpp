#include "net/remoting/route.hpp"

namespace troupe::remoting {

namespace {

/// RocketMQ 4.9.4, whose clients are the first to send and read standard JSON.
constexpr std::int32_t first_standard_version = 402;

std::string quoted(const std::string& text) {
  std::string out;
  append_json_text(out, text);
  return out;
}

} // namespace

route_dialect dialect_for(const command& request, bool accepts_standard_only) noexcept {
  return accepts_standard_only || request.version >= first_standard_version
             ? route_dialect::standard
             : route_dialect::bare_keys;
}

std::string write_route(const broker_address& at, const storage::topic_info& topic,
                        route_dialect dialect) {
  // Rust clients refuse a route that lacks any of these members.
  std::string master = dialect == route_dialect::standard ? "\"0\"" : "0";
  return "{\"brokerDatas\":[{\"brokerAddrs\":{" + master + ":" + quoted(at.address) +
         "},\"brokerName\":" + quoted(at.broker) + ",\"cluster\":" + quoted(at.cluster) +
         ",\"enableActingMaster\":false}],\"filterServerTable\":{},\"queueDatas\":[{" +
         "\"brokerName\":" + quoted(at.broker) + ",\"perm\":" + std::to_string(topic.perm) +
         ",\"readQueueNums\":" + std::to_string(topic.read_queues) +
         ",\"topicSysFlag\":0,\"writeQueueNums\":" + std::to_string(topic.write_queues) + "}]}";
}

std::string write_cluster_info(const broker_address& at) {
  return "{\"brokerAddrTable\":{" + quoted(at.broker) +
         ":{\"brokerAddrs\":{0:" + quoted(at.address) + "},\"brokerName\":" + quoted(at.broker) +
         ",\"cluster\":" + quoted(at.cluster) + "}},\"clusterAddrTable\":{" + quoted(at.cluster) +
         ":[" + quoted(at.broker) + "]}}";
}

} // namespace troupe::remoting
