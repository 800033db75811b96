#include "net/remoting/broker_table.hpp"
#include "net/remoting/kv_config.hpp"
#include "tests/fuzz/hostile.hpp"

#include <cstddef>
#include <cstdint>

using namespace troupe;

/// What a stranger registers, compressed or not, and a file of the KV configuration.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0)
    return 0;
  remoting::register_header header;
  header.broker = "b";
  header.address = "b:1";
  header.cluster = "c";
  header.compressed = (data[0] & 1) != 0;
  header.all_topics = (data[0] & 2) != 0;
  storage::byte_view body{reinterpret_cast<const std::byte*>(data + 1), size - 1};
  remoting::broker_table table({"c", "self", "self:1"});
  if (auto read = remoting::read_registration(header, (data[0] & 4) != 0 ? 479 : 407, body))
    (void)table.enter(1, header, read.value(), 0);
  (void)table.expire(remoting::broker_table::usual_time_ms);
  (void)remoting::read_data_version(body);
  if (auto kv = remoting::kv_config::read({reinterpret_cast<const char*>(data + 1), size - 1}))
    (void)remoting::kv_config::read(kv.value().write()).value();
  return 0;
}
