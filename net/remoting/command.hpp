#pragma once

#include "storage/error.hpp"
#include "storage/os/file_system.hpp"

#include <charconv>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// RocketMQ's remoting protocol. What stands in this folder needs neither actors nor sockets unless
/// a header says so.
namespace troupe::remoting {

using storage::byte_view;

/// The named values of a header, in the order in which they came.
class ext_fields {
public:
  /// Of a repeated name the last value counts. Null when there is none.
  const std::string* find(std::string_view name) const noexcept;
  void add(std::string name, std::string value) {
    if (pairs_.empty())
      pairs_.reserve(usual_count);
    pairs_.emplace_back(std::move(name), std::move(value));
  }

  auto begin() const noexcept { return pairs_.begin(); }
  auto end() const noexcept { return pairs_.end(); }
  std::size_t size() const noexcept { return pairs_.size(); }
  friend bool operator==(const ext_fields&, const ext_fields&) = default;

private:
  static constexpr std::size_t usual_count = 8; ///< of most requests and answers
  std::vector<std::pair<std::string, std::string>> pairs_;
};

/// How a header is written; the type byte of its frame.
enum class header_type : std::uint8_t { json = 0, binary = 1 };

/// Bits of `command::flag`.
inline constexpr std::int32_t answer_flag = 1;
inline constexpr std::int32_t oneway_flag = 2;

/// What our own headers say. 407 is RocketMQ 4.9.7: the newest whose features clients assume then.
inline constexpr std::int32_t own_version = 407;
inline constexpr std::uint8_t own_language = 0; // JAVA: no client looks at it

/// The header of a request or of an answer. No text and an empty text are the same.
struct command {
  std::int32_t code = 0;
  std::uint8_t language = own_language; ///< 0..12, see `language_names`
  std::int32_t version = own_version;
  std::int32_t opaque = 0; ///< pairs an answer with its request
  std::int32_t flag = 0;
  std::string remark;
  ext_fields ext;
  header_type type = header_type::json; ///< in which it came, or is to be written

  bool is_answer() const noexcept { return (flag & answer_flag) != 0; }
  bool is_oneway() const noexcept { return (flag & oneway_flag) != 0; }
  friend bool operator==(const command&, const command&) = default;
};

/// The header of an answer, in the form and with the number of its request.
command answer_to(std::int32_t opaque, header_type type, std::int32_t code,
                  std::string remark = {});

/// Reads a header. Refuses, with the field's name, what is not of the form that it claims to have:
/// members nested where none may be, numbers out of range, lengths that point outside. Unknown
/// members are ignored, and values that are no text count as their text.
storage::result<command> decode_header(header_type type, byte_view bytes);

/// Appends the header in the form `c.type`. Binary holds codes and versions of 16 bits only; a
/// command beyond is written as JSON, which every peer reads. Returns the form taken.
header_type append_header(std::string& out, const command& c);

// The two forms: parts of the functions above.
storage::result<command> decode_json_header(std::string_view text);
void append_json_header(std::string& out, const command& c);
storage::result<command> decode_binary_header(byte_view bytes);
void append_binary_header(std::string& out, const command& c);

/// The name of a language as JSON has it; "OTHER" for an unknown number.
std::string_view language_name(std::uint8_t number) noexcept;
/// Its number; that of "OTHER" for an unknown name.
std::uint8_t language_number(std::string_view name) noexcept;

/// A decimal number that fits and nothing else.
template <std::integral Integer>
std::optional<Integer> parse_integer(std::string_view text) noexcept {
  Integer value{};
  auto* end = text.data() + text.size();
  auto [at, failure] = std::from_chars(text.data(), end, value);
  return failure == std::errc{} && at == end ? std::optional(value) : std::nullopt;
}

/// Appends JSON text of a string, quotes included.
void append_json_text(std::string& out, std::string_view text);

/// Appends a JSON array: `write` appends each element.
template <class Elements, class Write>
void append_json_list(std::string& out, const Elements& elements, Write write) {
  out += '[';
  bool first = true;
  for (auto& element : elements) {
    if (!std::exchange(first, false))
      out += ',';
    write(element);
  }
  out += ']';
}

} // namespace troupe::remoting
