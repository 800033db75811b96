#include "storage/logging.hpp"

#include "storage/log_repeats.hpp"

#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <boost/json/value.hpp>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <chrono>
#include <climits>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <poll.h>
#include <unistd.h>

namespace troupe::storage {

namespace {

std::atomic<log_format> format_of_lines{log_format::text};

/// Standard error as long as it takes lines at once. A pipe whose reader stands still, or a
/// terminal that was stopped, would stop every thread that has something to say, and with them the
/// node: such lines are left out and counted.
class patient_stderr final : public spdlog::sinks::base_sink<std::mutex> {
protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    if (left_out_ > 0 && takes_lines())
      put(left_out_text(std::exchange(left_out_, 0)));
    if (takes_lines())
      put({line.data(), line.size()});
    else
      ++left_out_;
  }
  void flush_() override {}

private:
  /// A pipe that says so has room for `longest` at least.
  static bool takes_lines() {
    pollfd output{STDERR_FILENO, POLLOUT, 0};
    return ::poll(&output, 1, 0) == 1;
  }
  static std::string left_out_text(std::uint64_t lines) {
    auto count = std::to_string(lines);
    return format_of_lines.load() == log_format::json
               ? R"({"event":"log.lines_left_out","count":)" + count + "}\n"
               : "log.lines_left_out count=" + count + "\n";
  }
  static void put(std::string_view line) {
    constexpr std::size_t longest = PIPE_BUF;
    if (line.size() > longest) {
      put(std::string(line.substr(0, longest - 5)) + " ...\n");
      return;
    }
    [[maybe_unused]] auto count = ::write(STDERR_FILENO, line.data(), line.size());
  }

  std::uint64_t left_out_ = 0;
};

spdlog::logger& logger() {
  static auto instance = [] {
    auto made = std::make_shared<spdlog::logger>("troupe", std::make_shared<patient_stderr>());
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%e %l %v");
    return made;
  }();
  return *instance;
}

std::string quoted(const std::string& text) {
  return boost::json::serialize(boost::json::value(text));
}

std::string as_text(std::string_view event, std::initializer_list<log_field> fields) {
  std::string line{event};
  for (auto& field : fields) {
    line += ' ';
    line += field.name;
    line += '=';
    auto plain = !field.value.quoted() ||
                 field.value.text().find_first_of(" \"\\\n\r\t") == std::string::npos;
    line += plain ? field.value.text() : quoted(field.value.text());
  }
  return line;
}

std::string as_json(std::string_view event, std::initializer_list<log_field> fields) {
  std::string line = "\"event\":" + quoted(std::string{event});
  for (auto& field : fields) {
    line += ',' + quoted(std::string{field.name}) + ':';
    line += field.value.quoted() ? quoted(field.value.text()) : field.value.text();
  }
  return line;
}

std::function<void(std::string_view)>& sink() {
  static std::function<void(std::string_view)> instance;
  return instance;
}

std::string rendered(std::string_view event, std::initializer_list<log_field> fields) {
  return format_of_lines.load() == log_format::json ? as_json(event, fields)
                                                    : as_text(event, fields);
}

std::atomic<log_level> least_level{log_level::info};

struct shared_repeats {
  std::mutex lock;
  log_repeats lines{usual_log_repeats};
};
shared_repeats& repeats() {
  static shared_repeats instance;
  return instance;
}

/// False for a line that is counted instead. Says what was counted before.
bool admitted(std::string_view event, std::string_view line) {
  std::vector<log_repeats::summary> due;
  bool said = false;
  {
    auto& shared = repeats();
    const std::scoped_lock held(shared.lock);
    auto now = std::chrono::steady_clock::now();
    due = shared.lines.take_due(now);
    said = shared.lines.admit(event, line, now);
  }
  for (auto& one : due) {
    auto text = rendered("log.repeated", {{"line", one.event}, {"times", one.times}});
    logger().log(spdlog::level::warn, spdlog::string_view_t{text.data(), text.size()});
  }
  return said;
}

spdlog::level::level_enum level_of(log_level level) {
  switch (level) {
  case log_level::info:
    return spdlog::level::info;
  case log_level::warning:
    return spdlog::level::warn;
  case log_level::error:
    break;
  }
  return spdlog::level::err;
}

void write(log_level level, std::string_view event, std::initializer_list<log_field> fields) {
  if (level < least_level.load(std::memory_order_relaxed))
    return;
  auto line = rendered(event, fields);
  if (sink()) {
    sink()(line);
    return;
  }
  if (admitted(event, line))
    logger().log(level_of(level), spdlog::string_view_t{line.data(), line.size()});
}

} // namespace

void set_log_format(log_format format) {
  format_of_lines = format;
  logger().set_pattern(format == log_format::json
                           ? R"({"time":"%Y-%m-%dT%H:%M:%S.%e","level":"%l",%v})"
                           : "%Y-%m-%dT%H:%M:%S.%e %l %v");
}

void set_log_level(log_level least) {
  least_level = least;
}

void set_log_repeats(std::uint32_t a_minute) {
  auto& shared = repeats();
  const std::scoped_lock held(shared.lock);
  shared.lines.set_limit(a_minute);
}

void set_log_sink(std::function<void(std::string_view line)> given) {
  sink() = std::move(given);
}

void log_info(std::string_view event, std::initializer_list<log_field> fields) {
  write(log_level::info, event, fields);
}

void log_warning(std::string_view event, std::initializer_list<log_field> fields) {
  write(log_level::warning, event, fields);
}

void log_error(std::string_view event, std::initializer_list<log_field> fields) {
  write(log_level::error, event, fields);
}

} // namespace troupe::storage
