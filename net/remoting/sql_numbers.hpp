#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

/// Numbers as Java reads them out of texts.
namespace troupe::remoting {

/// Integer.valueOf and Long.valueOf.
std::optional<std::int32_t> java_integer(std::string_view text) noexcept;
std::optional<std::int64_t> java_long(std::string_view text) noexcept;

/// Double.valueOf, of at most 512 characters, and without its hexadecimal form.
std::optional<double> java_double(std::string_view text);

/// Double.compare: NaN is the largest, and -0 below 0.
int java_compare(double a, double b) noexcept;

} // namespace troupe::remoting
