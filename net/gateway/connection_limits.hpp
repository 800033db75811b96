#pragma once

#include "net/gateway/options.hpp"
#include "net/gateway/request_share.hpp"

#include <boost/asio/ip/address.hpp>

#include <cstddef>
#include <map>
#include <memory>
#include <string>

namespace troupe::net {

/// How many connections are open, in all and for an address: one machine cannot take all. An
/// address is known while it has a connection.
class connection_limits {
public:
  using address = boost::asio::ip::address;

  /// How many connections one address may have.
  static std::size_t most_for_address(const gateway_options& options) noexcept {
    auto chosen = options.connections_per_address;
    return chosen > 0 ? chosen : (options.connections + 1) / 2;
  }

  explicit connection_limits(const gateway_options& options)
      : most_(options.connections), most_for_address_(most_for_address(options)),
        most_requests_(options.requests_per_address) {}

  /// Counts a connection: what its address has open of requests. Null: which limit forbids it is
  /// said by `refusal`.
  std::shared_ptr<request_share> enter(const address& from) {
    if (total_ >= most_)
      return nullptr;
    auto& known = open_[from];
    if (known.connections >= most_for_address_)
      return nullptr;
    if (known.requests == nullptr)
      known.requests = std::make_shared<request_share>("address " + from.to_string(),
                                                       "requests-per-address", most_requests_);
    ++known.connections;
    ++total_;
    return known.requests;
  }

  /// Why one more does not fit.
  std::string refusal() const {
    if (total_ >= most_)
      return "[gateway] connections are open (" + std::to_string(most_) + ")";
    return "[gateway] connections-per-address are open from there (" +
           std::to_string(most_for_address_) + ")";
  }

  /// Once for each that entered.
  void leave(const address& from) {
    auto found = open_.find(from);
    --total_;
    if (--found->second.connections == 0)
      open_.erase(found);
  }

  std::size_t addresses() const noexcept { return open_.size(); }

private:
  struct entry {
    std::size_t connections = 0;
    std::shared_ptr<request_share> requests;
  };

  std::size_t most_;
  std::size_t most_for_address_;
  std::size_t most_requests_;
  std::size_t total_ = 0;
  std::map<address, entry> open_; ///< with a connection each, so no longer than `most`
};

} // namespace troupe::net
