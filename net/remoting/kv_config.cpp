#include "net/remoting/kv_config.hpp"

#include "net/remoting/command.hpp"
#include "net/remoting/json_members.hpp"
#include "storage/tables/fastjson.hpp"

#include <boost/json/value.hpp>

#include <utility>

namespace troupe::remoting {

namespace {

using storage::errc;
using storage::error;

/// What an entry costs beside its bytes.
constexpr std::size_t entry_cost = 128;

std::size_t cost(const std::string& space, const std::string& key, const std::string& value) {
  return space.size() + key.size() + value.size() + entry_cost;
}

void append_table(std::string& out, const std::map<std::string, std::string>& table) {
  out += '{';
  bool first = true;
  for (auto& [key, value] : table) {
    if (!std::exchange(first, false))
      out += ',';
    append_json_text(out, key);
    out += ':';
    append_json_text(out, value);
  }
  out += '}';
}

} // namespace

storage::result<void> kv_config::put(const std::string& space, const std::string& key,
                                     std::string value) {
  if (space.empty() || key.empty() || space.size() > longest_name || key.size() > longest_name)
    return error{errc::invalid_argument, "namespace and key must have 1 to " +
                                             std::to_string(longest_name) + " bytes each"};
  auto* old = find(space, key);
  auto without = bytes_ - (old == nullptr ? 0 : cost(space, key, *old));
  auto with = without + cost(space, key, value);
  if (with > most_bytes)
    return error{errc::busy, "the KV configuration would have more than " +
                                 std::to_string(most_bytes) +
                                 " bytes; delete what is not needed (deleteKvConfig)"};
  bytes_ = with;
  spaces_[space][key] = std::move(value);
  return boost::outcome_v2::success();
}

bool kv_config::remove(const std::string& space, const std::string& key) {
  auto* old = find(space, key);
  if (old == nullptr)
    return false;
  bytes_ -= cost(space, key, *old);
  auto in = spaces_.find(space);
  in->second.erase(key);
  if (in->second.empty())
    spaces_.erase(in);
  return true;
}

const std::string* kv_config::find(const std::string& space, const std::string& key) const {
  auto in = spaces_.find(space);
  if (in == spaces_.end())
    return nullptr;
  auto found = in->second.find(key);
  return found == in->second.end() ? nullptr : &found->second;
}

std::optional<std::string> kv_config::list(const std::string& space) const {
  auto in = spaces_.find(space);
  if (in == spaces_.end())
    return std::nullopt;
  std::string out = "{\"table\":";
  append_table(out, in->second);
  return out += '}';
}

std::string kv_config::write() const {
  std::string out = "{\"configTable\":{";
  bool first = true;
  for (auto& [space, table] : spaces_) {
    if (!std::exchange(first, false))
      out += ',';
    append_json_text(out, space);
    out += ':';
    append_table(out, table);
  }
  return out += "}}";
}

storage::result<kv_config> kv_config::read(std::string_view text) {
  auto wrong = [](const std::string& what) {
    return error{errc::corrupt, "KV configuration: " + what};
  };
  TROUPE_TRY(auto root, storage::parse_fastjson(text, "KV configuration"));
  auto* table = root.is_object() ? root.get_object().if_contains("configTable") : nullptr;
  if (table == nullptr || !table->is_object())
    return wrong("it has no configTable");
  kv_config read;
  for (auto& [space, keys] : table->get_object()) {
    if (!keys.is_object())
      return wrong("namespace " + std::string(space) + " is no object");
    for (auto& [key, value] : keys.get_object()) {
      if (!value.is_string())
        return wrong("the value of " + std::string(key) + " is no text");
      TROUPE_TRY(read.put(std::string(space), std::string(key), std::string(value.get_string())));
    }
  }
  return read;
}

} // namespace troupe::remoting
