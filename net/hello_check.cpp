#include "net/hello_check.hpp"

#include <algorithm>

namespace troupe::net {

namespace {

constexpr std::size_t most_shown = 300;

std::string quoted(const std::vector<std::string>& lines,
                   std::vector<std::string>::const_iterator line) {
  if (line == lines.end())
    return "nothing";
  std::string text = "\"";
  text.append(*line, 0, most_shown);
  return text.append("\"");
}

} // namespace

std::string shown(const std::string& text) {
  constexpr std::size_t most = 80;
  auto part = text.substr(0, most);
  if (text.size() > most)
    part.append("...");
  return part;
}

bool are_of(const caf::node_id& process, const std::vector<offered_role>& roles,
            const caf::strong_actor_ptr& switchboard) {
  return switchboard && switchboard->node() == process && roles.size() <= most_offered_roles &&
         std::ranges::all_of(
             roles, [&](const offered_role& r) { return r.port && r.port->node() == process; });
}

storage::error objection(const peer_hello& h, const caf::strong_actor_ptr& sender,
                         const hello_side& here, const known_link* known) {
  auto them = "node " + shown(h.node);
  auto we = "node " + here.node;
  if (h.version != protocol_version)
    return {errc::version_mismatch, them + " speaks protocol version " + std::to_string(h.version) +
                                        ", " + we + " speaks " + std::to_string(protocol_version) +
                                        ": use the same release on both ends"};
  if (h.cluster != here.cluster)
    return {errc::version_mismatch, them + " belongs to cluster " + shown(h.cluster) + ", " + we +
                                        " belongs to " + here.cluster};
  if (auto what = difference(h.agreed, here.agreed); !what.empty())
    return {errc::version_mismatch, them + what};
  if (h.to != here.node)
    return {errc::invalid_argument,
            them + " looks for node " + shown(h.to) + ", but this is " + we};
  if (known == nullptr)
    return {errc::invalid_argument, them + " has no place in the store as " + we + " knows it"};
  if (known->ours)
    return {errc::invalid_argument, them + " is dialled by " + we + ", and does not dial itself"};
  if (!sender || !are_of(sender->node(), h.roles, h.switchboard))
    return {errc::invalid_argument, "a hello that brings actors of others"};
  if (h.incarnation == known->incarnation && h.link <= known->link)
    return {errc::invalid_argument, "a hello that comes late: there was a newer one"};
  return {};
}

std::string difference(const std::vector<std::string>& theirs,
                       const std::vector<std::string>& ours) {
  auto [their, our] = std::ranges::mismatch(theirs, ours);
  if (their == theirs.end() && our == ours.end())
    return {};
  std::string text = " has ";
  text.append(quoted(theirs, their)).append(" in its cluster.ini where this node has ");
  return text.append(quoted(ours, our)).append(": use the same file for all nodes of a store");
}

} // namespace troupe::net
