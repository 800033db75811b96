#pragma once

#include "storage/error.hpp"

#include <cstdint>
#include <string_view>

namespace troupe::storage {

/// What decides whether a batch may be appended now.
struct admission_input {
  std::uint64_t batch_messages = 0;
  std::uint64_t batch_bytes = 0;
  std::uint64_t positions_used = 0;     ///< appended and not yet in the queues
  std::uint64_t positions_capacity = 0; ///< mailbox-capacity
  std::uint64_t dirty_bytes = 0;        ///< appended and not yet durable
  std::uint64_t dirty_budget = 0;
  bool disk_full = false;
  std::string_view stopped; ///< why writes are stopped; empty when they are not
};

enum class admission {
  accept,
  delay, ///< try again when positions or bytes were given back
  refuse,
};

struct admission_answer {
  admission verdict = admission::accept;
  error why; ///< of a refusal
};

/// Accepts, delays or refuses a batch before anything of it is appended. A batch that could never
/// be accepted is refused at once; one larger than the whole budget of dirty bytes waits only until
/// there are none.
admission_answer admit(const admission_input& now);

} // namespace troupe::storage
