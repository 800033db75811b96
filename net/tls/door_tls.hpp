#pragma once

#include "net/file_stamp.hpp"
#include "net/tls/tls_context.hpp"

#include <array>
#include <atomic>
#include <memory>

namespace troupe::net {

/// The certificate of a door for RocketMQ clients, as its files are now: new ones are for the
/// connections that come then. Files that no client would accept leave those of before in use, with
/// a line that says why. Any thread may accept; one at a time looks.
class door_tls {
public:
  static storage::result<std::shared_ptr<door_tls>> open(const tls_files& files);

  /// Null without memory.
  std::unique_ptr<tls_session> accept(int socket) const { return now_.load()->accept(socket); }
  /// Reads the files again if they are others than before.
  void look();

private:
  using stamps = std::array<file_stamp, 3>;
  explicit door_tls(const tls_files& files) : files_(files) {}
  storage::result<void> read();
  stamps stamps_now() const;

  const tls_files files_;
  stamps stamps_{};
  std::atomic<std::shared_ptr<const tls_context>> now_;
};

} // namespace troupe::net
