#pragma once

#include "actors/error.hpp"
#include "net/gateway/gateway.hpp"
#include "net/gateway/ticket.hpp"
#include "net/remoting/fields.hpp"

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::net {

/// Counts what each client has open, and answers: whatever a desk finds out leaves through here, so
/// that every request is answered or settled once and is counted until then. Knows nothing of what
/// requests are about.
///
/// Owns the numbers of open writes and questions of each client, the questions that wait for their
/// turn, and the number of the next word that is no answer.
class counter {
public:
  using slices = std::vector<storage::slice>;
  using waiting_question = std::pair<ticket, client_request>;

  /// `written` is called when the last open write of a client is answered.
  counter(gateway_actor::pointer self, std::function<void(outgoing)> send,
          std::function<void(connection_id)> written)
      : self_(self), send_(std::move(send)), written_(std::move(written)) {}
  counter(const counter&) = delete;
  counter& operator=(const counter&) = delete;

  // -- time --------------------------------------------------------------------------------------
  static std::int64_t milliseconds_of(caf::actor_clock::time_point at);
  std::int64_t now_ms() const;
  /// Of the time for which the client waits; may be below 0.
  std::int64_t time_left_ms(const ticket& who) const;
  /// True after the request was refused because its client does not wait any more.
  bool too_late(const ticket& who);

  // -- counting ----------------------------------------------------------------------------------
  static ticket ticket_of(connection_id from, const client_request& request, request_kind kind,
                          std::int64_t since_ms);
  /// The client is there and sent so many writes.
  void enter(connection_id from, std::size_t writes) { clients_[from].writes += writes; }
  bool has_writes(connection_id from) const;
  void forget(connection_id from) { clients_.erase(from); }

  /// Who asks much and fast waits behind himself: each client has a few questions open, and those
  /// of all the others are answered in between.
  bool may_ask(connection_id from) const;
  void wait_for_turn(ticket who, client_request request);
  /// Open from now on until its client has the answer.
  void begin_question(ticket& who);
  void end_question(connection_id from);
  /// The one whose turn it is; nothing when none waits or the client has its share.
  std::optional<waiting_question> next_question(connection_id from);

  // -- answers -----------------------------------------------------------------------------------
  void reply(const ticket& who, const remoting::command& header, slices body = {},
             std::shared_ptr<void> receipt = {});
  void reply(const ticket& who, std::int32_t code, std::string remark);
  /// Answers with success and this body.
  void reply_text(const ticket& who, std::string_view body);
  void fail(const ticket& who, const storage::error& why);
  static remoting::command header_for(const ticket& who, std::int32_t code,
                                      std::string remark = {});
  template <class Header>
  void succeed(const ticket& who, Header fields, slices body = {}) {
    auto header = header_for(who, 0);
    remoting::write_fields(header, std::move(fields));
    reply(who, header, std::move(body));
  }
  /// The header's fields, or nothing after the request was refused.
  template <class Header>
  std::optional<Header> fields_of(const ticket& who, const client_request& request) {
    auto fields = remoting::read_fields<Header>(request.header);
    if (fields)
      return std::move(fields.value());
    fail(who, fields.error());
    return std::nullopt;
  }
  /// Asks an actor for the client: `then` takes the answer; an error is the client's.
  template <class Result, class Handle, class Then, class... Arguments>
  void ask(const ticket& who, const Handle& whom, Then then, Arguments&&... arguments) {
    self_->request(whom, caf::infinite, std::forward<Arguments>(arguments)...)
        .then([then](Result& answer) mutable { then(answer); },
              [this, who](const caf::error& why) { fail(who, from_caf(why)); });
  }
  /// A word to a client that is no answer, and gets none.
  void tell(connection_id to, remoting::command word, slices body = {});
  /// A question to a client; returns the number that its answer will have.
  std::int32_t call(connection_id to, remoting::command question, slices body = {});
  /// What came from the client and gets no answer costs nothing any more.
  void settle(connection_id from, std::size_t bytes);

private:
  void send_own(connection_id to, const remoting::command& header, slices body);

  struct client_counts {
    std::size_t writes = 0;    ///< sends and offsets that are not answered
    std::size_t questions = 0; ///< until the client has the answer
    std::deque<waiting_question> waiting;
  };

  gateway_actor::pointer self_;
  std::function<void(outgoing)> send_;
  std::function<void(connection_id)> written_;
  std::map<connection_id, client_counts> clients_;
  std::int32_t next_opaque_ = 0;
};

} // namespace troupe::net
