#pragma once

#include "net/gateway/group_book.hpp"
#include "net/gateway/names_desk.hpp"
#include "net/gateway/send_desk.hpp"
#include "net/remoting/send_back.hpp"

#include <map>
#include <memory>

namespace troupe::net {

/// Messages that a consumer could not handle: a copy goes to its group's topic for retries, or for
/// dead letters. The consumer counts the message as done when it is answered with success, so that
/// is said of a copy that is stored, and of nothing else.
///
/// Owns how many of them each client has open, and whose turn it is among the queues for retries.
class retry_desk : public desk {
public:
  retry_desk(const desk_services& with, names_desk& names, group_book& book, send_desk& sends,
             message_tally& tally)
      : desk(with), names_(names), book_(book), sends_(sends), tally_(tally) {}

  request_lines lines();

private:
  /// One that is under way. What it holds is good until the writer has the copy.
  struct work {
    ticket who;
    session_actor session;
    remoting::send_back_header wanted;
    std::int32_t client_version = 0;
    storage::slice record;
    storage::record_view origin; ///< of the record
    remoting::sent_back copy;
    remoting::command header; ///< says who it is, where accounts are asked for
  };
  using shared_work = std::shared_ptr<work>;

  void take(const session_actor& session, const ticket& who, const client_request& request);
  void find_origin(const shared_work& it);
  void copy(const shared_work& it, record_batch& found);
  bool may_read(const shared_work& it);
  void make_topic(const shared_work& it);
  void store(const shared_work& it, const topic_info& topic);
  void answer(const shared_work& it, const put_response& response);

  // Each ends it.
  bool too_late(const shared_work& it);
  void reply(const shared_work& it, std::int32_t code, std::string remark = {});
  void fail(const shared_work& it, const storage::error& why);
  void end(connection_id from);

  names_desk& names_;
  group_book& book_;
  send_desk& sends_;
  message_tally& tally_;
  std::map<connection_id, std::size_t> open_; ///< those that have none are left out
  std::size_t all_open_ = 0;
  std::uint32_t next_queue_ = 0;
  line_budget refused_lines_{10};
};

} // namespace troupe::net
