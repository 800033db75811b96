#include "net/remoting/headers.hpp"

#include "net/remoting/codes.hpp"
#include "storage/format/property_text.hpp"

#include <utility>

namespace troupe::remoting {

/// What holds a 0x00 stays, and is refused later.
void drop_empty_properties(std::string& properties) {
  std::size_t size = 0; // of what is kept: nearly always all of it
  storage::for_each_property(properties, [&](std::string_view name, std::string_view value) {
    size += name.size() + value.size() + 2;
  });
  bool ended = !properties.empty() && properties.back() == storage::property::value_end;
  if (size == properties.size() + (properties.empty() || ended ? 0 : 1))
    return;
  std::string kept;
  kept.reserve(size);
  storage::copy_without({}, properties, kept);
  properties = std::move(kept);
}

storage::result<send_header> read_send_header(const command& request) {
  if (request.code == request_code::send_message ||
      request.code == request_code::send_reply_message) {
    TROUPE_TRY(auto named, read_fields<long_send_header>(request));
    return send_header(std::move(named));
  }
  TROUPE_TRY(auto header, read_fields<send_header>(request));
  header.batch = header.batch || request.code == request_code::send_batch_message;
  return header;
}

} // namespace troupe::remoting
