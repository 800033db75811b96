#include "actors/error.hpp"

namespace troupe {

storage::error from_caf(const caf::error& e) {
  if (!e)
    return {};
  if (e.category() == error_category()) {
    std::string text;
    if (e.context().match_elements<std::string>())
      text = e.context().get_as<std::string>(0);
    return {static_cast<errc>(e.code()), std::move(text)};
  }
  if (e == caf::sec::request_timeout)
    return {errc::maybe_stored, "no answer within the deadline: the request may have taken effect"};
  if (e == caf::sec::cannot_connect_to_node)
    return {errc::connection_lost, "nobody listens there"};
  if (e == caf::sec::invalid_argument) // what CAF says of a request to nobody
    return {errc::connection_lost, "whoever plays that role has not been announced yet"};
  if (e == caf::sec::incompatible_application_ids || e == caf::sec::incompatible_versions)
    return {errc::version_mismatch, "the peer speaks another version of the protocol"};
  if (e == caf::sec::request_receiver_down || e.category() == caf::atom("exit"))
    return {errc::connection_lost, "the peer is gone; the request may have taken effect"};
  return {errc::unavailable, caf::actor_system_config::render(e)};
}

std::string describe_end(const caf::error& reason) {
  if (reason == caf::exit_reason::kill)
    return "it was killed";
  if (reason == caf::exit_reason::user_shutdown)
    return "it was told to end";
  if (!reason || reason.category() == caf::atom("exit"))
    return "it ended by itself";
  if (reason == caf::sec::runtime_error)
    return "an exception left one of its handlers";
  return render(from_caf(reason));
}

std::string render(const storage::error& e) {
  return e.message + " (" + std::string{name_of(e.code)} + ")";
}

} // namespace troupe
