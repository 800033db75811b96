#pragma once

#include "storage/error.hpp"
#include "storage/format/producer_sequence.hpp"
#include "storage/format/record.hpp"
#include "storage/os/file_system.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <unordered_map>
#include <vector>

namespace troupe::storage {

/// Where a message of a producer lies.
struct sequence_place {
  log_offset offset = -1; ///< -1: it was stored, and where is not known any more
  queue_offset position = -1;
};

/// How far each producer has come: the rule by which a repeated message is stored once. No clock,
/// no files.
///
/// Invariant: the numbers of one producer and epoch stand in the log in their order, and none is
/// left out. So every number up to the last one was stored, also one whose place is forgotten.
class producer_windows {
public:
  /// Messages of a producer whose place is known: the newest ones.
  static constexpr std::size_t places_kept = 64;
  /// The one that was silent for longest is forgotten for the next: 11 MB at most.
  static constexpr std::size_t most_producers = 10'000;

  explicit producer_windows(std::size_t most = most_producers) : most_(most) {}

  enum class verdict {
    next,     ///< it is to be stored
    repeated, ///< it was stored before
    early,    ///< some before it are not stored: the producer has to repeat those first
    stale,    ///< the producer was started again since: this one may never write
    unknown,  ///< a number that is not the first, of a producer that nobody knows (any more)
  };
  struct judgement {
    verdict what = verdict::next;
    sequence_place place;   ///< of one that is repeated
    std::uint64_t last = 0; ///< number of the producer's newest message, in this epoch
  };
  judgement judge(const producer_sequence& sequence);

  /// The message is in the log there. What is not newer than all that is known changes nothing.
  void note(const producer_sequence& sequence, const sequence_place& place);

  std::size_t size() const noexcept { return producers_.size(); }

  /// As bytes that also say up to where in the log this is true; `decode` checks all of it.
  std::vector<std::byte> encode(log_offset true_to) const;
  struct decoded;
  static result<decoded> decode(byte_view bytes, std::size_t most = most_producers);

private:
  struct producer {
    producer_id id;
    std::uint64_t epoch = 0;
    std::uint64_t last = 0;
    std::size_t places_known = 0;
    std::array<sequence_place, places_kept> places; ///< of number n at n mod their count
  };
  using producer_list = std::list<producer>;

  /// Makes it the newest; null if it is not known.
  producer* find(const producer_id& id);
  producer& add(const producer_id& id);

  std::size_t most_;
  producer_list producers_; ///< whoever wrote last is in front
  std::unordered_map<producer_id, producer_list::iterator> by_id_;
};

struct producer_windows::decoded {
  producer_windows windows;
  log_offset true_to = 0;
};

} // namespace troupe::storage
