#include "net/remoting/sql_filter.hpp"

#include "net/remoting/sql_numbers.hpp"
#include "storage/format/properties.hpp"

#include <string.h> // memmem

#include <algorithm>
#include <array>
#include <optional>

namespace troupe::remoting {

namespace {

/// What a part of an expression is for one message. Where Java throws, all of it is `failed`.
struct sql_value {
  enum class kind : std::uint8_t { failed, null, boolean, integer, long_integer, real, text };

  kind is = kind::null;
  std::int64_t number = 0; ///< 1 for true
  double real = 0;
  std::string_view text = {};

  bool is_text() const noexcept { return is == kind::text; }
  bool is_null() const noexcept { return is == kind::null; }
  bool is_true() const noexcept { return is == kind::boolean && number != 0; }
  bool is_false() const noexcept { return is == kind::boolean && number == 0; }
  bool is_failed() const noexcept { return is == kind::failed; }
  double as_real() const noexcept { return is == kind::real ? real : static_cast<double>(number); }
};
using kind = sql_value::kind;

constexpr sql_value failed{kind::failed};
constexpr sql_value unknown{};

constexpr sql_value truth(bool is) {
  return {kind::boolean, is ? 1 : 0};
}

/// The text as a value of the other's kind; failed when it is none.
sql_value text_as(std::string_view text, kind wanted) {
  auto of = [&](kind is, auto number) {
    return number ? sql_value{is, static_cast<std::int64_t>(*number)} : failed;
  };
  switch (wanted) {
  case kind::boolean:
    return truth(text.size() == 4 && (text[0] | 0x20) == 't' && (text[1] | 0x20) == 'r' &&
                 (text[2] | 0x20) == 'u' && (text[3] | 0x20) == 'e');
  case kind::integer:
    return of(wanted, java_integer(text));
  case kind::long_integer:
    return of(wanted, java_long(text));
  default:
    auto real = java_double(text);
    return real ? sql_value{kind::real, 0, *real} : failed;
  }
}

/// Below 0, 0 or above; nothing where Java throws.
std::optional<int> compare(sql_value a, sql_value b) {
  if (a.is_text() && b.is_text())
    return a.text.compare(b.text);
  if (a.is_text())
    a = text_as(a.text, b.is);
  else if (b.is_text() && a.is == kind::boolean)
    return std::nullopt;
  else if (b.is_text())
    b = text_as(b.text, a.is);
  if (a.is_failed() || b.is_failed())
    return std::nullopt;
  if ((a.is == kind::boolean) != (b.is == kind::boolean))
    return -1;
  if (a.is == kind::real || b.is == kind::real)
    return java_compare(a.as_real(), b.as_real());
  return a.number < b.number ? -1 : a.number > b.number ? 1 : 0;
}

bool holds(sql_operator what, int compared) noexcept {
  switch (what) {
  case sql_operator::greater:
    return compared > 0;
  case sql_operator::greater_equal:
    return compared >= 0;
  case sql_operator::less:
    return compared < 0;
  default:
    return compared <= 0;
  }
}

/// By order: of two texts only if both are numbers.
sql_value order(sql_operator what, sql_value a, sql_value b) {
  if (a.is_text() && b.is_text()) {
    a = text_as(a.text, kind::real);
    b = text_as(b.text, kind::real);
    if (a.is_failed() || b.is_failed())
      return failed;
  }
  auto compared = compare(a, b);
  return compared ? truth(holds(what, *compared)) : failed;
}

sql_value equal(const sql_value& a, const sql_value& b) {
  if (a.is_null() != b.is_null())
    return a.is_null() ? unknown : truth(false);
  if (a.is_null())
    return truth(true);
  auto compared = compare(a, b);
  return compared ? truth(*compared == 0) : failed;
}

sql_value negated(sql_value v) {
  auto number = 0 - static_cast<std::uint64_t>(v.number);
  switch (v.is) {
  case kind::integer:
  case kind::long_integer:
    return {v.is, static_cast<std::int64_t>(number)};
  case kind::real:
    return {v.is, 0, -v.real};
  case kind::failed:
    return failed;
  default:
    return unknown;
  }
}

bool has(std::string_view text, std::string_view part) noexcept {
  return ::memmem(text.data(), text.size(), part.data(), part.size()) != nullptr;
}

bool begins(std::string_view text, std::string_view part) noexcept {
  return text.substr(0, part.size()) == part;
}

bool ends(std::string_view text, std::string_view part) noexcept {
  return text.size() >= part.size() && text.substr(text.size() - part.size()) == part;
}

/// An expression with the properties of one message.
class evaluation {
public:
  evaluation(const sql_tree& tree, std::string_view properties) : tree_(tree) {
    auto& names = tree.names;
    storage::for_each_property(properties, [&](std::string_view name, std::string_view value) {
      auto found = std::lower_bound(names.begin(), names.end(), name);
      if (found != names.end() && *found == name)
        found_[static_cast<std::size_t>(found - names.begin())] = value;
    });
  }

  bool passes() const {
    return of(static_cast<sql_place_of_part>(tree_.parts.size() - 1)).is_true();
  }

private:
  /// As deep as the expression, which is bounded.
  sql_value of(sql_place_of_part place) const {
    auto& part = tree_.parts[place];
    switch (part.what) {
    case sql_operator::property:
      return property(part);
    case sql_operator::null:
      return unknown;
    case sql_operator::boolean:
      return {kind::boolean, part.number};
    case sql_operator::integer:
      return {kind::integer, part.number};
    case sql_operator::long_integer:
      return {kind::long_integer, part.number};
    case sql_operator::real:
      return {kind::real, 0, part.real};
    case sql_operator::text:
      return {kind::text, 0, 0, tree_.texts[part.first]};
    case sql_operator::negate:
      return negated(of(part.left));
    case sql_operator::cast:
      return cast(of(part.left));
    case sql_operator::negation: {
      auto v = of(part.left);
      return v.is == kind::boolean ? truth(v.is_false()) : v;
    }
    case sql_operator::conjunction:
    case sql_operator::disjunction:
      return joined(part);
    case sql_operator::equal:
      return equality(part);
    case sql_operator::is_null: {
      auto v = of(part.left);
      return v.is_failed() ? failed : truth(v.is_null());
    }
    case sql_operator::between:
    case sql_operator::not_between:
      return between(part);
    case sql_operator::in:
    case sql_operator::not_in:
      return listed(part);
    case sql_operator::greater:
    case sql_operator::greater_equal:
    case sql_operator::less:
    case sql_operator::less_equal:
      return ordered(part.what, of(part.left), part.right);
    default:
      return text_test(part);
    }
  }

  sql_value property(const sql_part& part) const {
    auto value = found_[part.first];
    return value.empty() ? unknown : sql_value{kind::text, 0, 0, value};
  }

  /// A property is a text, and that is not true.
  static sql_value cast(const sql_value& v) noexcept {
    return v.is_null() || v.is_failed() ? v : truth(v.is_true());
  }

  /// The right side does not matter where the left one decides.
  sql_value joined(const sql_part& part) const {
    bool deciding = part.what == sql_operator::disjunction;
    auto decides = [&](const sql_value& v) { return deciding ? v.is_true() : v.is_false(); };
    auto left = of(part.left);
    if (left.is_failed() || decides(left))
      return left;
    auto right = of(part.right);
    if (right.is_failed() || decides(right))
      return right;
    return left.is_null() || right.is_null() ? unknown : truth(!deciding);
  }

  sql_value equality(const sql_part& part) const {
    auto left = of(part.left);
    if (left.is_failed())
      return failed;
    auto right = of(part.right);
    return right.is_failed() ? failed : equal(left, right);
  }

  sql_value ordered(sql_operator what, const sql_value& left, sql_place_of_part right) const {
    if (left.is_null() || left.is_failed())
      return left;
    auto other = of(right);
    return other.is_null() || other.is_failed() ? other : order(what, left, other);
  }

  /// `>= low AND <= high`, or `< low OR > high`.
  sql_value between(const sql_part& part) const {
    bool is_not = part.what == sql_operator::not_between;
    auto value = of(part.left);
    auto low =
        ordered(is_not ? sql_operator::less : sql_operator::greater_equal, value, part.right);
    if (low.is_failed() || (is_not ? low.is_true() : low.is_false()))
      return low;
    auto high =
        ordered(is_not ? sql_operator::greater : sql_operator::less_equal, value, part.third);
    if (high.is_failed() || (is_not ? high.is_true() : high.is_false()))
      return high;
    return low.is_null() || high.is_null() ? unknown : truth(!is_not);
  }

  sql_value listed(const sql_part& part) const {
    auto value = of(part.left);
    if (!value.is_text())
      return unknown;
    auto* first = tree_.texts.data() + part.first;
    bool found = std::find(first, first + part.count, value.text) != first + part.count;
    return truth(found == (part.what == sql_operator::in));
  }

  /// False of what is no text, and for an empty text, with NOT and without.
  sql_value text_test(const sql_part& part) const {
    auto value = of(part.left);
    if (value.is_failed())
      return failed;
    auto& searched = tree_.texts[part.first];
    if (!value.is_text() || searched.empty())
      return truth(false);
    switch (part.what) {
    case sql_operator::contains:
      return truth(has(value.text, searched));
    case sql_operator::not_contains:
      return truth(!has(value.text, searched));
    case sql_operator::starts_with:
      return truth(begins(value.text, searched));
    case sql_operator::not_starts_with:
      return truth(!begins(value.text, searched));
    case sql_operator::ends_with:
      return truth(ends(value.text, searched));
    default:
      return truth(!ends(value.text, searched));
    }
  }

  const sql_tree& tree_;
  std::array<std::string_view, most_sql_names> found_{}; ///< by number of name; empty: none
};

} // namespace

storage::result<sql_filter> sql_filter::compile(std::string_view expression) {
  TROUPE_TRY(auto tree, read_sql(expression));
  return sql_filter(std::move(tree));
}

bool sql_filter::matches(std::string_view properties) const {
  return evaluation(tree_, properties).passes();
}

std::size_t sql_filter::most_bytes(std::size_t expression_bytes) noexcept {
  auto parts = std::min(2 * expression_bytes, most_sql_parts); // a NOT or a cast beside each
  return parts * sizeof(sql_part) + 2 * expression_bytes;
}

} // namespace troupe::remoting
