#include "net/remoting/sql_tree.hpp"

#include "net/remoting/sql_numbers.hpp"
#include "net/remoting/sql_words.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

namespace troupe::remoting {

namespace {

using storage::errc;
using storage::error;
using storage::result;

error wrong(std::string what) {
  return {errc::invalid_argument, std::move(what)};
}

bool is_literal(sql_operator what) noexcept {
  return what > sql_operator::property && what <= sql_operator::text;
}

bool is_number(sql_operator what) noexcept {
  return what >= sql_operator::integer && what <= sql_operator::real;
}

/// Whether it is true, false or unknown, whatever the message is.
bool is_condition(sql_operator what) noexcept {
  return what >= sql_operator::cast || what == sql_operator::null || what == sql_operator::boolean;
}

/// The comparison that a word between two values makes.
std::optional<sql_operator> comparison_of(sql_kind kind) noexcept {
  switch (kind) {
  case sql_kind::greater:
    return sql_operator::greater;
  case sql_kind::greater_equal:
    return sql_operator::greater_equal;
  case sql_kind::less:
    return sql_operator::less;
  case sql_kind::less_equal:
    return sql_operator::less_equal;
  default:
    return std::nullopt;
  }
}

/// What a word of letters in front of texts or bounds makes, and with `NOT` before it.
std::optional<std::pair<sql_operator, sql_operator>> test_of(sql_kind kind) noexcept {
  using enum sql_operator;
  switch (kind) {
  case sql_kind::word_contains:
    return std::pair{contains, not_contains};
  case sql_kind::word_starts_with:
    return std::pair{starts_with, not_starts_with};
  case sql_kind::word_ends_with:
    return std::pair{ends_with, not_ends_with};
  case sql_kind::word_between:
    return std::pair{between, not_between};
  case sql_kind::word_in:
    return std::pair{in, not_in};
  default:
    return std::nullopt;
  }
}

/// Recursive descent, a function for each rule of the grammar, from the loosest.
class sql_reader {
public:
  explicit sql_reader(std::string_view expression) : all_(expression), words_(expression) {}

  result<sql_tree> read() {
    TROUPE_TRY(step());
    TROUPE_TRY(step());
    TROUPE_TRY(auto whole, disjunction());
    if (now_.kind != sql_kind::end)
      return unexpected("the end, or an operator such as AND, OR, =, <>, >, <, BETWEEN, IN, IS");
    TROUPE_TRY(as_condition(whole));
    sort_names();
    return std::move(tree_);
  }

private:
  /// A part with where it stands, for errors.
  struct value {
    sql_place_of_part part = 0;
    std::size_t from = 0;
    std::size_t to = 0;
  };

  // -- words -------------------------------------------------------------------------------------
  result<void> step() {
    last_end_ = now_.at + now_.image.size();
    now_ = next_;
    TROUPE_TRY(next_, words_.next());
    return boost::outcome_v2::success();
  }
  result<void> expect(sql_kind kind, const char* what) {
    if (now_.kind != kind)
      return unexpected(what);
    return step();
  }
  error unexpected(const std::string& wanted) const {
    return wrong("Encountered " + sql_quoted(now_.image) + " at " + sql_place(all_, now_.at) +
                 ". Was expecting: " + wanted);
  }
  error wrong_value(const value& v, const std::string& why) const {
    return wrong("Value " + sql_quoted(all_.substr(v.from, v.to - v.from)) + " at " +
                 sql_place(all_, v.from) + " " + why);
  }

  // -- parts -------------------------------------------------------------------------------------
  sql_operator operator_of(const value& v) const noexcept { return tree_.parts[v.part].what; }

  result<value> add(sql_part part, std::size_t from) {
    if (tree_.parts.size() + tree_.texts.size() >= most_sql_parts)
      return wrong("the expression has more than " + std::to_string(most_sql_parts) +
                   " operators and values");
    tree_.parts.push_back(part);
    return value{static_cast<sql_place_of_part>(tree_.parts.size() - 1), from, last_end_};
  }
  result<value> join(sql_operator what, const value& left, const value& right) {
    sql_part part;
    part.what = what;
    part.left = left.part;
    part.right = right.part;
    return add(part, left.from);
  }
  /// A property counts as a condition: one that no text fulfils.
  result<value> as_condition(const value& v) {
    if (is_condition(operator_of(v)))
      return v;
    if (operator_of(v) != sql_operator::property)
      return wrong_value(v, "is no condition: Expression will not result in a boolean value");
    return join(sql_operator::cast, v, v);
  }
  result<void> check_comparable(const value& v) const {
    auto is = operator_of(v);
    if ((is_literal(is) && !is_number(is)) || is_condition(is))
      return wrong_value(v, "cannot be compared by >, >=, <, <= or BETWEEN: only numbers can");
    return boost::outcome_v2::success();
  }
  result<void> check_equal(const value& left, const value& right) const {
    for (auto* v : {&left, &right})
      if (operator_of(*v) == sql_operator::null)
        return wrong_value(*v, "cannot be compared; write IS NULL");
    if (operator_of(left) == sql_operator::boolean && is_literal(operator_of(right)) &&
        operator_of(right) != sql_operator::boolean)
      return wrong_value(left, "cannot be compared with what is neither TRUE nor FALSE");
    return boost::outcome_v2::success();
  }
  result<void> check_bounds(const value& low, const value& high) const {
    TROUPE_TRY(check_comparable(low));
    TROUPE_TRY(check_comparable(high));
    auto number_of = [](const sql_part& p) {
      return p.what == sql_operator::real ? p.real : static_cast<double>(p.number);
    };
    auto& l = tree_.parts[low.part];
    auto& h = tree_.parts[high.part];
    if (!is_number(l.what) || !is_number(h.what))
      return boost::outcome_v2::success();
    bool whole = l.what != sql_operator::real && h.what != sql_operator::real;
    if (whole ? h.number < l.number : number_of(h) < number_of(l))
      return wrong_value(low, "must be less than or equal to the upper bound of BETWEEN");
    return boost::outcome_v2::success();
  }

  // -- rules -------------------------------------------------------------------------------------
  result<value> disjunction() {
    TROUPE_TRY(auto left, conjunction());
    while (now_.kind == sql_kind::word_or) {
      TROUPE_TRY(step());
      TROUPE_TRY(auto right, conjunction());
      TROUPE_TRY(left, as_condition(left));
      TROUPE_TRY(right, as_condition(right));
      TROUPE_TRY(left, join(sql_operator::disjunction, left, right));
    }
    return left;
  }

  result<value> conjunction() {
    TROUPE_TRY(auto left, equality());
    while (now_.kind == sql_kind::word_and) {
      TROUPE_TRY(step());
      TROUPE_TRY(auto right, equality());
      TROUPE_TRY(left, as_condition(left));
      TROUPE_TRY(right, as_condition(right));
      TROUPE_TRY(left, join(sql_operator::conjunction, left, right));
    }
    return left;
  }

  result<value> equality() {
    TROUPE_TRY(auto left, comparison());
    for (;;) {
      auto kind = now_.kind;
      if (kind == sql_kind::word_is) {
        TROUPE_TRY(left, null_test(left));
        continue;
      }
      if (kind != sql_kind::equal && kind != sql_kind::not_equal)
        return left;
      TROUPE_TRY(step());
      TROUPE_TRY(auto right, comparison());
      TROUPE_TRY(check_equal(left, right));
      TROUPE_TRY(left, join(sql_operator::equal, left, right));
      if (kind == sql_kind::not_equal) {
        TROUPE_TRY(left, join(sql_operator::negation, left, left));
      }
    }
  }

  result<value> null_test(const value& of) {
    TROUPE_TRY(step());
    bool is_not = now_.kind == sql_kind::word_not;
    if (is_not) {
      TROUPE_TRY(step());
    }
    TROUPE_TRY(expect(sql_kind::word_null, is_not ? "NULL" : "NULL or NOT NULL"));
    TROUPE_TRY(auto test, join(sql_operator::is_null, of, of));
    if (is_not)
      return join(sql_operator::negation, test, test);
    return test;
  }

  result<value> comparison() {
    TROUPE_TRY(auto left, unary());
    for (;;) {
      if (auto compared = comparison_of(now_.kind)) {
        TROUPE_TRY(step());
        TROUPE_TRY(auto right, unary());
        TROUPE_TRY(check_comparable(left));
        TROUPE_TRY(check_comparable(right));
        TROUPE_TRY(left, join(*compared, left, right));
        continue;
      }
      bool is_not = now_.kind == sql_kind::word_not;
      auto kind = is_not ? next_.kind : now_.kind;
      auto test = test_of(kind);
      if (!test)
        return left;
      TROUPE_TRY(step());
      if (is_not) {
        TROUPE_TRY(step());
      }
      TROUPE_TRY(left, test_behind(kind, is_not ? test->second : test->first, left));
    }
  }

  /// What stands behind the word of a test.
  result<value> test_behind(sql_kind kind, sql_operator what, const value& left) {
    if (kind == sql_kind::word_between)
      return bounds(what, left);
    sql_part part;
    part.what = what;
    part.left = left.part;
    part.first = static_cast<std::uint32_t>(tree_.texts.size());
    if (kind != sql_kind::word_in) {
      TROUPE_TRY(add_text());
    } else {
      if (operator_of(left) != sql_operator::property)
        return wrong_value(left, "must be a property, to be IN a list");
      TROUPE_TRY(expect(sql_kind::open, "("));
      TROUPE_TRY(add_text());
      while (now_.kind == sql_kind::comma) {
        TROUPE_TRY(step());
        TROUPE_TRY(add_text());
      }
      TROUPE_TRY(expect(sql_kind::close, "',' or ')'"));
    }
    part.count = static_cast<std::uint32_t>(tree_.texts.size()) - part.first;
    return add(part, left.from);
  }

  result<value> bounds(sql_operator what, const value& left) {
    TROUPE_TRY(auto low, unary());
    TROUPE_TRY(expect(sql_kind::word_and, "AND, and the upper bound"));
    TROUPE_TRY(auto high, unary());
    TROUPE_TRY(check_comparable(left));
    if (what == sql_operator::between) {
      TROUPE_TRY(check_bounds(low, high));
    } else { // any bounds, as Java
      TROUPE_TRY(check_comparable(low));
      TROUPE_TRY(check_comparable(high));
    }
    sql_part part;
    part.what = what;
    part.left = left.part;
    part.right = low.part;
    part.third = high.part;
    return add(part, left.from);
  }

  /// Every nesting passes here.
  result<value> unary() {
    if (depth_ >= most_sql_depth)
      return wrong("the expression is nested deeper than " + std::to_string(most_sql_depth) +
                   " at " + sql_place(all_, now_.at));
    ++depth_;
    auto read = unary_within();
    --depth_;
    return read;
  }
  result<value> unary_within() {
    auto from = now_.at;
    switch (now_.kind) {
    case sql_kind::plus: {
      TROUPE_TRY(step());
      return unary();
    }
    case sql_kind::minus: {
      TROUPE_TRY(step());
      TROUPE_TRY(auto negated, unary());
      return join(sql_operator::negate, {negated.part, from, negated.to}, negated);
    }
    case sql_kind::word_not: {
      TROUPE_TRY(step());
      TROUPE_TRY(auto negated, unary());
      TROUPE_TRY(negated, as_condition(negated));
      return join(sql_operator::negation, {negated.part, from, negated.to}, negated);
    }
    default:
      return primary();
    }
  }

  result<value> primary() {
    auto word = now_;
    sql_part part;
    switch (word.kind) {
    case sql_kind::open: {
      TROUPE_TRY(step());
      TROUPE_TRY(auto inside, disjunction());
      TROUPE_TRY(expect(sql_kind::close, "an operator, or ')'"));
      return inside;
    }
    case sql_kind::name: {
      part.what = sql_operator::property;
      TROUPE_TRY(part.first, name_number(word.image));
      break;
    }
    case sql_kind::text: {
      part.what = sql_operator::text;
      part.first = static_cast<std::uint32_t>(tree_.texts.size());
      part.count = 1;
      TROUPE_TRY(add_text());
      return add(part, word.at);
    }
    case sql_kind::integer:
    case sql_kind::real: {
      TROUPE_TRY(part, number(word));
      break;
    }
    case sql_kind::word_true:
    case sql_kind::word_false:
      part.what = sql_operator::boolean;
      part.number = word.kind == sql_kind::word_true ? 1 : 0;
      break;
    case sql_kind::word_null:
      break;
    default:
      return unexpected("a property, a number, a text in '', TRUE, FALSE, NULL, NOT, '-' or '('");
    }
    TROUPE_TRY(step());
    return add(part, word.at);
  }

  // -- values ------------------------------------------------------------------------------------
  result<sql_part> number(const sql_word& word) const {
    sql_part part;
    auto image = word.image;
    if (word.kind == sql_kind::real) {
      auto parsed = java_double(image);
      constexpr auto least = std::numeric_limits<double>::denorm_min();
      if (!parsed || !std::isfinite(*parsed) || *parsed < least)
        return wrong("the number " + sql_quoted(image) + " at " + sql_place(all_, word.at) +
                     " is beyond those of 64 bits, or 0: write that without a point");
      part.what = sql_operator::real;
      part.real = *parsed;
      return part;
    }
    if (image.back() == 'l' || image.back() == 'L')
      image.remove_suffix(1);
    auto parsed = java_long(image);
    if (!parsed)
      return wrong("the number " + sql_quoted(image) + " at " + sql_place(all_, word.at) +
                   " is beyond those of 64 bits");
    part.number = *parsed;
    part.what = *parsed <= std::numeric_limits<std::int32_t>::max() ? sql_operator::integer
                                                                    : sql_operator::long_integer;
    return part;
  }

  result<void> add_text() {
    if (now_.kind != sql_kind::text)
      return unexpected("a text in ''");
    if (tree_.parts.size() + tree_.texts.size() >= most_sql_parts)
      return wrong("the expression has more than " + std::to_string(most_sql_parts) +
                   " operators and values");
    auto inside = now_.image.substr(1, now_.image.size() - 2);
    auto& text = tree_.texts.emplace_back();
    for (std::size_t i = 0; i < inside.size(); ++i) {
      text += inside[i];
      if (inside[i] == '\'')
        ++i; // the second one of two
    }
    return step();
  }

  result<std::uint32_t> name_number(std::string_view name) {
    auto& names = tree_.names;
    auto known = std::find(names.begin(), names.end(), name);
    auto number = static_cast<std::uint32_t>(known - names.begin());
    if (known != names.end())
      return number;
    if (names.size() == most_sql_names)
      return wrong("the expression asks for more than " + std::to_string(most_sql_names) +
                   " properties");
    names.emplace_back(name);
    return number;
  }

  void sort_names() {
    auto sorted = tree_.names;
    std::sort(sorted.begin(), sorted.end());
    for (auto& part : tree_.parts)
      if (part.what == sql_operator::property)
        part.first = static_cast<std::uint32_t>(
            std::lower_bound(sorted.begin(), sorted.end(), tree_.names[part.first]) -
            sorted.begin());
    tree_.names = std::move(sorted);
  }

  std::string_view all_;
  sql_words words_;
  sql_word now_;
  sql_word next_;            ///< the one behind it
  std::size_t last_end_ = 0; ///< of the word that was taken last
  std::size_t depth_ = 0;
  sql_tree tree_;
};

} // namespace

result<sql_tree> read_sql(std::string_view expression) {
  if (expression.size() > most_sql_bytes)
    return error{errc::invalid_argument, "the expression has " + std::to_string(expression.size()) +
                                             " bytes; at most " + std::to_string(most_sql_bytes)};
  return sql_reader(expression).read();
}

} // namespace troupe::remoting
