#include "actors/queue_shares.hpp"

#include "actors/patience.hpp"
#include "actors/promise.hpp"
#include "actors/queue_share.hpp"

#include <algorithm>
#include <memory>
#include <span>
#include <utility>

namespace troupe {

namespace {

/// Longer than clients wait by default: only so that nothing is waited for for ever.
constexpr auto read_patience = std::chrono::minutes(2);
constexpr auto role_patience = std::chrono::seconds(5);

caf::error is_away(const queue_share& share) {
  return make_caf_error(errc::unavailable, "the " + share.name + " is not reachable");
}

/// Answers of all, as they come.
template <class Answer>
struct gathering {
  std::vector<Answer> answers;
  std::size_t open = 0;
  bool failed = false;
};

class shared_queues {
public:
  shared_queues(queue_manager_actor::pointer self, std::vector<queue_share> shares)
      : self_(self), shares_(std::move(shares)) {}

  const queue_share& keeper(const std::string& topic, std::int32_t queue) const {
    return shares_[share_of(topic_hash(topic), queue, static_cast<std::uint32_t>(shares_.size()))];
  }
  const queue_share& first() const { return shares_.front(); }
  std::ptrdiff_t missing() const {
    return std::ranges::count_if(shares_, [](auto& share) { return !share.manager; });
  }

  template <class Answer, class... Arguments>
  caf::result<Answer> ask(const queue_share& share, Arguments&&... arguments) {
    if (!share.manager)
      return is_away(share);
    kept_promise<Answer> promise{self_};
    self_
        ->request(share.manager, patience(self_, share.manager, read_patience),
                  std::forward<Arguments>(arguments)...)
        .then([promise](Answer& answer) { promise.deliver(std::move(answer)); },
              [promise](caf::error& why) { promise.deliver(std::move(why)); });
    return promise;
  }

  template <class... Arguments>
  void tell(const queue_share& share, const Arguments&... arguments) {
    if (share.manager)
      self_->send(share.manager, arguments...);
  }
  template <class... Arguments>
  void tell_all(const Arguments&... arguments) {
    for (auto& share : shares_)
      tell(share, arguments...);
  }

  /// What they are asked for otherwise: nobody waits for the answers.
  template <class... Arguments>
  void order_all(const Arguments&... arguments) {
    for (auto& share : shares_)
      if (share.manager)
        caf::anon_send(share.manager, arguments...);
  }

  /// Those that are there; `join` makes one answer of theirs. The first error is the answer.
  template <class Answer, class Join, class... Arguments>
  caf::result<Answer> ask_present(const Join& join, const Arguments&... arguments) {
    auto g = std::make_shared<gathering<Answer>>();
    for (auto& share : shares_)
      g->open += share.manager ? 1 : 0;
    if (g->open == 0)
      return is_away(first());
    kept_promise<Answer> promise{self_};
    for (auto& share : shares_) {
      if (!share.manager)
        continue;
      self_->request(share.manager, patience(self_, share.manager, role_patience), arguments...)
          .then(
              [g, promise, join](Answer& answer) {
                g->answers.push_back(std::move(answer));
                if (--g->open == 0 && !g->failed)
                  promise.deliver(join(std::move(g->answers)));
              },
              [g, promise](caf::error& why) {
                --g->open;
                if (!std::exchange(g->failed, true))
                  promise.deliver(std::move(why));
              });
    }
    return promise;
  }
  /// All of them, or nobody is asked.
  template <class Answer, class Join, class... Arguments>
  caf::result<Answer> ask_all(const Join& join, const Arguments&... arguments) {
    for (auto& share : shares_)
      if (!share.manager)
        return is_away(share);
    return ask_present<Answer>(join, arguments...);
  }

  queue_manager_status joined(const std::vector<queue_manager_status>& all) const;

private:
  queue_manager_actor::pointer self_;
  std::vector<queue_share> shares_;
};

/// As far as the slowest is. Durable is nothing while one is missing: its part may not be.
queue_manager_status shared_queues::joined(const std::vector<queue_manager_status>& all) const {
  auto sum = all.front();
  for (auto& one : all)
    sum.parts.push_back({one.share, one.applied, one.durable});
  sum.missing = static_cast<std::uint32_t>(shares_.size() - all.size());
  for (auto& one : std::span(all).subspan(1)) {
    if (one.run != sum.run) // they do not speak of one log
      sum.run = 0;
    sum.applied = std::min(sum.applied, one.applied);
    sum.durable = std::min(sum.durable, one.durable);
    sum.queues += one.queues;
    sum.entries += one.entries;
    sum.parked_pulls += one.parked_pulls;
    sum.damaged_messages += one.damaged_messages;
    sum.cold_reads += one.cold_reads;
    if (sum.failure.empty())
      sum.failure = one.failure;
  }
  if (sum.missing > 0)
    sum.durable = 0;
  return sum;
}

queue_state joined_states(const std::vector<queue_state>& all) {
  auto sum = all.front();
  for (auto& one : std::span(all).subspan(1)) {
    sum.applied = std::min(sum.applied, one.applied);
    sum.log_min = std::max(sum.log_min, one.log_min);
    for (auto& [topic, numbers] : one.next_offsets) {
      auto& next = sum.next_offsets[topic];
      next.resize(std::max(next.size(), numbers.size()), 0);
      for (std::size_t id = 0; id < numbers.size(); ++id)
        next[id] = std::max(next[id], numbers[id]);
    }
  }
  return sum;
}

bounds_read joined_bounds(const std::vector<bounds_read>& all) {
  bounds_read sum;
  for (auto& one : all) {
    sum.queues.insert(sum.queues.end(), one.queues.begin(), one.queues.end());
    sum.last_records.insert(sum.last_records.end(), one.last_records.begin(),
                            one.last_records.end());
  }
  return sum;
}

tombstone one_of(const std::vector<tombstone>& all) {
  return all.front();
}

} // namespace

queue_manager_actor::behavior_type
queue_shares(queue_manager_actor::stateful_pointer<queue_shares_state> self,
             queue_shares_setup setup) {
  auto queues = std::make_shared<shared_queues>(self, std::move(setup.shares));
  auto join_status = [queues](const std::vector<queue_manager_status>& all) {
    return queues->joined(all);
  };
  return {
      [queues](const position_list& list) { queues->tell_all(list); },
      [queues](pull_request& request) {
        auto& keeper = queues->keeper(request.topic, request.queue_id);
        return queues->ask<read_request>(keeper, std::move(request));
      },
      [queues](read_request& request) {
        auto& keeper = queues->keeper(request.topic, request.queue_id);
        return queues->ask<read_request>(keeper, std::move(request));
      },
      [queues](const entry_suspicion& what) {
        queues->tell(queues->keeper(what.topic, what.queue_id), what);
      },
      [queues](const key_query& query) { return queues->ask<key_read>(queues->first(), query); },
      [queues](bounds_atom, const std::string& topic, std::int32_t queue, log_offset end) {
        return queues->ask<bounds_read>(queues->keeper(topic, queue), bounds_atom_v, topic, queue,
                                        end);
      },
      [queues](bounds_atom, const std::string& topic, log_offset end) {
        return queues->ask_all<bounds_read>(joined_bounds, bounds_atom_v, topic, end);
      },
      [queues](search_atom, const std::string& topic, std::int32_t queue, std::int64_t time_ms) {
        return queues->ask<queue_offset>(queues->keeper(topic, queue), search_atom_v, topic, queue,
                                         time_ms);
      },
      [queues](const log_flushed& what) { queues->tell_all(what); },
      [queues](ended_atom, log_offset end) { queues->tell_all(ended_atom_v, end); },
      [queues](failed_atom, const write_bar& why) { queues->tell_all(failed_atom_v, why); },
      [queues](const damaged_message& what) { queues->tell(queues->first(), what); },
      [queues](remove_atom, const tombstone& dead) {
        // Who is there shows nothing of the topic any more, also while another one is away.
        if (queues->missing() > 0)
          queues->order_all(remove_atom_v, dead);
        return queues->ask_all<tombstone>(one_of, remove_atom_v, dead);
      },
      [queues](drop_atom, log_offset min) { queues->tell_all(drop_atom_v, min); },
      [queues, join_status](meet_atom, log_run run, log_offset cut) {
        return queues->ask_all<queue_manager_status>(join_status, meet_atom_v, run, cut);
      },
      [queues](resume_atom, log_offset end) {
        return queues->ask_all<queue_state>(joined_states, resume_atom_v, end);
      },
      [queues](flush_atom) { queues->tell_all(flush_atom_v); },
      [queues, join_status](status_atom) {
        return queues->ask_present<queue_manager_status>(join_status, status_atom_v);
      },
      // Each is stopped, and told of the roles, by the node that it is at.
      [](stop_atom) -> caf::result<stop_report> { return stop_report{}; },
      [](const role_table&) {},
      [](pulse_atom) {},
      [](retry_atom) {},
  };
}

} // namespace troupe
