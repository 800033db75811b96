#include "sim/node/node_follower.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace troupe::sim {

namespace {

/// No run has so many messages.
constexpr queue_offset most_at_once = 1'000'000;

/// Pulls of all queues while no time passes; each gives a message at least, or leads over one.
constexpr std::uint64_t most_in_a_moment = 100'000;

using std::chrono::milliseconds;
constexpr auto pause = milliseconds(100);         ///< after an answer that leads nowhere
constexpr std::uint64_t most_bytes = 4000;        ///< of an answer that is to be short
constexpr std::uint32_t longest_wait_ms = 20'000; ///< below a wire's deadline
/// A wire's deadlines, a stall and some pulls.
constexpr int catch_up_s = 90;

} // namespace

struct follower_state {
  /// One queue: either its stored progress is being asked for, or it is being pulled.
  struct followed {
    std::string topic;
    std::int32_t queue = 0;
    std::optional<queue_offset> next;            ///< none: not known, the stored progress says
    queue_offset least_stored = -1;              ///< acknowledged as stored
    queue_offset most_stored = -1;               ///< the furthest that was ever sent to be stored
    bool storing = false;                        ///< one at a time
    bool may_forget = false;                     ///< what is stored is of this life of the queue
    std::uint64_t removals = 0;                  ///< of topics, known when `least_stored` was
    std::map<queue_offset, std::string> passed;  ///< positions left out, and what was said
    std::map<queue_offset, std::uint64_t> shown; ///< numbers of messages
  };

  node_scene* scene = nullptr;
  caf::event_based_actor* self = nullptr;
  store_service service;
  std::string group;
  bool told_begin = false;
  random_source random{1};
  random_source sizes{1}; ///< of its own, so that the other draws of a seed stay what they were
  std::vector<followed> queues;
  std::set<std::uint64_t> seen;        ///< numbers of messages
  std::uint64_t epoch = 0;             ///< answers to what was asked in an earlier one mean nothing
  caf::actor_clock::time_point moment; ///< when it last went on at once
  std::uint64_t in_this_moment = 0;    ///< how often it did
  std::string problem;

  void wrong(const followed& where, const std::string& what) {
    if (problem.empty())
      problem = "whoever follows `next` in " + where.topic + " queue " +
                std::to_string(where.queue) + ": " + what;
  }

  void go_on(std::size_t index) {
    if (queues[index].next)
      pull(index);
    else
      ask_progress(index);
  }
  void later(std::size_t index) {
    self->delayed_send(self, pause, retry_atom_v, static_cast<std::uint64_t>(index));
  }

  // -- progress ----------------------------------------------------------------------------------

  group_offset progress(const followed& at, queue_offset offset) const {
    return {group, at.topic, at.queue, offset};
  }

  void ask_progress(std::size_t index) {
    self->request(service, caf::infinite, fetch_atom_v, progress(queues[index], -1))
        .then(
            [this, index, of = epoch](const group_offset& stored) {
              if (of == epoch)
                begin_at(queues[index], stored.offset);
              go_on(index);
            },
            [this, index](const caf::error&) { later(index); });
  }

  void begin_at(followed& at, queue_offset stored) {
    auto& topics = scene->ledger.topics();
    // Damage in the last record is taken for a torn write: the log is cut there, and groups that
    // are beyond are set back.
    bool kept =
        at.removals == topics.removals() && !topics.vanishing(at.topic) && !scene->rot.in_log();
    if (kept && stored < at.least_stored)
      wrong(at, "progress " + std::to_string(at.least_stored) + " was answered as stored, and " +
                    std::to_string(stored) + " is");
    if (stored > std::max<queue_offset>(at.most_stored, 0) && !told_begin)
      wrong(at, "progress " + std::to_string(stored) + " is stored, and nobody got further than " +
                    std::to_string(at.most_stored));
    at.next = std::max<queue_offset>(stored, 0);
  }

  void store_progress(std::size_t index) {
    auto& at = queues[index];
    if (at.storing)
      return;
    at.storing = true;
    auto offset = *at.next;
    at.most_stored = std::max(at.most_stored, offset);
    auto removals = scene->ledger.topics().removals();
    at.least_stored = std::min(at.least_stored, offset); // either, until it is answered
    self->request(service, caf::infinite, store_atom_v, progress(at, offset))
        .then(
            [this, index, offset, removals, of = epoch](const group_offset&) {
              auto& known = queues[index];
              known.storing = false;
              if (of != epoch)
                return;
              known.least_stored = offset;
              known.removals = removals;
              known.may_forget = true;
            },
            [this, index](const caf::error&) { queues[index].storing = false; });
  }

  // -- pulls -------------------------------------------------------------------------------------

  void pull(std::size_t index) {
    auto& at = queues[index];
    pull_request request;
    request.topic = at.topic;
    request.queue_id = at.queue;
    request.from = *at.next;
    request.max_messages = static_cast<std::uint32_t>(random.between(1, 32));
    if (sizes.one_in(4)) // an answer that is full before it has so many
      request.max_bytes = sizes.between(1, most_bytes);
    request.wait_ms = longest_wait_ms;
    self->request(service, caf::infinite, request)
        .then(
            [this, index, asked = scene->ledger.now(), from = request.from,
             of = epoch](const pull_response& answer) {
              if (of != epoch || queues[index].next != from)
                return go_on(index); // it has been sent back to the start
              take(index, answer, asked);
            },
            [this, index](const caf::error&) { later(index); });
  }

  void take(std::size_t index, const pull_response& answer, const node_ledger::moment& asked) {
    auto& at = queues[index];
    auto from = *at.next;
    auto expected = from;
    for (auto& record : answer.records) {
      auto message = decode_message(record);
      if (message.position < expected)
        wrong(at, "position " + std::to_string(message.position) + " comes where " +
                      std::to_string(expected) + " was to come");
      for (; expected < message.position; ++expected)
        pass(at, expected, answer);
      ++expected;
      show(at, message.position, scene->as_sent(record), asked);
    }
    if (answer.next < expected && !may_move_back(at))
      wrong(at, "from " + std::to_string(expected) + " it is sent back to " +
                    std::to_string(answer.next));
    // A flipped bit in a record's number leads that far when its queue is built again.
    bool leaps = answer.next - expected > most_at_once;
    if (leaps && !scene->rot.in_log())
      wrong(at, "from " + std::to_string(expected) + " it is sent on to " +
                    std::to_string(answer.next));
    for (; expected < answer.next && !leaps; ++expected)
      pass(at, expected, answer);
    at.next = answer.next;
    if (*at.next != from && random.one_in(2))
      store_progress(index);
    bool restarts = at.may_forget && random.one_in(30);
    if (restarts)
      at.next.reset();
    bool leads_on = restarts || answer.next > from;
    if (leads_on && goes_on_for_ever())
      wrong(at, "it is sent on and on to " + std::to_string(answer.next));
    if (leads_on && problem.empty()) // else there may be no end, and nobody would hear of it
      go_on(index);
    else
      later(index);
  }

  /// Time passes only when all is done: nothing stops a follower who is always sent on at once.
  bool goes_on_for_ever() {
    auto now = self->clock().now();
    if (std::exchange(moment, now) != now)
      in_this_moment = 0;
    return ++in_this_moment > most_in_a_moment;
  }

  /// So that it can be told in the end why something was not seen.
  static void pass(followed& at, queue_offset position, const pull_response& answer) {
    constexpr std::size_t most = 10'000;
    if (at.passed.size() < most)
      at.passed.emplace(position, answer.damaged > 0 ? "as damaged: " + answer.warning
                                  : answer.status == pull_status::offset_too_small
                                      ? "as expired"
                                      : "without a word");
  }

  void show(followed& at, queue_offset position, const seen_message& message,
            const node_ledger::moment& asked) {
    auto& ledger = scene->ledger;
    ++scene->compared;
    if (auto bad = ledger.check_answered(message, asked))
      return wrong(at, *bad);
    auto& entry = *ledger.find(message.body);
    if (!node_ledger::has_waited(entry, message))
      seen.insert(entry.number);
    at.shown[position] = entry.number;
    if (scene->plan.sync_flush && !scene->disk_lied)
      ledger.shown(message);
  }

  /// Of what has waited there may be several: each is shown at its own place.
  bool copy_shown(const seen_message& one, std::uint64_t number) const {
    return std::ranges::any_of(queues, [&](const followed& at) {
      auto shown = at.shown.find(one.position);
      return at.topic == one.topic && at.queue == one.queue && shown != at.shown.end() &&
             shown->second == number;
    });
  }

  /// Another message was shown in its place: damage in the last record looks like a torn write, and
  /// its number is given again.
  bool other_shown(const seen_message& one) const {
    return std::ranges::any_of(queues, [&](const followed& at) {
      return at.topic == one.topic && at.queue == one.queue && at.shown.count(one.position) > 0;
    });
  }

  static std::string history_of(const followed& at, queue_offset position) {
    if (auto passed = at.passed.find(position); passed != at.passed.end())
      return ", which was left out " + passed->second;
    if (auto shown = at.shown.find(position); shown != at.shown.end())
      return "; message " + std::to_string(shown->second) + " was shown there";
    return at.next ? "; it waits at " + std::to_string(*at.next) : "; its progress is not answered";
  }

  /// Where messages that were shown may be gone.
  bool may_move_back(const followed& at) const {
    auto& topics = scene->ledger.topics();
    return scene->disk_lied || scene->rot.anywhere() || topics.vanishing(at.topic);
  }
};

namespace {

struct follower_name {
  static inline const char* name = "follower";
};

caf::behavior follow(caf::stateful_actor<follower_name>* self,
                     const std::shared_ptr<follower_state>& state) {
  state->self = self;
  self->set_default_handler(refuse_requests);
  for (std::size_t i = 0; i < state->queues.size(); ++i)
    state->later(i);
  return {[state](retry_atom, std::uint64_t index) { state->go_on(index); }};
}

} // namespace

node_follower::node_follower(node_scene& scene, store_service service, const std::string& group,
                             bool told_begin)
    : scene_(scene), state_(std::make_shared<follower_state>()) {
  state_->scene = &scene;
  state_->service = std::move(service);
  state_->told_begin = told_begin;
  state_->group = group;
  state_->random = stream(scene.plan.seed, group);
  state_->sizes = stream(scene.plan.seed, group + "-sizes");
  for (std::uint32_t i = 0; i < scene.plan.topics * scene.plan.queues; ++i) {
    auto& added = state_->queues.emplace_back();
    added.topic = scene.topic_of(i);
    added.queue = static_cast<std::int32_t>(i % scene.plan.queues);
  }
  actor_ = scene.w.system().spawn(follow, state_);
}

node_follower::~node_follower() {
  scene_.w.kill(actor_);
}

void node_follower::power_lost() {
  for (auto& at : state_->queues)
    at.least_stored = -1;
  if (scene_.plan.sync_flush) // only what is durable is shown
    return;
  ++state_->epoch;
  for (auto& at : state_->queues) {
    at.next = 0;
    at.may_forget = false;
  }
}

bool node_follower::was_shown(std::uint64_t number) const {
  return state_->seen.count(number) > 0;
}

void node_follower::check() const {
  if (!state_->problem.empty())
    throw broken{state_->problem};
}

void node_follower::catch_up(const std::vector<seen_message>& there) {
  if (scene_.disk_lied)
    return;
  auto unseen = [this](const seen_message& one) {
    auto* entry = scene_.ledger.find(one.body);
    bool waited = entry != nullptr && node_ledger::has_waited(*entry, one);
    if (entry == nullptr || (entry->level > 0 && !waited)) // who waits is not shown yet
      return false;
    return !(waited ? state_->copy_shown(one, entry->number) : was_shown(entry->number)) &&
           !scene_.rot.hit(one.topic, one.queue, one.position) &&
           !(scene_.rot.in_log() && state_->other_shown(one));
  };
  auto first = there.begin();
  for (int second = 0; second < catch_up_s; ++second) {
    check();
    first = std::find_if(first, there.end(), unseen);
    if (first == there.end())
      return;
    scene_.w.run_for(std::chrono::seconds(1));
  }
  for (auto& at : state_->queues) {
    if (at.topic != first->topic || at.queue != first->queue)
      continue;
    state_->wrong(at, "never saw position " + std::to_string(first->position) +
                          follower_state::history_of(at, first->position));
  }
  check();
}

} // namespace troupe::sim
