#include "storage/format/position.hpp"

#include "storage/format/properties.hpp"

#include <utility>

namespace troupe::storage {

namespace {

/// Names remembered between batches; past that all are forgotten, so that memory stays bounded.
constexpr std::size_t max_known_topics = 20'000;

} // namespace

void position_builder::start(log_offset from) {
  batch_ = {};
  batch_.from = from;
  ++batch_number_;
  if (topics_.size() > max_known_topics)
    topics_.clear();
}

const position_builder::known_topic& position_builder::intern(std::string_view topic) {
  auto found = topics_.find(topic);
  if (found == topics_.end())
    found = topics_.emplace(topic, known_topic{.hash_prefix = key_hash_prefix(topic)}).first;
  auto& known = found->second;
  if (known.batch != batch_number_) {
    known.batch = batch_number_;
    known.index = static_cast<std::uint32_t>(batch_.topics.size());
    batch_.topics.emplace_back(topic);
  }
  return known;
}

void position_builder::add(const record_view& view) {
  const auto& topic = intern(view.topic);
  const indexed_properties found(view.properties);
  auto& added = batch_.positions.emplace_back();
  added.offset = view.offset;
  added.queue_position = view.queue_position;
  added.tags_code = tags_code(view.topic, found, view.store_timestamp, levels_);
  added.store_timestamp = view.store_timestamp;
  added.size = view.size;
  added.queue_id = view.queue_id;
  added.topic = topic.index;
  added.has_queue_entry = view.has_queue_entry();
  if ((view.sysflag & sysflag::transaction_mask) == sysflag::transaction_rollback)
    return;
  for_each_key(found, [&](std::string_view key) {
    batch_.key_hashes.push_back(key_hash(topic.hash_prefix, key));
    ++added.keys; // properties have at most 32767 bytes, so this cannot overflow
  });
}

position_batch position_builder::take(log_offset to) {
  batch_.to = to;
  return std::exchange(batch_, {});
}

} // namespace troupe::storage
