#include "net/remoting/json_members.hpp"

#include "net/remoting/command.hpp"
#include "storage/tables/fastjson.hpp"

namespace troupe::remoting {

namespace json = boost::json;
using storage::errc;
using storage::error;
using storage::result;

result<json::object> read_json_body(storage::byte_view body, std::string_view where) {
  constexpr std::size_t most_bytes = std::size_t{1} << 20;
  std::string name(where);
  if (body.size() > most_bytes)
    return error{errc::too_large, name + ": " + std::to_string(body.size()) + " bytes; at most " +
                                      std::to_string(most_bytes)};
  TROUPE_TRY(auto value, storage::parse_fastjson(
                             {reinterpret_cast<const char*>(body.data()), body.size()}, name));
  if (!value.is_object())
    return error{errc::invalid_argument, name + ": the body is no object"};
  return std::move(value.get_object());
}

error json_members::wrong(const std::string& what) const {
  return {errc::invalid_argument, std::string(where_) + ": " + what};
}

result<std::string> json_members::text(const char* name) const {
  auto* value = find(name);
  if (value == nullptr || value->is_null())
    return std::string();
  if (!value->is_string())
    return wrong(std::string(name) + " is no text");
  return std::string(value->get_string());
}

result<std::int64_t> json_members::integer(const char* name) const {
  auto* value = find(name);
  if (value == nullptr || value->is_null())
    return 0;
  if (value->is_int64())
    return value->get_int64();
  if (value->is_string())
    if (auto parsed = parse_integer<std::int64_t>(std::string_view(value->get_string())))
      return *parsed;
  return wrong(std::string(name) + " is no number of 64 bits");
}

result<std::vector<json_members>> json_members::objects(const char* name, std::size_t most) const {
  std::vector<json_members> found;
  auto* value = find(name);
  if (value == nullptr || value->is_null())
    return found;
  if (!value->is_array())
    return wrong(std::string(name) + " is no array");
  if (value->get_array().size() > most)
    return wrong(std::string(name) + " has more than " + std::to_string(most) + " elements");
  for (auto& element : value->get_array()) {
    if (!element.is_object())
      return wrong("an element of " + std::string(name) + " is no object");
    found.emplace_back(element.get_object(), where_);
  }
  return found;
}

} // namespace troupe::remoting
