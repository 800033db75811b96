#include "storage/tables/fastjson.hpp"

#include <boost/json/parse_options.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/stream_parser.hpp>

#include <algorithm>
#include <array>
#include <exception>

namespace troupe::storage {

namespace json = boost::json;

namespace {

bool is_space(char c) noexcept {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool is_bare(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '$' || c == '-' || c == '.';
}

bool is_integer(std::string_view text) noexcept {
  auto digits = text.starts_with('-') ? text.substr(1) : text;
  return !digits.empty() && digits.size() < 20 && (digits.front() != '0' || digits.size() == 1) &&
         std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; });
}

/// Copies JSON text and puts quotes around bare member names. Everything else is left to the
/// parser, so that this needs to know no more than where strings and names begin and end.
class name_quoter {
public:
  explicit name_quoter(std::string_view text) : rest_(text) { out_.reserve(text.size() + 64); }

  std::string run() {
    while (!rest_.empty()) {
      char c = rest_.front();
      if (c == '"')
        copy_string();
      else if (expects_name_ && is_bare(c))
        copy_bare_name();
      else
        copy_other(c);
    }
    return std::move(out_);
  }

private:
  void copy_string() {
    std::size_t end = 1;
    while (end < rest_.size() && rest_[end] != '"')
      end += rest_[end] == '\\' ? 2 : 1;
    take(std::min(end + 1, rest_.size()));
    expects_name_ = false;
  }

  void copy_bare_name() {
    auto end = std::ranges::find_if_not(rest_, is_bare) - rest_.begin();
    out_.push_back('"');
    take(static_cast<std::size_t>(end));
    out_.push_back('"');
    expects_name_ = false;
  }

  void copy_other(char c) {
    if (c == '{' || c == '[') {
      in_object_ = c == '{';
      if (depth_ < open_.size())
        open_[depth_] = in_object_;
      ++depth_; // the parser refuses what is too deep
    } else if (c == '}' || c == ']') {
      depth_ -= depth_ > 0 ? 1 : 0;
      in_object_ = depth_ > 0 && depth_ <= open_.size() && open_[depth_ - 1];
    }
    if (!is_space(c))
      expects_name_ = in_object_ && (c == '{' || c == ',');
    take(1);
  }

  void take(std::size_t count) {
    out_.append(rest_.substr(0, count));
    rest_.remove_prefix(count);
  }

  std::string_view rest_;
  std::string out_;
  std::array<bool, max_json_depth> open_{}; ///< for each open bracket, whether it is an object's
  std::size_t depth_ = 0;
  bool in_object_ = false;
  bool expects_name_ = false;
};

class writer {
public:
  explicit writer(integer_names names) : names_(names) {}

  void write(const json::value& value) {
    if (auto* object = value.if_object(); object != nullptr && !object->empty())
      write_members(*object);
    else if (auto* array = value.if_array(); array != nullptr && !array->empty())
      write_elements(*array);
    else
      out_ += json::serialize(value);
  }
  std::string take() {
    out_.push_back('\n');
    return std::move(out_);
  }

private:
  void write_members(const json::object& object) {
    char before = '{';
    ++depth_;
    for (auto& member : object) {
      out_.push_back(before);
      new_line();
      std::string_view name(member.key().data(), member.key().size());
      if (names_ == integer_names::bare && is_integer(name))
        out_ += name;
      else
        out_ += json::serialize(json::string_view(name.data(), name.size()));
      out_.push_back(':');
      write(member.value());
      before = ',';
    }
    --depth_;
    new_line();
    out_.push_back('}');
  }

  void write_elements(const json::array& array) {
    char before = '[';
    for (auto& element : array) {
      out_.push_back(before);
      write(element);
      before = ',';
    }
    out_.push_back(']');
  }

  void new_line() {
    out_.push_back('\n');
    out_.append(depth_, '\t');
  }

  integer_names names_;
  std::string out_;
  std::size_t depth_ = 0;
};

} // namespace

result<json::value> parse_fastjson(std::string_view text, const std::string& where) {
  auto quoted = name_quoter(text).run();
  json::parse_options limits;
  limits.max_depth = max_json_depth;
  json::error_code problem;
  json::stream_parser parser({}, limits);
  try {
    auto used = parser.write_some(quoted.data(), quoted.size(), problem);
    if (!problem && used == quoted.size())
      parser.finish(problem);
    if (!problem && used != quoted.size())
      problem = json::error::extra_data;
    if (!problem)
      return parser.release();
    // Only the line is the same in the file, as quotes were added.
    auto line =
        1 + std::count(quoted.begin(), quoted.begin() + static_cast<std::ptrdiff_t>(used), '\n');
    auto place = where + ", line " + std::to_string(line);
    return error{errc::corrupt, place + ": " + problem.message()};
  } catch (const std::exception& e) {
    return error{errc::corrupt, where + ": " + e.what()};
  }
}

std::string write_fastjson(const json::value& value, integer_names names) {
  writer out(names);
  out.write(value);
  return out.take();
}

} // namespace troupe::storage
