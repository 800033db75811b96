#include "actors/registrar.hpp"

#include "storage/logging.hpp"
#include "storage/mutant.hpp"
#include "storage/recovery/abort_marker.hpp"

#include <algorithm>
#include <utility>

namespace troupe {

namespace {

constexpr auto save_interval = std::chrono::seconds(5);
/// A journal of this size is not left to grow until the next save is due.
constexpr std::uint64_t large_journal = 8 * storage::mib;

} // namespace

caf::result<group_offset> registrar_state::fetch(const group_offset& which) const {
  auto result = which;
  result.offset = offsets_->find(which.group, which.topic, which.queue_id).value_or(-1);
  return result;
}

caf::result<group_offset> registrar_state::store(const group_offset& what) {
  if (topics_->find(what.topic) == nullptr)
    return make_caf_error(errc::not_found, "there is no topic " + what.topic);
  if (TROUPE_MUTANT("progress-not-kept"))
    return what;
  if (auto done = offsets_->store(what.group, what.topic, what.queue_id, what.offset); !done) {
    say_if_full(done.error());
    return to_caf(done.error());
  }
  if (!learned_)
    stored_since_.emplace(what.group, what.topic, what.queue_id);
  offset_request request{what, kept_promise<group_offset>{self_}};
  waiting_offsets_.push_back(request);
  if (waiting_offsets_.size() >= most_waiting_requests)
    commit_offsets();
  else if (!std::exchange(offsets_timer_, true))
    self_->send(self_, work_atom_v); // behind what is in the mailbox now
  return request.promise;
}

/// One write for all that wait.
void registrar_state::commit_offsets() {
  auto waiting = std::exchange(waiting_offsets_, {});
  auto done = TROUPE_MUTANT("progress-not-saved")
                  ? storage::result<void>(boost::outcome_v2::success())
                  : offsets_->commit();
  for (auto& request : waiting)
    if (done)
      request.promise.deliver(request.what);
    else
      request.promise.deliver(to_caf(done.error()));
  if (!offsets_->changed())
    return;
  if (done && offsets_->journal_bytes() > large_journal && !save_failed_)
    save_offsets();
  else
    save_offsets_later();
}

void registrar_state::save_offsets_later() {
  if (!std::exchange(save_pending_, true))
    self_->delayed_send(self_, save_interval, save_atom_v);
}

/// After a removal: durable in the file, or at least in the journal.
storage::result<void> registrar_state::forget_offsets() {
  commit_offsets();
  save_offsets();
  return offsets_->sync_journal();
}

void registrar_state::save_in_turn() {
  save_pending_ = false;
  save_offsets();
}

void registrar_state::save_offsets() {
  if (!offsets_->changed())
    return;
  auto done = offsets_->save(setup_.clock->now_ms());
  save_failed_ = !done;
  if (done)
    return;
  storage::log_warning("offsets.not_saved", {{"reason", done.error().message}});
  save_offsets_later();
}

/// Messages that a group has seen may be gone, with a power cut or with files that somebody took
/// away: then new ones get their numbers, and the group would never see those. Where nothing can be
/// gone, what groups have stored is their own affair, but for a queue that begins at 0 while the
/// log does not: its numbers may be lost (it was built anew, and its messages have all expired),
/// and whoever is ahead of it waits for messages that get other numbers.
void registrar_state::learn(const queue_state& queues) {
  auto& directory = setup_.options.store.directory;
  bool settled = storage::groups_are_settled(*setup_.files, directory);
  set_back(queues, settled);
  learned_ = true;
  stored_since_.clear();
  if (settled)
    return;
  save_offsets(); // durably, which the journal may not be
  if (offsets_->changed())
    return; // the next start sees to it
  if (auto done = storage::settle_groups(*setup_.files, directory); !done)
    storage::log_warning("groups.not_settled", {{"reason", done.error().message}});
}

void registrar_state::set_back(const queue_state& queues, bool only_empty) {
  auto next_of = [&](std::string_view topic, std::int32_t queue) {
    auto place = static_cast<std::size_t>(queue);
    auto next = queue_offset{0};
    if (auto found = queues.next_offsets.find(std::string(topic));
        found != queues.next_offsets.end() && place < found->second.size())
      next = found->second[place];
    if (auto* dead = tombstones_->find(std::string(topic));
        dead != nullptr && place < dead->next_offsets.size())
      next = std::max(next, dead->next_offsets[place]);
    return next;
  };
  std::vector<group_offset> ahead;
  offsets_->for_each([&](std::string_view topic, std::string_view group, const auto& offsets) {
    for (auto& [queue, offset] : offsets)
      if (auto next = next_of(topic, queue);
          offset > next && (!only_empty || (next == 0 && queues.log_min > 0)) &&
          stored_since_.count({std::string(group), std::string(topic), queue}) == 0 &&
          !TROUPE_MUTANT("group-left-ahead"))
        ahead.push_back({std::string(group), std::string(topic), queue, offset});
  });
  for (auto& one : ahead) {
    auto next = next_of(one.topic, one.queue_id);
    storage::log_warning("group.set_back", {{"group", one.group},
                                            {"topic", one.topic},
                                            {"queue", one.queue_id},
                                            {"from", one.offset},
                                            {"to", next},
                                            {"reason", "the queue ends before it: messages that "
                                                       "the group had seen are gone, or the "
                                                       "queue's numbers were lost"}});
    if (auto done = offsets_->store(one.group, one.topic, one.queue_id, next); !done)
      storage::log_warning("offsets.not_saved", {{"reason", done.error().message}});
  }
  if (!ahead.empty())
    commit_offsets();
}

} // namespace troupe
