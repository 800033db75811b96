#include "actors/queue_reader.hpp"

#include "actors/patience.hpp"
#include "actors/promise.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

namespace troupe {

namespace {

constexpr auto probe_timeout = std::chrono::seconds(10);

/// A binary search for a store time; each probe asks a reader of the log.
class time_searcher : public std::enable_shared_from_this<time_searcher> {
public:
  time_searcher(queue_reader_actor::stateful_pointer<queue_reader_state> self, time_search what)
      : self_(self), what_(std::move(what)), promise_(self) {}

  kept_promise<time_found> start() {
    viewed_queue queue(what_.queue, *self_->state.files);
    auto answer = promise_;
    auto end = visible_end(queue, what_.sight);
    if (!end) {
      promise_.deliver(to_caf(end.error()));
      return answer;
    }
    low_ = what_.sight.min;
    high_ = end_ = std::max(low_, end.value());
    next();
    return answer;
  }

private:
  /// Store times rise with the queue's numbers, so this is an ordinary lower bound.
  void next() {
    if (low_ >= high_) {
      promise_.deliver(time_found{low_, low_ >= end_});
      return;
    }
    probe_ = middle();
    probe();
  }

  queue_offset middle() const { return low_ + (high_ - low_) / 2; }

  void probe() {
    viewed_queue queue(what_.queue, *self_->state.files);
    auto entry = queue.entry(probe_);
    if (!entry) {
      no_store_time(entry.error());
      return;
    }
    self_->request(what_.log, probe_timeout, search_atom_v, entry.value().offset)
        .then(
            [me = shared_from_this()](std::int64_t store_ms) {
              if (store_ms >= me->what_.time_ms)
                me->high_ = me->middle();
              else
                me->low_ = me->probe_ + 1;
              me->next();
            },
            [me = shared_from_this()](const caf::error& why) { me->no_store_time(from_caf(why)); });
  }

  void no_store_time(const storage::error& why) {
    if (why.code == errc::offset_too_small) { // expired, and so are those before it
      low_ = probe_ + 1;
      next();
    } else if (why.code != errc::corrupt && why.code != errc::not_found) {
      // Nothing is known about the message, so going on would be guessing.
      promise_.deliver(
          make_caf_error(errc::unavailable, "searching by time: " + why.message + "; try again"));
    } else if (++probe_ < high_) { // damaged: the next one says which half it is
      probe();
    } else {
      high_ = middle();
      next();
    }
  }

  queue_reader_actor::stateful_pointer<queue_reader_state> self_;
  const time_search what_;
  kept_promise<time_found> promise_;
  queue_offset low_ = 0;
  queue_offset high_ = 0;
  queue_offset end_ = 0;   ///< of what was visible at the beginning
  queue_offset probe_ = 0; ///< asked for now: the middle, or what follows damaged messages there
};

template <class Value>
caf::result<Value> answer_of(storage::result<Value> found) {
  if (!found)
    return to_caf(found.error());
  return std::move(found).value();
}

} // namespace

queue_reader_actor::behavior_type
queue_reader(queue_reader_actor::stateful_pointer<queue_reader_state> self,
             storage::file_system* files) {
  self->state.files = std::make_unique<storage::queue_view_reader>(*files);
  return {
      [self](const waiting_find& what) -> caf::result<read_request> {
        viewed_queue queue(what.queue, *self->state.files);
        return answer_of(find_messages(what.request, what.sight, &queue));
      },
      [self](waiting_bounds_find& what) -> caf::result<bounds_read> {
        auto& known = what.known;
        for (auto& part : what.parts) {
          viewed_queue queue(part.queue, *self->state.files);
          auto added = add_bounds(part.queue_id, part.first, part.sight, &queue, known);
          if (!added)
            return to_caf(added.error());
        }
        return std::move(known);
      },
      [self](time_search& what) -> caf::result<time_found> {
        return std::make_shared<time_searcher>(self, std::move(what))->start();
      },
      [files](const storage::index_query& what) { return answer_of(what.run(*files)); },
      [self](drop_atom) { self->state.files->close(); },
  };
}

} // namespace troupe
