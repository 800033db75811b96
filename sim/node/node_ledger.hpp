#pragma once

#include "sim/node/topic_ledger.hpp"
#include "storage/delay_levels.hpp"
#include "storage/format/position.hpp"
#include "storage/format/record.hpp"

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <set>
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

/// Of a message that is to come later: what was known when it was sent. It waits where its entry
/// says, in RocketMQ's topic for that, and comes where its producer sent it.
struct put_off_message {
  std::string topic;
  std::int32_t queue = 0;
  std::int64_t ms = 0;          ///< that it waits
  std::int64_t set_back_ms = 0; ///< how far the clock had been set back by then
  std::uint64_t ends = 0;       ///< how often the delivery had been ended by then
  bool expired = false;         ///< it is gone with an old file, and may have been delivered before
};

struct ledger_entry {
  std::uint64_t number = 0; ///< in its body, so that a message that comes back is known
  std::string topic;
  std::int32_t queue = 0;
  std::uint32_t size = 0;
  std::int32_t sender = -1; ///< whose messages keep their order; -1: nobody's
  put_state state = put_state::open;
  /// Of a producer who sends again what is in doubt: a process that lives on may have a copy.
  bool copied = false;
  bool durable = false; ///< has to survive a power cut
  bool seen = false;    ///< was shown to a consumer when only what is durable is shown
  /// Was not there after a power cut at which it was open: an acknowledgement that comes later may
  /// speak of what was lost then.
  bool cut_off = false;
  log_offset offset = -1; ///< of one that was stored
  queue_offset position = -1;
  log_offset deleted_before = 0; ///< what was known of its topic when it was sent
  std::int64_t sent_ms = 0;      ///< by the node's wall clock
  std::int32_t level = 0;        ///< its producer asked for; 0: it does not wait
  put_off_message later;         ///< with a level

  struct place {
    const std::string& topic;
    std::int32_t queue;
  };
  place sent_to() const noexcept {
    return level > 0 ? place{later.topic, later.queue} : place{topic, queue};
  }
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
  std::int64_t stored_ms = 0;
};

/// What may be missing when everything is read.
struct missing_rule {
  /// What was known before it was read: what came since need not be among it.
  std::vector<ledger_entry> known;
  bool lost_power = false; ///< what was not durable
  log_offset min = 0;      ///< what lies before it in the log: old files are gone
  /// What is there below it in the log is durable.
  log_offset flushed = std::numeric_limits<log_offset>::max();
  /// A single one, because its bytes are damaged.
  std::function<bool(const ledger_entry&)> excused = [](const ledger_entry&) { return false; };
  bool all = false; ///< anything: only what is there has to be right
  /// Some process lives on, and may still have what a client was told is in doubt.
  bool under_way = false;
};

/// What clients were told, and whether that is still true: the promises of the fault model. Every
/// check answers with what is wrong, or nothing.
class node_ledger {
public:
  using problem = std::optional<std::string>;

  /// A message of this size for a queue; its number is new.
  ledger_entry& add(const std::string& topic, std::int32_t queue, std::uint32_t size,
                    std::int64_t now_ms);
  /// It waits for what the level says, before it comes where it was sent.
  void put_off(ledger_entry& entry, std::int32_t level, const storage::delay_levels& delays);
  ledger_entry& at(std::uint64_t number) { return entries_.at(number); }
  const std::vector<ledger_entry>& entries() const noexcept { return entries_; }
  topic_ledger& topics() noexcept { return topics_; }

  /// The node has ended: what is acknowledged from now on may be of its next life.
  void end_life() {
    last_life_ = entries_;
    ++lives_;
  }
  const topic_ledger& topics() const noexcept { return topics_; }
  /// Where the log is damaged a start does not find how far its producers were: what one of them
  /// sends again may be stored once more.
  void log_damaged(bool damaged) noexcept { log_damaged_ = damaged; }

  /// The wall clock was set by so much.
  void clock_set(std::int64_t by_ms) noexcept { set_back_ms_ += by_ms < 0 ? -by_ms : 0; }
  /// Who delivers what has waited ended without having kept how far it was: it may come again.
  void delivery_ended() noexcept { ++ends_; }
  /// From now on it may come again at any time.
  void deliveries_doubtful() noexcept { doubtful_ = true; }

  /// Body, key and tag of a message: the number, and bytes that follow from it.
  static std::string body_of(const ledger_entry& entry);
  static std::string key_of(const ledger_entry& entry);
  static std::string tag_of(const ledger_entry& entry);

  /// Behind the last message of the queue whose place is known.
  queue_offset next_position(const std::string& topic, std::int32_t queue) const;

  /// The node says that its log is durable up to here.
  void flushed(log_offset end);

  /// A consumer got the message from a node that only shows what is durable.
  void shown(const seen_message& seen);

  /// A message that was read: it was sent, it is the same, it lies where it was acknowledged.
  problem check_message(const seen_message& seen) const;
  /// The same, and it is none of a topic that was deleted before it was asked for.
  problem check_living(const seen_message& seen) const;

  /// When something was asked for. Its answer may come late, and what has gone since be in it.
  struct moment {
    std::uint64_t removals = 0;
    std::uint64_t looks = 0;
    std::uint64_t lives = 0;
  };
  moment now() const noexcept { return {topics_.removals(), looks_, lives_}; }
  problem check_answered(const seen_message& seen, const moment& asked) const;

  /// All that is there after a restart, queue by queue. What is there and flushed is known to be
  /// durable from now on; what is not there is gone.
  problem check_all(const std::vector<seen_message>& all, const missing_rule& may);

  /// One that waits among these, and has not come; of topics that are still as they were.
  problem undelivered(const std::vector<seen_message>& seen) const;
  /// What waits is shown nowhere but in the topic for that, and what has come in its own.
  static bool has_waited(const ledger_entry& entry, const seen_message& seen);

  /// The message that was sent with this body; null if nobody did.
  const ledger_entry* find(std::string_view body) const;

private:
  using copies = std::map<std::uint64_t, std::vector<seen_message>>; ///< by the message's number
  problem check_copy(const ledger_entry& entry, const seen_message& seen) const;
  problem check_copies(const copies& there, const std::vector<seen_message>& waiting) const;
  problem check_copies_order(const copies& there) const;
  problem check_order(const std::vector<seen_message>& seen) const;
  problem check_senders(const std::vector<seen_message>& seen) const;
  void lose(ledger_entry& entry, const missing_rule& may) const;
  problem check_missing(const std::set<std::uint64_t>& there, const missing_rule& may) const;
  /// What a power cut has left is a prefix of what was acknowledged before.
  problem check_prefix(const std::set<std::uint64_t>& there, const missing_rule& may) const;
  bool may_be_missing(const ledger_entry& entry, const missing_rule& may) const;
  bool deleted(const ledger_entry& entry, const std::string& topic, log_offset offset) const;

  std::vector<ledger_entry> entries_;   ///< by number
  std::vector<ledger_entry> last_life_; ///< as they were when it ended
  topic_ledger topics_;
  std::uint64_t looks_ = 0; ///< how often all was read
  bool log_damaged_ = false;
  std::uint64_t lives_ = 0; ///< that have ended
  std::int64_t set_back_ms_ = 0;
  std::uint64_t ends_ = 0; ///< of the delivery
  bool doubtful_ = false;  ///< how often what has waited comes
};

} // namespace troupe::sim
