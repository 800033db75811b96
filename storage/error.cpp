#include "storage/error.hpp"

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

namespace troupe::storage {

std::string_view name_of(errc code) noexcept {
  static constexpr std::array<std::string_view, 21> names = {
      "none",
      "io_error",
      "no_space",
      "too_many_files",
      "corrupt",
      "not_found",
      "exists",
      "invalid_argument",
      "too_large",
      "busy",
      "write_stopped",
      "disk_full",
      "locked",
      "unavailable",
      "maybe_stored",
      "connection_lost",
      "version_mismatch",
      "needs_repair",
      "offset_too_small",
      "offset_too_large",
      "not_resident",
  };
  auto i = static_cast<std::size_t>(code);
  return i < names.size() ? names[i] : "unknown";
}

error system_error(int number, std::string what) {
  auto code = errc::io_error;
  switch (number) {
  case ENOSPC:
  case EDQUOT:
    code = errc::no_space;
    break;
  case EMFILE:
  case ENFILE:
  case ENOMEM:
    code = errc::too_many_files;
    break;
  case ENOENT:
    code = errc::not_found;
    break;
  case EEXIST:
    code = errc::exists;
    break;
  default:
    break;
  }
  what += ": ";
  what += std::generic_category().message(number);
  return {code, std::move(what)};
}

} // namespace troupe::storage
