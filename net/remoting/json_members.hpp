#pragma once

#include "storage/os/file_system.hpp"

#include <boost/json/value.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::remoting {

/// The longest name of a group (RocketMQ's limit), and here of a client or a topic.
inline constexpr std::size_t longest_name = 255;

/// A JSON body's object, in the dialect of any client; at most 1 MiB. Names of fields in messages
/// stand behind `where`.
storage::result<boost::json::object> read_json_body(storage::byte_view body,
                                                    std::string_view where);

/// Looks into an object of a body; what is missing or null counts as empty.
class json_members {
public:
  json_members(const boost::json::object& object, std::string_view where)
      : object_(object), where_(where) {}

  storage::result<std::string> text(const char* name) const;
  /// Some clients write integers as text.
  storage::result<std::int64_t> integer(const char* name) const;
  /// The objects of an array.
  storage::result<std::vector<json_members>> objects(const char* name, std::size_t most) const;
  const boost::json::value* find(const char* name) const { return object_.if_contains(name); }

  storage::error wrong(const std::string& what) const;

private:
  const boost::json::object& object_;
  std::string_view where_;
};

} // namespace troupe::remoting
