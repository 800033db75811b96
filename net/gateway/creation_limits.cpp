#include "net/gateway/creation_limits.hpp"

#include "net/remoting/codes.hpp"
#include "storage/logging.hpp"

namespace troupe::net {

namespace {

/// Without the port, which is another one for each connection.
std::string address_of(const storage::host& peer) {
  auto text = peer.text();
  return text.substr(0, text.rfind(':'));
}

} // namespace

creation creation_of(const std::string& topic) noexcept {
  bool of_group =
      topic.starts_with(remoting::retry_prefix) || topic.starts_with(remoting::dead_letter_prefix);
  return of_group ? creation::group : creation::topic;
}

creation_limits::creation_limits(const gateway_options& options)
    : topics_{hourly_budget(options.new_topics_per_address),
              hourly_budget(options.new_topics_per_account)},
      groups_{hourly_budget(options.new_groups_per_address),
              hourly_budget(options.new_groups_per_account)} {}

/// Of neither anything is taken unless both have it: an account that has nothing left does not use
/// up what its machine's others have.
storage::result<void> creation_limits::take(creation what, const creator& who,
                                            std::int64_t now_ms) {
  bool topic = what == creation::topic;
  auto* name = topic ? "topics" : "groups";
  auto& [of_address, of_account] = topic ? topics_ : groups_;
  auto address = address_of(who.peer);
  if (!of_address.has_room(address, now_ms))
    return refuse("address " + address, name,
                  topic ? "new-topics-per-address" : "new-groups-per-address", of_address.most(),
                  of_address.minutes_left(address, now_ms), who);
  if (who.account.empty()) {
    of_address.take(address, now_ms);
    return boost::outcome_v2::success();
  }
  if (!of_account.has_room(who.account, now_ms))
    return refuse("account '" + who.account + "'", name,
                  topic ? "new-topics-per-account" : "new-groups-per-account", of_account.most(),
                  of_account.minutes_left(who.account, now_ms), who);
  of_address.take(address, now_ms);
  of_account.take(who.account, now_ms);
  return boost::outcome_v2::success();
}

storage::error creation_limits::refuse(const std::string& whose, const char* what,
                                       const char* setting, std::size_t most, std::int64_t minutes,
                                       const creator& who) {
  auto reason = whose + " has created " + std::to_string(most) + " " + what +
                " within an hour, as many as [gateway] " + setting + " allows; again in " +
                std::to_string(minutes) + " min, or by somebody else, or have the setting raised";
  if (auto unsaid = lines_.take())
    storage::log_warning("gateway.limit",
                         {{"peer", who.peer.text()}, {"reason", reason}, {"unsaid", *unsaid}});
  return {storage::errc::busy, std::move(reason)};
}

} // namespace troupe::net
