// What a session does for consumers: the queue-manager says where messages lie, and a reader brings
// them.

#include "actors/session.hpp"

#include <algorithm>
#include <utility>

namespace troupe {

namespace {

/// No member waits longer for news: who wants to wait on asks again.
constexpr std::uint32_t longest_wait_ms = 30'000;

/// Without an answer of the writer a topic is described as far as the queues are.
constexpr auto writer_patience = std::chrono::seconds(1);

/// A queue that has never had a message is there all the same.
topic_description describe_topic(const topic_info& info, std::vector<queue_bounds> known,
                                 std::optional<std::int32_t> only) {
  for (std::int32_t q = 0; q < std::max(info.read_queues, info.write_queues); ++q)
    if ((!only || *only == q) &&
        std::none_of(known.begin(), known.end(),
                     [q](const queue_bounds& b) { return b.queue_id == q; }))
      known.push_back({q, 0, 0, -1, 0});
  std::sort(known.begin(), known.end(),
            [](const queue_bounds& a, const queue_bounds& b) { return a.queue_id < b.queue_id; });
  return {info, std::move(known)};
}

} // namespace

caf::result<pull_response> session_state::pull(pull_request request) {
  kept_promise<pull_response> promise{self_};
  auto* topic = find_topic(request.topic);
  pulls_->pull(credit_, std::move(request), topic, promise);
  return promise;
}

caf::result<group_members> session_state::join(group_join request) {
  request.wait_ms = std::min(request.wait_ms, longest_wait_ms);
  kept_promise<group_members> promise{self_};
  if (auto id = open(promise, {1, 0}, milliseconds{request.wait_ms}))
    request_from<group_members>(*id, promise, roles.membership, std::move(request));
  return promise;
}

const reader_actor* session_state::next_reader() {
  return roles.readers.empty() ? nullptr : &roles.readers[reader_turn_++ % roles.readers.size()];
}

bool session_state::reads_elsewhere() const {
  return !roles.readers.empty() && is_elsewhere(self_, roles.readers.front());
}

/// A query whose answer comes from another process, a message at a time.
struct session_state::piecewise_query {
  request_id id = 0;
  kept_promise<record_batch> promise;
  key_read rest;
  record_batch found; ///< from the newest on
  std::uint64_t bytes = 0;
};

caf::result<record_batch> session_state::query(const key_query& query) {
  kept_promise<record_batch> promise{self_};
  auto id = open(promise, {1, max_query_bytes});
  if (!id)
    return promise;
  auto then = [this, id = *id, promise](key_read& found) {
    if (!reads_elsewhere()) {
      request_from_reader<record_batch>(id, promise, std::move(found));
      return;
    }
    auto pieces = std::make_shared<piecewise_query>();
    pieces->id = id;
    pieces->promise = promise;
    pieces->rest = std::move(found);
    read_next(pieces);
  };
  ask<key_read>(*id, promise, roles.queue_manager, then, query);
  return promise;
}

void session_state::read_next(const std::shared_ptr<piecewise_query>& query) {
  auto& found = query->found;
  auto& offsets = query->rest.offsets;
  if (offsets.empty() || found.records.size() >= query->rest.query.max) {
    std::reverse(found.records.begin(), found.records.end());
    close(query->id);
    query->promise.deliver(std::move(found));
    return;
  }
  auto* reader = next_reader();
  if (reader == nullptr) {
    close(query->id);
    query->promise.deliver(to_caf(not_reachable<reader_actor>(roles)));
    return;
  }
  key_read one{query->rest.query, {offsets.back()}};
  offsets.pop_back();
  auto then = [this, query](record_batch& piece) {
    for (auto& record : piece.records) {
      query->bytes += record.size();
      if (query->bytes > max_query_bytes && !query->found.records.empty())
        ++query->found.left_out;
      else
        query->found.records.push_back(std::move(record));
    }
    read_next(query);
  };
  ask<record_batch>(query->id, query->promise, *reader, then, std::move(one));
}

caf::result<topic_description> session_state::describe(const std::string& topic,
                                                       wanted_queue queue) {
  kept_promise<topic_description> promise{self_};
  auto opened = open(promise, {});
  if (!opened)
    return promise;
  if (topics.topics->count(topic) > 0)
    describe(*opened, promise, topic, queue);
  else // it may have been created a moment ago through another session
    refresh_topics(
        [this, id = *opened, promise, topic, queue] { describe(id, promise, topic, queue); });
  return promise;
}

void session_state::describe(request_id id, const kept_promise<topic_description>& promise,
                             const std::string& topic, wanted_queue queue) {
  auto found = topics.topics->find(topic);
  if (found == topics.topics->end()) {
    if (close(id))
      promise.deliver(make_caf_error(errc::not_found, "there is no topic " + topic));
    return;
  }
  // Who was told "stored" finds it counted: the queues are asked with everything in the log now.
  auto read = [this, id, promise, info = found->second, queue](bounds_read& bounds) {
    auto* reader = next_reader();
    if (reader == nullptr) {
      close(id);
      promise.deliver(to_caf(not_reachable<reader_actor>(roles)));
      return;
    }
    auto describe = [this, id, promise, info, queue](std::vector<queue_bounds>& known) {
      close(id);
      promise.deliver(describe_topic(info, std::move(known), queue));
    };
    ask<std::vector<queue_bounds>>(id, promise, *reader, describe, std::move(bounds));
  };
  auto ask_queues = [this, id, promise, topic, queue, read](log_offset end) {
    if (queue)
      ask<bounds_read>(id, promise, roles.queue_manager, read, bounds_atom_v, topic, *queue, end);
    else
      ask<bounds_read>(id, promise, roles.queue_manager, read, bounds_atom_v, topic, end);
  };
  self_->request(roles.writer, writer_patience, status_atom_v)
      .then([ask_queues](const writer_status& writer) { ask_queues(writer.end); },
            [ask_queues](const caf::error&) { ask_queues(0); });
}

caf::result<record_batch> session_state::fetch(log_offset offset) {
  kept_promise<record_batch> promise{self_};
  auto opened = open(promise, {1, options_.store.max_message_size_bytes});
  if (!opened)
    return promise;
  auto read = [this, id = *opened, promise, offset] {
    request_from_reader<record_batch>(id, promise, fetch_atom_v, offset);
  };
  if (options_.store.flush == storage::flush_policy::async) {
    read();
    return promise;
  }
  // With synchronous flush only what is durable is shown, here as in the queues.
  auto then = [this, id = *opened, promise, offset, read](const flusher_status& log) {
    if (offset < log.flushed) {
      read();
      return;
    }
    close(id);
    promise.deliver(make_caf_error(errc::not_found,
                                   "no message is durable at offset " + std::to_string(offset)));
  };
  ask<flusher_status>(*opened, promise, roles.flusher, then, status_atom_v);
  return promise;
}

} // namespace troupe
