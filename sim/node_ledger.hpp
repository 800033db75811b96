#pragma once

#include "storage/position.hpp"
#include "storage/record.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::sim {

using storage::log_offset;
using storage::queue_offset;

/// What a producer knows about a message.
enum class put_state : std::uint8_t {
  open,    ///< not answered yet
  stored,  ///< acknowledged
  maybe,   ///< "maybe stored", or the connection broke
  refused, ///< "not stored"
  gone,    ///< was not there after a recovery that may have lost it: stays away for ever
};

struct ledger_entry {
  std::uint64_t number = 0; ///< in its body, so that a message that comes back is known
  std::string topic;
  std::int32_t queue = 0;
  std::uint32_t size = 0;
  put_state state = put_state::open;
  bool durable = false;   ///< has to survive a power cut
  bool seen = false;      ///< was shown to a consumer when only what is durable is shown
  log_offset offset = -1; ///< of one that was stored
  queue_offset position = -1;
};

/// A message as a consumer got it.
struct seen_message {
  std::string topic;
  std::int32_t queue = 0;
  queue_offset position = 0;
  log_offset offset = 0;
  std::string body;
  std::string key;
  std::string tag;
};

/// What clients were told, and whether that is still true: the promises of the fault model. Every
/// check answers with what is wrong, or nothing.
class node_ledger {
public:
  using problem = std::optional<std::string>;

  /// A message of this size for a queue; its number is new.
  ledger_entry& add(const std::string& topic, std::int32_t queue, std::uint32_t size);
  ledger_entry& at(std::uint64_t number) { return entries_.at(number); }
  const std::vector<ledger_entry>& entries() const noexcept { return entries_; }

  /// Body, key and tag of a message: the number, and bytes that follow from it.
  static std::string body_of(const ledger_entry& entry);
  static std::string key_of(const ledger_entry& entry);
  static std::string tag_of(const ledger_entry& entry);

  /// The node says that its log is durable up to here.
  void flushed(log_offset end);

  /// A consumer got the message from a node that only shows what is durable.
  void shown(const seen_message& seen);

  /// A message that was read: it was sent, it is the same, it lies where it was acknowledged.
  problem check_message(const seen_message& seen) const;

  /// All that is there after a restart, queue by queue, `lost_power` if the machine failed before.
  /// What is there is known to be durable from now on; what is not there is gone.
  problem check_all(const std::vector<seen_message>& seen, bool lost_power);

private:
  const ledger_entry* find(std::string_view body) const;
  problem check_order(const std::vector<seen_message>& seen) const;

  std::vector<ledger_entry> entries_; ///< by number
};

} // namespace troupe::sim
