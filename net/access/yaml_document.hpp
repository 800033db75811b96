#pragma once

#include "storage/error.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::access {

/// A value of a YAML document: a text (numbers and switches too, as written), a list or a map.
struct yaml_value {
  enum class kind { nothing, text, list, map };

  kind is = kind::nothing;
  std::string text;
  std::vector<std::pair<std::string, yaml_value>> members; ///< of a list without names; in order
  std::size_t line = 0;

  // Out of line, where it is complete: some compilers look into the list too early otherwise.
  yaml_value();
  yaml_value(const yaml_value&);
  yaml_value(yaml_value&&) noexcept;
  yaml_value& operator=(const yaml_value&);
  yaml_value& operator=(yaml_value&&) noexcept;
  ~yaml_value();

  const yaml_value* find(std::string_view name) const noexcept;
};

/// Reads one document. Refuses, with the line, what is no YAML, what refers to another place of it
/// (an alias grows without a bound), a key that is given twice, and what is nested deeper or is
/// larger than any file of settings. No text of the document is ever part of a message: it may hold
/// secrets.
storage::result<yaml_value> read_yaml(std::string_view text, const std::string& file);

} // namespace troupe::access
