#include "net/consumer.hpp"

#include "net/ask.hpp"
#include "storage/big_endian.hpp"
#include "storage/format/properties.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>

namespace troupe::client {

namespace {

constexpr std::size_t smallest_record = storage::record_layout::fixed_bytes_v1;

constexpr std::uint64_t most_pull_bytes = storage::mib;
/// Of the pulls that wait at the same time, and the least that is worth a pull.
constexpr std::size_t open_pull_bytes = 16 * storage::mib;
constexpr std::size_t least_pull_bytes = 16 * storage::kib;
/// How long each of them waits before it is sent again.
constexpr std::uint32_t pull_wait_ms = 10'000;

template <class... Functions>
struct overloaded : Functions... {
  using Functions::operator()...;
};
template <class... Functions>
overloaded(Functions...) -> overloaded<Functions...>;

} // namespace

storage::result<storage::record_view> decode(const storage::slice& record) {
  auto bytes = record.bytes();
  if (bytes.empty())
    return storage::error{errc::corrupt, "the node could not read a record that it wanted to send: "
                                         "its file is damaged, or was deleted; try again"};
  if (bytes.size() < smallest_record)
    return storage::error{errc::corrupt, "the node sent a record that is too short"};
  auto* own_offset = bytes.data() + storage::record_layout::own_offset_at;
  auto offset = storage::big_endian::load<log_offset>(own_offset);
  auto found = storage::decode_record(bytes, offset, storage::verify::structure_and_crc);
  if (found.kind != storage::record_kind::message || found.size != bytes.size())
    return storage::error{errc::corrupt, "the record at " + std::to_string(offset) +
                                             " arrived damaged: " + found.problem};
  if (record.damaged()) // asked last: the bytes may have gone while they were checked
    return storage::error{errc::corrupt, "the record at " + std::to_string(offset) +
                                             " was lost while it was read: its file is damaged, "
                                             "or was deleted; try again"};
  return found.view;
}

std::string_view keys_of(const storage::record_view& message) {
  return storage::find_property(message.properties, storage::property::keys);
}

storage::result<std::vector<std::string>> parse_tags(std::string_view expression) {
  const std::string given(expression);
  std::vector<std::string> tags;
  while (!expression.empty()) {
    auto end = expression.find("||");
    auto tag = expression.substr(0, end);
    auto first = tag.find_first_not_of(" \t");
    auto last = tag.find_last_not_of(" \t");
    if (first != std::string_view::npos)
      tags.emplace_back(tag.substr(first, last - first + 1));
    expression.remove_prefix(end == std::string_view::npos ? expression.size() : end + 2);
  }
  if (tags.empty())
    return storage::error{errc::invalid_argument,
                          "\"" + given +
                              "\" names no tag: give some, such as \"TagA || TagB\", or "
                              "* for every message"};
  if (std::find(tags.begin(), tags.end(), "*") != tags.end())
    tags.clear();
  return tags;
}

/// Sends the pulls of a consumer that follows, and keeps their answers until it takes them: one of
/// each queue at most.
class consumer::follower {
public:
  struct arrival {
    std::size_t queue = 0;
    storage::result<pull_response> answer;
  };

  follower(caf::actor_system& system, store_service service)
      : shared_(std::make_shared<shared>()),
        courier_(system.spawn(courier, std::move(service), shared_)) {}
  ~follower() { caf::anon_send_exit(courier_, caf::exit_reason::user_shutdown); }
  follower(const follower&) = delete;
  follower& operator=(const follower&) = delete;

  void ask(std::size_t queue, pull_request request) {
    caf::anon_send(courier_, static_cast<std::uint64_t>(queue), std::move(request));
  }

  /// The next answer; nothing when none comes in time.
  std::optional<arrival> wait(std::chrono::milliseconds limit) {
    std::unique_lock lock(shared_->mutex);
    if (!shared_->changed.wait_for(lock, limit, [&] { return !shared_->arrivals.empty(); }))
      return std::nullopt;
    auto first = std::move(shared_->arrivals.front());
    shared_->arrivals.pop_front();
    return first;
  }

private:
  struct shared {
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<arrival> arrivals;

    void put(std::size_t queue, storage::result<pull_response> answer) {
      std::lock_guard lock(mutex);
      arrivals.push_back({queue, std::move(answer)});
      changed.notify_one();
    }
  };

  static caf::behavior courier(caf::event_based_actor* self, store_service service,
                               std::shared_ptr<shared> into) {
    return {
        [=](std::uint64_t queue, const pull_request& request) {
          // Whoever is asked owns the deadline and answers in any case.
          self->request(service, caf::infinite, request)
              .then([=](pull_response& answer) { into->put(queue, std::move(answer)); },
                    [=](const caf::error& why) { into->put(queue, from_caf(why)); });
        },
    };
  }

  std::shared_ptr<shared> shared_;
  caf::actor courier_;
};

consumer::consumer(consumer&& other) noexcept = default;
consumer::~consumer() = default;

consumer::consumer(caf::actor_system& system, store_service service, consumer_options options,
                   note_function note)
    : self_(std::make_unique<caf::scoped_actor>(system)), service_(std::move(service)),
      options_(std::move(options)), note_(std::move(note)) {
  for (auto& tag : options_.tags)
    tag_hashes_.push_back(storage::java_hash(tag));
  if (options_.follow)
    follower_ = std::make_unique<follower>(system, service_);
}

storage::result<consumer> consumer::open(caf::actor_system& system, store_service service,
                                         consumer_options options, note_function note) {
  consumer made(system, std::move(service), std::move(options), std::move(note));
  auto& topic = made.options_.topic;
  auto queue = made.options_.queue;
  TROUPE_TRY(auto description,
             queue < 0
                 ? ask<topic_description>(*made.self_, made.service_, bounds_atom_v, topic)
                 : ask<topic_description>(*made.self_, made.service_, bounds_atom_v, topic, queue));
  for (auto& bounds : description.queues)
    if (made.options_.queue < 0 || made.options_.queue == bounds.queue_id) {
      TROUPE_TRY(made.find_start(bounds));
    }
  if (made.options_.queue >= 0 &&
      std::none_of(description.queues.begin(), description.queues.end(),
                   [&](const queue_bounds& b) { return b.queue_id == made.options_.queue; }))
    return storage::error{errc::not_found, "topic " + topic + " has no queue " +
                                               std::to_string(made.options_.queue)};
  return made;
}

storage::result<void> consumer::find_start(const queue_bounds& bounds) {
  storage::error failed;
  auto start = std::visit(overloaded{
                              [&](start_earliest) { return bounds.min; },
                              [&](start_latest) { return bounds.max; },
                              [&](start_offset s) { return s.offset; },
                              [&](start_time s) {
                                auto found =
                                    ask<queue_offset>(*self_, service_, search_atom_v,
                                                      options_.topic, bounds.queue_id, s.ms);
                                if (!found)
                                  failed = found.error();
                                return found ? found.value() : bounds.max;
                              },
                          },
                          options_.from);
  if (failed.code != errc::none)
    return failed;
  // One that is asked for more than it has says so.
  if (options_.follow || start != bounds.max)
    queues_.push_back({bounds.queue_id, start, bounds.max});
  return boost::outcome_v2::success();
}

storage::result<std::vector<consumer::message>> consumer::next() {
  return options_.follow ? next_arrived() : next_in_turn();
}

pull_request consumer::request_for(const queue_state& queue) const {
  pull_request request;
  request.topic = options_.topic;
  request.queue_id = queue.id;
  request.from = queue.next;
  request.max_messages = options_.batch;
  request.max_bytes = most_pull_bytes;
  request.tag_hashes = tag_hashes_;
  return request;
}

storage::result<std::vector<consumer::message>> consumer::next_in_turn() {
  // One round over the queues, each to its end.
  auto rounds = queues_.size();
  for (std::size_t i = 0; i < rounds && !queues_.empty(); ++i) {
    turn_ %= queues_.size();
    auto& queue = queues_[turn_];
    auto request = request_for(queue);
    request.max_messages = static_cast<std::uint32_t>(
        std::min<queue_offset>(options_.batch, std::max<queue_offset>(1, queue.end - queue.next)));
    TROUPE_TRY(auto answer, ask<pull_response>(*self_, service_, request));
    TROUPE_TRY(auto messages, take(queue, answer));
    if (queue.next >= queue.end || answer.status == pull_status::nothing_new)
      queues_.erase(queues_.begin() + static_cast<std::ptrdiff_t>(turn_));
    else if (messages.empty())
      ++turn_;
    if (!messages.empty())
      return messages;
  }
  return std::vector<message>{};
}

storage::result<std::vector<consumer::message>> consumer::next_arrived() {
  for (std::size_t i = 0; i < queues_.size(); ++i) {
    auto& queue = queues_[i];
    if (queue.asked || queue.held)
      continue;
    auto request = request_for(queue);
    // Together they stay within what a client may have open.
    request.max_bytes = std::clamp(open_pull_bytes / queues_.size(), least_pull_bytes,
                                   std::size_t{most_pull_bytes});
    request.wait_ms = pull_wait_ms;
    follower_->ask(i, std::move(request));
    queue.asked = true;
  }
  auto arrived = follower_->wait(options_.wait);
  if (!arrived || arrived->answer || arrived->answer.error().code != errc::busy)
    for (auto& queue : queues_)
      queue.held = false;
  if (!arrived)
    return std::vector<message>{};
  auto& queue = queues_[arrived->queue];
  queue.asked = false;
  if (!arrived->answer) {
    queue.held = arrived->answer.error().code == errc::busy;
    if (queue.held || outlasts(arrived->answer.error()))
      return std::vector<message>{};
  }
  TROUPE_TRY(auto answer, std::move(arrived->answer));
  away_ = false;
  return take(queue, answer);
}

bool consumer::outlasts(const storage::error& why) {
  // A pull changes nothing, so one without an answer is asked again.
  if (why.code != errc::connection_lost && why.code != errc::unavailable &&
      why.code != errc::maybe_stored)
    return false;
  if (!away_)
    note_("the node is away (" + why.message + "); going on when it is back");
  away_ = true;
  return true;
}

storage::result<std::vector<consumer::message>> consumer::take(queue_state& queue,
                                                               pull_response& answer) {
  auto where = options_.topic + " queue " + std::to_string(queue.id);
  if (answer.status == pull_status::offset_too_small)
    note_(where + ": messages " + std::to_string(queue.next) + " to " +
          std::to_string(answer.next - 1) + " are gone; going on behind them");
  if (answer.status == pull_status::offset_too_large)
    note_(where + ": ends at " + std::to_string(answer.max) +
          (options_.follow ? "; going on from there" : ", before what was asked for"));
  if (answer.damaged > 0)
    note_(where + ": " + std::to_string(answer.damaged) +
          " messages are damaged: " + answer.warning);
  std::vector<message> messages;
  messages.reserve(answer.records.size());
  for (auto& record : answer.records) {
    TROUPE_TRY(auto view, decode(record));
    if (!options_.follow && view.queue_position >= queue.end)
      continue;
    if (wanted(view))
      messages.push_back({view, record});
  }
  queue.next = answer.next;
  if (answer.status == pull_status::offset_too_large && !options_.follow)
    queue.next = queue.end;
  return messages;
}

bool consumer::wanted(const storage::record_view& view) const {
  // The node compares hashes; different tags may share one.
  if (options_.tags.empty())
    return true;
  auto tag = storage::find_property(view.properties, storage::property::tags);
  return std::find(options_.tags.begin(), options_.tags.end(), tag) != options_.tags.end();
}

} // namespace troupe::client
