#pragma once

#include "actors/group_messages.hpp"
#include "actors/options.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace troupe {

/// The life of consumer groups: who is a member of which, and which queues the members of one group
/// hold against each other. A state machine without actors, clock and promises: events go in with
/// the time, and what is to be said comes out as actions. One actor owns it (`membership`).
///
/// Members come in two ways. Clients join through sessions, and leave when their session goes or
/// they fall silent. A door whose protocol has its own way to join says which members it has in a
/// group, and is told those of all others once it watches. What is kept is bounded: groups, members
/// of one, bytes; what a door says is bounded by the door.
///
/// Always true: a queue has one holder at most, who is a member; a question that waits is answered
/// once; a member that is there has been heard of within `member_silence`, or waits.
class group_core {
public:
  using time_point = std::chrono::steady_clock::time_point;
  using party = std::uint64_t;    ///< a session or a door; the owner numbers them
  using question = std::uint64_t; ///< one that waits; the owner numbers them

  struct answer {
    question to = 0;
    storage::result<group_members> members;
  };
  struct notice {
    party to = 0; ///< one that watches
    group_members members;
  };
  /// In this order.
  struct actions {
    std::vector<answer> answers;
    std::vector<notice> notices;
  };

  explicit group_core(const membership_options& limits = {});

  /// The members, or nothing: then `who` waits for news, or until its time is over.
  storage::result<std::optional<group_members>> join(party session, const group_join& request,
                                                     question who, time_point now, actions& out);
  /// What the member holds now of the topic.
  storage::result<group_claim> claim(party session, const group_claim& request);
  /// False for one that is no member by this session.
  bool leave(party session, const group_leave& request, time_point now, actions& out);

  /// The door's members of a group are these now.
  void report(party door, const group_members& reported, time_point now, actions& out);
  /// Is told of all groups now, and of each change.
  void watch(party door, actions& out);
  /// A session or a door has ended.
  void gone(party who, time_point now, actions& out);

  /// Answers those whose time is over; forgets those who are silent.
  void tick(time_point now, actions& out);

  bool has_members() const noexcept { return members_ > 0; }
  std::size_t bytes() const noexcept { return bytes_; } ///< of members and holders, about

private:
  using queue_key = std::pair<std::string, std::int32_t>; ///< topic and queue

  struct member {
    party session = 0;
    time_point seen;
    // The question that waits for news:
    std::optional<question> waiting;
    std::uint64_t known = 0;
    time_point answer_at;
  };
  struct group {
    std::map<std::string, member> members;              ///< that joined, by client id
    std::map<party, std::vector<std::string>> of_doors; ///< that doors have
    std::map<queue_key, std::string> holders;
  };
  using group_map = std::map<std::string, group>;

  storage::result<void> check_room(const group_join& request) const;
  storage::result<group_map::iterator> group_of(party session, const std::string& name,
                                                const std::string& client_id);
  void remove(group_map::iterator at, const std::string& client_id, time_point now, actions& out);
  void changed(const std::string& name, group& g, time_point now, actions& out);
  /// Those of all but one door.
  static group_members list(const std::string& name, const group& g, party but = 0);
  void drop_if_empty(group_map::iterator at);

  membership_options limits_;
  group_map groups_;
  std::set<party> watchers_;
  std::size_t members_ = 0;
  std::size_t bytes_ = 0;
};

} // namespace troupe
