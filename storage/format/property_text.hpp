#pragma once

#include "storage/format/properties.hpp"

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>

/// A message's properties written anew, out of names and values that are known to be right:
/// `properties_builder` is for those that are not.
namespace troupe::storage {

inline void append_property(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).push_back(property::name_end);
  out.append(value).push_back(property::value_end);
}

/// Writes to `out`, which must not be what `properties` is in, all but those of these names, in
/// their order: a message's sequence stays the first.
inline void copy_without(std::initializer_list<std::string_view> names, std::string_view properties,
                         std::string& out) {
  out.clear();
  for_each_property(properties, [&](std::string_view name, std::string_view value) {
    if (std::find(names.begin(), names.end(), name) == names.end())
      append_property(out, name, value);
  });
}

} // namespace troupe::storage
