#include "net/access/accounts.hpp"

#include <algorithm>

namespace troupe::access {

namespace {

std::string shown(std::string_view name) {
  return "'" + std::string(name.substr(0, 255)) + "'";
}

std::string_view name_of(std::uint8_t rights) {
  switch (rights) {
  case right::pub:
    return "PUB";
  case right::sub:
    return "SUB";
  default:
    return "PUB or SUB";
  }
}

std::string missing(std::string_view key, const need& wanted) {
  return "access key " + shown(key) + " has no right " + std::string(name_of(wanted.rights)) +
         " for " + (wanted.group ? "group " : "topic ") + shown(wanted.name);
}

} // namespace

bool accounts::account::may(const need& wanted) const {
  if (admin)
    return true;
  auto& named = wanted.group ? groups : topics;
  auto found = named.find(wanted.name);
  auto rights = found != named.end() ? found->second : wanted.group ? group_rights : topic_rights;
  return (rights & wanted.rights) != 0;
}

std::string accounts::refusal_of(const need& wanted, const remoting::command& header,
                                 const storage::host& peer) const {
  auto trusts = [&peer](const address_rule& rule) { return rule.matches(peer); };
  if (std::any_of(trusted_.begin(), trusted_.end(), trusts))
    return {};
  auto* key = header.ext.find(access_key_field);
  auto found = key == nullptr ? accounts_.end() : accounts_.find(*key);
  if (found == accounts_.end()) // of the accounts before
    return "the access key is not known any more";
  if (trusts(found->second.trusted) || found->second.may(wanted))
    return {};
  return missing(*key, wanted);
}

const std::string* accounts::account_of(const remoting::command& header, remoting::byte_view body,
                                        const storage::host& peer) const {
  if (std::any_of(trusted_.begin(), trusted_.end(),
                  [&peer](const address_rule& rule) { return rule.matches(peer); }))
    return nullptr;
  if (auto wanted = needs_of(header, body); !wanted || wanted.value().open)
    return nullptr;
  auto* key = header.ext.find(access_key_field);
  auto found = key == nullptr ? accounts_.end() : accounts_.find(*key);
  return found == accounts_.end() ? nullptr : &found->first;
}

std::string accounts::refusal(const remoting::command& header, remoting::byte_view body,
                              const storage::host& peer) const {
  auto trusts = [&peer](const address_rule& rule) { return rule.matches(peer); };
  if (std::any_of(trusted_.begin(), trusted_.end(), trusts))
    return {};
  auto wanted = needs_of(header, body);
  if (wanted && wanted.value().open)
    return {};
  auto* key = header.ext.find(access_key_field);
  if (key == nullptr || key->empty())
    return "this node asks for an access key (AccessKey and Signature), and the request has none";
  auto found = accounts_.find(*key);
  if (found == accounts_.end()) {
    (void)nobodys_.has_signed(header, body);
    return "the access key or its signature is wrong";
  }
  auto& owner = found->second;
  if (trusts(owner.trusted))
    return {};
  if (!owner.key.has_signed(header, body))
    return "the access key or its signature is wrong";
  if (!wanted)
    return wanted.error().message;
  if (owner.admin)
    return {};
  if (wanted.value().admin)
    return "access key " + shown(*key) + " is no admin, which request " +
           std::to_string(header.code) + " takes";
  for (auto& one : wanted.value().needs)
    if (!owner.may(one))
      return missing(*key, one);
  return {};
}

} // namespace troupe::access
