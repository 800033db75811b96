#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace troupe::net {

/// A GET or HEAD that came in at the admin port and was let in.
struct admin_request {
  std::string path;      ///< "/v1/status", as it came; no escapes are resolved
  std::string query;     ///< without the question mark
  std::string known_tag; ///< If-None-Match; empty: none
};

struct admin_answer {
  unsigned status = 200;
  std::string type = "text/plain; charset=utf-8";
  std::shared_ptr<const std::string> body; ///< null: none
  std::string
      tag; ///< ETag with its quotes: the body may be kept, and asked about. Empty: it may not
};

inline admin_answer text_answer(std::string text, unsigned status = 200) {
  return {status, "text/plain; charset=utf-8", std::make_shared<std::string>(std::move(text)), {}};
}

inline admin_answer json_answer(std::string json) {
  return {200, "application/json", std::make_shared<std::string>(std::move(json)), {}};
}

/// Is called once, from any thread.
using admin_reply = std::function<void(admin_answer)>;
/// Is called on the admin port's thread, and must not wait.
using admin_handler = std::function<void(const admin_request&, admin_reply)>;

} // namespace troupe::net
