#pragma once

#include "actors/promise.hpp"
#include "actors/put_desk.hpp"
#include "net/gateway/group_book.hpp"
#include "net/gateway/message_tally.hpp"
#include "net/gateway/names_desk.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace troupe::net {

/// Producing: requests that came together go to the writer together, and a producer is told of no
/// message that it is not stored unless that is certain.
///
/// Owns the puts that the writer has, the sends that wait until their topic is known, and whose
/// turn it is among queues when producers leave the choice to us.
class send_desk : public desk {
public:
  send_desk(const desk_services& with, names_desk& names, group_book& book, message_tally& tally)
      : desk(with), names_(names), book_(book), tally_(tally), puts_(self_, setup_.node_settings) {}

  request_lines lines();
  using stored = std::function<void(const put_response&)>;
  /// Stores for a client what another desk has made of its request; `then` has to answer it.
  void store_for(const ticket& who, put_request put, const topic_info& topic, stored then);
  void set_roles(const role_table& roles) { puts_.set_roles(roles); }
  /// Hands on what was gathered: when what was in the mailbox has come.
  void work();
  /// Refuses what comes; answers when all that the writer has is answered.
  caf::result<bool> stop();

private:
  /// Whom to answer for a put.
  struct sent_put {
    send_desk* desk;
    ticket who;
    std::string topic;
    std::int32_t queue_id = 0;
    std::uint32_t count = 0;
    std::uint64_t bytes = 0;
    stored then = {};               ///< answers instead of us
    std::string recall_handle = {}; ///< of a timer message

    void deliver(const put_response& response) const { desk->answer(*this, response); }
    void deliver(const caf::error& why) const {
      put_response failed;
      failed.failure = from_caf(why);
      desk->answer(*this, failed);
    }
  };
  /// A send to a topic that is not known yet.
  struct held_send {
    ticket who;
    client_request request;
    remoting::send_header header;
    bool dead = false; ///< goes to the dead letters of its group
  };

  void take(const ticket& who, const client_request& request);
  void make_reply_topic();
  std::string handle_of(const std::string& topic, std::int64_t deliver_ms,
                        const std::string& properties) const;
  bool bury(remoting::send_header& header, std::int32_t client_version);
  void begin(const ticket& who, const client_request& request, remoting::send_header header,
             bool dead);
  void release(const std::string& topic);
  void finish(const std::string& topic, const storage::error& failure);
  void store(const ticket& who, const client_request& request, remoting::send_header header,
             const topic_info& topic);
  void end_stop();
  std::int32_t queue_for(std::int32_t wanted, const topic_info& topic);
  std::int32_t queues_of_new(const held_send& creator);
  void answer(const sent_put& put, const put_response& response);
  void refuse(const sent_put& put, const storage::error& why);
  void answer_doubt(const sent_put& put, const message_result* results, const std::string& reason);
  void answer_stored(const sent_put& put, const message_result* results, remoting::command header);

  names_desk& names_;
  group_book& book_;
  message_tally& tally_;
  put_desk<gateway_actor::pointer, sent_put> puts_;
  std::map<std::string, std::vector<held_send>> held_; ///< by topic, in order
  std::size_t held_count_ = 0;
  std::uint32_t next_queue_ = 0;          ///< for messages that leave the choice to us
  std::map<std::string, put_sum> stored_; ///< by topic, what is not tallied yet
  bool work_pending_ = false;             ///< after answers
  std::int64_t answered_ms_ = 0;          ///< when the first of those came, in the actor clock
  bool stopping_ = false;
  kept_promise<bool> stop_promise_;
};

} // namespace troupe::net
