#include "cli/child_pool.hpp"

#include "storage/check.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <vector>

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace troupe::cli {

namespace {

/// What the child does instead of returning: nothing of the parent's is flushed or destroyed twice.
[[noreturn]] void answer_and_end(int pipe, const std::function<std::string()>& work) {
  auto answer = work();
  for (std::string_view rest = answer; !rest.empty();) {
    auto written = ::write(pipe, rest.data(), rest.size());
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      ::_exit(1); // the parent is gone
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  std::fflush(nullptr);
  ::_exit(0);
}

std::string text_of(int status) {
  if (WIFSIGNALED(status))
    return std::string("its process died: ") + ::strsignal(WTERMSIG(status));
  return "its process ended with status " + std::to_string(WEXITSTATUS(status));
}

} // namespace

child_pool::child_pool(unsigned jobs) : jobs_(std::max(1U, jobs)) {}

child_pool::~child_pool() {
  for (auto& [pipe, one] : children_) {
    ::kill(one.process, SIGKILL);
    ::close(pipe);
    while (::waitpid(one.process, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
}

void child_pool::start(std::uint64_t id, const std::function<std::string()>& work) {
  TROUPE_CHECK(!full());
  std::array<int, 2> ends{};
  TROUPE_CHECK(::pipe(ends.data()) == 0);
  std::fflush(nullptr); // else both would write what is buffered
  auto process = ::fork();
  TROUPE_CHECK(process >= 0);
  if (process == 0) {
    ::close(ends[0]);
    answer_and_end(ends[1], work);
  }
  ::close(ends[1]);
  children_[ends[0]] = {id, process, {}};
}

child_pool::ended child_pool::wait() {
  TROUPE_CHECK(!empty());
  for (;;) {
    std::vector<pollfd> watched;
    for (auto& [pipe, one] : children_)
      watched.push_back({pipe, POLLIN, 0});
    if (::poll(watched.data(), watched.size(), -1) < 0)
      continue; // interrupted
    for (auto& each : watched) {
      if (each.revents == 0)
        continue;
      std::array<char, 65536> buffer;
      auto count = ::read(each.fd, buffer.data(), buffer.size());
      if (count > 0)
        children_[each.fd].answer.append(buffer.data(), static_cast<std::size_t>(count));
      else if (count == 0)
        return finish(each.fd);
    }
  }
}

child_pool::ended child_pool::finish(int pipe) {
  auto done = std::move(children_[pipe]);
  children_.erase(pipe);
  ::close(pipe);
  int status = 0;
  while (::waitpid(done.process, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
    return {done.id, std::move(done.answer), {}};
  return {done.id, std::nullopt, text_of(status)};
}

child_pool::ended in_child(const std::function<std::string()>& work) {
  child_pool one(1);
  one.start(0, [&] {
    if (std::freopen("/dev/null", "w", stderr) == nullptr)
      ::_exit(1);
    return work();
  });
  return one.wait();
}

} // namespace troupe::cli
