#pragma once

#include "net/gateway/desk.hpp"
#include "net/gateway/names_desk.hpp"
#include "net/gateway/pop_desk.hpp"

namespace troupe::net {

/// What consumers say of messages that they popped: done, or later. A handle that does not count
/// any more changes nothing, and is a success as with a Java broker: the message is done, or comes
/// again whatever is said.
///
/// Owns nothing: the book is the pop desk's.
class pop_ack_desk : public desk {
public:
  pop_ack_desk(const desk_services& with, names_desk& names, pop_desk& pops)
      : desk(with), names_(names), pops_(pops) {}

  request_lines lines();

private:
  void take_ack(const ticket& who, const client_request& request);
  void take_batch(const ticket& who, const client_request& request);
  void take_change(const ticket& who, const client_request& request);
  template <class Header>
  void with_queue(const ticket& who, const client_request& request,
                  void (pop_ack_desk::*then)(const ticket&, const Header&,
                                             const remoting::pop_handle&),
                  bool refreshed);
  void acknowledge(const ticket& who, const remoting::ack_header& wanted,
                   const remoting::pop_handle& handle);
  void change(const ticket& who, const remoting::change_header& wanted,
              const remoting::pop_handle& handle);
  enum class outcome : std::uint8_t { done, unknown, wrong };
  outcome apply(const remoting::popped_queue& queue, queue_offset offset,
                const remoting::pop_handle& handle);
  void check_offset(const ticket& who, const remoting::popped_queue& queue, queue_offset offset,
                    bool at_end, std::function<void()> then);

  names_desk& names_;
  pop_desk& pops_;
};

} // namespace troupe::net
