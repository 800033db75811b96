#pragma once

#include "actors/caf.hpp"
#include "storage/error.hpp"

namespace troupe {

using storage::errc;

/// The name under which our errors travel between actors.
inline caf::atom_value error_category() {
  return caf::atom("troupe");
}

/// Category and message, as an actor's answer.
inline caf::error to_caf(const storage::error& e) {
  return {static_cast<std::uint8_t>(e.code), error_category(), caf::make_message(e.message)};
}

inline caf::error make_caf_error(errc code, std::string message) {
  return to_caf({code, std::move(message)});
}

/// Any error of an actor as one of ours: the framework's own ones (time-outs, peers that are gone)
/// become `unavailable` or `connection_lost`.
storage::error from_caf(const caf::error& e);

/// Why an actor ended, for people.
std::string describe_end(const caf::error& reason);

/// "message (category)" for people.
std::string render(const storage::error& e);

} // namespace troupe
