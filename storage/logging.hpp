#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>

namespace troupe::storage {

/// A value of a log line. Views live until the call returns.
class log_value {
public:
  log_value(std::string_view text) : text_(text) {}
  log_value(const std::string& text) : text_(text) {}
  log_value(const char* text) : text_(text) {}
  template <class Integer>
  requires std::is_integral_v<Integer> log_value(Integer number)
      : text_(std::to_string(number)), quoted_(false) {}

  const std::string& text() const noexcept { return text_; }
  bool quoted() const noexcept { return quoted_; }

private:
  std::string text_;
  bool quoted_ = true;
};

struct log_field {
  std::string_view name;
  log_value value;
};

enum class log_format { text, json };

/// Once at start; without it lines go to standard error as text.
void set_log_format(log_format format);

/// From which level on lines are said. At any time, from any thread.
enum class log_level : std::uint8_t { info, warning, error };
void set_log_level(log_level least);

/// So often a minute the same line is said; beyond that it is counted, and `log.repeated` says so
/// with the next line behind that minute. 0: every line is said. At any time, from any thread.
void set_log_repeats(std::uint32_t a_minute);
inline constexpr std::uint32_t usual_log_repeats = 10;

/// Where lines go instead of standard error, without time: for programs that show them themselves.
/// Null takes it back. Not while other threads write lines.
void set_log_sink(std::function<void(std::string_view line)> sink);

/// One line: a stable dotted event name and values, `recovery.truncated file=... offset=...`. Never
/// called for each message.
void log_info(std::string_view event, std::initializer_list<log_field> fields = {});
void log_warning(std::string_view event, std::initializer_list<log_field> fields = {});
void log_error(std::string_view event, std::initializer_list<log_field> fields = {});

} // namespace troupe::storage
