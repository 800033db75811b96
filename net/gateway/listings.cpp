#include "net/gateway/listings.hpp"

namespace troupe::net {

namespace {

constexpr std::size_t most_listings = 8;

} // namespace

listing listings::begin(const ticket& who) {
  if (*count_ >= most_listings) {
    counter_.fail(who, {errc::busy, std::to_string(most_listings) +
                                        " listings of operators are being made; try again later"});
    return nullptr;
  }
  ++*count_;
  return {count_.get(), [count = count_](void*) { --*count; }};
}

void listings::ask_groups(const ticket& who, const session_actor& session, const std::string& group,
                          std::function<void(const group_list&, const listing&)> then) {
  if (auto begun = begin(who))
    counter_.ask<group_list>(
        who, session,
        [then = std::move(then), begun](const group_list& known) { then(known, begun); },
        list_atom_v, group);
}

} // namespace troupe::net
