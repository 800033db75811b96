#pragma once

#include "storage/format/record.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// A message of a transaction waits as an ordinary record in the half topic until its producer says
/// what becomes of it; its properties say where it belongs (docs/files.md, "Transactions"). That it
/// is done says a message in the op topic, by its number in the half queue.
namespace troupe::storage {

inline constexpr std::string_view half_topic = "RMQ_SYS_TRANS_HALF_TOPIC";
inline constexpr std::string_view op_topic = "RMQ_SYS_TRANS_OP_HALF_TOPIC";
/// Of what nobody resolved, however often its producers were asked.
inline constexpr std::string_view unresolved_topic = "TRANS_CHECK_MAX_TIME_TOPIC";
/// The consumer group whose progress in both says where a broker goes on.
inline constexpr std::string_view transaction_group = "CID_RMQ_SYS_TRANS";

namespace property {
inline constexpr std::string_view producer_group = "PGROUP";
inline constexpr std::string_view check_times = "TRANSACTION_CHECK_TIMES";
/// Of a half that was written again: where in the half queue it was first.
inline constexpr std::string_view first_half = "TRAN_PREPARED_QUEUE_OFFSET";
inline constexpr std::string_view check_immunity = "CHECK_IMMUNITY_TIME_IN_SECONDS";
} // namespace property

/// Its producer says later whether it is to be seen.
bool asks_for_transaction(std::string_view properties) noexcept;
/// Whether a put of this kind to the topic is to wait as a half.
bool becomes_half(std::string_view topic, std::int32_t sysflag,
                  std::string_view properties) noexcept;

/// Refuses what is neither an ordinary message nor one that can wait as a half.
result<void> check_transaction(std::int32_t sysflag, std::string_view properties,
                               std::string_view topic, std::int32_t queue_id);

/// Writes to `out` the properties with which a message for `queue_id` of `topic` waits. `too_large`
/// when they do not fit.
result<void> make_half(std::string_view properties, std::string_view topic, std::int32_t queue_id,
                       std::string& out);

/// What a waiting half says of itself. The texts are views of its record.
struct half_facts {
  std::string_view group;
  std::string_view unique_key;
  /// In the half queue, also of one that was written again; -1: given up, and nobody knows.
  queue_offset first = 0;
  std::int32_t checks = 0;      ///< how often its producers were asked
  bool written_again = false;   ///<
  std::int64_t immunity_ms = 0; ///< not asked for before; 0: by the settings
};
half_facts facts_of(const record_view& half) noexcept;

/// A message that is stored because of a half.
struct half_outcome {
  std::string topic;
  std::int32_t queue_id = 0;
  std::int32_t sysflag = 0;
  std::int64_t prepared_transaction_offset = 0;
  std::string properties;
};
/// The message itself, as everybody sees it. `corrupt` when the half does not say where it belongs,
/// or names a place that no message can have.
result<half_outcome> committed(const record_view& half);
/// The half once more, for the end of its queue, with this number of checks.
half_outcome half_again(const record_view& half, std::int32_t checks);
/// Whether it can wait as a half once more: one that was given up, or waits, or has waited. What
/// its producers need for an answer is there, and a place that it is for.
bool may_wait_again(const record_view& message);
/// For the topic of those that nobody resolved.
half_outcome unresolved(const record_view& half);
/// Whether `found` is the message that was committed for the half, or its message as it was given
/// up.
bool is_commit_of(const record_view& found, const record_view& half) noexcept;
bool is_given_up(const record_view& found, const record_view& half) noexcept;

/// What a message of the op topic holds for the half of this number: properties and body.
inline constexpr std::string_view op_properties = "TAGS\1d\2";
std::string op_body(queue_offset half);
/// The halves that a message of the op topic says are done; RocketMQ 5 names several in one.
std::vector<queue_offset> done_by(const record_view& op);

/// The record with which a producer is asked about its half for the `checks`-th time: with its own
/// topic and queue.
result<std::vector<std::byte>> record_for_check(const record_view& half, std::int32_t checks,
                                                log_offset offset, queue_offset position);

} // namespace troupe::storage
