#pragma once

#include "net/gateway/group_book.hpp"
#include "net/gateway/names_desk.hpp"
#include "net/remoting/client_groups.hpp"
#include "net/remoting/queue_locks.hpp"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace troupe::net {

/// Who is in which group, who has which queue locked, and telling members of changes.
///
/// Owns the groups as heartbeats tell them, the members that came through other doors as the
/// membership tells them, the locks, the groups whose members are to be told, and how many topics
/// for retries each client has caused.
class group_desk : public desk {
public:
  group_desk(const desk_services& with, names_desk& names, group_book& book)
      : desk(with), names_(names), book_(book) {}

  request_lines lines();
  const remoting::client_groups& groups() const noexcept { return groups_; }
  /// By their client ids, those of other doors with them.
  std::vector<std::string> members_of(const std::string& group) const;

  // -- from outside ------------------------------------------------------------------------------
  /// The client's connection is closed.
  void departed(connection_id from);
  /// Nothing of the client is carried out any more.
  void forget(connection_id from) { retry_topics_.erase(from); }
  /// Looks for who knows the members that came through other doors.
  void watch_members();
  void take_members(const group_members& others);
  void actor_ended(const caf::actor_addr& who);

  // -- its own timers ----------------------------------------------------------------------------
  /// Forgets who was silent and what was locked for too long.
  void sweep();
  /// Tells the members of groups that changed.
  void send_notes();

private:
  void take_heartbeat(const ticket& who, const client_request& request);
  void take_leave(const ticket& who, const client_request& request);
  void check_client(const ticket& who, const client_request& request);
  void list_consumers(const ticket& who, const client_request& request);
  void take_lock(const ticket& who, const client_request& request);
  void make_retry_topics(const ticket& who, const std::vector<std::string>& topics);
  void notify(const std::vector<std::string>& groups);
  void notify_soon(const std::vector<std::string>& groups);
  void report_members(const std::string& group);
  void arm_sweep();

  names_desk& names_;
  group_book& book_;
  remoting::client_groups groups_;
  membership_actor membership_; ///< null while there is none
  /// The members of groups that came through other doors; groups without any are left out.
  std::map<std::string, std::vector<std::string>> others_;
  remoting::queue_locks locks_;
  std::set<std::string> changed_groups_;              ///< their members are told soon
  std::map<connection_id, std::size_t> retry_topics_; ///< that its heartbeats caused
  bool sweep_pending_ = false;
};

} // namespace troupe::net
