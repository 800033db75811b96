#include "storage/tables/producer_windows.hpp"

#include "storage/big_endian.hpp"
#include "storage/format/crc.hpp"
#include "storage/mutant.hpp"

#include <algorithm>
#include <limits>
#include <span>
#include <utility>

namespace troupe::storage {

namespace {

constexpr std::uint64_t magic = 0x54524f5550455057; // "TROUPEPW"
constexpr std::uint32_t version = 1;
/// magic 8, version 4, log offset 8, producers 4
constexpr std::size_t head_bytes = 24;
/// id 16, epoch 8, last number 8, places 4
constexpr std::size_t producer_bytes = 36;
constexpr std::size_t place_bytes = 16;
constexpr std::size_t crc_bytes = 4;

error damaged(const char* what) {
  return {errc::corrupt, what};
}

} // namespace

producer_windows::producer* producer_windows::find(const producer_id& id) {
  if (!producers_.empty() && producers_.front().id == id) // a batch is of one producer
    return &producers_.front();
  auto found = by_id_.find(id);
  if (found == by_id_.end())
    return nullptr;
  producers_.splice(producers_.begin(), producers_, found->second);
  return &*found->second;
}

producer_windows::producer& producer_windows::add(const producer_id& id) {
  while (!producers_.empty() && producers_.size() >= most_) {
    by_id_.erase(producers_.back().id);
    producers_.pop_back();
  }
  auto& added = producers_.emplace_front();
  added.id = id;
  by_id_[id] = producers_.begin();
  return added;
}

producer_windows::judgement producer_windows::judge(const producer_sequence& sequence) {
  auto* known = find(sequence.producer);
  if (known == nullptr)
    return {sequence.number == 1 ? verdict::next : verdict::unknown, {}, 0};
  if (sequence.epoch < known->epoch)
    return {verdict::stale, {}, known->last};
  auto last = sequence.epoch > known->epoch ? 0 : known->last;
  if (sequence.number > last) {
    auto follows = sequence.number - last == 1;
    return {follows ? verdict::next : verdict::early, {}, last};
  }
  if (TROUPE_MUTANT("repeat-stored-again"))
    return {verdict::next, {}, last};
  judgement repeated{verdict::repeated, {}, last};
  if (last - sequence.number < known->places_known)
    repeated.place = known->places[sequence.number % places_kept];
  return repeated;
}

void producer_windows::note(const producer_sequence& sequence, const sequence_place& place) {
  auto* found = find(sequence.producer);
  auto& known = found != nullptr ? *found : add(sequence.producer);
  if (sequence.epoch < known.epoch ||
      (sequence.epoch == known.epoch && sequence.number <= known.last))
    return;
  auto follows = sequence.epoch == known.epoch && sequence.number == known.last + 1;
  known.places_known = follows ? std::min(known.places_known + 1, places_kept) : 1;
  known.epoch = sequence.epoch;
  known.last = sequence.number;
  known.places[sequence.number % places_kept] = place;
}

std::vector<std::byte> producer_windows::encode(log_offset true_to) const {
  auto size = head_bytes + producers_.size() * producer_bytes + crc_bytes;
  for (auto& each : producers_)
    size += each.places_known * place_bytes;
  std::vector<std::byte> bytes(size);
  auto* to = bytes.data();
  to = big_endian::store(to, magic);
  to = big_endian::store(to, version);
  to = big_endian::store(to, true_to);
  to = big_endian::store(to, static_cast<std::uint32_t>(producers_.size()));
  // The one that was silent for longest first: the reader adds them in this order.
  for (auto each = producers_.rbegin(); each != producers_.rend(); ++each) {
    for (auto number : {each->id.high, each->id.low, each->epoch, each->last})
      to = big_endian::store(to, number);
    to = big_endian::store(to, static_cast<std::uint32_t>(each->places_known));
    for (auto number = each->last - each->places_known + 1; number <= each->last; ++number) {
      auto& place = each->places[number % places_kept];
      to = big_endian::store(to, place.offset);
      to = big_endian::store(to, place.position);
    }
  }
  big_endian::store(to, crc32(std::span(bytes).first(size - crc_bytes)));
  return bytes;
}

result<producer_windows::decoded> producer_windows::decode(byte_view bytes, std::size_t most) {
  if (bytes.size() < head_bytes + crc_bytes)
    return damaged("it is too short");
  auto content = bytes.first(bytes.size() - crc_bytes);
  if (big_endian::load<std::uint32_t>(bytes.data() + content.size()) != crc32(content))
    return damaged("its checksum is wrong");
  if (big_endian::load<std::uint64_t>(bytes.data()) != magic ||
      big_endian::load<std::uint32_t>(bytes.data() + 8) != version)
    return damaged("it is of another kind or version");
  decoded found{producer_windows(most), big_endian::load<log_offset>(bytes.data() + 12)};
  auto count = big_endian::load<std::uint32_t>(bytes.data() + 20);
  auto rest = content.subspan(head_bytes);
  for (; count > 0; --count) {
    if (rest.size() < producer_bytes)
      return damaged("it ends inside a producer");
    auto* at = rest.data();
    producer_sequence sequence{
        {big_endian::load<std::uint64_t>(at), big_endian::load<std::uint64_t>(at + 8)},
        big_endian::load<std::uint64_t>(at + 16),
        big_endian::load<std::uint64_t>(at + 24)};
    std::uint64_t places = big_endian::load<std::uint32_t>(at + 32);
    rest = rest.subspan(producer_bytes);
    if (places == 0 || places > places_kept || places > sequence.number ||
        sequence.number == std::numeric_limits<std::uint64_t>::max() ||
        rest.size() < places * place_bytes)
      return damaged("it holds what no producer can have");
    auto last = sequence.number;
    for (sequence.number = last - places + 1; sequence.number <= last; ++sequence.number) {
      found.windows.note(sequence, {big_endian::load<log_offset>(rest.data()),
                                    big_endian::load<queue_offset>(rest.data() + 8)});
      rest = rest.subspan(place_bytes);
    }
  }
  if (!rest.empty() || found.true_to < 0)
    return damaged("it holds what no producer can have");
  return found;
}

} // namespace troupe::storage
