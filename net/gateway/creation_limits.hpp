#pragma once

#include "net/gateway/hourly_budget.hpp"
#include "net/gateway/line_budget.hpp"
#include "net/gateway/options.hpp"
#include "storage/error.hpp"
#include "storage/format/record.hpp"

#include <cstdint>
#include <string>

namespace troupe::net {

/// What requests make that stays.
enum class creation : std::uint8_t {
  topic,
  group, ///< its settings, or its topics for retries and dead letters
};

/// By its name.
creation creation_of(const std::string& topic) noexcept;

/// Whose request it is.
struct creator {
  storage::host peer;
  std::string account; ///< empty: nobody said
};

/// How many topics and groups the requests of one address, and of one account, may make in an hour:
/// a faulty program or a stranger does not use up what the store can have.
class creation_limits {
public:
  explicit creation_limits(const gateway_options& options);

  /// Counts one, or says why it may not be: which limit, how much it is, and what to do.
  storage::result<void> take(creation what, const creator& who, std::int64_t now_ms);

private:
  /// Of topics or of groups.
  struct budgets {
    hourly_budget address;
    hourly_budget account;
  };

  storage::error refuse(const std::string& whose, const char* what, const char* setting,
                        std::size_t most, std::int64_t minutes, const creator& who);

  budgets topics_;
  budgets groups_;
  line_budget lines_{1};
};

} // namespace troupe::net
