// What a session does for consumers: the queue-manager says where messages lie, and a reader brings
// them.

#include "actors/session.hpp"

#include <algorithm>
#include <utility>

namespace troupe {

namespace {

/// What a record may have beside its body, to bound what a queue entry says of its size.
constexpr std::uint64_t most_beside_body = 64 * storage::kib;

/// Of one client: one in each queue of the two largest topics. All of the node's are bounded by
/// `parked-pulls`, of which no client takes all.
constexpr std::size_t most_waiting_pulls = 2048;

/// No pull waits longer: who wants to wait on asks again.
constexpr std::uint32_t longest_wait_ms = 30'000;

/// Without an answer of the writer a topic is described as far as the queues are.
constexpr auto writer_patience = std::chrono::seconds(1);

/// Beyond the client's credit the answer ends sooner: with a message or two a consumer goes on, and
/// comes back for the rest. What cannot even begin is refused as busy, as everything else is then;
/// but of a client that has no bytes open the first message is let in, however large. The bytes
/// that are left, or nothing.
std::optional<std::uint64_t> cut_to_credit(read_request& found, std::uint64_t open_bytes,
                                           const node_options& limits) {
  auto most = limits.store.max_message_size_bytes + most_beside_body;
  auto credit = std::uint64_t{limits.session.credit_bytes};
  auto room = credit - std::min(credit, open_bytes);
  auto& records = found.records;
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < records.size(); ++i) {
    auto more = std::min<std::uint64_t>(records[i].size, most);
    if (bytes + more > room && (i > 0 || open_bytes > 0)) {
      if (i == 0)
        return std::nullopt;
      found.answer.next = records[i].position;
      records.resize(i);
      break;
    }
    bytes += more;
  }
  return bytes;
}

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
  if (auto good = storage::check_topic_name(request.topic); !good)
    return to_caf(good.error());
  if (request.from < 0 || request.queue_id < 0)
    return make_caf_error(errc::invalid_argument, "a negative offset or queue");
  if (auto* known = find_topic(request.topic); known != nullptr && (known->perm & 4) == 0)
    return make_caf_error(errc::invalid_argument, "topic " + request.topic + " is not readable");
  auto& tags = request.tag_hashes;
  if (tags.size() > most_pull_tags)
    return make_caf_error(errc::invalid_argument,
                          "a pull for " + std::to_string(tags.size()) + " tags; at most " +
                              std::to_string(most_pull_tags) + " are compared");
  if (!std::is_sorted(tags.begin(), tags.end()))
    std::sort(tags.begin(), tags.end());
  request.max_messages = std::clamp(request.max_messages, 1u, options_.pull.max_messages);
  auto most = options_.pull.max_bytes;
  if (reads_elsewhere())
    most = std::min<std::uint64_t>(most, largest_piece);
  request.max_bytes = std::clamp<std::uint64_t>(request.max_bytes, 1, most);
  request.wait_ms = std::min(request.wait_ms, longest_wait_ms);
  if (request.wait_ms > 0 && waiting_pulls_ >= most_waiting_pulls)
    return make_caf_error(errc::busy, "this client has " + std::to_string(waiting_pulls_) +
                                          " pulls waiting; wait for answers first");
  kept_promise<pull_response> promise{self_};
  // It may wait for long and bring nothing: until something is found it costs a place alone.
  auto id = open(promise, {1, 0}, milliseconds{request.wait_ms});
  if (!id)
    return promise;
  if (request.wait_ms > 0) {
    open_[*id].waits = true;
    ++waiting_pulls_;
  }
  auto then = [this, id = *id, promise](read_request& found) {
    complete(id, promise, std::move(found));
  };
  ask<read_request>(*id, promise, roles.queue_manager, then, std::move(request));
  return promise;
}

/// A reader adds the messages that the queue-manager has found. If the first entry leads to none of
/// its own, the queue-manager compares it with the log, after which the reader knows what to do.
void session_state::complete(request_id id, const kept_promise<pull_response>& promise,
                             read_request found) {
  if (found.records.empty()) {
    close(id);
    promise.deliver(std::move(found.answer));
    return;
  }
  auto* reader = next_reader();
  if (reader == nullptr) {
    close(id);
    promise.deliver(to_caf(not_reachable<reader_actor>(roles)));
    return;
  }
  // What was found costs its bytes until it is answered, and waits no more.
  waiting_pulls_ -= std::exchange(open_[id].waits, false) ? 1 : 0;
  auto& taken = open_[id].taken;
  credit_->give_back({0, std::exchange(taken.bytes, 0)}); // of an entry that was in doubt
  auto bytes = cut_to_credit(found, credit_->bytes(), options_);
  if (!bytes) {
    close(id);
    promise.deliver(make_caf_error(errc::busy, "this client has " +
                                                   std::to_string(credit_->bytes()) +
                                                   " bytes open; wait for answers first"));
    return;
  }
  taken.bytes = *bytes;
  credit_->take({0, *bytes});
  read_request one{found.topic, found.queue_id, {found.records.front()}, {}};
  auto then = [this, id, promise, one](pull_response& answer) mutable {
    if (answer.status != pull_status::in_doubt) {
      close(id);
      promise.deliver(std::move(answer));
      return;
    }
    one.answer = std::move(answer);
    one.answer.status = pull_status::found;
    one.answer.next = one.records.front().position + 1;
    auto again = [this, id, promise](read_request& compared) {
      complete(id, promise, std::move(compared));
    };
    ask<read_request>(id, promise, roles.queue_manager, again, std::move(one));
  };
  ask<pull_response>(id, promise, *reader, then, std::move(found));
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
