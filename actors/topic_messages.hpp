#pragma once

#include "actors/pull_messages.hpp"
#include "storage/tables/topic_info.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace troupe::storage {

template <class Inspector>
auto inspect(Inspector& f, topic_info& x) {
  return fields(f, "topic_info", x.name, x.read_queues, x.write_queues, x.perm, x.order);
}

template <class Inspector>
auto inspect(Inspector& f, tombstone& x) {
  return fields(f, "tombstone", x.topic, x.deleted_at, x.next_offsets);
}

} // namespace troupe::storage

/// Topics, and what is kept of consumer groups.
namespace troupe {

using storage::tombstone;
using storage::topic_info;

/// Every topic at one moment, shared by those who ask often.
struct topic_map {
  std::shared_ptr<const std::map<std::string, topic_info>> topics;
};
template <class Inspector>
auto inspect(Inspector& f, topic_map& x) {
  if constexpr (is_loading<Inspector>) {
    auto topics = std::make_shared<std::map<std::string, topic_info>>();
    auto err = f(*topics);
    x.topics = std::move(topics);
    return err;
  } else {
    return f(const_cast<std::map<std::string, topic_info>&>(*x.topics));
  }
}

struct topic_list {
  std::vector<topic_info> topics;
};
template <class Inspector>
auto inspect(Inspector& f, topic_list& x) {
  return fields(f, "topic_list", x.topics);
}

struct topic_description {
  topic_info info;
  std::vector<queue_bounds> queues;
};
template <class Inspector>
auto inspect(Inspector& f, topic_description& x) {
  return fields(f, "topic_description", x.info, x.queues);
}

/// All that were deleted, also those made again.
struct deleted_topics {
  std::vector<tombstone> topics;
};
template <class Inspector>
auto inspect(Inspector& f, deleted_topics& x) {
  return fields(f, "deleted_topics", x.topics);
}

/// Progress of a group in one queue.
struct group_offset {
  std::string group;
  std::string topic;
  std::int32_t queue_id = 0;
  queue_offset offset = -1; ///< next to consume; -1: none is stored
};
template <class Inspector>
auto inspect(Inspector& f, group_offset& x) {
  return fields(f, "group_offset", x.group, x.topic, x.queue_id, x.offset);
}

/// A consumer group's settings: RocketMQ's SubscriptionGroupConfig as the text of a JSON object.
struct group_settings {
  std::string group;
  std::string json;
};
template <class Inspector>
auto inspect(Inspector& f, group_settings& x) {
  return fields(f, "group_settings", x.group, x.json);
}

/// What is kept of consumer groups.
struct group_list {
  std::vector<group_settings> settings; ///< of the groups that were given some
  std::vector<group_offset> offsets;
};
template <class Inspector>
auto inspect(Inspector& f, group_list& x) {
  return fields(f, "group_list", x.settings, x.offsets);
}

} // namespace troupe
