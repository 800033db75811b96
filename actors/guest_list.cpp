#include "actors/guest_list.hpp"

#include "storage/logging.hpp"

namespace troupe {

session_actor guest_list::find(const caf::strong_actor_ptr& client) const {
  auto found = sessions_.find(caf::actor_cast<caf::actor_addr>(client));
  return found != sessions_.end() ? found->second : session_actor{};
}

storage::result<void> guest_list::admit(const caf::strong_actor_ptr& client,
                                        const session_options& limits,
                                        std::chrono::steady_clock::time_point now) {
  auto known = programs_.find(client->node());
  auto of_program = known != programs_.end() ? known->second : 0;
  storage::error why;
  if (of_program >= limits.program_sessions)
    why = {errc::busy, "this program has " + std::to_string(of_program) +
                           " sessions already, which is its limit ([session] program-sessions); "
                           "share one between several producers and consumers"};
  else if (guests_.size() >= limits.sessions)
    why = {errc::busy, "the node has " + std::to_string(guests_.size()) +
                           " clients already, which is its limit ([session] sessions); try again "
                           "later"};
  else
    return boost::outcome_v2::success();
  if (auto times = refused_.occurred(now))
    storage::log_warning("session.refused", {{"reason", why.message}, {"hellos", *times}});
  return why;
}

void guest_list::add(const caf::strong_actor_ptr& client, const session_actor& session) {
  auto address = caf::actor_cast<caf::actor_addr>(client);
  guests_[session.address()] = {address, client->node()};
  sessions_[address] = session;
  ++programs_[client->node()];
}

void guest_list::remove(const caf::actor_addr& session) {
  auto found = guests_.find(session);
  if (found == guests_.end())
    return;
  if (auto program = programs_.find(found->second.program); --program->second == 0)
    programs_.erase(program);
  sessions_.erase(found->second.client);
  guests_.erase(found);
}

} // namespace troupe
