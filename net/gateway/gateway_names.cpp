#include "net/gateway/gateway_state.hpp"
#include "net/remoting/codes.hpp"
#include "storage/logging.hpp"

namespace troupe::net {

namespace {

namespace response_code = remoting::response_code;

/// Of TBW102: how many queues a new topic gets at most, and read, write, inherit.
constexpr remoting::topic_route default_topic_route{8, 8, 7};

} // namespace

const topic_info* gateway_state::find_topic(const std::string& topic) const {
  auto found = topics_.find(topic);
  return found == topics_.end() ? nullptr : &found->second;
}

/// Without an answer `then` goes on with what was known before.
void gateway_state::refresh_topics(std::function<void()> then) {
  if (!own_)
    return then();
  self_->request(own_, caf::infinite, list_atom_v)
      .then(
          [this, then](const topic_list& list) {
            topics_.clear();
            for (auto& topic : list.topics)
              topics_.emplace(topic.name, topic);
            then();
            send_puts();
          },
          [this, then](const caf::error&) {
            then();
            send_puts();
          });
}

void gateway_state::create_topic(const topic_info& topic, std::function<void()> then) {
  if (!own_)
    return then();
  self_->request(own_, caf::infinite, create_atom_v, topic)
      .then(
          [this, then](const topic_info& made) {
            topics_[made.name] = made;
            then();
            send_puts();
          },
          [this, topic, then](const caf::error& why) {
            storage::log_warning("gateway.topic_not_created",
                                 {{"topic", topic.name}, {"reason", from_caf(why).message}});
            then();
            send_puts();
          });
}

void gateway_state::answer_route(const ticket& who, const client_request& request) {
  auto wanted = fields_of<remoting::route_header>(who, request);
  if (!wanted)
    return;
  auto dialect = remoting::dialect_for(request.header, wanted->standard_json);
  if (wanted->topic == remoting::default_topic)
    return route_known(who, *wanted, dialect);
  // Anew each time: clients ask every 30 s, and a topic may come and go by other ways.
  refresh_topics([this, who, wanted = *wanted, dialect] { route_known(who, wanted, dialect); });
}

void gateway_state::route_known(const ticket& who, const remoting::route_header& wanted,
                                remoting::route_dialect dialect) {
  remoting::topic_route route = default_topic_route;
  auto* topic = find_topic(wanted.topic);
  if (topic != nullptr)
    route = {topic->read_queues, topic->write_queues, topic->perm};
  else if (wanted.topic != remoting::default_topic || !setup_.options.auto_create_topics)
    return reply(who, response_code::topic_not_exist,
                 "No topic route info in name server for the topic: " + wanted.topic);
  reply_text(who, remoting::write_route(setup_.address, route, dialect));
}

} // namespace troupe::net
