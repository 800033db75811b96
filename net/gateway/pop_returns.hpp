#pragma once

#include "net/gateway/desk.hpp"
#include "net/gateway/names_desk.hpp"
#include "net/gateway/pop_ledger.hpp"
#include "net/remoting/pop.hpp"

#include <cstddef>
#include <functional>
#include <memory>

namespace troupe::net {

/// Messages that were popped and not acknowledged in time: a copy goes to the group's topic for
/// retries of that topic, and then its origin is done. One that is not there any more is done, too.
///
/// Owns how many are under way.
class pop_returns {
public:
  /// `freed`: something of this queue, or of the queue's topic for retries, can be popped again.
  pop_returns(const desk_services& with, names_desk& names, pop_ledger& ledger,
              std::function<void(const remoting::popped_queue&)> freed)
      : self_(with.self), counter_(with.answers), sessions_(with.sessions), names_(names),
        ledger_(ledger), freed_(std::move(freed)) {}
  pop_returns(const pop_returns&) = delete;
  pop_returns& operator=(const pop_returns&) = delete;

  /// Begins with those whose time is over.
  void sweep();
  /// No more can be begun now; `sweep` goes on by itself.
  bool full() const noexcept { return open_ >= most_open; }

private:
  static constexpr std::size_t most_open = 32; ///< each may hold the largest body

  struct work {
    remoting::pop_book::expired_message message;
    storage::slice record;
    storage::record_view origin; ///< of the record
    remoting::popped_copy copy;
  };
  using shared_work = std::shared_ptr<work>;

  void begin(remoting::pop_book::expired_message message);
  void copy(const shared_work& it, record_batch& found);
  void store(const shared_work& it);
  void stored(const shared_work& it, const put_response& response);
  void done(const shared_work& it);
  void fail(const shared_work& it, const storage::error& why);
  void end();

  gateway_actor::pointer self_;
  counter& counter_;
  client_sessions& sessions_;
  names_desk& names_;
  pop_ledger& ledger_;
  std::function<void(const remoting::popped_queue&)> freed_;
  line_budget lines_{10};
  std::size_t open_ = 0;
};

} // namespace troupe::net
