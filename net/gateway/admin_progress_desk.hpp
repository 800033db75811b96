#pragma once

#include "net/gateway/desk.hpp"
#include "net/gateway/listings.hpp"
#include "net/gateway/message_tally.hpp"
#include "net/remoting/admin_headers.hpp"
#include "net/remoting/client_groups.hpp"

#include <memory>

namespace troupe::net {

/// How far groups are, and setting them back, for operators. Both ask the node for one thing after
/// the other; what is known until then goes along from question to question.
class admin_progress_desk : public desk {
public:
  admin_progress_desk(const desk_services& with, const remoting::client_groups& groups,
                      const message_tally& tally, listings& room)
      : desk(with), groups_(groups), tally_(tally), listings_(room) {}

  request_lines lines();

private:
  struct progress_walk;
  struct reset_walk;
  struct clone_walk;
  void show_progress(const session_actor& session, const ticket& who,
                     const client_request& request);
  void next_topic(const std::shared_ptr<progress_walk>& walk);
  void next_time(const std::shared_ptr<progress_walk>& walk);
  void reset_offsets(const session_actor& session, const ticket& who,
                     const client_request& request);
  void next_reset(const std::shared_ptr<reset_walk>& walk);
  void finish_reset(const reset_walk& walk);
  void clone_offsets(const session_actor& session, const ticket& who,
                     const client_request& request);
  void next_clone(const std::shared_ptr<clone_walk>& walk);
  void nobody_to_reset(const ticket& who, const remoting::reset_header& wanted);

  const remoting::client_groups& groups_;
  const message_tally& tally_;
  listings& listings_;
};

} // namespace troupe::net
