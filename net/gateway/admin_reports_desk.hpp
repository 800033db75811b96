#pragma once

#include "net/gateway/desk.hpp"
#include "net/gateway/listings.hpp"
#include "net/gateway/message_tally.hpp"
#include "net/remoting/client_groups.hpp"

#include <functional>
#include <memory>
#include <string>

namespace troupe::net {

/// Long answers about queues for operators: what stands in one, when its messages came and were
/// consumed, and how far all groups are. One question to the node after the other; what is known
/// until then goes along. Owns nothing.
class admin_reports_desk : public desk {
public:
  admin_reports_desk(const desk_services& with, const remoting::client_groups& groups,
                     const message_tally& tally, listings& room)
      : desk(with), groups_(groups), tally_(tally), listings_(room) {}

  request_lines lines();

private:
  struct span_walk;
  struct stats_walk;
  struct entry_walk;

  void show_spans(const session_actor& session, const ticket& who, const client_request& request);
  void next_span(const std::shared_ptr<span_walk>& walk);
  void correct_offsets(const session_actor& session, const ticket& who,
                       const client_request& request);
  void show_all_stats(const session_actor& session, const ticket& who,
                      const client_request& request);
  void next_stats(const std::shared_ptr<stats_walk>& walk);
  void add_stats(stats_walk& walk, const topic_description& topic) const;
  void show_entries(const session_actor& session, const ticket& who, const client_request& request);
  void next_entries(const std::shared_ptr<entry_walk>& walk);

  /// `then` gets when the message there was stored; -1 when there is none.
  void ask_time(const session_actor& session, const std::string& topic, std::int32_t queue,
                queue_offset at, std::function<void(std::int64_t)> then);

  const remoting::client_groups& groups_;
  const message_tally& tally_;
  listings& listings_;
};

} // namespace troupe::net
