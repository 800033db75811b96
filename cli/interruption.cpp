#include "cli/interruption.hpp"

#include <array>
#include <atomic>
#include <csignal>

#include <pthread.h>

namespace troupe::cli {

namespace {

std::atomic<bool> noted{false};
static_assert(std::atomic<bool>::is_always_lock_free); // a signal handler may use it

constexpr std::array ending_signals{SIGINT, SIGTERM, SIGHUP};

bool is_ignored(int signal) {
  struct sigaction now {};
  return ::sigaction(signal, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
}

} // namespace

sigset_t signals_to_end() {
  sigset_t signals;
  sigemptyset(&signals);
  for (int signal : ending_signals)
    if (!is_ignored(signal)) // as nohup(1) has it for SIGHUP, or a shell for SIGINT
      sigaddset(&signals, signal);
  return signals;
}

interruption::interruption() : signals_(signals_to_end()) {
  pthread_sigmask(SIG_BLOCK, &signals_, nullptr); // threads inherit it
}

void interruption::listen() {
  struct sigaction action {};
  action.sa_handler = [](int) { noted = true; };
  action.sa_flags = static_cast<int>(SA_RESETHAND); // and no restart of a read that waits
  sigemptyset(&action.sa_mask);
  for (int signal : ending_signals)
    if (sigismember(&signals_, signal) == 1)
      ::sigaction(signal, &action, nullptr);
  pthread_sigmask(SIG_UNBLOCK, &signals_, nullptr);
}

bool interruption::happened() noexcept {
  return noted;
}

} // namespace troupe::cli
