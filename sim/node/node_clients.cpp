#include "sim/node/node_clients.hpp"

#include "storage/format/message_batch.hpp"
#include "storage/format/properties.hpp"

#include <algorithm>
#include <utility>

namespace troupe::sim {

namespace {

/// Hands those that are answered to `take`, and forgets them.
template <class Open, class Take>
void take_answered(std::vector<Open>& open, Take take) {
  std::erase_if(open, [&](Open& one) {
    if (!one.response.there())
      return false;
    take(one);
    return true;
  });
}

} // namespace

topic_info node_clients::topic(std::uint32_t queue) const {
  auto queues = static_cast<std::int32_t>(scene_.plan.queues);
  return {scene_.topic_of(queue), queues, queues, 6};
}

void node_clients::put(const node_event& event) {
  if (scene_.plan.numbered && put_numbered(event))
    return;
  auto client = event.client % scene_.plan.producers;
  auto first = scene_.ledger.entries().size();
  put(event, scene_.wire(client).service());
  if (!scene_.plan.numbered)
    for (auto number = first; number < scene_.ledger.entries().size(); ++number)
      scene_.ledger.at(number).sender = static_cast<std::int32_t>(client);
}

void node_clients::put(const node_event& event, const store_service& to) {
  open_put sent;
  sent.wait = event.wait;
  sent.numbers = add_messages(event);
  sent.response = scene_.w.request<put_response>(to, request_of(sent.numbers, event.wait, nullptr));
  puts_.push_back(std::move(sent));
}

std::vector<std::uint64_t> node_clients::add_messages(const node_event& event) {
  std::vector<std::uint64_t> numbers;
  auto queue = static_cast<std::int32_t>(event.queue % scene_.plan.queues);
  for (std::uint32_t i = 0; i < event.count; ++i) {
    auto& entry = scene_.ledger.add(scene_.topic_of(event.queue), queue, event.size,
                                    scene_.node.clock().now_ms());
    if (event.level > 0)
      scene_.ledger.put_off(entry, event.level, scene_.node.options().store.delays);
    numbers.push_back(entry.number);
  }
  return numbers;
}

/// The messages as they are in the ledger, numbered on from `sequence` if there is one.
put_request node_clients::request_of(const std::vector<std::uint64_t>& numbers, bool wait,
                                     storage::producer_sequence* sequence) {
  storage::message_batch_builder batch;
  for (auto number : numbers) {
    auto& entry = scene_.ledger.at(number);
    auto body = node_ledger::body_of(entry);
    storage::properties_builder properties;
    if (!properties.add(storage::property::keys, node_ledger::key_of(entry)) ||
        !properties.add(storage::property::tags, node_ledger::tag_of(entry)))
      throw broken{"a key or tag that cannot be stored"};
    if (entry.level > 0 && !properties.add(storage::property::delay, std::to_string(entry.level)))
      throw broken{"a delay level that cannot be stored"};
    storage::new_message message;
    auto text = properties.take();
    if (sequence != nullptr) {
      ++sequence->number;
      text.insert(0, sequence->property());
      message.sysflag = storage::sysflag::sequenced;
    }
    message.queue_id = entry.sent_to().queue;
    message.body = std::as_bytes(std::span(body));
    message.properties = text;
    batch.add(message);
  }
  put_request request;
  request.topic = scene_.ledger.at(numbers.front()).sent_to().topic;
  request.count = batch.count();
  request.messages = batch.take();
  request.wait = wait;
  return request;
}

void node_clients::read(const node_event& event) {
  auto& plan = scene_.plan;
  random_source random(event.seed);
  pull_request request;
  auto queue = static_cast<std::uint32_t>(random.below(plan.topics * plan.queues));
  request.topic = scene_.topic_of(queue);
  request.queue_id = static_cast<std::int32_t>(queue % plan.queues);
  request.from = static_cast<queue_offset>(random.below(40));
  if (random.one_in(2)) // where the newest ones come
    request.from = scene_.ledger.next_position(request.topic, request.queue_id);
  request.max_messages = static_cast<std::uint32_t>(random.between(1, 20));
  request.wait_ms = random.one_in(3) ? static_cast<std::uint32_t>(random.below(3000)) : 0;
  auto& wire = scene_.wire(event.client);
  reads_.push_back({scene_.w.request<pull_response>(wire.service(), request), scene_.ledger.now()});
}

void node_clients::probe(const node_event& event) {
  auto& wire = scene_.wire(event.client);
  probes_.push_back(
      {scene_.w.request<node_status>(wire.service(), status_atom_v), scene_.ledger.now()});
}

bool node_clients::changes(const std::string& topic) const {
  auto open = [&](auto& change) { return change.topic == topic; };
  return std::ranges::any_of(removals_, open) || std::ranges::any_of(creations_, open);
}

void node_clients::remove_topic(const node_event& event) {
  auto name = scene_.topic_of(event.queue);
  if (changes(name))
    return;
  scene_.ledger.topics().asked(name, topic_ledger::request::removal);
  auto& wire = scene_.wire(event.client);
  removals_.push_back({scene_.w.request<tombstone>(wire.service(), remove_atom_v, name), name});
}

void node_clients::create_topic(const node_event& event) {
  auto wanted = topic(event.queue);
  if (changes(wanted.name))
    return;
  scene_.ledger.topics().asked(wanted.name, topic_ledger::request::creation);
  auto& wire = scene_.wire(event.client);
  creations_.push_back(
      {scene_.w.request<topic_info>(wire.service(), create_atom_v, wanted), wanted.name});
}

// -- answers -------------------------------------------------------------------------------------

void node_clients::settle(std::uint64_t number, const message_result& result, bool wait) {
  auto& entry = scene_.ledger.at(number);
  bool doubt = result.code == errc::maybe_stored || result.code == errc::connection_lost;
  if (entry.state != put_state::open)
    throw broken{"message " + std::to_string(number) + " is answered twice"};
  if (result.code == errc::none) {
    if (entry.offset >= 0 && entry.offset != result.offset)
      throw broken{"message " + std::to_string(number) + " was seen at offset " +
                   std::to_string(entry.offset) + " and acknowledged at another"};
    entry.state = put_state::stored;
    entry.offset = result.offset;
    entry.position = result.queue_position;
    entry.durable = scene_.plan.sync_flush && wait;
  } else {
    entry.state = doubt ? put_state::maybe : put_state::refused;
  }
}

void node_clients::collect_put(open_put& put) {
  auto& got = put.response.get();
  auto reason = got ? got.value().failure.message : got.error().message;
  if (!reason.empty())
    last_refusal_ = reason;
  if (got && got.value().results.size() != put.numbers.size() && reason.empty())
    throw broken{"an answer without all results"};
  for (std::size_t i = 0; i < put.numbers.size(); ++i) {
    message_result result;
    if (!got)
      result.code = got.error().code;
    else if (i < got.value().results.size())
      result = got.value().results[i];
    else
      result.code = got.value().failure.code;
    settle(put.numbers[i], result, put.wait);
    auto state = scene_.ledger.at(put.numbers[i]).state;
    if (state != put_state::stored && reason.empty())
      throw broken{"a refusal without a reason"};
  }
}

void node_clients::collect_read(open_read& read) {
  if (read.response.code() != errc::none)
    return;
  auto& got = read.response.value();
  if (got.damaged > 0 && got.warning.empty())
    throw broken{"messages are left out as damaged, and nothing is said about them"};
  for (auto& record : got.records) {
    ++scene_.compared;
    auto seen = scene_.as_sent(record);
    auto& ledger = scene_.ledger;
    if (auto wrong = ledger.check_answered(seen, read.asked))
      throw broken{*wrong};
    if (scene_.plan.sync_flush && !scene_.disk_lied)
      ledger.shown(seen);
  }
}

void node_clients::collect_changes() {
  auto& topics = scene_.ledger.topics();
  take_answered(removals_, [&](open_change<tombstone>& change) {
    if (change.response.code() == errc::none)
      topics.removed(change.topic, change.response.value().deleted_at);
    else
      topics.failed(change.topic, topic_ledger::request::removal);
  });
  take_answered(creations_, [&](open_change<topic_info>& change) {
    if (change.response.code() == errc::none)
      topics.created(change.topic);
    else
      topics.failed(change.topic, topic_ledger::request::creation);
  });
}

void node_clients::collect() {
  take_answered(puts_,
                [this](open_put& put) { put.numbered ? collect_numbered(put) : collect_put(put); });
  take_answered(reads_, [this](open_read& read) { collect_read(read); });
  take_answered(probes_, [this](open_probe& probe) {
    if (probe.response.code() != errc::none)
      return;
    auto& status = probe.response.value();
    // Of the life before it says nothing, and what has become of that is not known yet.
    if (probe.asked.lives == scene_.ledger.now().lives)
      scene_.ledger.flushed(status.flusher.flushed);
    check_bound(status);
  });
  collect_changes();
}

void node_clients::check_bound(const node_status& status) const {
  if (status.writer.backlog_max > scene_.plan.capacity)
    throw broken{"the dispatcher's bound of " + std::to_string(scene_.plan.capacity) +
                 " was passed: " + std::to_string(status.writer.backlog_max)};
}

} // namespace troupe::sim
