#include "cli/process.hpp"

#include "cli/context.hpp"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <system_error>

#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <unistd.h>

namespace troupe::cli {

namespace {

/// Each `open` takes the lowest free number, so these are filled in their order. For reading and
/// writing: whoever reads finds the end, whoever writes is not disturbed.
void fill_standard_descriptors() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd)
    if (::fcntl(fd, F_GETFD) == -1 && errno == EBADF && ::open("/dev/null", O_RDWR) != fd)
      std::_Exit(static_cast<int>(exit_code::failed)); // and no way to say so
}

/// Blocks of messages come and go all the time: without this the allocator gives each back to the
/// system, and every page of the next one is a fault and 4 KiB of zeros.
void keep_freed_memory() {
  constexpr int kept_bytes = 16 << 20;
  ::mallopt(M_MMAP_THRESHOLD, kept_bytes);
  ::mallopt(M_TRIM_THRESHOLD, kept_bytes);
  ::mallopt(M_ARENA_MAX, 4);
}

[[noreturn]] void end_without(const char* what) noexcept {
  std::fprintf(stderr,
               "troupe: the system gives no more %s; raise the limits of this process "
               "(ulimit -v, ulimit -u) and start it again\n",
               what);
  std::_Exit(static_cast<int>(exit_code::failed));
}

std::terminate_handler usual_terminate = nullptr;

/// Libraries throw when they get no memory or no thread, also where nobody can catch it. That is no
/// bug of ours: it ends with a message. Whatever else comes here is one, and aborts as usual.
[[noreturn]] void end_on_exception() noexcept {
  try {
    if (std::current_exception())
      throw;
  } catch (const std::bad_alloc&) {
    end_without("memory");
  } catch (const std::system_error& e) {
    if (e.code() == std::errc::resource_unavailable_try_again)
      end_without("threads or memory");
  } catch (...) {
  }
  usual_terminate();
  std::abort();
}

} // namespace

void prepare_process() {
  fill_standard_descriptors();
  std::signal(SIGPIPE, SIG_IGN);
  keep_freed_memory();
  usual_terminate = std::set_terminate(end_on_exception);
  // Asked before `std::bad_alloc` is thrown: an actor would catch that and go on without a part of
  // itself. A node that ends is started again and recovers.
  std::set_new_handler([] { end_without("memory"); });
}

void end_with_the_reader() {
  std::signal(SIGPIPE, SIG_DFL);
}

bool reader_is_gone() noexcept {
  pollfd output{STDOUT_FILENO, POLLOUT, 0};
  return ::poll(&output, 1, 0) == 1 && (output.revents & (POLLERR | POLLHUP)) != 0;
}

} // namespace troupe::cli
