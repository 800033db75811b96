#pragma once

#include "net/gateway/desk.hpp"
#include "net/remoting/client_groups.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace troupe::net {

/// What operators ask of a consumer: the question goes on to its client, and its answer back.
///
/// Owns the questions that clients have not answered: a few at a time, each until its deadline or
/// until its client is gone.
class relay_desk : public desk {
public:
  relay_desk(const desk_services& with, const remoting::client_groups& groups)
      : desk(with), groups_(groups) {}

  request_lines lines();

  // -- from outside ------------------------------------------------------------------------------
  /// A client's answer, to a question of ours or to none.
  void take_answer(connection_id from, const client_request& answer);
  /// The client's connection is closed.
  void departed(connection_id from);
  /// The deadline of a question has come.
  void expire(std::int32_t opaque);

private:
  /// What became of a question: an answer, or a code and the reason why there is none.
  struct outcome {
    const client_request* answer = nullptr;
    std::int32_t code = 0;
    std::string reason;
  };
  using answered = std::function<void(const outcome&)>;
  struct open_question {
    connection_id to = 0;
    answered then;
  };
  struct status_walk;

  void show_running(const ticket& who, const client_request& request);
  void consume(const session_actor& session, const ticket& who, const client_request& request);
  void show_status(const ticket& who, const client_request& request);
  /// The group's client, or 0 after the request was refused.
  connection_id find_or_refuse(const ticket& who, const std::string& group,
                               const std::string& client_id);
  void ask(connection_id to, const ticket& who, remoting::command question, counter::slices body,
           answered then);
  answered pass_back(const ticket& who);
  void end(std::int32_t opaque, const outcome& how);

  const remoting::client_groups& groups_;
  std::map<std::int32_t, open_question> open_; ///< by the number of the question
};

} // namespace troupe::net
