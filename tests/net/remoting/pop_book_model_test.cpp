#include "net/remoting/pop_book.hpp"

#include "tests/support/catch.hpp"

#include <algorithm>
#include <map>
#include <random>

using namespace troupe::remoting;

namespace {

/// A group that pops three queues and a topic for retries at random, and a node that dies now and
/// then: the book is lost, and what the registrar was told is kept. Checked: nothing is delivered
/// while it is invisible, and in the end every message was acknowledged.
class popping_world {
public:
  explicit popping_world(std::uint32_t seed) : random_(seed) {}

  void run(int steps) {
    for (int i = 0; i < steps; ++i)
      step();
    for (int i = 0; i < 20'000 && !all_done(); ++i) {
      now_ += 1;
      sweep();
      pop(static_cast<std::int32_t>(pick(queues)), false);
      acknowledge();
      keep();
    }
    CHECK(all_done());
    CHECK(book_.in_flight() == 0);
  }

private:
  static constexpr std::int64_t queues = 4; ///< the last one holds what came back
  static constexpr std::int64_t ordered_queue = 0;

  struct handle {
    std::int32_t queue = 0;
    std::int64_t position = 0;
    std::int64_t pop_ms = 0;
    std::int64_t due_ms = 0;
  };

  std::int64_t pick(std::int64_t below) {
    return std::uniform_int_distribution<std::int64_t>(0, below - 1)(random_);
  }
  static popped_queue name(std::int32_t queue) { return {"G", "T", queue}; }

  void step() {
    now_ += pick(3);
    switch (pick(9)) {
    case 0:
    case 1:
      for (auto more = pick(8); more > 0; --more)
        store(static_cast<std::int32_t>(pick(queues - 1)), next_message_++);
      break;
    case 2:
    case 3:
      pop(static_cast<std::int32_t>(pick(queues)), true);
      break;
    case 4:
      acknowledge();
      break;
    case 5:
      change();
      break;
    case 6:
      sweep();
      break;
    case 7:
      keep();
      break;
    case 8:
      if (pick(20) == 0)
        die();
      break;
    }
  }

  void store(std::int32_t queue, int message) { log_[queue].push_back(message); }

  void learn(std::int32_t queue) {
    if (!book_.is_unknown(name(queue), now_))
      return;
    auto stored = registrar_.find(queue);
    REQUIRE(book_.learn(name(queue), stored == registrar_.end() ? 0 : stored->second,
                        stored != registrar_.end(), now_));
  }

  void pop(std::int32_t queue, bool some_pass_no_filter) {
    learn(queue);
    auto q = name(queue);
    bool in_order = queue == ordered_queue;
    if (book_.turn_of(q, in_order, "", now_) != pop_book::turn::free)
      return;
    auto from = book_.next(q);
    auto end = static_cast<std::int64_t>(log_[queue].size());
    auto next = std::min(end, from + 1 + pick(5));
    std::vector<popped_message> messages;
    std::vector<std::int64_t> positions;
    for (auto i = from; i < next; ++i) {
      if (some_pass_no_filter && pick(10) == 0) {
        done_.insert({message_at(queue, i), true}); // it is not for the group
        continue;
      }
      messages.push_back({i, i});
      positions.push_back(i);
    }
    if (next <= from)
      return;
    if (messages.empty())
      return book_.skip(q, from, next);
    pop_mark mark{++pop_number_, now_ + 1 + pick(30)};
    if (in_order)
      REQUIRE(book_.take_in_order(q, from, "", positions, mark) != nullptr);
    else
      REQUIRE(book_.take(q, from, next, messages, mark));
    for (auto position : positions) {
      auto& until = invisible_until_[{queue, position}];
      CHECK(until <= now_);
      until = mark.due_ms;
      handles_.push_back({queue, position, mark.pop_ms, mark.due_ms});
    }
  }

  handle take_handle() {
    auto at = static_cast<std::size_t>(pick(static_cast<std::int64_t>(handles_.size())));
    std::swap(handles_[at], handles_.back());
    auto taken = handles_.back();
    handles_.pop_back();
    return taken;
  }

  int message_at(std::int32_t queue, std::int64_t position) {
    return log_[queue].at(static_cast<std::size_t>(position));
  }

  void acknowledge() {
    if (handles_.empty())
      return;
    auto h = take_handle();
    auto q = name(h.queue);
    bool counts = h.queue == ordered_queue ? book_.acknowledge_in_order(q, h.position, h.pop_ms) ==
                                                 pop_book::ack_outcome::done
                                           : book_.acknowledge(q, h.position, h.pop_ms);
    if (!counts)
      return;
    invisible_until_.erase({h.queue, h.position});
    done_.insert({message_at(h.queue, h.position), true});
  }

  void change() {
    if (handles_.empty())
      return;
    auto h = take_handle();
    auto q = name(h.queue);
    auto due = now_ + 1 + pick(40);
    auto number = h.queue == ordered_queue ? h.pop_ms : ++pop_number_;
    bool counts = h.queue == ordered_queue ? book_.change_in_order(q, h.position, h.pop_ms, due)
                                           : book_.change(q, h.position, h.pop_ms, {number, due});
    if (!counts)
      return;
    invisible_until_[{h.queue, h.position}] = due;
    handles_.push_back({h.queue, h.position, number, due});
  }

  void sweep() {
    auto over = book_.expire(now_, static_cast<std::size_t>(1 + pick(4)));
    for (auto& message : over.messages) {
      auto queue = message.queue.queue_id;
      CHECK(invisible_until_[{queue, message.position}] <= now_);
      if (pick(4) == 0) {
        book_.not_returned(message, now_ + 5);
        continue;
      }
      store(queues - 1, message_at(queue, message.position));
      book_.returned(message);
    }
  }

  void keep() {
    for (auto& what : book_.take_changes()) {
      bool success = pick(5) != 0;
      if (success) {
        auto& stored = registrar_[what.queue.queue_id];
        stored = what.offset;
      }
      book_.kept(what, success);
    }
  }

  /// Clients keep what they have. Pops are numbered by a clock that goes on.
  void die() {
    book_ = pop_book();
    invisible_until_.clear();
  }

  bool all_done() const {
    for (int i = 0; i < next_message_; ++i)
      if (done_.count(i) == 0)
        return false;
    return std::all_of(log_.begin(), log_.end(), [this](const auto& queue) {
      return book_.progress_of(name(queue.first)) == static_cast<std::int64_t>(queue.second.size());
    });
  }

  std::mt19937 random_;
  pop_book book_;
  std::int64_t now_ = 0;
  std::int64_t pop_number_ = 0;
  int next_message_ = 0;
  std::map<std::int32_t, std::vector<int>> log_;
  std::map<std::int32_t, std::int64_t> registrar_;
  std::map<std::pair<std::int32_t, std::int64_t>, std::int64_t> invisible_until_;
  std::vector<handle> handles_;
  std::map<int, bool> done_; ///< messages that were acknowledged, or are not for the group
};

} // namespace

TEST_CASE("pop_book: at random, nothing is lost and nothing is delivered while it is invisible",
          "[remoting]") {
  for (std::uint32_t seed = 0; seed < 60; ++seed) {
    INFO("seed " << seed);
    popping_world(seed).run(1500);
  }
}
