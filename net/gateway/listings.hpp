#pragma once

#include "net/gateway/counter.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

namespace troupe::net {

/// Held while a large answer of an operator is made.
using listing = std::shared_ptr<void>;

/// The large answers that are being made for operators: a few at a time, for nothing else bounds
/// what they take.
class listings {
public:
  explicit listings(counter& answers) : counter_(answers) {}
  listings(const listings&) = delete;
  listings& operator=(const listings&) = delete;

  /// Null, and the request refused, when there are too many.
  listing begin(const ticket& who);
  /// Begins one with what the node knows of a group, or of all with an empty name.
  void ask_groups(const ticket& who, const session_actor& session, const std::string& group,
                  std::function<void(const group_list&, const listing&)> then);

private:
  counter& counter_;
  std::shared_ptr<std::size_t> count_ = std::make_shared<std::size_t>(0);
};

} // namespace troupe::net
