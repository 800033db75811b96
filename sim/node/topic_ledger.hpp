#pragma once

#include "storage/format/position.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace troupe::sim {

/// What was asked about topics, and what follows for whether they are there. A request without an
/// answer may take effect until the process ends.
class topic_ledger {
public:
  using problem = std::optional<std::string>;
  using log_offset = storage::log_offset;

  enum class request { creation, removal };

  void asked(const std::string& topic, request what);
  /// The answer: of a removal, the messages before the offset are dead.
  void created(const std::string& topic);
  void removed(const std::string& topic, log_offset at);
  void failed(const std::string& topic, request what);

  /// The process has ended: what was not answered will not be done any more, unless it is still to
  /// be sent.
  void new_life();
  /// After a start: whether the topic is there, and the offset of its tombstone, if it has one.
  /// If the log lost its end, it may have moved back with that.
  problem found(const std::string& topic, bool there, std::optional<log_offset> tombstone,
                bool log_shorter);

  /// Records of the topic before it are dead.
  log_offset deleted_at(const std::string& topic) const;
  /// A removal of the topic may be done at any time, or have been done unseen.
  bool vanishing(const std::string& topic) const;
  /// How many removals are known: grows with each.
  std::uint64_t removals() const noexcept { return removals_; }

private:
  /// Requests of one kind.
  struct requests {
    int open = 0;        ///< not answered
    bool doubt = false;  ///< one was answered with an error, and may be done nevertheless
    bool former = false; ///< the same in a life that is over, and nobody has looked since
    bool possible() const noexcept { return open > 0 || doubt; }
  };
  struct knowledge {
    bool may_be_there = true;
    bool may_be_gone = false;
    bool removal_asked = false; ///< since it was looked at last
    requests removals;
    requests creations;
    log_offset deleted_at = 0;
  };
  static requests& of(knowledge& known, request what) {
    return what == request::removal ? known.removals : known.creations;
  }
  std::map<std::string, knowledge> topics_;
  std::uint64_t removals_ = 0;
};

} // namespace troupe::sim
