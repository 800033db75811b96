#include "actors/reader.hpp"

#include "storage/format/properties.hpp"
#include "storage/log/gap_filler.hpp"
#include "storage/log/log_file.hpp"
#include "storage/logging.hpp"
#include "storage/mutant.hpp"

#include <algorithm>
#include <utility>

namespace troupe {

namespace {

constexpr auto held_check = std::chrono::seconds(1);
constexpr auto warning_pause = std::chrono::seconds(1);

/// A queue entry is derived data: the record has to say the same.
bool is_named(const read_request& request, const record_location& where,
              const storage::record_view& view) {
  return view.size == where.size && view.queue_position == where.position &&
         view.queue_id == request.queue_id && view.topic == request.topic;
}

/// Not of a message that waits: the levels may have been others when it came, and who delivers it
/// goes by the record.
bool says_its_tag(const record_location& where, const storage::record_view& view,
                  const storage::options& options) {
  return view.topic == storage::delay_topic ||
         where.tags_code == storage::tags_code(view.topic,
                                               storage::indexed_properties{view.properties},
                                               view.store_timestamp, options.delays);
}

/// False if reading the message again can bring nothing else.
bool may_come_back(errc code) {
  return code != errc::corrupt && code != errc::not_found && code != errc::offset_too_small;
}

} // namespace

void reader_state::start(reader_actor::stateful_pointer<reader_state> actor, reader_setup setup) {
  self_ = actor;
  options_ = setup.options;
  files_ = setup.files;
  auto min = setup.min;
  if (setup.replacement)
    min = storage::log_start(*setup.files, options_.store, min);
  log_ = std::make_unique<storage::log_view>(*setup.files, options_.store, min);
}

/// The record that a queue entry names. `corrupt` if it can never be had by this entry,
/// `offset_too_small` if it is gone; anything else may pass.
reader_state::found_record reader_state::record_of(const read_request& request,
                                                   const record_location& where) {
  auto doubtful = [](std::string why) -> found_record {
    return {storage::error{errc::corrupt, std::move(why)}, true};
  };
  if (where.size == 0)
    return doubtful("the queue entry is damaged");
  auto message = log_->read(where.offset);
  if (message.has_error() && message.error().code == errc::not_found)
    return doubtful(message.error().message);
  if (message.has_error())
    return {std::move(message).error()};
  auto& found = message.value();
  auto at = [&] { return std::to_string(where.offset); };
  if (!is_named(request, where, found.view))
    return doubtful("the record at " + at() + " is not the one that its queue entry names");
  if (storage::is_placeholder(found.view))
    return {storage::error{errc::corrupt, "the message at " + at() +
                                              " was lost; a repair of the log keeps its number"}};
  if (!where.compared && !says_its_tag(where, found.view, options_.store) && queue_manager_)
    self_->send(queue_manager_, entry_suspicion{request.topic, request.queue_id, where});
  return {std::move(found.bytes)};
}

caf::result<pull_response> reader_state::read(read_request& request) {
  auto& answer = request.answer;
  answer.records.reserve(request.records.size());
  queue_offset expired_until = 0;
  for (auto& where : request.records) {
    auto [record, doubtful] = record_of(request, where);
    bool first = answer.records.empty() && answer.damaged == 0;
    if (record.has_error() && record.error().code == errc::offset_too_small && first) {
      expired_until = where.position + 1;
      continue;
    }
    if (expired_until > 0)
      break;
    if (record) {
      answer.records.push_back(std::move(record.value()));
      continue;
    }
    if (doubtful && !where.compared) {
      if (first)
        answer.status = pull_status::in_doubt;
      answer.next = where.position;
      break;
    }
    auto& why = record.error();
    if (!may_come_back(why.code) || TROUPE_MUTANT("unreadable-skipped")) {
      if (!TROUPE_MUTANT("damage-not-told"))
        leave_out(request, where, why);
      continue;
    }
    warn_unreadable(why);
    if (first)
      return to_caf(why);
    answer.next = where.position;
    break;
  }
  if (expired_until > 0) {
    answer.status = pull_status::offset_too_small;
    answer.min = answer.next = expired_until;
  }
  return std::move(answer);
}

caf::result<storage::right_entries> reader_state::search(const entry_search& what) {
  auto found = storage::search_entries(*files_, options_.store, *log_, what.topic, what.queue_id,
                                       what.suspects);
  if (!found)
    return to_caf(found.error());
  return std::move(found.value());
}

void reader_state::leave_out(read_request& request, const record_location& where,
                             const storage::error& why) {
  auto place = place_in_queue(request.topic, request.queue_id, where.position);
  if (++request.answer.damaged == 1) // only of the first one is told what is wrong
    request.answer.warning = place + ": " + why.message;
  if (queue_manager_)
    self_->send(queue_manager_, damaged_message{std::move(place), why.message});
}

/// Not more than a line a second: whoever waits for the disk asks again and again.
void reader_state::warn_unreadable(const storage::error& why) {
  auto now = self_->clock().now();
  if (now < next_warning_)
    return;
  next_warning_ = now + warning_pause;
  storage::log_warning("message.unreadable", {{"reason", render(why)}});
}

caf::result<record_batch> reader_state::read_keys(const key_read& request) {
  auto& query = request.query;
  record_batch batch;
  std::uint64_t bytes = 0;
  // From the newest on, as many as are wanted; the answer is in the order of the log.
  for (auto at = request.offsets.rbegin();
       at != request.offsets.rend() && batch.records.size() < query.max; ++at) {
    auto message = log_->read(*at);
    if (!message && may_come_back(message.error().code))
      return to_caf(message.error()); // it may hold the key
    if (!message)                     // gone, or damaged: the index is a hint
      continue;
    auto& view = message.value().view;
    bool holds_key = false;
    storage::for_each_key(storage::indexed_properties{view.properties},
                          [&](std::string_view key) { holds_key |= key == query.key; });
    if (!holds_key || view.topic != query.topic || view.store_timestamp < query.begin_ms ||
        view.store_timestamp > query.end_ms)
      continue;
    bytes += view.size;
    if (bytes > max_query_bytes && !batch.records.empty())
      ++batch.left_out;
    else
      batch.records.push_back(std::move(message.value().bytes));
  }
  std::reverse(batch.records.begin(), batch.records.end());
  return batch;
}

caf::result<std::vector<queue_bounds>> reader_state::read_bounds(bounds_read& request) {
  for (std::size_t i = 0; i < request.queues.size() && i < request.last_records.size(); ++i) {
    if (request.last_records[i] < 0)
      continue;
    auto message = log_->read(request.last_records[i]);
    if (message)
      request.queues[i].last_store_ms = message.value().view.store_timestamp;
    else if (may_come_back(message.error().code))
      return to_caf(message.error());
  }
  return std::move(request.queues);
}

caf::result<record_batch> reader_state::fetch(log_offset offset) {
  auto message = log_->read(offset);
  // Who asks has the id of a message. The names of our files are none of a stranger's business.
  if (!message && message.error().code == errc::not_found)
    return make_caf_error(errc::not_found,
                          "no message begins at log offset " + std::to_string(offset));
  if (!message)
    return to_caf(message.error());
  record_batch batch;
  batch.records.push_back(std::move(message.value().bytes));
  return batch;
}

caf::result<std::int64_t> reader_state::store_time(log_offset offset) {
  auto message = log_->read(offset);
  if (!message)
    return to_caf(message.error());
  return message.value().view.store_timestamp;
}

caf::result<position_list> reader_state::replay(log_offset from, log_offset to,
                                                std::uint32_t count) {
  auto batch = log_->positions(from, to, count);
  if (!batch)
    return to_caf(batch.error());
  if (TROUPE_MUTANT("position-dropped") && !batch.value().positions.empty())
    batch.value().positions.pop_back();
  return position_list{std::make_shared<const storage::position_batch>(std::move(batch.value()))};
}

void reader_state::drop(log_offset min) {
  bool watched = !held_.empty();
  for (auto& file : log_->drop_until(min))
    held_.push_back({file, self_->clock().now()});
  if (!watched && !held_.empty())
    self_->delayed_send(self_, held_check, pulse_atom_v);
}

void reader_state::check_held() {
  std::erase_if(held_, [](const held_file& h) { return h.file.map.expired(); });
  auto limit = milliseconds{options_.store.destroy_mapped_file_interval_ms};
  for (auto& h : held_) {
    auto map = h.file.map.lock();
    if (!map || self_->clock().now() - h.since < limit)
      continue;
    // The address range stays readable, so whoever holds a slice sees zeros and `damaged`.
    storage::log_warning("reader.forced_file",
                         {{"start", h.file.start}, {"held_ms", limit.count()}});
    map->revoke();
    h.since = caf::actor_clock::time_point::max();
  }
  std::erase_if(held_,
                [](const held_file& h) { return h.since == caf::actor_clock::time_point::max(); });
  if (!held_.empty())
    self_->delayed_send(self_, held_check, pulse_atom_v);
}

/// A writer elsewhere that was out of reach may have begun a new run of the log: files that its
/// recovery made again are not those that are open here.
void reader_state::set_roles(const role_table& table) {
  queue_manager_ = table.queue_manager;
  if (!table.writer)
    return;
  auto before = std::exchange(writer_, table.writer);
  if (before && before != writer_)
    log_ = std::make_unique<storage::log_view>(
        *files_, options_.store, storage::log_start(*files_, options_.store, log_->min_offset()));
}

reader_actor::behavior_type reader(reader_actor::stateful_pointer<reader_state> self,
                                   reader_setup setup) {
  auto& state = self->state;
  state.start(self, std::move(setup));
  return {
      [&state](read_request& request) { return state.read(request); },
      [&state](const key_read& request) { return state.read_keys(request); },
      [&state](bounds_read& request) { return state.read_bounds(request); },
      [&state](const entry_search& what) { return state.search(what); },
      [&state](fetch_atom, log_offset offset) { return state.fetch(offset); },
      [&state](search_atom, log_offset offset) { return state.store_time(offset); },
      [&state](replay_atom, log_offset from, log_offset to, std::uint32_t count) {
        return state.replay(from, to, count);
      },
      [&state](drop_atom, log_offset min) { state.drop(min); },
      [&state](const role_table& table) { state.set_roles(table); },
      [&state](pulse_atom) { state.check_held(); },
  };
}

} // namespace troupe
