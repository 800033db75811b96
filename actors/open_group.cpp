#include "actors/open_group.hpp"

namespace troupe {

open_group::open_group(put_group g, put_promise p, caf_time now)
  : group(std::move(g)), promise(std::move(p)), arrived(now) {
  response.responses.resize(group.requests.size());
  for (auto& r : group.requests)
    bytes += r.messages.size();
}

void open_group::refuse_current(errc code, const std::string& reason) {
  auto& results = answer().results;
  // The results of messages that were stored stay; the rest share one reason.
  message_result refused;
  refused.code = code;
  results.resize(std::max<std::size_t>(current().count, results.size()), refused);
  answer().failure = {code, reason};
  next_request();
}

void open_group::refuse_rest(errc code, const std::string& reason) {
  while (!done())
    refuse_current(code, reason);
}

void open_group::next_request() {
  messages.reset();
  reserved = false;
  ++request;
}

} // namespace troupe
