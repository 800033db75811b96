#include "net/remoting/headers.hpp"

#include "net/remoting/admin_headers.hpp"
#include "net/remoting/codes.hpp"
#include "storage/properties.hpp"

#include <algorithm>

namespace troupe::remoting {

bool is_system_topic(std::string_view topic) noexcept {
  static constexpr std::string_view names[] = {
      default_topic,     storage::delay_topic, "BenchmarkTest",
      "SELF_TEST_TOPIC", "OFFSET_MOVED_EVENT", "TRANS_CHECK_MAX_TIME_TOPIC",
  };
  return topic.starts_with("RMQ_SYS_") || topic.starts_with("rmq_sys_") ||
         std::find(std::begin(names), std::end(names), topic) != std::end(names);
}

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
