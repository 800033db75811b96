#pragma once

#include "cli/context.hpp"

#include <optional>
#include <string>

namespace troupe::cli {

struct export_arguments {
  enum class form {
    lines,  ///< bodies, a line break behind each
    json,   ///< whole messages, a JSON object a line, as `store dump`
    length, ///< bodies, the length of each before it: 4 bytes, big-endian
  };
  std::string directory;
  std::string topic; ///< empty: of all
  std::optional<std::int64_t> begin_ms;
  std::optional<std::int64_t> end_ms; ///< both included, by store time
  form how = form::lines;
};

/// Writes messages of a store to standard output in the order of the log. Nothing is changed, and
/// a node may run there: what it has stored until then is written.
storage::result<exit_code> export_store(const export_arguments& args);

} // namespace troupe::cli
