#include "net/access/yaml_document.hpp"

#include <algorithm>
#include <memory>
#include <optional>

#include <yaml.h>

namespace troupe::access {

namespace {

using storage::errc;
using storage::error;
using storage::result;

constexpr std::size_t deepest = 6;
constexpr std::size_t most_values = 200'000;
constexpr std::size_t longest_text = 1024;

/// What YAML has for nothing, unless it stands in quotes.
bool is_nothing(const std::string& text, bool quoted) {
  return !quoted &&
         (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL");
}

class reader {
public:
  reader(std::string_view text, const std::string& file) : file_(file) {
    good_ = yaml_parser_initialize(&parser_) == 1;
    if (good_)
      yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()),
                                   text.size());
  }
  ~reader() {
    if (good_)
      yaml_parser_delete(&parser_);
  }
  reader(const reader&) = delete;
  reader& operator=(const reader&) = delete;

  result<yaml_value> document() {
    TROUPE_TRY(auto start, next()); // of the stream
    TROUPE_TRY(start, next());
    if (start->type == YAML_STREAM_END_EVENT)
      return yaml_value{};
    TROUPE_TRY(auto root, value(0));
    TROUPE_TRY(auto end, next()); // of the document
    TROUPE_TRY(end, next());
    if (end->type != YAML_STREAM_END_EVENT)
      return wrong("more than one document");
    return root;
  }

private:
  struct event_end {
    void operator()(yaml_event_t* e) const {
      yaml_event_delete(e);
      delete e;
    }
  };
  using event = std::unique_ptr<yaml_event_t, event_end>;

  error wrong(const std::string& what) const {
    return {errc::invalid_argument, file_ + ":" + std::to_string(line_) + ": " + what};
  }

  result<event> next() {
    if (!good_)
      return error{errc::unavailable, "no memory to read " + file_};
    event read(new yaml_event_t{});
    if (yaml_parser_parse(&parser_, read.get()) != 1) {
      line_ = parser_.problem_mark.line + 1;
      return wrong(std::string("no YAML: ") +
                   (parser_.problem != nullptr ? parser_.problem : "it is not understood"));
    }
    line_ = read->start_mark.line + 1;
    return read;
  }

  result<std::string> scalar_of(const yaml_event_t& from) {
    auto& s = from.data.scalar;
    if (s.length > longest_text)
      return wrong("a text of more than " + std::to_string(longest_text) + " bytes");
    return std::string(reinterpret_cast<const char*>(s.value), s.length);
  }

  result<yaml_value> value(std::size_t depth) {
    TROUPE_TRY(auto first, next());
    return value_of(*first, depth);
  }

  result<yaml_value> value_of(const yaml_event_t& first, std::size_t depth) {
    if (depth > deepest || ++values_ > most_values)
      return wrong("more, or deeper nested, than a file of settings is");
    yaml_value made;
    made.line = line_;
    switch (first.type) {
    case YAML_SCALAR_EVENT: {
      TROUPE_TRY(made.text, scalar_of(first));
      bool quoted = first.data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
      made.is = is_nothing(made.text, quoted) ? yaml_value::kind::nothing : yaml_value::kind::text;
      return made;
    }
    case YAML_SEQUENCE_START_EVENT:
      made.is = yaml_value::kind::list;
      return members(std::move(made), YAML_SEQUENCE_END_EVENT, depth);
    case YAML_MAPPING_START_EVENT:
      made.is = yaml_value::kind::map;
      return members(std::move(made), YAML_MAPPING_END_EVENT, depth);
    default:
      return wrong("a reference to another place of the file, which is not read here");
    }
  }

  result<yaml_value> members(yaml_value of, yaml_event_type_t end, std::size_t depth) {
    for (;;) {
      TROUPE_TRY(auto first, next());
      if (first->type == end)
        break;
      std::string name;
      if (of.is == yaml_value::kind::map) {
        if (first->type != YAML_SCALAR_EVENT)
          return wrong("a key that is no text");
        TROUPE_TRY(name, scalar_of(*first));
        TROUPE_TRY(first, next());
      }
      TROUPE_TRY(auto member, value_of(*first, depth + 1));
      of.members.emplace_back(std::move(name), std::move(member));
    }
    if (of.is == yaml_value::kind::map) {
      TROUPE_TRY(check_names(of));
    }
    return of;
  }

  result<void> check_names(const yaml_value& of) {
    std::vector<std::pair<std::string_view, std::size_t>> names;
    for (auto& [name, member] : of.members)
      names.emplace_back(name, member.line);
    std::sort(names.begin(), names.end());
    auto twice = std::adjacent_find(names.begin(), names.end(),
                                    [](auto& a, auto& b) { return a.first == b.first; });
    if (twice == names.end())
      return boost::outcome_v2::success();
    line_ = std::next(twice)->second;
    return wrong("a key is given twice; the first is in line " + std::to_string(twice->second));
  }

  yaml_parser_t parser_{};
  bool good_ = false;
  std::string file_;
  std::size_t line_ = 1;
  std::size_t values_ = 0;
};

} // namespace

yaml_value::yaml_value() = default;
yaml_value::yaml_value(const yaml_value&) = default;
yaml_value::yaml_value(yaml_value&&) noexcept = default;
yaml_value& yaml_value::operator=(const yaml_value&) = default;
yaml_value& yaml_value::operator=(yaml_value&&) noexcept = default;
yaml_value::~yaml_value() = default;

const yaml_value* yaml_value::find(std::string_view name) const noexcept {
  auto found = std::find_if(members.begin(), members.end(),
                            [name](auto& member) { return member.first == name; });
  return found == members.end() ? nullptr : &found->second;
}

result<yaml_value> read_yaml(std::string_view text, const std::string& file) {
  return reader(text, file).document();
}

} // namespace troupe::access
