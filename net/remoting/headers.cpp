#include "net/remoting/headers.hpp"

#include "net/remoting/codes.hpp"

namespace troupe::remoting {

storage::result<send_header> read_send_header(const command& request) {
  if (request.code == request_code::send_message) {
    TROUPE_TRY(auto named, read_fields<long_send_header>(request));
    return send_header(std::move(named));
  }
  TROUPE_TRY(auto header, read_fields<send_header>(request));
  header.batch = header.batch || request.code == request_code::send_batch_message;
  return header;
}

} // namespace troupe::remoting
