#include "net/remoting/batch_body.hpp"

#include "storage/big_endian.hpp"

namespace troupe::remoting {

namespace {

using storage::big_endian::load;
using storage::big_endian::store;

/// total size, magic, CRC, flag, body length: 4 each; properties length: 2.
constexpr std::size_t head_bytes = 20;
constexpr std::size_t fixed_bytes = head_bytes + 2;

} // namespace

storage::result<std::optional<batch_body_reader::message>> batch_body_reader::next() {
  if (rest_.empty())
    return std::nullopt;
  auto bad = [this](const char* what) {
    return storage::error{storage::errc::invalid_argument,
                          "message " + std::to_string(count_) + " of the batch " + what};
  };
  if (rest_.size() < fixed_bytes)
    return bad("is cut off");
  const auto* from = rest_.data();
  const std::int64_t total = load<std::int32_t>(from);
  const std::int64_t body = load<std::int32_t>(from + 16);
  if (total < static_cast<std::int64_t>(fixed_bytes) ||
      total > static_cast<std::int64_t>(rest_.size()))
    return bad("has a total size outside the batch");
  if (body < 0 || body > total - static_cast<std::int64_t>(fixed_bytes))
    return bad("has a body length outside the message");
  auto body_size = static_cast<std::size_t>(body);
  const std::int64_t properties = load<std::int16_t>(from + head_bytes + body_size);
  if (properties < 0 || static_cast<std::int64_t>(fixed_bytes) + body + properties != total)
    return bad("has lengths that contradict each other");
  message m;
  m.flag = load<std::int32_t>(from + 12);
  m.body = rest_.subspan(head_bytes, body_size);
  m.properties = {reinterpret_cast<const char*>(from + fixed_bytes + body_size),
                  static_cast<std::size_t>(properties)};
  rest_ = rest_.subspan(static_cast<std::size_t>(total));
  ++count_;
  return m;
}

void append_batch_message(std::string& out, const batch_body_reader::message& m) {
  std::byte head[head_bytes];
  auto* to =
      store(head, static_cast<std::uint32_t>(fixed_bytes + m.body.size() + m.properties.size()));
  to = store(to, std::uint32_t{0}); // magic
  to = store(to, std::uint32_t{0}); // CRC: the store makes its own
  to = store(to, m.flag);
  store(to, static_cast<std::uint32_t>(m.body.size()));
  std::byte length[2];
  store(length, static_cast<std::uint16_t>(m.properties.size()));
  out.append(reinterpret_cast<const char*>(head), sizeof head);
  out.append(reinterpret_cast<const char*>(m.body.data()), m.body.size());
  out.append(reinterpret_cast<const char*>(length), sizeof length);
  out += m.properties;
}

} // namespace troupe::remoting
