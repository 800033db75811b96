#pragma once

#include <cstddef>
#include <string>
#include <utility>

namespace troupe::net {

/// Open requests of all connections of one address, or of one account, together: one client cannot
/// have all. Made by any thread; counted on the sockets' thread alone.
class request_share {
public:
  /// `whose` for sentences ("address 10.0.0.1"). `most` 0: no limit.
  request_share(std::string whose, const char* setting, std::size_t most)
      : whose_(std::move(whose)), setting_(setting), most_(most) {}

  bool is_full() const noexcept { return most_ != 0 && open_ >= most_; }
  void add(std::size_t requests) noexcept { open_ += requests; }
  void remove(std::size_t requests) noexcept { open_ -= requests; }
  std::size_t open() const noexcept { return open_; }

  /// For whoever sent one too many.
  std::string refusal() const {
    return whose_ + " has " + std::to_string(open_) + " requests open, as many as [gateway] " +
           setting_ + " allows; wait for answers, hold fewer pulls, or have the setting raised";
  }

private:
  std::string whose_;
  const char* setting_;
  std::size_t most_;
  std::size_t open_ = 0;
};

} // namespace troupe::net
