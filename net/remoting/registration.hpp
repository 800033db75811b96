#pragma once

#include "net/remoting/fields.hpp"
#include "storage/tables/topic_info.hpp"

#include <cstdint>
#include <string>
#include <vector>

/// What brokers tell name servers, both ways: read by a node's name service, and written by a node
/// that registers with others.
namespace troupe::remoting {

/// The master of a broker; slaves have other numbers.
inline constexpr std::int64_t master_id = 0;

/// UNREGISTER_BROKER (104), QUERY_DATA_VERSION (322) and what BROKER_HEARTBEAT (904) needs of it:
/// which broker it is about.
struct broker_header {
  std::string broker;
  std::string address; ///< host:port for clients
  std::string cluster;
  std::int64_t id = master_id;
};
template <class Fields>
void describe(Fields& f, broker_header& h) {
  f("brokerName", h.broker);
  f("brokerAddr", h.address);
  f("clusterName", h.cluster);
  f("brokerId", h.id);
}

/// BROKER_HEARTBEAT (904).
struct heartbeat_header : broker_header {};
template <class Fields>
void describe(Fields& f, heartbeat_header& h) {
  f("clusterName", h.cluster);
  f("brokerAddr", h.address);
  f.optional("brokerName", h.broker);
}

/// REGISTER_BROKER (103).
struct register_header : broker_header {
  std::string ha_address;      ///< where slaves copy from
  std::int64_t timeout_ms = 0; ///< for which the registration holds; 0: as long as usual
  bool acting_master = false;  ///< a slave may be read from as if it were the master
  bool compressed = false;     ///< the body
  std::int32_t body_crc = 0;   ///< as records have it; 0: not said
  bool all_topics = false;     ///< ours: the body names all, so what it does not name is gone
};
template <class Fields>
void describe(Fields& f, register_header& h) {
  describe(f, static_cast<broker_header&>(h));
  f.optional("haServerAddr", h.ha_address);
  f.optional("heartbeatTimeoutMillis", h.timeout_ms);
  f.optional("enableActingMaster", h.acting_master);
  f.optional("compressed", h.compressed);
  f.optional("bodyCrc32", h.body_crc);
  f.optional("troupeAllTopics", h.all_topics);
}

/// Answer to REGISTER_BROKER: for a slave, where its master is.
struct registered_header {
  std::string master_address;
  std::string ha_address;
};
template <class Fields>
void describe(Fields& f, registered_header& h) {
  f.optional("haServerAddr", h.ha_address);
  f.optional("masterAddr", h.master_address);
}

/// Answer to QUERY_DATA_VERSION.
struct changed_header {
  bool changed = true;
};
template <class Fields>
void describe(Fields& f, changed_header& h) {
  f("changed", h.changed);
}

/// PUT_KV_CONFIG (100).
struct kv_header {
  std::string space;
  std::string key;
  std::string value;
};
template <class Fields>
void describe(Fields& f, kv_header& h) {
  f("namespace", h.space);
  f("key", h.key);
  f("value", h.value);
}
/// GET_KV_CONFIG (101), DELETE_KV_CONFIG (102).
struct kv_key_header {
  std::string space;
  std::string key;
};
template <class Fields>
void describe(Fields& f, kv_key_header& h) {
  f("namespace", h.space);
  f("key", h.key);
}
/// Answer to GET_KV_CONFIG.
struct kv_value_header {
  std::string value;
};
template <class Fields>
void describe(Fields& f, kv_value_header& h) {
  f("value", h.value);
}
/// GET_KVLIST_BY_NAMESPACE (219).
struct kv_space_header {
  std::string space;
};
template <class Fields>
void describe(Fields& f, kv_space_header& h) {
  f("namespace", h.space);
}

/// Which state of its topics a broker speaks of; another one when any number differs.
struct data_version {
  std::int64_t state = 0;
  std::int64_t timestamp_ms = 0;
  std::int64_t counter = 0;
  friend bool operator==(const data_version&, const data_version&) = default;
};

struct registered_topic : storage::topic_info {
  std::int32_t sysflag = 0;
};

/// The body of REGISTER_BROKER.
struct registration {
  data_version version;
  std::vector<registered_topic> topics;
};

/// Longest body of a registration, also when it is no longer compressed.
inline constexpr std::size_t most_registration_bytes = std::size_t{12} << 20;
inline constexpr std::size_t most_registered_topics = 50'000;

/// Reads the body that came with the header, in any of Java's forms. Refuses a body whose CRC is
/// not the one that the header names, and names and numbers that no topic has.
storage::result<registration> read_registration(const register_header& header,
                                                std::int32_t sender_version, byte_view body);
/// As JSON; adds the CRC to the header.
std::string write_registration(const registration& what, register_header& header);

/// {"counter":…,"stateVersion":…,"timestamp":…}: the body of 322, and of its answer.
storage::result<data_version> read_data_version(byte_view body);
std::string write_data_version(const data_version& version);

/// Refuses names and addresses that are empty or too long.
storage::result<void> check_broker(const broker_header& broker);

} // namespace troupe::remoting
