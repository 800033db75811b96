// What the writer stores elsewhere than its producer said, until its time has come.

#include "actors/writer.hpp"

#include "storage/format/delayed_message.hpp"
#include "storage/format/half_message.hpp"
#include "storage/format/properties.hpp"
#include "storage/format/timer_message.hpp"

namespace troupe {

/// Whether it does; its record is changed accordingly.
storage::result<bool> writer_state::let_wait(storage::record_fields& fields) {
  if (storage::becomes_half(fields.topic, fields.sysflag, fields.properties)) {
    TROUPE_TRY(hold(fields));
    return true;
  }
  auto type = fields.sysflag & storage::sysflag::transaction_mask;
  bool queued = type == 0 || type == storage::sysflag::transaction_commit;
  if (!queued)
    return false;
  if (storage::asked_level(fields.properties) == 0)
    return put_off_until(fields);
  TROUPE_TRY(put_off(fields));
  return true;
}

/// A message that asks for a time, and so one whose level is over and whose time has not come. It
/// is the wall clock's, as store times go on through small steps back.
///
/// One that has waited was let in before: it must not be lost to a clock that is set back.
storage::result<bool> writer_state::put_off_until(storage::record_fields& fields) {
  if (!storage::may_ask_for_time(fields.properties))
    return false;
  auto now_ms = clock_->now_ms();
  TROUPE_TRY(auto time, storage::asked_time(fields.properties, now_ms));
  if (!time || *time <= now_ms)
    return false;
  if (!storage::has_waited(fields.properties)) {
    TROUPE_TRY(storage::check_timer_limit(*time, now_ms, options_.store.timer_max_delay_ms));
  }
  auto level = storage::level_until(*time, now_ms, options_.store.delays);
  TROUPE_TRY(storage::put_off_until(fields.properties, fields.topic, fields.queue_id, *time, now_ms,
                                    level, options_.store.delays, waiting_properties_));
  fields.topic = storage::delay_topic;
  fields.queue_id = storage::delay_queue(level);
  fields.properties = waiting_properties_;
  return true;
}

/// A message that is to come later waits in the queue of its level.
storage::result<void> writer_state::put_off(storage::record_fields& fields) {
  TROUPE_TRY(auto level, storage::put_off(fields.properties, fields.topic, fields.queue_id,
                                          options_.store.delays, waiting_properties_));
  fields.topic = storage::delay_topic;
  fields.queue_id = storage::delay_queue(level);
  fields.properties = waiting_properties_;
  return boost::outcome_v2::success();
}

/// A message of a transaction waits until its producer says what becomes of it.
storage::result<void> writer_state::hold(storage::record_fields& fields) {
  TROUPE_TRY(
      storage::make_half(fields.properties, fields.topic, fields.queue_id, waiting_properties_));
  fields.topic = storage::half_topic;
  fields.queue_id = 0;
  fields.sysflag &= ~storage::sysflag::transaction_mask;
  fields.properties = waiting_properties_;
  return boost::outcome_v2::success();
}

} // namespace troupe
