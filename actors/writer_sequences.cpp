// Repeated messages of producers that number them: stored once.

#include "actors/writer.hpp"

namespace troupe {

/// One that was stored before is answered here, with its old place.
writer_state::sequence_verdict writer_state::judge_sequence(open_bundle& bundle,
                                                            const storage::new_message& message) {
  using judged_as = storage::producer_windows::verdict;
  auto sequence = storage::producer_sequence::parse(message.properties);
  if (!sequence) {
    refuse_current(bundle, errc::invalid_argument,
                   "not stored: a message whose first property should be a producer's sequence, "
                   "and is none");
    return sequence_verdict::refused;
  }
  sequence_ = *sequence;
  auto judged = producers_->judge(sequence_);
  if (judged.what == judged_as::next && !producers_->is_open()) {
    if (auto opened = producers_->open(flushed_); !opened) {
      refuse_current(bundle, opened.error().code, "not stored: " + opened.error().message);
      return sequence_verdict::refused;
    }
  }
  if (judged.what == judged_as::next)
    return sequence_verdict::store;
  if (judged.what != judged_as::repeated) {
    refuse_sequence(bundle, judged);
    return sequence_verdict::refused;
  }
  message_result result;
  result.offset = judged.place.offset;
  result.queue_position = judged.place.position;
  bundle.answer().results.push_back(result);
  credit_.give_back(1);
  return sequence_verdict::repeated;
}

void writer_state::refuse_sequence(open_bundle& bundle,
                                   const storage::producer_windows::judgement& judged) {
  using judged_as = storage::producer_windows::verdict;
  auto which =
      "message " + std::to_string(sequence_.number) + " of producer " + sequence_.producer.text();
  if (judged.what == judged_as::stale)
    refuse_current(bundle, errc::invalid_argument,
                   "not stored: producer " + sequence_.producer.text() +
                       " was started again since, with a higher epoch than " +
                       std::to_string(sequence_.epoch));
  else if (judged.what == judged_as::early)
    refuse_current(bundle, errc::offset_too_large,
                   "not stored: " + which + " comes before message " +
                       std::to_string(judged.last + 1) + ", which has to be sent again first");
  else
    refuse_current(bundle, errc::offset_too_small,
                   "not stored: " + which +
                       " is not its first one, and the producer is not known (any more); whether "
                       "the message was stored before cannot be told: go on with a higher epoch");
}

void writer_state::note_sequence(const storage::record_place& place) {
  producers_->note(sequence_, {place.offset, place.queue_position});
}

void writer_state::keep_sequences() {
  if (!log_->failed()) // else it knows of messages that were not written
    producers_->advance(log_->end(), flushed_);
}

} // namespace troupe
