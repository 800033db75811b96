#pragma once

#include <boost/outcome/basic_result.hpp>
#include <boost/outcome/policy/terminate.hpp>
#include <boost/outcome/try.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace troupe::storage {

/// What kind of thing went wrong. Callers decide by the category; people read the message.
/// The numbers travel between processes: append, never reorder.
enum class errc : std::uint8_t {
  none = 0,
  io_error,         ///< a system call failed; the medium or the file is in doubt
  no_space,         ///< the disk is full or the quota is used up
  too_many_files,   ///< descriptors or maps are exhausted; may pass
  corrupt,          ///< stored bytes do not follow the format
  not_found,        ///< no such file, topic, queue, offset or message
  exists,           ///< it is there already
  invalid_argument, ///< the request breaks a rule of the contract; repeating it is useless
  too_large,        ///< over a limit of size
  busy,             ///< not stored; try again later
  write_stopped,    ///< writes are refused until a restart or an operator's action
  disk_full,        ///< writes are refused until there is room again
  locked,           ///< another process owns the directory
  unavailable,      ///< the part that should answer is not there now
  maybe_stored,     ///< appended, but its fate is not known to the one who asks
  connection_lost,  ///< the peer went away
  version_mismatch, ///< the two ends speak different versions or belong to different clusters
  needs_repair,     ///< damage in the middle of the log: an operator must decide
  offset_too_small, ///< below the minimum: retention was faster than the reader
  offset_too_large, ///< beyond the end
  not_resident,     ///< the bytes are not in memory: who must not wait asks elsewhere. Never sent
};

/// A short stable name ("no_space"), for logs and JSON.
std::string_view name_of(errc code) noexcept;

/// A category, and a message that names the file, offset or field and says what to do next.
struct error {
  errc code = errc::none;
  std::string message;
};

/// Every operation that may fail returns this; reading a value that is not there ends the process.
template <class T = void>
using result = boost::outcome_v2::basic_result<T, error, boost::outcome_v2::policy::terminate>;

/// An error out of `errno`: maps the number to a category and appends its text.
error system_error(int number, std::string what);

} // namespace troupe::storage

/// Passes an error on to the caller, or goes on: `TROUPE_TRY(f())`, `TROUPE_TRY(auto x, f())`.
#define TROUPE_TRY BOOST_OUTCOME_TRY
