#pragma once

#include "net/gateway/account_limits.hpp"
#include "net/gateway/admin_groups_desk.hpp"
#include "net/gateway/admin_progress_desk.hpp"
#include "net/gateway/admin_reports_desk.hpp"
#include "net/gateway/admin_status_desk.hpp"
#include "net/gateway/admin_topics_desk.hpp"
#include "net/gateway/assignment_desk.hpp"
#include "net/gateway/group_book.hpp"
#include "net/gateway/group_desk.hpp"
#include "net/gateway/line_budget.hpp"
#include "net/gateway/offset_desk.hpp"
#include "net/gateway/pop_ack_desk.hpp"
#include "net/gateway/pop_desk.hpp"
#include "net/gateway/pull_desk.hpp"
#include "net/gateway/query_desk.hpp"
#include "net/gateway/registry_desk.hpp"
#include "net/gateway/relay_desk.hpp"
#include "net/gateway/reply_desk.hpp"
#include "net/gateway/retry_desk.hpp"
#include "net/gateway/send_desk.hpp"
#include "net/gateway/transaction_desk.hpp"

#include <vector>

namespace troupe::net {

/// Where the gateway's messages come in. Gives each request its ticket and hands it to the desk
/// that has its code: at once, when it is its turn, or when its client's session is there. Decides
/// what is forgotten of a client that went away, and in which order.
///
/// Owns what came before the gateway has its own session, the parts of the gateway, and the one
/// table in which all codes are joined.
class reception {
public:
  reception(gateway_actor::pointer self, gateway_setup setup);
  reception(const reception&) = delete;
  reception& operator=(const reception&) = delete;

  void take(arrived& batch);
  void forget(connection_id from);
  /// The answer to a question has reached its client: others may have their turn.
  void question_done(connection_id from);

  /// What desks have put off until what is in the mailbox has come.
  void work();
  void set_roles(const role_table& roles);
  /// Refuses what comes; answers when all that was to be stored is answered.
  caf::result<bool> stop();

  /// For operators, of this moment.
  gateway_report report() const;

  names_desk& names() noexcept { return names_; }
  pull_desk& pulls() noexcept { return pulls_; }
  group_desk& groups() noexcept { return groups_; }
  relay_desk& relays() noexcept { return relays_; }
  transaction_desk& transactions() noexcept { return transactions_; }

private:
  void watch_settings(request_lines& lines);
  void watch_progress(request_lines& lines);
  void open_own_session();
  void refuse_early(connection_id from, const client_request& request, const caf::error& why);
  void take_early();
  bool may(const arrived& batch, const ticket& who, const client_request& request,
           client_account* by);
  bool joins(const storage::host& peer, const ticket& who, const std::string& account,
             client_account& by);
  void take_waiting(const session_actor& session, const client_sessions::waiting_requests& all);
  void refuse_unknown(const ticket& who, const client_request& request);
  void hand_on(const session_actor& session, const request_line* line, const ticket& who,
               const client_request& request);

  gateway_actor::pointer self_;
  gateway_setup setup_;
  std::vector<arrived> early_; ///< wait for our own session, without which nothing is handled
  std::vector<connection_id> early_gone_;
  account_limits account_limits_;
  counter counter_;
  client_sessions sessions_;
  message_tally tally_;
  listings listings_;
  desk_services services_;
  names_desk names_;
  registry_desk registry_;
  group_book book_;
  send_desk sends_;
  retry_desk retries_;
  group_desk groups_;
  transaction_desk transactions_;
  reply_desk replies_;
  offset_desk offsets_;
  pull_desk pulls_;
  pop_desk pops_;
  pop_ack_desk pop_acks_;
  assignment_desk assignments_;
  query_desk queries_;
  admin_topics_desk admin_topics_;
  admin_groups_desk admin_groups_;
  admin_progress_desk admin_progress_;
  admin_reports_desk admin_reports_;
  admin_status_desk admin_status_;
  relay_desk relays_;
  request_table table_;
  line_budget refused_lines_{10};
  line_budget limit_lines_{1};
};

} // namespace troupe::net
