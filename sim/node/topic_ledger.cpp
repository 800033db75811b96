#include "sim/node/topic_ledger.hpp"

#include <algorithm>

namespace troupe::sim {

void topic_ledger::asked(const std::string& topic, request what) {
  auto& known = topics_[topic];
  ++of(known, what).open;
  if (what == request::removal)
    known.may_be_gone = known.removal_asked = true;
  else
    known.may_be_there = true;
}

void topic_ledger::created(const std::string& topic) {
  auto& known = topics_[topic];
  --known.creations.open;
  known.may_be_there = true;
  known.may_be_gone = known.removals.possible();
}

void topic_ledger::removed(const std::string& topic, log_offset at) {
  auto& known = topics_[topic];
  --known.removals.open;
  known.may_be_gone = true;
  known.may_be_there = known.creations.possible();
  known.deleted_at = std::max(known.deleted_at, at);
  ++removals_;
}

void topic_ledger::failed(const std::string& topic, request what) {
  auto& asked = of(topics_[topic], what);
  --asked.open;
  asked.doubt = true;
}

void topic_ledger::new_life() {
  for (auto& [topic, known] : topics_)
    for (auto* kind : {&known.removals, &known.creations}) {
      kind->former = kind->former || kind->doubt;
      kind->doubt = false;
    }
}

bool topic_ledger::vanishing(const std::string& topic) const {
  auto found = topics_.find(topic);
  if (found == topics_.end())
    return false;
  auto& removals = found->second.removals;
  return removals.possible() || removals.former;
}

topic_ledger::problem topic_ledger::found(const std::string& topic, bool there,
                                          std::optional<log_offset> tombstone, bool log_shorter) {
  auto& known = topics_[topic];
  if (there && !known.may_be_there)
    return "topic " + topic + " was deleted, and is there";
  if (!there && !known.may_be_gone)
    return "topic " + topic + " is gone, and nobody deleted it";
  auto at = tombstone.value_or(0);
  if (at < known.deleted_at && !(log_shorter && tombstone))
    return "the tombstone of topic " + topic + " is at " + std::to_string(at) + " and was at " +
           std::to_string(known.deleted_at);
  if (at > known.deleted_at && !known.removal_asked)
    return "topic " + topic + " has a tombstone that nobody asked for";
  if (at > known.deleted_at)
    ++removals_;
  known.deleted_at = at;
  known.may_be_there = there || known.creations.possible();
  known.may_be_gone = !there || known.removals.possible();
  known.removal_asked = known.removals.possible();
  known.removals.former = known.creations.former = false;
  return std::nullopt;
}

topic_ledger::log_offset topic_ledger::deleted_at(const std::string& topic) const {
  auto found = topics_.find(topic);
  return found == topics_.end() ? 0 : found->second.deleted_at;
}

} // namespace troupe::sim
