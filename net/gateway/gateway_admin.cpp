#include "net/gateway/gateway_state.hpp"
#include "net/remoting/admin_headers.hpp"
#include "net/remoting/codes.hpp"
#include "storage/system_topics.hpp"

#include <algorithm>

/// What operators ask about topics, and where each operator's request goes.
namespace troupe::net {

namespace {

namespace request_code = remoting::request_code;
namespace response_code = remoting::response_code;

remoting::topic_settings settings_of(const topic_info& topic) {
  return {topic.name, topic.read_queues, topic.write_queues, topic.perm};
}

} // namespace

gateway_state::admin_handler gateway_state::admin_handler_for(std::int32_t code) noexcept {
  switch (code) {
  case request_code::update_and_create_topic:
    return &gateway_state::update_topic;
  case request_code::delete_topic_in_broker:
    return &gateway_state::delete_topic;
  case request_code::delete_topic_in_namesrv:
    return &gateway_state::delete_topic_name;
  case request_code::get_all_topic_list_from_nameserver:
    return &gateway_state::list_topics;
  case request_code::get_topics_by_cluster:
    return &gateway_state::list_cluster_topics;
  case request_code::get_all_topic_config:
    return &gateway_state::list_topic_settings;
  case request_code::get_topic_config:
    return &gateway_state::show_topic_settings;
  case request_code::get_topic_stats_info:
    return &gateway_state::show_topic_stats;
  case request_code::update_and_create_subscriptiongroup:
    return &gateway_state::update_group;
  case request_code::delete_subscriptiongroup:
    return &gateway_state::delete_group;
  case request_code::get_all_subscriptiongroup_config:
    return &gateway_state::list_group_settings;
  case request_code::get_all_consumer_offset:
    return &gateway_state::list_group_offsets;
  case request_code::query_topic_consume_by_who:
    return &gateway_state::list_topic_groups;
  case request_code::get_consumer_connection_list:
    return &gateway_state::list_consumer_clients;
  case request_code::get_producer_connection_list:
    return &gateway_state::list_producer_clients;
  case request_code::get_consume_stats:
    return &gateway_state::show_progress;
  case request_code::invoke_broker_to_reset_offset:
    return &gateway_state::reset_offsets;
  case request_code::get_broker_runtime_info:
    return &gateway_state::show_runtime;
  case request_code::get_broker_config:
    return &gateway_state::show_config;
  case request_code::view_broker_stats_data:
    return &gateway_state::show_rates;
  default:
    return nullptr;
  }
}

/// Refuses what is no topic's name, or belongs to RocketMQ itself.
bool gateway_state::may_change(const ticket& who, const std::string& topic) {
  if (auto good = storage::check_topic_name(topic); !good) {
    fail(who, good.error());
    return false;
  }
  if (!storage::is_system_topic(topic))
    return true;
  reply(who, response_code::system_error,
        "The topic[" + topic + "] is conflict with system topic.");
  return false;
}

void gateway_state::update_topic(client& c, const ticket& who, const client_request& request) {
  auto h = fields_of<remoting::topic_config_header>(who, request);
  if (!h || !may_change(who, h->topic))
    return;
  if (h->order || h->sysflag != 0 || !h->attributes.empty())
    return reply(who, response_code::system_error,
                 "ordered topics (order=true), system flags and attributes are not supported by "
                 "this node");
  ask<topic_info>(
      who, c.session,
      [this, who](const topic_info&) {
        refresh_topics([this, who] { reply(who, response_code::success, {}); });
      },
      update_atom_v, topic_info{h->topic, h->read_queues, h->write_queues, h->perm});
}

/// A topic that is not here is deleted already: tools ask every broker of a cluster.
void gateway_state::delete_topic(client& c, const ticket& who, const client_request& request) {
  auto h = fields_of<remoting::topic_header>(who, request);
  if (!h || !may_change(who, h->topic))
    return;
  self_->request(c.session, caf::infinite, remove_atom_v, h->topic)
      .then(
          [this, who](const tombstone&) {
            refresh_topics([this, who] { reply(who, response_code::success, {}); });
          },
          [this, who](const caf::error& why) {
            if (auto e = from_caf(why); e.code != errc::not_found)
              fail(who, e);
            else
              reply(who, response_code::success, {});
          });
}

/// The name service has the topics of the store and none of its own.
void gateway_state::delete_topic_name(client&, const ticket& who, const client_request& request) {
  auto h = fields_of<remoting::topic_header>(who, request);
  if (h && may_change(who, h->topic))
    reply(who, response_code::success, {});
}

void gateway_state::list_topics(client& c, const ticket& who, const client_request&) {
  ask<topic_list>(
      who, c.session,
      [this, who](const topic_list& all) {
        std::vector<std::string> names;
        for (auto& topic : all.topics)
          names.push_back(topic.name);
        reply_text(who, remoting::write_topic_names(names));
      },
      list_atom_v);
}

void gateway_state::list_cluster_topics(client& c, const ticket& who,
                                        const client_request& request) {
  auto h = fields_of<remoting::cluster_header>(who, request);
  if (!h)
    return;
  if (h->cluster != setup_.address.cluster)
    return reply(who, response_code::system_error,
                 "there is no cluster " + h->cluster + " here, only " + setup_.address.cluster);
  list_topics(c, who, request);
}

void gateway_state::list_topic_settings(client& c, const ticket& who, const client_request&) {
  ask<topic_list>(
      who, c.session,
      [this, who](const topic_list& all) {
        std::vector<remoting::topic_settings> settings;
        for (auto& topic : all.topics)
          settings.push_back(settings_of(topic));
        reply_text(who, remoting::write_all_topic_settings(settings));
      },
      list_atom_v);
}

void gateway_state::show_topic_settings(client& c, const ticket& who,
                                        const client_request& request) {
  auto h = fields_of<remoting::topic_header>(who, request);
  if (!h)
    return;
  ask<topic_list>(
      who, c.session,
      [this, who, wanted = h->topic](const topic_list& all) {
        for (auto& topic : all.topics)
          if (topic.name == wanted)
            return reply_text(who, remoting::write_topic_settings(settings_of(topic)));
        reply(who, response_code::topic_not_exist, "No topic in this broker. topic: " + wanted);
      },
      list_atom_v);
}

void gateway_state::show_topic_stats(client& c, const ticket& who, const client_request& request) {
  auto h = fields_of<remoting::topic_header>(who, request);
  if (!h)
    return;
  self_->request(c.session, caf::infinite, bounds_atom_v, h->topic)
      .then(
          [this, who](const topic_description& topic) {
            std::vector<remoting::queue_stats> queues;
            for (auto& q : topic.queues)
              queues.push_back({{topic.info.name, q.queue_id},
                                q.min,
                                q.max,
                                std::max<std::int64_t>(q.last_store_ms, 0)});
            auto rates = counts_.find(remoting::topic_puts, topic.info.name, now_ms());
            reply_text(who, remoting::write_topic_stats(setup_.address.broker, queues,
                                                        rates ? rates->minute.per_second : 0));
          },
          [this, who, topic = h->topic](const caf::error& why) {
            if (auto e = from_caf(why); e.code != errc::not_found)
              fail(who, e);
            else
              reply(who, response_code::topic_not_exist, "topic[" + topic + "] not exist");
          });
}

} // namespace troupe::net
