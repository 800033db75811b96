#pragma once

#include "actors/messages.hpp"
#include "net/remoting/command.hpp"

#include <string>

/// What RocketMQ's answers say, in the words of a session's answers: for clients that speak frames.
namespace troupe::sim {

/// A request was refused: `unavailable`, with the answer's code and remark.
storage::error read_refusal(const remoting::command& answer);

/// The answer to a pull from `from`. `corrupt` if its body is not made of records.
storage::result<pull_response> read_pull(const remoting::command& answer,
                                         const storage::slice& body, storage::queue_offset from);

/// What became of a message that was sent in a frame.
struct sent_frame {
  message_result result;
  std::string reason; ///< why it is not stored for certain
};

/// The answer to a send: stored and where, perhaps stored (`maybe_stored`), or not.
sent_frame read_sent(const remoting::command& answer);

} // namespace troupe::sim
