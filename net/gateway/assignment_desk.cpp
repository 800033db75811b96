#include "net/gateway/assignment_desk.hpp"

#include "net/remoting/codes.hpp"

#include <algorithm>
#include <utility>

namespace troupe::net {

namespace {

namespace request_code = remoting::request_code;
namespace response_code = remoting::response_code;

constexpr std::int32_t readable = 4;

} // namespace

request_lines assignment_desk::lines() {
  return {
      line_for(this, request_code::query_assignment, request_kind::question,
               &assignment_desk::assign),
      line_for(this, request_code::set_message_request_mode, request_kind::question,
               &assignment_desk::set_mode),
  };
}

void assignment_desk::assign(const ticket& who, const client_request& request) {
  auto query = remoting::read_assignment_query(request.body.bytes());
  if (!query)
    return counter_.fail(who, query.error());
  if (names_.find(query.value().topic) != nullptr)
    return assign_known(who, query.value());
  names_.refresh(who, [this, who, query = query.value()] { assign_known(who, query); });
}

void assignment_desk::assign_known(const ticket& who, const remoting::assignment_query& query) {
  auto* mode = modes_.find(query.topic, query.group);
  bool pop = mode != nullptr && mode->pop;
  auto members = groups_.members_of(query.group);
  std::sort(members.begin(), members.end());
  auto queues = queues_of(query.topic);
  std::optional<std::vector<remoting::broker_queue>> assigned;
  if (!queues.empty())
    assigned = remoting::assign(query, pop, mode != nullptr ? mode->share : 0, queues, members);
  counter_.reply_text(who, remoting::write_assignment(query.topic, pop, assigned));
}

/// As the topic's route has them, of all brokers that are known here; sorted.
std::vector<remoting::broker_queue> assignment_desk::queues_of(const std::string& topic) const {
  remoting::route all;
  if (auto* own = names_.find(topic))
    all = remoting::route_to(setup_.address, *own);
  names_.others().add_to(all, topic);
  std::vector<remoting::broker_queue> queues;
  for (auto& at : all.queues)
    for (std::int32_t i = 0; (at.perm & readable) != 0 && i < at.read_queues; ++i)
      queues.push_back({at.broker, i});
  std::sort(queues.begin(), queues.end());
  return queues;
}

void assignment_desk::set_mode(const ticket& who, const client_request& request) {
  auto mode = remoting::read_request_mode(request.body.bytes());
  if (!mode)
    return counter_.fail(who, mode.error());
  if (mode.value().topic.starts_with(remoting::retry_prefix))
    return counter_.reply(who, response_code::no_permission,
                          "retry topic is not allowed to set mode");
  if (names_.find(mode.value().topic) != nullptr)
    return set_known(who, mode.value());
  names_.refresh(who, [this, who, mode = mode.value()] { set_known(who, mode); });
}

void assignment_desk::set_known(const ticket& who, const remoting::request_mode& mode) {
  if (names_.find(mode.topic) == nullptr)
    return names_.refuse(who, response_code::topic_not_exist,
                         "topic[" + mode.topic + "] not exist");
  if (auto set = modes_.set(mode); !set)
    return counter_.fail(who, set.error());
  if (setup_.save_modes)
    setup_.save_modes(modes_.write());
  counter_.reply(who, response_code::success, {});
}

} // namespace troupe::net
