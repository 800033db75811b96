#pragma once

#include "net/access/address_rule.hpp"
#include "net/access/request_needs.hpp"
#include "net/access/signature.hpp"

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::access {

/// Who may do what, as RocketMQ's `plain_acl.yml` says it. Never changes; any thread may ask.
class accounts {
public:
  /// Reads the file's text. Refuses, with file and line, what is not understood: an account whose
  /// rights are guessed may have too many. No message holds a secret.
  static storage::result<std::shared_ptr<const accounts>> parse(std::string_view text,
                                                                const std::string& file);

  /// Why the request is refused, for its sender: what is missing, never what would have fitted.
  /// Empty when it is allowed.
  std::string refusal(const remoting::command& header, remoting::byte_view body,
                      const storage::host& peer) const;
  /// The same of one thing more that a request turns out to want, which `refusal` has allowed.
  std::string refusal_of(const need& wanted, const remoting::command& header,
                         const storage::host& peer) const;

  /// Whose request it is that `refusal` has allowed. Null: of an address that is trusted whoever it
  /// is, or one that nobody has to sign.
  const std::string* account_of(const remoting::command& header, remoting::byte_view body,
                                const storage::host& peer) const;

  std::size_t size() const noexcept { return accounts_.size(); }

private:
  friend class accounts_reader;
  struct account {
    signing_key key;
    address_rule trusted; ///< believed without a signature, and allowed everything
    bool admin = false;
    std::uint8_t topic_rights = right::none; ///< of what is not named
    std::uint8_t group_rights = right::none;
    std::map<std::string, std::uint8_t, std::less<>> topics;
    std::map<std::string, std::uint8_t, std::less<>> groups;

    bool may(const need& wanted) const;
  };

  explicit accounts(signing_key nobodys) : nobodys_(std::move(nobodys)) {}

  std::vector<address_rule> trusted_;                    ///< allowed everything, whoever it is
  std::map<std::string, account, std::less<>> accounts_; ///< by access key
  signing_key nobodys_; ///< an unknown access key takes as long to refuse as a wrong signature
};

} // namespace troupe::access
