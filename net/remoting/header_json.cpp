#include "net/remoting/command.hpp"

#include <boost/json/basic_parser_impl.hpp>

#include <algorithm>
#include <limits>

namespace troupe::remoting {

namespace {

using storage::errc;
using storage::error;

/// Nesting that is looked into: the header itself and its ext fields. Deeper unknown members are
/// skipped to this depth and refused beyond it.
constexpr std::size_t deepest = 8;
constexpr std::size_t header_depth = 1;

/// Takes the parser's events and fills a command: no tree is built.
class header_reader {
public:
  static constexpr std::size_t max_object_size = 4096;
  static constexpr std::size_t max_array_size = 4096;
  static constexpr std::size_t max_key_size = 4096;
  static constexpr std::size_t max_string_size = std::numeric_limits<std::int32_t>::max();

  using code = boost::json::error_code;
  using view = boost::json::string_view;

  bool on_document_begin(code&) { return true; }
  bool on_document_end(code&) { return true; }
  bool on_object_begin(code& ec) {
    if (depth_ == header_depth && key_ == "extFields")
      in_ext_ = true;
    else if (depth_ == header_depth && is_scalar(key_))
      return refuse(ec, key_ + " is an object");
    else if (in_ext_)
      return refuse(ec, "ext field '" + key_ + "' is an object");
    ++depth_;
    return true;
  }
  bool on_object_end(std::size_t, code&) {
    if (--depth_ == header_depth)
      in_ext_ = false;
    return true;
  }
  bool on_array_begin(code& ec) {
    if (depth_ == 0)
      return refuse(ec, "the header is an array");
    if (in_ext_)
      return refuse(ec, "ext field '" + key_ + "' is an array");
    if (depth_ == header_depth && (key_ == "extFields" || is_scalar(key_)))
      return refuse(ec, key_ + " is an array");
    ++depth_;
    return true;
  }
  bool on_array_end(std::size_t, code&) {
    --depth_;
    return true;
  }
  bool on_key_part(view part, std::size_t, code&) {
    key_part_.append(part.data(), part.size());
    return true;
  }
  bool on_key(view rest, std::size_t, code&) {
    key_part_.append(rest.data(), rest.size());
    key_.swap(key_part_);
    key_part_.clear();
    return true;
  }
  bool on_string_part(view part, std::size_t, code&) { return collect(part); }
  bool on_string(view rest, std::size_t, code& ec) { return value(rest, ec); }
  bool on_number_part(view part, code&) { return collect(part); }
  bool on_int64(std::int64_t, view rest, code& ec) { return value(rest, ec); }
  bool on_uint64(std::uint64_t, view rest, code& ec) { return value(rest, ec); }
  bool on_double(double, view rest, code& ec) { return value(rest, ec); }
  bool on_bool(bool flag, code& ec) { return value(flag ? "true" : "false", ec); }
  bool on_null(code& ec) {
    if (depth_ == 0)
      return refuse(ec, "the header is no object");
    return true; // the same as a missing member
  }
  bool on_comment_part(view, code&) { return true; }
  bool on_comment(view, code&) { return true; }

  command result;
  std::string problem; ///< ours; empty when the parser itself complains

private:
  static bool is_scalar(std::string_view key) noexcept {
    return key == "code" || key == "language" || key == "version" || key == "opaque" ||
           key == "flag" || key == "remark";
  }
  bool refuse(code& ec, std::string what) {
    problem = std::move(what);
    ec = boost::json::error::syntax;
    return false;
  }
  bool collect(view part) {
    text_.append(part.data(), part.size());
    return true;
  }
  bool value(view rest, code& ec) {
    text_.append(rest.data(), rest.size());
    auto text = std::exchange(text_, {});
    if (depth_ == 0)
      return refuse(ec, "the header is no object");
    if (in_ext_) {
      result.ext.add(key_, std::move(text));
      return true;
    }
    return depth_ != header_depth || member(std::move(text), ec);
  }
  bool member(std::string text, code& ec) {
    if (key_ == "code")
      return number(result.code, text, ec);
    if (key_ == "version")
      return number(result.version, text, ec);
    if (key_ == "opaque")
      return number(result.opaque, text, ec);
    if (key_ == "flag")
      return number(result.flag, text, ec);
    if (key_ == "language")
      result.language = language_number(text);
    else if (key_ == "remark")
      result.remark = std::move(text);
    else if (key_ == "extFields")
      return refuse(ec, "extFields is no object");
    return true;
  }
  bool number(std::int32_t& into, const std::string& text, code& ec) {
    auto parsed = parse_integer<std::int32_t>(text);
    if (!parsed)
      return refuse(ec, key_ + " is not a number of 32 bits: '" + text.substr(0, 40) + "'");
    into = *parsed;
    return true;
  }

  std::size_t depth_ = 0;
  bool in_ext_ = false;
  std::string key_, key_part_, text_;
};

void append_member(std::string& out, std::string_view name, std::int64_t value) {
  append_json_text(out, name);
  out += ':';
  out += std::to_string(value);
}

} // namespace

storage::result<command> decode_json_header(std::string_view text) {
  boost::json::parse_options options;
  options.max_depth = deepest;
  // Java replaces bytes that are no UTF-8; here they stay what they were.
  options.allow_invalid_utf8 = true;
  boost::json::basic_parser<header_reader> parser(options);
  parser.handler().result.version = 0;
  boost::json::error_code failure;
  auto used = parser.write_some(false, text.data(), text.size(), failure);
  if (!failure && text.find_first_not_of(" \t\r\n", used) != std::string_view::npos)
    parser.handler().problem = "bytes follow the header's object";
  auto& reader = parser.handler();
  if (failure || !reader.problem.empty())
    return error{errc::invalid_argument,
                 "bad JSON header: " + (reader.problem.empty()
                                            ? failure.message() + " at byte " + std::to_string(used)
                                            : reader.problem)};
  reader.result.type = header_type::json;
  return std::move(reader.result);
}

void append_json_header(std::string& out, const command& c) {
  out += '{';
  append_member(out, "code", c.code);
  if (c.ext.size() > 0) {
    out += ",\"extFields\":{";
    bool first = true;
    for (auto& [name, value] : c.ext) {
      if (!std::exchange(first, false))
        out += ',';
      append_json_text(out, name);
      out += ':';
      append_json_text(out, value);
    }
    out += '}';
  }
  out += ',';
  append_member(out, "flag", c.flag);
  out += ",\"language\":\"";
  out += language_name(c.language);
  out += "\",";
  append_member(out, "opaque", c.opaque);
  if (!c.remark.empty()) {
    out += ",\"remark\":";
    append_json_text(out, c.remark);
  }
  out += ",\"serializeTypeCurrentRPC\":\"JSON\",";
  append_member(out, "version", c.version);
  out += '}';
}

void append_json_text(std::string& out, std::string_view text) {
  constexpr std::string_view hex = "0123456789abcdef";
  auto is_plain = [](char c) {
    return c != '"' && c != '\\' && static_cast<unsigned char>(c) >= 0x20;
  };
  out += '"';
  for (auto* at = text.data(); at != text.data() + text.size();) {
    auto* end = std::find_if_not(at, text.data() + text.size(), is_plain);
    out.append(at, end);
    if (end == text.data() + text.size())
      break;
    auto byte = static_cast<unsigned char>(*end);
    out += '\\';
    if (byte >= 0x20) {
      out += *end;
    } else {
      out += "u00";
      out += hex[byte >> 4];
      out += hex[byte & 15];
    }
    at = end + 1;
  }
  out += '"';
}

} // namespace troupe::remoting
