#pragma once

#include "net/client.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace troupe::client {

/// Where a consumer begins in each queue.
struct start_earliest {};
struct start_latest {};
struct start_offset {
  queue_offset offset = 0;
};
struct start_time {
  std::int64_t ms = 0; ///< since 1970: the first message stored then or later
};
using start_position = std::variant<start_earliest, start_latest, start_offset, start_time>;

struct consumer_options {
  std::string topic;
  std::int32_t queue = -1; ///< -1: all queues
  start_position from = start_earliest{};
  std::vector<std::string> tags; ///< empty: every message
  bool follow = false;           ///< wait for new messages at the end
  std::uint32_t batch = 1024;
  std::chrono::milliseconds wait{1000}; ///< how long one `next` waits when following
};

/// Reads a topic in the order of each queue. One that follows keeps a pull waiting in every queue,
/// so a new message comes at once, wherever it is put. For ordinary threads: calls block. Actors
/// send `pull_request`s to the service themselves.
class consumer {
public:
  /// Something that the reader of the output should know; reading goes on.
  using note_function = std::function<void(const std::string&)>;

  static storage::result<consumer> open(caf::actor_system& system, store_service service,
                                        consumer_options options, note_function note);
  consumer(consumer&& other) noexcept;
  consumer& operator=(consumer&&) = delete;
  ~consumer();

  /// The next messages of one queue, in order; none when `finished`, or when following and nothing
  /// came. The views live as long as the returned slices.
  struct message {
    storage::record_view view;
    storage::slice bytes;
  };
  storage::result<std::vector<message>> next();

  /// Everything that was there at the start has been read (never when following).
  bool finished() const noexcept { return queues_.empty(); }

private:
  struct queue_state {
    std::int32_t id = 0;
    queue_offset next = 0;
    queue_offset end = 0; ///< where to stop when not following
    bool asked = false;   ///< following: a pull waits there
    bool held = false;    ///< following: too much was open for one more pull
  };
  class follower;

  consumer(caf::actor_system& system, store_service service, consumer_options options,
           note_function note);
  storage::result<void> find_start(const queue_bounds& bounds);
  storage::result<std::vector<message>> next_in_turn();
  storage::result<std::vector<message>> next_arrived();
  pull_request request_for(const queue_state& queue) const;
  storage::result<std::vector<message>> take(queue_state& queue, pull_response& answer);
  /// True if reading goes on after this: who follows waits for a node that restarts.
  bool outlasts(const storage::error& why);
  bool wanted(const storage::record_view& view) const;

  std::unique_ptr<caf::scoped_actor> self_;
  store_service service_;
  consumer_options options_;
  note_function note_;
  std::vector<queue_state> queues_;
  std::vector<std::int32_t> tag_hashes_;
  std::unique_ptr<follower> follower_; ///< when following
  std::size_t turn_ = 0;
  bool away_ = false;
};

/// A record out of an answer, checked; its views point into the slice.
storage::result<storage::record_view> decode(const storage::slice& record);

/// Bytes, such as a body, as characters.
inline std::string_view text_of(storage::byte_view bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// A message's keys as it was given them, separated by blanks; empty if it has none.
std::string_view keys_of(const storage::record_view& message);

/// "TagA || TagB" as a list; "*" as an empty one, which means every message. `invalid_argument` for
/// an expression that names no tag.
storage::result<std::vector<std::string>> parse_tags(std::string_view expression);

} // namespace troupe::client
