#pragma once

#include "actors/interfaces.hpp"
#include "sim/world.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace troupe::test {

/// A node whose writer and sessions the test plays: it notes what they are asked and chooses the
/// answers. Its topics: "t", and what is created.
class played_node {
public:
  explicit played_node(sim::world& world) {
    (*topics_)["t"] = {"t", 4, 4, 6};
    roles.writer = play_writer(world);
    handle = world.play<node_actor>([this, &world](caf::event_based_actor* self) {
      return caf::message_handler{[this, &world](hello_atom, const caf::strong_actor_ptr&) {
                                    sessions.push_back(play_session(world));
                                    return sessions.back();
                                  },
                                  [this, self](attach_atom, const door_actor& who) {
                                    door = who;
                                    self->send(door, roles);
                                  },
                                  [this](fetch_atom) { return membership; }};
    });
  }

  node_actor handle;
  std::vector<session_actor> sessions; ///< the gateway's own one first
  role_table roles;                    ///< of whom only the writer is there
  door_actor door;                     ///< the gateway
  std::vector<put_request> puts;
  std::vector<std::size_t> bundles; ///< how many puts came together
  std::size_t topic_questions = 0;
  std::vector<std::string> created;
  std::vector<topic_info> created_topics;
  std::size_t most_open_creations = 0;
  std::map<std::string, std::string> settings; ///< of groups, unless `also` has them
  std::size_t settings_questions = 0;
  bool hold_topics = false;
  bool hold_creations = false;
  caf::strong_actor_ptr membership;          ///< null: there are no other doors
  caf::event_based_actor* current = nullptr; ///< the session that was made last
  caf::message_handler also;                 ///< what else its sessions answer

  /// Answers the first put that is open, as soon as the others of its bundle are.
  void answer_put(sim::world& world, put_response answer) {
    world.inside(roles.writer, [this, answer] {
      auto& first = open_bundles_.front();
      first.response.responses.push_back(answer);
      if (first.response.responses.size() < first.size)
        return;
      first.promise.deliver(std::move(first.response));
      open_bundles_.pop_front();
    });
    world.drain();
  }
  /// The writer's answer to the first bundle is this error.
  void fail_bundle(sim::world& world, caf::error why) {
    world.inside(roles.writer, [this, why] {
      open_bundles_.front().promise.deliver(why);
      open_bundles_.pop_front();
    });
    world.drain();
  }
  /// One that was made in another way.
  void add_topic(const std::string& name, std::int32_t perm = 6) {
    auto copy = std::make_shared<std::map<std::string, topic_info>>(*topics_);
    (*copy)[name] = {name, 1, 1, perm};
    topics_ = copy;
  }
  /// Answers the questions about topics with what was there when they came.
  void release_topics(sim::world& world) {
    hold_topics = false;
    world.inside(sessions.front(), [this] {
      for (auto& [promise, then] : std::exchange(topic_promises_, {}))
        promise.deliver(then);
    });
    world.drain();
  }
  /// Answers the creations that are open; false when there are none.
  bool release_creations(sim::world& world) {
    if (creations_.empty())
      return false;
    world.inside(sessions.front(), [this] {
      for (auto& [promise, topic] : std::exchange(creations_, {})) {
        auto copy = std::make_shared<std::map<std::string, topic_info>>(*topics_);
        (*copy)[topic.name] = topic;
        topics_ = copy;
        promise.deliver(topic);
      }
    });
    world.drain();
    return true;
  }

private:
  topic_map map() const { return {topics_}; }

  struct open_bundle {
    std::size_t size = 0;
    put_bundle_response response;
    caf::typed_response_promise<put_bundle_response> promise;
  };

  writer_actor play_writer(sim::world& world) {
    return world.play<writer_actor>([this](caf::event_based_actor* self) {
      return caf::message_handler{[this, self](const put_bundle& bundle) {
        puts.insert(puts.end(), bundle.requests.begin(), bundle.requests.end());
        bundles.push_back(bundle.requests.size());
        open_bundles_.push_back({bundle.requests.size(), {}, {}});
        auto& promise = open_bundles_.back().promise;
        promise = self->make_response_promise<put_bundle_response>();
        return promise;
      }};
    });
  }

  session_actor play_session(sim::world& world) {
    return world.play<session_actor>([this](caf::event_based_actor* self) {
      current = self;
      return caf::message_handler{
          [this, self](watch_atom) -> caf::result<topic_map> {
            ++topic_questions;
            if (!hold_topics)
              return map();
            topic_promises_.emplace_back(self->make_response_promise<topic_map>(), map());
            return topic_promises_.back().first;
          },
          [this, self](create_atom, const topic_info& topic) {
            created.push_back(topic.name);
            created_topics.push_back(topic);
            auto promise = self->make_response_promise<topic_info>();
            creations_.emplace_back(promise, topic);
            most_open_creations = std::max(most_open_creations, creations_.size());
            return promise;
          },
      }
          .or_else(also)
          .or_else(caf::message_handler{[this](list_atom, const std::string& group) {
            ++settings_questions;
            group_list found;
            if (auto known = settings.find(group); known != settings.end())
              found.settings.push_back({group, known->second});
            return found;
          }});
    });
  }

  std::shared_ptr<std::map<std::string, topic_info>> topics_ =
      std::make_shared<std::map<std::string, topic_info>>();
  std::deque<open_bundle> open_bundles_;
  std::vector<std::pair<caf::typed_response_promise<topic_map>, topic_map>> topic_promises_;
  std::vector<std::pair<caf::typed_response_promise<topic_info>, topic_info>> creations_;
};

} // namespace troupe::test
