#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

namespace troupe::cli {

/// Does pieces of work in child processes, as many at a time as there are jobs: they share nothing,
/// and one that dies takes nobody with it. Only for programs of one thread.
class child_pool {
public:
  explicit child_pool(unsigned jobs);
  /// Ends the children that still work.
  ~child_pool();
  child_pool(const child_pool&) = delete;
  child_pool& operator=(const child_pool&) = delete;

  bool full() const noexcept { return children_.size() >= jobs_; }
  bool empty() const noexcept { return children_.empty(); }

  /// Begins a piece of work; not while `full()`. What it returns comes back from `wait`.
  void start(std::uint64_t id, const std::function<std::string()>& work);

  struct ended {
    std::uint64_t id = 0;
    std::optional<std::string> answer; ///< nothing: the child died
    std::string how;                   ///< of one that died
  };
  /// Waits until one is done; not while `empty()`.
  ended wait();

private:
  struct child {
    std::uint64_t id = 0;
    int process = 0;
    std::string answer;
  };
  ended finish(int pipe);

  unsigned jobs_;
  std::map<int, child> children_; ///< by the pipe from which the answer is read
};

/// The same for one piece: what it returns, or how its process died. What it says on standard
/// error is dropped.
child_pool::ended in_child(const std::function<std::string()>& work);

} // namespace troupe::cli
