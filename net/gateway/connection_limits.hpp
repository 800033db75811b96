#pragma once

#include <boost/asio/ip/address.hpp>

#include <cstddef>
#include <map>

namespace troupe::net {

/// How many connections are open, in all and for an address: one machine cannot take all.
class connection_limits {
public:
  connection_limits(std::size_t most, std::size_t most_for_address)
      : most_(most), most_for_address_(most_for_address) {}

  /// Counts a connection, or says which limit forbids it. Null: it may stay.
  const char* enter(const boost::asio::ip::address& from) {
    if (total_ >= most_)
      return "[gateway] connections are open";
    auto& open = open_[from];
    if (open >= most_for_address_)
      return "[gateway] connections-per-address are open from there";
    ++open;
    ++total_;
    return nullptr;
  }

  /// Once for each that entered.
  void leave(const boost::asio::ip::address& from) {
    auto found = open_.find(from);
    --total_;
    if (--found->second == 0)
      open_.erase(found);
  }

private:
  std::size_t most_;
  std::size_t most_for_address_;
  std::size_t total_ = 0;
  std::map<boost::asio::ip::address, std::size_t> open_; ///< never 0, so no longer than `most`
};

} // namespace troupe::net
