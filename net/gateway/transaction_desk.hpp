#pragma once

#include "net/gateway/desk.hpp"
#include "net/gateway/line_budget.hpp"
#include "net/remoting/client_groups.hpp"

#include <cstddef>
#include <map>

namespace troupe::net {

/// What producers say of their transactions goes to the transactor of this process, and what that
/// one wants to know to a producer of the group.
///
/// Owns how many of them each client has open, and whose turn it is to be asked.
class transaction_desk : public desk {
public:
  transaction_desk(const desk_services& with, const remoting::client_groups& groups)
      : desk(with), groups_(groups) {}

  request_lines lines();
  void set_roles(const role_table& roles);
  /// True when a client of the group has been asked.
  bool ask_producer(const transaction_check& question);

private:
  void take(const session_actor& session, const ticket& who, const client_request& request);
  void check_right(const session_actor& session, const ticket& who, const client_request& request,
                   const transaction_end& end);
  bool may_publish(const ticket& who, const std::string& topic, const remoting::command& header,
                   const storage::host& peer);
  void resolve(const ticket& who, const transaction_end& end);
  void take_resume(const ticket& who, const client_request& request);
  bool may_begin(const ticket& who);
  void done(const ticket& who);
  void fail(const ticket& who, const storage::error& why);

  const remoting::client_groups& groups_;
  transactor_actor transactor_;
  std::map<connection_id, std::size_t> open_; ///< those that have none are left out
  std::size_t all_open_ = 0;
  std::size_t turn_ = 0;
  line_budget refused_lines_{10};
};

} // namespace troupe::net
