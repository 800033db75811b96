#include "net/access/accounts.hpp"
#include "net/access/yaml_document.hpp"

#include <algorithm>
#include <initializer_list>
#include <optional>

namespace troupe::access {

namespace {

using storage::errc;
using storage::error;
using storage::result;

/// RocketMQ's own: keys and secrets have more bytes than this.
constexpr std::size_t short_key = 6;
constexpr std::size_t longest_name = 255;

std::string trimmed(std::string_view text) {
  auto begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos)
    return {};
  return std::string(text.substr(begin, text.find_last_not_of(" \t") - begin + 1));
}

std::optional<std::uint8_t> rights_of(std::string_view word) {
  if (word == "DENY")
    return right::none;
  if (word == "PUB")
    return right::pub;
  if (word == "SUB")
    return right::sub;
  if (word == "PUB|SUB" || word == "SUB|PUB")
    return right::either;
  return std::nullopt;
}

std::optional<bool> switch_of(std::string_view word) {
  for (auto on : {"true", "True", "TRUE"})
    if (word == on)
      return true;
  for (auto off : {"false", "False", "FALSE"})
    if (word == off)
      return false;
  return std::nullopt;
}

} // namespace

/// Turns the document into accounts; every step says which line it does not understand.
class accounts_reader {
public:
  accounts_reader(accounts& into, const std::string& file) : into_(into), file_(file) {}

  result<void> read(const yaml_value& root) {
    if (root.is != yaml_value::kind::map)
      return wrong(root, "no accounts: a file has globalWhiteRemoteAddresses and accounts");
    TROUPE_TRY(check_keys(root, {"globalWhiteRemoteAddresses", "accounts", "dataVersion"}));
    TROUPE_TRY(each(root, "globalWhiteRemoteAddresses", [this](const yaml_value& one) {
      return read_address(one, into_.trusted_.emplace_back(address_rule()));
    }));
    return each(root, "accounts", [this](const yaml_value& one) { return read_account(one); });
  }

private:
  error wrong(const yaml_value& at, const std::string& what) const {
    return {errc::invalid_argument, file_ + ":" + std::to_string(at.line) + ": " + what};
  }

  result<void> check_keys(const yaml_value& of,
                          std::initializer_list<std::string_view> known) const {
    for (auto& [name, value] : of.members)
      if (std::find(known.begin(), known.end(), name) == known.end()) {
        std::string all;
        for (auto key : known)
          all += (all.empty() ? "" : ", ") + std::string(key);
        return wrong(value, "an unknown key; there are " + all);
      }
    return boost::outcome_v2::success();
  }

  template <class Take>
  result<void> each(const yaml_value& of, std::string_view name, Take take) const {
    auto* list = of.find(name);
    if (list == nullptr || list->is == yaml_value::kind::nothing)
      return boost::outcome_v2::success();
    if (list->is != yaml_value::kind::list)
      return wrong(*list, std::string(name) + " is no list");
    for (auto& member : list->members) {
      TROUPE_TRY(take(member.second));
    }
    return boost::outcome_v2::success();
  }

  /// Nothing counts as empty.
  result<std::string> text(const yaml_value& of, std::string_view name) const {
    auto* value = of.find(name);
    if (value == nullptr || value->is == yaml_value::kind::nothing)
      return std::string();
    if (value->is != yaml_value::kind::text)
      return wrong(*value, std::string(name) + " is no text");
    return value->text;
  }

  result<void> read_address(const yaml_value& from, address_rule& into) const {
    if (from.is == yaml_value::kind::nothing)
      return boost::outcome_v2::success();
    auto rule = address_rule::parse(from.text);
    if (from.is != yaml_value::kind::text || !rule)
      return wrong(from, rule ? "an address is no text" : rule.error().message);
    into = std::move(rule.value());
    return boost::outcome_v2::success();
  }

  result<void> read_account(const yaml_value& from) {
    if (from.is != yaml_value::kind::map)
      return wrong(from, "an account is no list of keys");
    TROUPE_TRY(
        check_keys(from, {"accessKey", "secretKey", "whiteRemoteAddress", "admin",
                          "defaultTopicPerm", "defaultGroupPerm", "topicPerms", "groupPerms"}));
    TROUPE_TRY(auto access_key, text(from, "accessKey"));
    TROUPE_TRY(auto secret, text(from, "secretKey"));
    if (access_key.size() <= short_key || access_key.size() > longest_name)
      return wrong(from, "accessKey has " + std::to_string(short_key + 1) + " to " +
                             std::to_string(longest_name) + " bytes");
    if (secret.size() <= short_key)
      return wrong(from, "secretKey has " + std::to_string(short_key + 1) + " bytes or more");
    TROUPE_TRY(auto key, signing_key::make(secret));
    accounts::account made{.key = std::move(key), .trusted = {}, .topics = {}, .groups = {}};
    if (auto* address = from.find("whiteRemoteAddress")) {
      TROUPE_TRY(read_address(*address, made.trusted));
    }
    TROUPE_TRY(auto admin, text(from, "admin"));
    auto is_admin = admin.empty() ? false : switch_of(admin);
    if (!is_admin)
      return wrong(*from.find("admin"), "admin is true or false");
    made.admin = *is_admin;
    TROUPE_TRY(made.topic_rights, default_rights(from, "defaultTopicPerm"));
    TROUPE_TRY(made.group_rights, default_rights(from, "defaultGroupPerm"));
    TROUPE_TRY(each(from, "topicPerms",
                    [&](const yaml_value& one) { return read_rights(one, made.topics); }));
    TROUPE_TRY(each(from, "groupPerms",
                    [&](const yaml_value& one) { return read_rights(one, made.groups); }));
    if (!into_.accounts_.emplace(std::move(access_key), std::move(made)).second)
      return wrong(from, "an accessKey is given twice");
    return boost::outcome_v2::success();
  }

  result<std::uint8_t> default_rights(const yaml_value& of, std::string_view name) const {
    TROUPE_TRY(auto word, text(of, name));
    auto rights = word.empty() ? right::none : rights_of(trimmed(word));
    if (!rights)
      return wrong(*of.find(name), std::string(name) + " is DENY, PUB, SUB or PUB|SUB");
    return *rights;
  }

  result<void> read_rights(const yaml_value& from,
                           std::map<std::string, std::uint8_t, std::less<>>& into) const {
    auto equals = from.text.find('=');
    auto name = trimmed(std::string_view(from.text).substr(0, equals));
    auto rights = equals == std::string::npos
                      ? std::nullopt
                      : rights_of(trimmed(std::string_view(from.text).substr(equals + 1)));
    if (from.is != yaml_value::kind::text || name.empty() || name.size() > longest_name || !rights)
      return wrong(from, "a line is NAME=DENY, NAME=PUB, NAME=SUB or NAME=PUB|SUB");
    into[name] = *rights;
    return boost::outcome_v2::success();
  }

  accounts& into_;
  const std::string& file_;
};

result<std::shared_ptr<const accounts>> accounts::parse(std::string_view text,
                                                        const std::string& file) {
  TROUPE_TRY(auto root, read_yaml(text, file));
  TROUPE_TRY(auto nobodys, signing_key::make("nobody's secret"));
  std::shared_ptr<accounts> made(new accounts(std::move(nobodys)));
  TROUPE_TRY(accounts_reader(*made, file).read(root));
  return std::shared_ptr<const accounts>(std::move(made));
}

} // namespace troupe::access
