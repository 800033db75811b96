#include "net/remoting/command.hpp"
#include "storage/big_endian.hpp"

#include <type_traits>

namespace troupe::remoting {

namespace {

using storage::errc;
using storage::error;
using storage::result;

/// Walks over the bytes of a header; every step says which field it could not read.
class reader {
public:
  explicit reader(byte_view bytes) : rest_(bytes) {}

  bool done() const noexcept { return rest_.empty(); }

  template <class Integer>
  result<Integer> integer(std::string_view field) {
    if (rest_.size() < sizeof(Integer))
      return missing(field);
    auto value = storage::big_endian::load<Integer>(rest_.data());
    rest_ = rest_.subspan(sizeof(Integer));
    return value;
  }

  /// Bytes behind their length, which is an `Integer`.
  template <class Integer>
  result<std::string_view> block(std::string_view field) {
    TROUPE_TRY(auto length, integer<Integer>(field));
    if (length < 0 || static_cast<std::size_t>(length) > rest_.size())
      return error{errc::invalid_argument, "bad binary header: " + std::string(field) + " claims " +
                                               std::to_string(length) + " bytes of " +
                                               std::to_string(rest_.size())};
    auto size = static_cast<std::size_t>(length);
    std::string_view text(reinterpret_cast<const char*>(rest_.data()), size);
    rest_ = rest_.subspan(size);
    return text;
  }

private:
  error missing(std::string_view field) const {
    return {errc::invalid_argument,
            "bad binary header: it ends before " + std::string(field) + " is complete"};
  }

  byte_view rest_;
};

template <class Integer>
void append(std::string& out, Integer value) {
  std::byte bytes[sizeof value];
  storage::big_endian::store(bytes, value);
  out.append(reinterpret_cast<const char*>(bytes), sizeof bytes);
}

} // namespace

result<command> decode_binary_header(byte_view bytes) {
  command c;
  c.type = header_type::binary;
  reader from(bytes);
  TROUPE_TRY(c.code, from.integer<std::int16_t>("code"));
  TROUPE_TRY(c.language, from.integer<std::uint8_t>("language"));
  TROUPE_TRY(c.version, from.integer<std::int16_t>("version"));
  TROUPE_TRY(c.opaque, from.integer<std::int32_t>("opaque"));
  TROUPE_TRY(c.flag, from.integer<std::int32_t>("flag"));
  TROUPE_TRY(auto remark, from.block<std::int32_t>("remark"));
  c.remark = remark;
  TROUPE_TRY(auto fields, from.block<std::int32_t>("extFields"));
  if (!from.done())
    return error{errc::invalid_argument, "bad binary header: bytes follow the ext fields"};
  reader ext(std::as_bytes(std::span(fields)));
  while (!ext.done()) {
    TROUPE_TRY(auto name, ext.block<std::int16_t>("name of an ext field"));
    TROUPE_TRY(auto value, ext.block<std::int32_t>("ext field '" + std::string(name) + "'"));
    c.ext.add(std::string(name), std::string(value));
  }
  return c;
}

void append_binary_header(std::string& out, const command& c) {
  append(out, static_cast<std::int16_t>(c.code));
  append(out, c.language);
  append(out, static_cast<std::int16_t>(c.version));
  append(out, c.opaque);
  append(out, c.flag);
  append(out, static_cast<std::int32_t>(c.remark.size()));
  out += c.remark;
  std::string ext;
  for (auto& [name, value] : c.ext) {
    append(ext, static_cast<std::int16_t>(name.size()));
    ext += name;
    append(ext, static_cast<std::int32_t>(value.size()));
    ext += value;
  }
  append(out, static_cast<std::int32_t>(ext.size()));
  out += ext;
}

} // namespace troupe::remoting
