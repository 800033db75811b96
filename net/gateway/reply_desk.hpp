#pragma once

#include "net/gateway/names_desk.hpp"
#include "net/gateway/send_desk.hpp"
#include "net/remoting/client_groups.hpp"
#include "net/remoting/request_reply.hpp"

#include <cstddef>
#include <map>
#include <memory>
#include <string>

namespace troupe::net {

/// Replies to messages that want one: each is pushed to the producer that asked, if it is connected
/// here, and stored in any case. Who replies is told whether it was pushed; where it is stored, if
/// it is.
///
/// Owns how many of them each client has open.
class reply_desk : public desk {
public:
  /// `groups`: where the producers are.
  reply_desk(const desk_services& with, names_desk& names, const remoting::client_groups& groups,
             send_desk& sends)
      : desk(with), names_(names), groups_(groups), sends_(sends) {}

  request_lines lines();

private:
  /// One that is under way. What it holds is good until the writer has it.
  struct work {
    ticket who;
    remoting::send_header reply;
    storage::slice body;
    std::string not_pushed; ///< why; empty: it is
  };
  using shared_work = std::shared_ptr<work>;

  void take(const ticket& who, const client_request& request);
  void make_topic(const shared_work& it);
  void go_on(const shared_work& it, const topic_info& topic);
  std::string push(const work& it, const storage::host& from);
  void store(const shared_work& it, const topic_info& topic, const storage::host& from);
  void answer(const shared_work& it, const put_response& response);

  // Each ends it.
  void reply(const shared_work& it, std::int32_t code, std::string remark);
  void fail(const shared_work& it, const storage::error& why);
  void end(connection_id from);

  names_desk& names_;
  const remoting::client_groups& groups_;
  send_desk& sends_;
  std::map<connection_id, std::size_t> open_; ///< those that have none are left out
  std::size_t all_open_ = 0;
  std::uint32_t next_queue_ = 0;
};

} // namespace troupe::net
