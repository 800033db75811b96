#pragma once

namespace troupe::cli {

/// Lets a command that reads for long end well: the first SIGINT or SIGTERM is only noted, and ends
/// a `read` that waits with EINTR; the second ends the program as always. Make it before other
/// threads start, so that the signals come to this one. One object at a time.
class interruption {
public:
  interruption();
  interruption(const interruption&) = delete;
  interruption& operator=(const interruption&) = delete;

  /// The other threads run: from here on this one takes the signals.
  void listen();
  static bool happened() noexcept;
};

} // namespace troupe::cli
