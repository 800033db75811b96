#include "net/tls/door_tls.hpp"

#include "storage/logging.hpp"

namespace troupe::net {

namespace {

/// In this time somebody looks at the log.
constexpr std::int64_t days_to_renew = 30;

} // namespace

storage::result<std::shared_ptr<door_tls>> door_tls::open(const tls_files& files) {
  std::shared_ptr<door_tls> made(new door_tls(files));
  TROUPE_TRY(made->read());
  return made;
}

door_tls::stamps door_tls::stamps_now() const {
  return {file_stamp::of(files_.certificate), file_stamp::of(files_.key),
          file_stamp::of(files_.ca)};
}

storage::result<void> door_tls::read() {
  stamps_ = stamps_now(); // before: what is written meanwhile is seen at the next look
  TROUPE_TRY(auto read, tls_context::load(files_, tls_use::door));
  auto days = read->days_left();
  storage::log_info("gateway.tls", {{"certificate", files_.certificate}, {"days", days}});
  if (days < days_to_renew)
    storage::log_warning("gateway.tls_expires", {{"days", days},
                                                 {"certificate", files_.certificate},
                                                 {"hint", "put a new one and its key there"}});
  now_.store(std::move(read));
  return boost::outcome_v2::success();
}

/// One file is replaced before the other: until both are there, those of before fit together.
void door_tls::look() {
  if (stamps_now() == stamps_)
    return;
  if (auto done = read(); !done)
    storage::log_error("gateway.tls_kept",
                       {{"reason", done.error().message},
                        {"hint", "new connections use those of before until it is mended"}});
}

} // namespace troupe::net
