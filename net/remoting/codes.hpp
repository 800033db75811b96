#pragma once

#include <cstdint>
#include <string_view>

namespace troupe::remoting {

/// Requests that this node answers or sends; docs/compatibility.md lists the others.
namespace request_code {
inline constexpr std::int32_t send_message = 10;
inline constexpr std::int32_t pull_message = 11;
inline constexpr std::int32_t query_message = 12;
inline constexpr std::int32_t query_consumer_offset = 14;
inline constexpr std::int32_t update_consumer_offset = 15;
inline constexpr std::int32_t update_and_create_topic = 17;
inline constexpr std::int32_t get_all_topic_config = 21;
inline constexpr std::int32_t update_broker_config = 25;
inline constexpr std::int32_t get_broker_config = 26;
inline constexpr std::int32_t get_broker_runtime_info = 28;
inline constexpr std::int32_t search_offset_by_timestamp = 29;
inline constexpr std::int32_t get_max_offset = 30;
inline constexpr std::int32_t get_min_offset = 31;
inline constexpr std::int32_t get_earliest_msg_storetime = 32;
inline constexpr std::int32_t view_message_by_id = 33;
inline constexpr std::int32_t heart_beat = 34;
inline constexpr std::int32_t unregister_client = 35;
inline constexpr std::int32_t consumer_send_msg_back = 36;
inline constexpr std::int32_t end_transaction = 37;
inline constexpr std::int32_t get_consumer_list_by_group = 38;
inline constexpr std::int32_t check_transaction_state = 39;     ///< to clients
inline constexpr std::int32_t notify_consumer_ids_changed = 40; ///< to clients
inline constexpr std::int32_t lock_batch_mq = 41;
inline constexpr std::int32_t unlock_batch_mq = 42;
inline constexpr std::int32_t get_all_consumer_offset = 43;
inline constexpr std::int32_t check_client_config = 46;
inline constexpr std::int32_t put_kv_config = 100;
inline constexpr std::int32_t get_kv_config = 101;
inline constexpr std::int32_t delete_kv_config = 102;
inline constexpr std::int32_t register_broker = 103;   ///< to name servers, too
inline constexpr std::int32_t unregister_broker = 104; ///< to name servers, too
inline constexpr std::int32_t get_routeinfo_by_topic = 105;
inline constexpr std::int32_t get_broker_cluster_info = 106;
inline constexpr std::int32_t update_and_create_subscriptiongroup = 200;
inline constexpr std::int32_t get_all_subscriptiongroup_config = 201;
inline constexpr std::int32_t get_topic_stats_info = 202;
inline constexpr std::int32_t get_consumer_connection_list = 203;
inline constexpr std::int32_t get_producer_connection_list = 204;
inline constexpr std::int32_t wipe_write_perm_of_broker = 205;
inline constexpr std::int32_t get_all_topic_list_from_nameserver = 206;
inline constexpr std::int32_t delete_subscriptiongroup = 207;
inline constexpr std::int32_t get_consume_stats = 208;
inline constexpr std::int32_t delete_topic_in_broker = 215;
inline constexpr std::int32_t delete_topic_in_namesrv = 216;
inline constexpr std::int32_t get_kvlist_by_namespace = 219;
inline constexpr std::int32_t reset_consumer_client_offset = 220;    ///< to clients
inline constexpr std::int32_t get_consumer_status_from_client = 221; ///< to clients
inline constexpr std::int32_t invoke_broker_to_reset_offset = 222;
inline constexpr std::int32_t invoke_broker_to_get_consumer_status = 223;
inline constexpr std::int32_t get_topics_by_cluster = 224;
inline constexpr std::int32_t query_topic_consume_by_who = 300;
inline constexpr std::int32_t get_system_topic_list_from_ns = 304;
inline constexpr std::int32_t get_system_topic_list_from_broker = 305;
inline constexpr std::int32_t clean_expired_consumequeue = 306;
inline constexpr std::int32_t get_consumer_running_info = 307; ///< on to a client
inline constexpr std::int32_t consume_message_directly = 309;  ///< on to a client
inline constexpr std::int32_t send_message_v2 = 310;
inline constexpr std::int32_t clone_group_offset = 314;
inline constexpr std::int32_t view_broker_stats_data = 315;
inline constexpr std::int32_t clean_unused_topic = 316;
inline constexpr std::int32_t get_namesrv_config = 319;
inline constexpr std::int32_t send_batch_message = 320;
inline constexpr std::int32_t query_data_version = 322;
inline constexpr std::int32_t resume_check_half_message = 323;
inline constexpr std::int32_t recall_message = 370;
inline constexpr std::int32_t send_reply_message = 324;
inline constexpr std::int32_t send_reply_message_v2 = 325;
inline constexpr std::int32_t push_reply_message_to_client = 326; ///< to clients
inline constexpr std::int32_t add_write_perm_of_broker = 327;
inline constexpr std::int32_t get_all_producer_info = 328;
inline constexpr std::int32_t query_topics_by_consumer = 343;
inline constexpr std::int32_t query_subscription_by_consumer = 345;
inline constexpr std::int32_t get_topic_config = 351;
inline constexpr std::int32_t get_subscriptiongroup_config = 352;
inline constexpr std::int32_t lite_pull_message = 361;
inline constexpr std::int32_t broker_heartbeat = 904;
} // namespace request_code

/// What clients make of an answer depends on these: on `system_busy` and `service_not_available`
/// a producer tries another broker, the others end the request.
namespace response_code {
inline constexpr std::int32_t success = 0;
inline constexpr std::int32_t system_error = 1;
inline constexpr std::int32_t system_busy = 2;
inline constexpr std::int32_t request_code_not_supported = 3;
inline constexpr std::int32_t flush_disk_timeout = 10;
inline constexpr std::int32_t message_illegal = 13;
inline constexpr std::int32_t service_not_available = 14;
inline constexpr std::int32_t no_permission = 16;
inline constexpr std::int32_t topic_not_exist = 17;
inline constexpr std::int32_t pull_not_found = 19;
inline constexpr std::int32_t pull_retry_immediately = 20;
inline constexpr std::int32_t pull_offset_moved = 21;
inline constexpr std::int32_t query_not_found = 22;
inline constexpr std::int32_t subscription_parse_failed = 23;
inline constexpr std::int32_t subscription_not_exist = 24;
inline constexpr std::int32_t subscription_not_latest = 25;
inline constexpr std::int32_t group_not_exist = 26;
inline constexpr std::int32_t invalid_parameter = 29;
inline constexpr std::int32_t consumer_not_online = 206;
inline constexpr std::int32_t consume_message_timeout = 207;
inline constexpr std::int32_t illegal_operation = 604;

/// For a name or a number that cannot be: clients before RocketMQ 5 know no code of its own.
constexpr std::int32_t illegal_for(std::int32_t version) noexcept {
  constexpr std::int32_t first_with_its_own = 414;
  return version >= first_with_its_own ? invalid_parameter : system_error;
}
} // namespace response_code

/// The topic of which a producer learns where new topics are created.
inline constexpr std::string_view default_topic = "TBW102";
/// Before a group's name: the topics of its messages that are tried again, and that never are.
inline constexpr std::string_view retry_prefix = "%RETRY%";
inline constexpr std::string_view dead_letter_prefix = "%DLQ%";

} // namespace troupe::remoting
