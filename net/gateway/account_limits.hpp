#pragma once

#include "net/gateway/options.hpp"
#include "net/gateway/request_share.hpp"

#include <cstddef>
#include <map>
#include <memory>
#include <string>

namespace troupe::net {

/// How many connections each account has. A connection is of the account that signed the first
/// request of it that was allowed. An account is known while it has a connection.
class account_limits {
public:
  explicit account_limits(const gateway_options& options)
      : most_(options.connections_per_account), most_requests_(options.requests_per_account) {}

  /// Counts a connection: what its account has open of requests. Null: it has as many connections
  /// as it may.
  std::shared_ptr<request_share> enter(const std::string& account) {
    auto& known = open_[account];
    if (most_ != 0 && known.connections >= most_)
      return nullptr;
    if (known.requests == nullptr)
      known.requests = std::make_shared<request_share>("account '" + account + "'",
                                                       "requests-per-account", most_requests_);
    ++known.connections;
    return known.requests;
  }

  std::string refusal(const std::string& account) const {
    return "account '" + account + "' has " + std::to_string(most_) +
           " connections, as many as [gateway] connections-per-account allows; close some, or have "
           "the setting raised";
  }

  /// Once for each that entered.
  void leave(const std::string& account) {
    if (auto found = open_.find(account); --found->second.connections == 0)
      open_.erase(found);
  }

  std::size_t accounts() const noexcept { return open_.size(); }

private:
  struct entry {
    std::size_t connections = 0;
    std::shared_ptr<request_share> requests;
  };

  std::size_t most_;
  std::size_t most_requests_;
  std::map<std::string, entry> open_; ///< no longer than there are connections
};

} // namespace troupe::net
