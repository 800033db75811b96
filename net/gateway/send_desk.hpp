#pragma once

#include "net/gateway/message_tally.hpp"
#include "net/gateway/names_desk.hpp"
#include "storage/format/message_batch.hpp"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace troupe::net {

/// Producing: messages for one topic that came together become one put, and a producer is told of
/// no message that it is not stored unless that is certain.
///
/// Owns the puts that are being gathered, the sends that wait until their topic is known, and whose
/// turn it is among queues when producers leave the choice to us.
class send_desk : public desk {
public:
  send_desk(const desk_services& with, names_desk& names, message_tally& tally)
      : desk(with), names_(names), tally_(tally) {}

  request_lines lines();
  /// Hands on what was gathered: after each batch of requests.
  void flush();

private:
  /// One request's messages in a put.
  struct send_part {
    ticket who;
    std::int32_t queue_id = 0;
    std::uint32_t count = 0;
  };
  struct open_put {
    bool wait = true; ///< for the flush
    storage::message_batch_builder builder;
    std::vector<send_part> parts;
  };
  /// A send to a topic that is not known yet.
  struct held_send {
    ticket who;
    client_request request;
    remoting::send_header header;
  };
  /// A put that its session has: whom to answer.
  struct sent_put {
    std::string topic;
    std::vector<send_part> parts;
  };
  using put_key = std::pair<connection_id, std::string>; ///< client and topic

  void take(const session_actor& session, const ticket& who, const client_request& request);
  void release(const std::string& topic);
  void finish(const std::string& topic, const storage::error& failure);
  void add(const ticket& who, const client_request& request, const remoting::send_header& header,
           const topic_info& topic);
  storage::result<void> add_messages(const ticket& who, const client_request& request,
                                     const remoting::send_header& header, const topic_info& topic);
  void send_put(const put_key& key, open_put& put);
  void answer_put(const sent_put& put, const put_response& response);
  void answer_part(const send_part& part, const message_result* results,
                   const storage::error& failure);
  void refuse_part(const send_part& part, const storage::error& why);
  void answer_doubt(const send_part& part, const message_result* results,
                    const std::string& reason);
  void answer_stored(const send_part& part, const message_result* results,
                     remoting::command header);

  names_desk& names_;
  message_tally& tally_;
  std::map<put_key, open_put> puts_;
  std::map<std::string, std::vector<held_send>> held_; ///< by topic, in order
  std::size_t held_count_ = 0;
  std::uint32_t next_queue_ = 0; ///< for messages that leave the choice to us
};

} // namespace troupe::net
