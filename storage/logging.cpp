#include "storage/logging.hpp"

#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <boost/json/value.hpp>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <utility>

namespace troupe::storage {

namespace {

std::atomic<log_format> format_of_lines{log_format::text};

spdlog::logger& logger() {
  static auto instance = [] {
    auto made = spdlog::stderr_logger_mt("troupe");
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

void write(spdlog::level::level_enum level, std::string_view event,
           std::initializer_list<log_field> fields) {
  auto json = format_of_lines.load() == log_format::json;
  auto line = json ? as_json(event, fields) : as_text(event, fields);
  if (sink()) {
    sink()(line);
    return;
  }
  logger().log(level, spdlog::string_view_t{line.data(), line.size()});
}

} // namespace

void set_log_format(log_format format) {
  format_of_lines = format;
  logger().set_pattern(format == log_format::json
                           ? R"({"time":"%Y-%m-%dT%H:%M:%S.%e","level":"%l",%v})"
                           : "%Y-%m-%dT%H:%M:%S.%e %l %v");
}

void set_log_sink(std::function<void(std::string_view line)> given) {
  sink() = std::move(given);
}

void log_info(std::string_view event, std::initializer_list<log_field> fields) {
  write(spdlog::level::info, event, fields);
}

void log_warning(std::string_view event, std::initializer_list<log_field> fields) {
  write(spdlog::level::warn, event, fields);
}

void log_error(std::string_view event, std::initializer_list<log_field> fields) {
  write(spdlog::level::err, event, fields);
}

} // namespace troupe::storage
