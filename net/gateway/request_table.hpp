#pragma once

#include "actors/interfaces.hpp"
#include "net/gateway/ticket.hpp"

#include <cstdint>
#include <functional>
#include <vector>

namespace troupe::net {

/// A code of requests: how they are treated, and who takes them.
struct request_line {
  std::int32_t code = 0;
  request_kind kind = request_kind::question;
  bool wants_session = false; ///< it waits until its client has a session
  std::function<void(const session_actor&, const ticket&, const client_request&)> take;
};

/// The codes that one desk answers.
using request_lines = std::vector<request_line>;

/// A line for a desk's function that is done without the client's session.
template <class Desk>
request_line line_for(Desk* desk, std::int32_t code, request_kind kind,
                      void (Desk::*take)(const ticket&, const client_request&)) {
  return {code, kind, false,
          [desk, take](const session_actor&, const ticket& who, const client_request& request) {
            (desk->*take)(who, request);
          }};
}

/// A line for one that is called when the client's session is there.
template <class Desk>
request_line line_for(Desk* desk, std::int32_t code, request_kind kind,
                      void (Desk::*take)(const session_actor&, const ticket&,
                                         const client_request&)) {
  return {code, kind, true,
          [desk, take](const session_actor& session, const ticket& who,
                       const client_request& request) { (desk->*take)(session, who, request); }};
}

/// Which desk answers which code: the tables of all desks, joined.
class request_table {
public:
  /// A code that is there already is a mistake of ours.
  void add(request_lines lines);
  /// Null for a code that is not served here.
  const request_line* find(std::int32_t code) const noexcept;
  /// Codes that nobody serves are refused as questions are.
  request_kind kind_of(std::int32_t code) const noexcept {
    auto* line = find(code);
    return line == nullptr ? request_kind::question : line->kind;
  }

private:
  request_lines lines_; ///< by code
};

} // namespace troupe::net
