#pragma once

#include "net/access/account_book.hpp"
#include "net/config.hpp"
#include "net/file_watch.hpp"
#include "net/tls/door_tls.hpp"

#include <cstdint>
#include <memory>
#include <optional>

namespace troupe::net {

/// Who may come in at the door for RocketMQ clients, and by which certificate they know it: what
/// the files of `[gateway]` say, as they are now. One thread calls.
class door_access {
public:
  /// Everybody, and plain bytes.
  door_access() = default;
  /// Fails when a file is missing or wrong.
  static storage::result<door_access> open(const gateway_options& options);

  /// Null: nobody is asked who he is.
  std::shared_ptr<const access::account_book> accounts() const { return accounts_; }
  /// Null: plain bytes.
  std::shared_ptr<const door_tls> tls() const { return tls_; }

  /// What changes in the files is taken from now on.
  storage::result<void> watch();
  void stop() { changes_.reset(); }

private:
  std::shared_ptr<access::account_book> accounts_;
  std::shared_ptr<door_tls> tls_;
  std::unique_ptr<file_watch> changes_;
};

/// The port two below, where old clients dial first: they go on without it, and so does the node.
/// Nothing when it is off, or another one's here or in the file.
std::optional<std::uint16_t> vip_port(const cluster_config& cluster, const node_config& node);

} // namespace troupe::net
