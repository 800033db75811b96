#include "cli/interruption.hpp"

#include <atomic>
#include <csignal>

#include <pthread.h>

namespace troupe::cli {

namespace {

std::atomic<bool> noted{false};
static_assert(std::atomic<bool>::is_always_lock_free); // a signal handler may use it

void change_mask(int how) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(how, &signals, nullptr);
}

} // namespace

interruption::interruption() {
  change_mask(SIG_BLOCK); // threads inherit it
}

void interruption::listen() {
  struct sigaction action {};
  action.sa_handler = [](int) { noted = true; };
  action.sa_flags = static_cast<int>(SA_RESETHAND); // and no restart of a read that waits
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  change_mask(SIG_UNBLOCK);
}

bool interruption::happened() noexcept {
  return noted;
}

} // namespace troupe::cli
