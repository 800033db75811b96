// Producers that number their messages: whatever is not known to be stored is sent again, and there
// must be one copy of it.

#include "sim/node/node_clients.hpp"

#include <algorithm>
#include <utility>

namespace troupe::sim {

namespace {

bool in_doubt(errc code) {
  return code == errc::maybe_stored || code == errc::connection_lost;
}

bool may_pass(errc code) {
  return in_doubt(code) || code == errc::busy || code == errc::unavailable;
}

} // namespace

/// False, and nothing is sent, if the producer waits for the fate of what it sent before.
bool node_clients::put_numbered(const node_event& event) {
  auto producer = event.client % scene_.plan.producers;
  auto [found, is_new] = numbered_.try_emplace(producer);
  auto& who = found->second;
  if (is_new)
    who.newest = {{scene_.plan.seed, producer}, 1, 0};
  if (!who.failed.empty()) {
    if (who.open > 0)
      return false;
    send_again(who);
  }
  auto batch = std::make_shared<numbered_batch>();
  batch->producer = producer;
  batch->numbers = add_messages(event);
  batch->wait = event.wait;
  send_numbered(who, std::move(batch), true);
  return true;
}

void node_clients::send_rest() {
  for (auto& [producer, who] : numbered_)
    if (who.open == 0 && !who.failed.empty())
      send_again(who);
}

/// Everything that was not stored, in order. The first answer tells what to do: those before it are
/// all acknowledged.
void node_clients::send_again(numbered_producer& who) {
  auto failed = std::exchange(who.failed, {});
  std::ranges::sort(failed, {}, [](auto& batch) { return batch->first; });
  auto code = failed.front()->code;
  bool lost = code == errc::offset_too_large; // acknowledged ones, so none of these is stored
  bool given_up = !lost && !may_pass(code);
  if (lost || given_up) {
    ++who.newest.epoch;
    who.newest.number = 0;
  }
  if (given_up)
    return;
  for (auto& batch : failed) {
    for (auto number : batch->numbers) {
      auto& entry = scene_.ledger.at(number);
      if (entry.state == put_state::gone) {
        entry.offset = entry.position = -1;
        entry.durable = false;
      }
      if (entry.state != put_state::stored)
        entry.state = put_state::open;
    }
    send_numbered(who, batch, lost);
  }
}

void node_clients::send_numbered(numbered_producer& who, std::shared_ptr<numbered_batch> batch,
                                 bool renumber) {
  if (renumber)
    batch->first = who.newest.number + 1;
  auto sequence = who.newest;
  sequence.number = batch->first - 1;
  auto request = request_of(batch->numbers, batch->wait, &sequence);
  if (renumber)
    who.newest = sequence;
  open_put sent;
  sent.response =
      scene_.w.request<put_response>(scene_.wire(batch->producer).service(), std::move(request));
  sent.numbers = batch->numbers;
  sent.wait = batch->wait;
  sent.numbered = std::move(batch);
  ++who.open;
  puts_.push_back(std::move(sent));
}

void node_clients::collect_numbered(open_put& put) {
  auto& got = put.response.get();
  auto& batch = *put.numbered;
  auto& who = numbered_.at(batch.producer);
  --who.open;
  batch.code = errc::none;
  std::vector<message_result> results(put.numbers.size());
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (!got)
      results[i].code = got.error().code;
    else if (i < got.value().results.size())
      results[i] = got.value().results[i];
    else
      results[i].code = got.value().failure.code;
    batch.doubt = batch.doubt || in_doubt(results[i].code);
    if (batch.code == errc::none)
      batch.code = results[i].code;
  }
  for (std::size_t i = 0; i < results.size(); ++i) {
    auto& entry = scene_.ledger.at(put.numbers[i]);
    entry.copied = entry.copied || in_doubt(results[i].code);
  }
  for (std::size_t i = 0; i < results.size(); ++i)
    settle_numbered(batch, put.numbers[i], results[i]);
  if (batch.code != errc::none)
    who.failed.push_back(put.numbered);
}

void node_clients::settle_numbered(const numbered_batch& batch, std::uint64_t number,
                                   const message_result& result) {
  auto& entry = scene_.ledger.at(number);
  if (result.code != errc::none) {
    if (entry.state != put_state::stored)
      entry.state = batch.doubt ? put_state::maybe : put_state::refused;
    return;
  }
  // The old place may be a file that is gone, of a producer that is forgotten with it; or damage
  // that was taken for a torn write.
  bool kept = scene_.plan.reserved_ms == 0 && !scene_.disk_was_full && !scene_.disk_lied &&
              !scene_.rot.in_log();
  if (kept && entry.offset >= 0 && result.offset >= 0 && entry.offset != result.offset)
    throw broken{"message " + std::to_string(number) + " was seen at offset " +
                 std::to_string(entry.offset) + " and is answered at " +
                 std::to_string(result.offset)};
  if (result.offset < 0 && entry.offset < 0) { // it is stored, and where is forgotten
    entry.state = put_state::maybe;
    return;
  }
  entry.state = put_state::stored;
  if (result.offset >= 0) {
    entry.offset = result.offset;
    entry.position = result.queue_position;
  }
  entry.durable = entry.durable || (scene_.plan.sync_flush && batch.wait);
}

} // namespace troupe::sim
