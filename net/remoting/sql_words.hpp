#pragma once

#include "storage/error.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace troupe::remoting {

/// What a word of an expression is. Reserved words are that in capitals and small letters.
enum class sql_kind : std::uint8_t {
  end,
  name,    ///< of a property
  integer, ///< digits, perhaps with `L`
  real,
  text, ///< with its quotes
  equal,
  not_equal,
  greater,
  greater_equal,
  less,
  less_equal,
  plus,
  minus,
  open,
  close,
  comma,
  word_not,
  word_and,
  word_or,
  word_between,
  word_in,
  word_true,
  word_false,
  word_null,
  word_is,
  word_contains,
  word_starts_with,
  word_ends_with,
};

struct sql_word {
  sql_kind kind = sql_kind::end;
  std::string_view image; ///< as it stands in the expression
  std::size_t at = 0;     ///< where
};

/// Cuts an expression of RocketMQ's SQL92 into words: those of its SelectorParser. Comments are
/// left out.
class sql_words {
public:
  explicit sql_words(std::string_view expression) : all_(expression) {}

  /// The next word; at the end always the end. Refuses what begins no word.
  storage::result<sql_word> next();

private:
  void skip_blanks();
  std::size_t length_of_comment() const noexcept;
  storage::result<sql_word> text();
  sql_word number();
  sql_word name();
  sql_word taken(sql_kind kind, std::size_t length);

  std::string_view all_;
  std::size_t at_ = 0;
};

/// "line 1, column 7", from 1, of a place in the expression.
std::string sql_place(std::string_view expression, std::size_t at);

/// The word for people, within quotes and not long.
std::string sql_quoted(std::string_view image);

} // namespace troupe::remoting
