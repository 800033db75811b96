#include "storage/format/crc.hpp"
#include "storage/tables/producer_windows.hpp"
#include "tests/fuzz/hostile.hpp"

#include <string_view>
#include <vector>

using namespace troupe;
using namespace troupe::storage;
using fuzz::must;
using fuzz::require;

namespace {

void check_sequence(byte_view bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  auto sequence = producer_sequence::parse(text);
  if (!sequence)
    return;
  require(sequence->number > 0, "numbers begin at 1");
  require(producer_sequence::parse(sequence->property()) == sequence,
          "what was read and written again reads equal");
}

} // namespace

/// The file `config/troupe-producers`, its checksum made right, and the same bytes as the
/// properties of a message: what is taken is written again as it was.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto bytes = fuzz::input(data, size).rest();
  check_sequence(bytes);
  std::vector<std::byte> file(bytes.begin(), bytes.end());
  file.resize(file.size() + 4);
  big_endian::store(file.data() + bytes.size(), crc32(bytes));
  auto read = producer_windows::decode(file);
  if (!read)
    return 0;
  auto& found = read.value();
  auto again = found.windows.encode(found.true_to);
  require(again.size() <= file.size(), "nothing is added"); // a producer may be in it twice
  auto second = must(producer_windows::decode(again));
  require(second.windows.size() == found.windows.size() && second.true_to == found.true_to,
          "what was written reads equal");
  require(second.windows.encode(second.true_to) == again, "and is written as it was");
  return 0;
}
