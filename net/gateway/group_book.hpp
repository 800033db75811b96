#pragma once

#include "net/gateway/desk.hpp"
#include "net/remoting/group_rules.hpp"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace troupe::net {

/// What the settings of consumer groups say, for the desks that obey them: of a group that was met
/// here it is in memory. It is learned from the registrar when the group is met, anew when a
/// request through this gateway has changed it, and now and then, since there are other ways.
///
/// Owns those of the groups that it knows, and who waits to hear of one.
class group_book {
public:
  explicit group_book(const desk_services& with)
      : self_(with.self), counter_(with.answers), sessions_(with.sessions) {}
  group_book(const group_book&) = delete;
  group_book& operator=(const group_book&) = delete;

  /// Null for a group that is not known yet. One that is known is asked for anew now and then.
  const remoting::group_rules* find(const std::string& group);
  /// The same, with RocketMQ's defaults for one that is not known.
  const remoting::group_rules& rules(const std::string& group);
  /// Calls `then` when the group is known, or when the registrar does not answer: at once if it is
  /// known. In the meantime defaults count.
  void learn(const std::string& group, std::function<void()> then);
  /// Its settings are others now.
  void changed(const std::string& group);

private:
  struct entry {
    remoting::group_rules rules;
    std::int64_t asked_ms = 0; ///< in the actor clock
    bool asking = false;
    bool answered = false; ///< once at least
    bool changed = false;  ///< since it was asked for
    std::vector<std::function<void()>> waiting;
  };

  void ask(const std::string& group, entry& known);
  void answered(const std::string& group, const group_list* found);
  bool has_room();

  gateway_actor::pointer self_;
  counter& counter_;
  client_sessions& sessions_;
  std::map<std::string, entry> groups_;
};

} // namespace troupe::net
