#include "net/gateway/admin_topics_desk.hpp"

#include "net/remoting/admin_bodies.hpp"
#include "net/remoting/admin_headers.hpp"
#include "net/remoting/codes.hpp"
#include "net/remoting/settings_lists.hpp"
#include "storage/format/system_topics.hpp"

#include <algorithm>
#include <utility>

namespace troupe::net {

namespace {

namespace request_code = remoting::request_code;
namespace response_code = remoting::response_code;

} // namespace

request_lines admin_topics_desk::lines() {
  return {
      line_for(this, request_code::update_and_create_topic, request_kind::question,
               &admin_topics_desk::update_topic),
      line_for(this, request_code::update_and_create_topic_list, request_kind::question,
               &admin_topics_desk::update_topics),
      line_for(this, request_code::delete_topic_in_broker, request_kind::question,
               &admin_topics_desk::delete_topic),
      line_for(this, request_code::delete_topic_in_namesrv, request_kind::question,
               &admin_topics_desk::delete_topic_name),
      line_for(this, request_code::get_all_topic_list_from_nameserver, request_kind::question,
               &admin_topics_desk::list_topics),
      line_for(this, request_code::get_topics_by_cluster, request_kind::question,
               &admin_topics_desk::list_cluster_topics),
      line_for(this, request_code::get_all_topic_config, request_kind::question,
               &admin_topics_desk::list_topic_settings),
      line_for(this, request_code::get_topic_config, request_kind::question,
               &admin_topics_desk::show_topic_settings),
      line_for(this, request_code::get_topic_stats_info, request_kind::question,
               &admin_topics_desk::show_topic_stats),
      line_for(this, request_code::get_system_topic_list_from_ns, request_kind::question,
               &admin_topics_desk::list_system_names),
      line_for(this, request_code::get_system_topic_list_from_broker, request_kind::question,
               &admin_topics_desk::list_system_topics),
      line_for(this, request_code::get_unit_topic_list, request_kind::question,
               &admin_topics_desk::list_unit_topics),
      line_for(this, request_code::get_has_unit_sub_topic_list, request_kind::question,
               &admin_topics_desk::list_unit_topics),
      line_for(this, request_code::get_has_unit_sub_ununit_topic_list, request_kind::question,
               &admin_topics_desk::list_unit_topics),
      line_for(this, request_code::clean_unused_topic, request_kind::question,
               &admin_topics_desk::clean),
      line_for(this, request_code::clean_expired_consumequeue, request_kind::question,
               &admin_topics_desk::clean),
  };
}

/// Refuses what is no topic's name, or belongs to RocketMQ itself.
bool admin_topics_desk::may_change(const ticket& who, const client_request& request,
                                   const std::string& topic) {
  auto illegal = response_code::illegal_for(request.header.version);
  if (auto good = storage::check_topic_name(topic); !good) {
    counter_.reply(who, illegal, good.error().message);
    return false;
  }
  if (!storage::is_system_topic(topic))
    return true;
  counter_.reply(who, illegal, "The topic[" + topic + "] is conflict with system topic.");
  return false;
}

/// Refuses what is one new topic too many.
bool admin_topics_desk::may_make(const ticket& who, const std::string& topic) {
  if (names_.find(topic) != nullptr)
    return true;
  auto counted = names_.charge(who, creation_of(topic));
  if (!counted)
    counter_.fail(who, counted.error());
  return counted.has_value();
}

/// Refuses what topics here cannot have.
bool admin_topics_desk::may_have(const ticket& who, const client_request& request,
                                 std::int64_t sysflag, const std::string& attributes) {
  if (sysflag != 0)
    counter_.reply(who, response_code::system_error,
                   "this node has topics without system flags: leave topicSysFlag at 0");
  else if (!remoting::changes_nothing(attributes))
    counter_.reply(who, response_code::illegal_for(request.header.version),
                   "attributes '" + attributes.substr(0, 200) +
                       "': this node has topics of message.type=NORMAL without any others");
  else
    return true;
  return false;
}

void admin_topics_desk::update_topic(const session_actor& session, const ticket& who,
                                     const client_request& request) {
  auto h = counter_.fields_of<remoting::topic_config_header>(who, request);
  if (!h || !may_change(who, request, h->topic) ||
      !may_have(who, request, h->sysflag, h->attributes) || !may_make(who, h->topic))
    return;
  counter_.ask<topic_info>(
      who, session,
      [this, who](const topic_info&) {
        names_.refresh([this, who] { counter_.reply(who, response_code::success, {}); });
      },
      update_atom_v, topic_info{h->topic, h->read_queues, h->write_queues, h->perm, h->order});
}

/// All are looked at before the first is changed. One that the node refuses ends it: those before
/// it are changed, and asking again is no harm.
void admin_topics_desk::update_topics(const session_actor& session, const ticket& who,
                                      const client_request& request) {
  auto wanted = remoting::read_topic_list(request.body.bytes());
  if (!wanted)
    return counter_.fail(who, wanted.error());
  auto left = std::make_shared<std::vector<topic_info>>();
  for (auto& one : wanted.value()) {
    if (!may_change(who, request, one.info.name) ||
        !may_have(who, request, one.sysflag, one.attributes))
      return;
    left->push_back(std::move(one.info));
  }
  std::ranges::reverse(*left);
  next_update(session, who, left);
}

void admin_topics_desk::next_update(const session_actor& session, const ticket& who,
                                    const std::shared_ptr<std::vector<topic_info>>& left) {
  if (left->empty())
    return names_.refresh([this, who] { counter_.reply(who, response_code::success, {}); });
  auto next = std::move(left->back());
  left->pop_back();
  if (!may_make(who, next.name))
    return;
  counter_.ask<topic_info>(
      who, session,
      [this, session, who, left](const topic_info&) { next_update(session, who, left); },
      update_atom_v, std::move(next));
}

/// A topic that is not here is deleted already: tools ask every broker of a cluster.
void admin_topics_desk::delete_topic(const session_actor& session, const ticket& who,
                                     const client_request& request) {
  auto h = counter_.fields_of<remoting::topic_header>(who, request);
  if (!h || !may_change(who, request, h->topic))
    return;
  self_->request(session, caf::infinite, remove_atom_v, h->topic)
      .then(
          [this, who](const tombstone&) {
            names_.refresh([this, who] { counter_.reply(who, response_code::success, {}); });
          },
          [this, who](const caf::error& why) {
            if (auto e = from_caf(why); e.code != errc::not_found)
              counter_.fail(who, e);
            else
              counter_.reply(who, response_code::success, {});
          });
}

/// The topics of the store are not for the name service to delete: it forgets the others'.
void admin_topics_desk::delete_topic_name(const session_actor&, const ticket& who,
                                          const client_request& request) {
  auto h = counter_.fields_of<remoting::topic_header>(who, request);
  if (!h || !may_change(who, request, h->topic))
    return;
  names_.others().remove_topic(h->topic);
  counter_.reply(who, response_code::success, {});
}

void admin_topics_desk::list_topics(const session_actor& session, const ticket& who,
                                    const client_request&) {
  counter_.ask<topic_list>(
      who, session,
      [this, who](const topic_list& all) {
        std::vector<std::string> names;
        for (auto& topic : all.topics)
          names.push_back(topic.name);
        names_.forget_silent();
        names_.others().add_topics(names);
        counter_.reply_text(who, remoting::write_topic_names(names));
      },
      list_atom_v);
}

void admin_topics_desk::list_cluster_topics(const session_actor& session, const ticket& who,
                                            const client_request& request) {
  auto h = counter_.fields_of<remoting::cluster_header>(who, request);
  if (!h)
    return;
  names_.forget_silent();
  bool own = h->cluster == setup_.address.cluster;
  if (!own && !names_.others().has_cluster(h->cluster))
    return counter_.reply(who, response_code::system_error,
                          "there is no cluster " + h->cluster + " here, only " +
                              setup_.address.cluster + " and those of brokers that registered");
  counter_.ask<topic_list>(
      who, session,
      [this, who, own, cluster = h->cluster](const topic_list& all) {
        std::vector<std::string> names;
        if (own)
          for (auto& topic : all.topics)
            names.push_back(topic.name);
        names_.others().add_topics(names, &cluster);
        counter_.reply_text(who, remoting::write_topic_names(names));
      },
      list_atom_v);
}

/// A dashboard asks the name service first, and then the broker that it names.
void admin_topics_desk::list_system_names(const ticket& who, const client_request&) {
  counter_.reply_text(who,
                      remoting::write_topic_names({setup_.address.cluster, setup_.address.broker},
                                                  setup_.address.address));
}

void admin_topics_desk::list_system_topics(const ticket& who, const client_request&) {
  counter_.reply_text(who, remoting::write_topic_names(remoting::own_topics(setup_.address)));
}

/// Topics of several units of a company: system flags, which topics here do not have.
void admin_topics_desk::list_unit_topics(const ticket& who, const client_request&) {
  counter_.reply_text(who, remoting::write_topic_names({}));
}

/// There is nothing to clean when an operator asks: queues of a deleted topic go with it, and those
/// that point to deleted files with them.
void admin_topics_desk::clean(const ticket& who, const client_request&) {
  counter_.reply(who, response_code::success, {});
}

void admin_topics_desk::list_topic_settings(const session_actor& session, const ticket& who,
                                            const client_request&) {
  counter_.ask<topic_list>(
      who, session,
      [this, who](const topic_list& all) {
        counter_.reply_text(who, remoting::write_all_topics(all.topics));
      },
      list_atom_v);
}

void admin_topics_desk::show_topic_settings(const session_actor& session, const ticket& who,
                                            const client_request& request) {
  auto h = counter_.fields_of<remoting::topic_header>(who, request);
  if (!h)
    return;
  counter_.ask<topic_list>(
      who, session,
      [this, who, wanted = h->topic](const topic_list& all) {
        for (auto& topic : all.topics)
          if (topic.name == wanted)
            return counter_.reply_text(who, remoting::write_topic(topic));
        counter_.reply(who, response_code::topic_not_exist,
                       "No topic in this broker. topic: " + wanted);
      },
      list_atom_v);
}

void admin_topics_desk::show_topic_stats(const session_actor& session, const ticket& who,
                                         const client_request& request) {
  auto h = counter_.fields_of<remoting::topic_header>(who, request);
  if (!h)
    return;
  self_->request(session, caf::infinite, bounds_atom_v, h->topic)
      .then(
          [this, who](const topic_description& topic) {
            std::vector<remoting::queue_stats> queues;
            for (auto& q : topic.queues)
              queues.push_back({{topic.info.name, q.queue_id},
                                q.min,
                                q.max,
                                std::max<std::int64_t>(q.last_store_ms, 0)});
            auto rates = tally_.find(remoting::topic_puts, topic.info.name);
            counter_.reply_text(who,
                                remoting::write_topic_stats(setup_.address.broker, queues,
                                                            rates ? rates->minute.per_second : 0));
          },
          [this, who, topic = h->topic](const caf::error& why) {
            if (auto e = from_caf(why); e.code != errc::not_found)
              counter_.fail(who, e);
            else
              counter_.reply(who, response_code::topic_not_exist, "topic[" + topic + "] not exist");
          });
}

} // namespace troupe::net
