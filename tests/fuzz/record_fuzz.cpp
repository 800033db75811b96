#include "net/message_json.hpp"
#include "storage/format/position.hpp"
#include "storage/format/record.hpp"
#include "tests/fuzz/hostile.hpp"
#include "tests/support/read_record.hpp"

#include <algorithm>
#include <string_view>
#include <vector>

using namespace troupe;
using namespace troupe::storage;
using fuzz::require;

namespace {

bool inside(byte_view outer, const void* from, std::size_t count) {
  auto* begin = static_cast<const std::byte*>(from);
  return count == 0 || (begin >= outer.data() && begin + count <= outer.data() + outer.size());
}

void check_views(byte_view bytes, const decoded& found) {
  auto& view = found.view;
  require(found.size > 0 && found.size <= bytes.size(), "a record ends in its file");
  require(view.size == found.size && view.bytes.data() == bytes.data() &&
              view.bytes.size() == found.size,
          "a record's bytes are those that it was read from");
  require(inside(view.bytes, view.body.data(), view.body.size()) &&
              inside(view.bytes, view.topic.data(), view.topic.size()) &&
              inside(view.bytes, view.properties.data(), view.properties.size()),
          "body, topic and properties lie inside of their record");
}

void use(const record_view& view) {
  position_builder positions;
  positions.start(view.offset);
  positions.add(view);
  auto batch = positions.take(view.offset);
  require(batch.positions.size() == 1 && batch.positions[0].keys == batch.key_hashes.size(),
          "a position counts its own keys");
  std::string line;
  net::append_message_json(line, view);
  require(line.find('\n') == std::string::npos, "a message prints as one line");
}

/// Only a short topic in a record of the second version is written otherwise than it was read.
void check_encoding(const record_view& view) {
  if (view.v2 != (view.topic.size() > max_topic_bytes))
    return;
  const auto fields = test::fields_of(view);
  require(encoded_size(fields, false) == view.size, "a record has the size that its parts ask for");
  std::vector<std::byte> again(view.size);
  encode_record(fields, test::place_of(view), false, again);
  require(std::ranges::equal(again, view.bytes), "a sound record encodes to its own bytes");
}

} // namespace

/// The rest of a log file, at the offset that its first record claims: what is decoded lies in it,
/// can be printed and, when its checksums are right, encodes to the same bytes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using record_layout::own_offset_at;
  const auto bytes = fuzz::input(data, size).rest();
  log_offset offset = 0;
  if (size >= own_offset_at + sizeof offset)
    offset = big_endian::load<log_offset>(bytes.data() + own_offset_at);
  for (auto what : {verify::structure, verify::structure_and_crc}) {
    auto found = decode_record(bytes, offset, what);
    require(found.problem != nullptr, "what is no record has a problem or ends cleanly");
    if (found.kind == record_kind::blank)
      require(found.size == size, "a blank reaches to the end of its file");
    if (found.kind != record_kind::message)
      continue;
    check_views(bytes, found);
    use(found.view);
    if (what == verify::structure_and_crc)
      check_encoding(found.view);
  }
  return 0;
}
