#pragma once

#include <cstddef>
#include <memory>
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

/// What one connection has open, counted for its address and for its account.
class open_requests {
public:
  explicit open_requests(std::shared_ptr<request_share> address) : address_(std::move(address)) {}

  /// Null, or which of the two has no room for one more.
  const request_share* full() const noexcept {
    if (address_->is_full())
      return address_.get();
    return account_ != nullptr && account_->is_full() ? account_.get() : nullptr;
  }
  void add() noexcept {
    ++count_;
    address_->add(1);
    if (account_ != nullptr)
      account_->add(1);
  }
  void remove_one() noexcept { remove(count_ > 0 ? 1 : 0); }
  void remove_all() noexcept { remove(count_); }

  /// What it has open is the account's, too.
  void join(std::shared_ptr<request_share> account) noexcept {
    if (account_ != nullptr)
      account_->remove(count_);
    account_ = std::move(account);
    account_->add(count_);
  }

private:
  void remove(std::size_t requests) noexcept {
    count_ -= requests;
    address_->remove(requests);
    if (account_ != nullptr)
      account_->remove(requests);
  }

  std::shared_ptr<request_share> address_;
  std::shared_ptr<request_share> account_; ///< null: nobody said who it is
  std::size_t count_ = 0;
};

} // namespace troupe::net
