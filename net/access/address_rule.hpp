#pragma once

#include "storage/error.hpp"
#include "storage/format/record.hpp"

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace troupe::access {

/// Addresses that need not say who they are, in RocketMQ's forms: `*`, `10.1.2.3`, `10.1.*.*`,
/// `10.1.2.1-9`, `10.1.2.{1,7}`, `10.1.2.3,10.1.2.4`; and the same of IPv6: `fe80::1`,
/// `fe80:0:0:0:1:2:3:*`, `::1-f`, `::{1,2}`.
class address_rule {
public:
  /// Refuses what is none of these: a rule that nobody understands must not let anybody in. Blank
  /// text is a rule for nobody.
  static storage::result<address_rule> parse(std::string_view text);

  bool matches(const storage::host& peer) const noexcept;

private:
  struct range {
    std::uint16_t least = 0;
    std::uint16_t most = 0;
  };
  /// An address by its parts: 4 of 8 bits, or 8 of 16.
  struct pattern {
    bool v6 = false;
    std::array<range, 8> parts{};
  };

  static storage::result<pattern> parse_one(std::string_view text);

  bool every_ = false;
  std::vector<pattern> patterns_; ///< any of them
};

} // namespace troupe::access
