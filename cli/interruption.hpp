#pragma once

#include <csignal>

namespace troupe::cli {

/// The signals by which people and service managers end a program: SIGINT, SIGTERM, and SIGHUP of a
/// terminal that was closed. Without those that whoever started the program had ignored.
sigset_t signals_to_end();

/// Lets a command that reads for long end well: the first of `signals_to_end` is only noted, and
/// ends a `read` that waits with EINTR; the second ends the program as always. Make it before other
/// threads start, so that the signals come to this one. One object at a time.
class interruption {
public:
  interruption();
  interruption(const interruption&) = delete;
  interruption& operator=(const interruption&) = delete;

  /// The other threads run: from here on this one takes the signals.
  void listen();
  static bool happened() noexcept;

private:
  sigset_t signals_;
};

} // namespace troupe::cli
