#include "sim/world.hpp"

#include "actors/link_messages.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string_view>

namespace troupe::sim {

namespace {

/// A test that needs more has two actors that send each other messages for ever.
constexpr std::uint64_t most_steps = 20'000'000;

std::unique_ptr<caf::actor_system_config> make_config() {
  auto config = std::make_unique<caf::actor_system_config>();
  config->add_message_types<caf::id_block::troupe>();
  config->add_message_types<caf::id_block::troupe_roles>();
  config->add_message_types<caf::id_block::troupe_links>();
  config->set("scheduler.policy", caf::atom("testing"));
  return config;
}

} // namespace

caf::result<caf::message> refuse_requests(caf::scheduled_actor* self, caf::message_view&) {
  if (self->current_message_id().is_request())
    return caf::sec::unexpected_message;
  return caf::delegated<caf::message>{};
}

world::world(std::uint64_t seed, const std::function<void(caf::actor_system_config&)>& configure)
    : config_(make_config()), random_(stream(seed, "schedule")) {
  if (configure)
    configure(*config_);
  system_ = std::make_unique<caf::actor_system>(*config_);
  // In places the framework takes 0 for "no time-out".
  scheduler().clock().current_time += std::chrono::hours(1);
  client_ = system_->spawn([](caf::event_based_actor* self) -> caf::behavior {
    self->set_default_handler(refuse_requests);
    return {[self](const client_task& task) { task.run(self); }};
  });
  drain();
}

world::~world() {
  between_steps = nullptr;
  on_step = nullptr;
  last_stall_ = now_;
  frozen_.clear();
  for (auto& [id, known] : known_)
    known.stalled_until = now_;
  kill_all();
  client_ = nullptr;
  kill_all();
  if (system_->registry().running() > 0) {
    // The system would wait for ever.
    std::fprintf(stderr, "an actor does not end when it is killed\n");
    std::abort();
  }
}

caf::scheduler::test_coordinator& world::scheduler() {
  return dynamic_cast<caf::scheduler::test_coordinator&>(system_->scheduler());
}

void world::in_client(std::function<void(caf::event_based_actor*)> run) {
  caf::anon_send(client_, client_task{std::move(run)});
}

/// Whoever is spawned has something to do at first: nobody is missed.
void world::remember_busy() {
  for (auto* job : scheduler().jobs) {
    auto* actor = dynamic_cast<caf::local_actor*>(job);
    if (actor != nullptr && known_.count(actor->id()) == 0)
      known_[actor->id()] = {actor->name(), actor->address(), current_, time{0}};
  }
}

bool world::kill_all(const std::string& name) {
  remember_busy();
  bool found = false;
  for (auto& [id, known] : known_)
    if (auto actor = caf::actor_cast<caf::actor>(known.address); actor && known.name == name) {
      kill(actor);
      found = true;
    }
  return found;
}

void world::kill_all() {
  remember_busy();
  for (auto& [id, known] : known_)
    if (auto actor = caf::actor_cast<caf::actor>(known.address); actor && actor != client_)
      kill(actor);
  drain();
}

/// A place in the queue of those who have something to do; none when all of them wait.
std::optional<std::size_t> world::choose() {
  auto& jobs = scheduler().jobs;
  if (jobs.empty())
    return std::nullopt;
  if (last_stall_ <= now_)
    return random_.below(jobs.size());
  ready_.clear();
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    auto* actor = dynamic_cast<caf::local_actor*>(jobs[i]);
    if (actor == nullptr || stands_until(known_[actor->id()]) <= now_)
      ready_.push_back(i);
  }
  if (ready_.empty())
    return std::nullopt;
  return ready_[random_.below(ready_.size())];
}

void world::run(std::size_t chosen) {
  auto& jobs = scheduler().jobs;
  std::string_view name;
  if (auto* actor = dynamic_cast<caf::local_actor*>(jobs[chosen])) {
    auto& known = known_[actor->id()];
    current_ = known.process;
    name = known.name; // of the map, which outlives the actor
  }
  note(chosen + 1);
  note(jobs.size());
  hash_.add(name);
  note(static_cast<std::uint64_t>(now_.count()));
  std::swap(jobs.front(), jobs[chosen]);
  scheduler().try_run_once();
  remember_busy(); // who was spawned belongs to the process that did it
  auto process = current_;
  current_ = 0;
  if (++steps_ > most_steps)
    throw std::runtime_error("the actors do not come to rest");
  if (on_step)
    on_step({steps_, now_, process, name});
}

bool world::step() {
  remember_busy();
  auto chosen = choose();
  if (!chosen)
    return false;
  run(*chosen);
  if (between_steps)
    between_steps();
  return true;
}

void world::in_process(process_id process, const std::function<void()>& what) {
  remember_busy();
  current_ = process;
  what();
  remember_busy();
  current_ = 0;
}

void world::kill_process(process_id process) {
  remember_busy();
  note(process);
  frozen_.erase(process);
  // An exit message overtakes everything in a mailbox, so nobody does another step of work; but the
  // exit of one may wake another one of them, who must be dead first: all are told before any ends.
  std::set<caf::actor_id> told;
  auto tell = [&] {
    for (auto& [id, known] : known_)
      if (known.process == process && told.insert(id).second)
        if (auto actor = caf::actor_cast<caf::actor>(known.address))
          kill(actor);
  };
  tell();
  auto of_process = [&](caf::resumable* job) {
    auto* actor = dynamic_cast<caf::local_actor*>(job);
    return actor != nullptr && known_[actor->id()].process == process;
  };
  auto& jobs = scheduler().jobs;
  for (;;) {
    auto found = std::find_if(jobs.begin(), jobs.end(), of_process);
    if (found == jobs.end())
      return;
    run(static_cast<std::size_t>(found - jobs.begin()));
    tell(); // what it had taken out of its mailbox before comes first, and may spawn somebody
  }
}

void world::kill_actor(process_id process, std::string_view actor) {
  remember_busy();
  note(process);
  for (auto& [id, known] : known_)
    if (auto found = caf::actor_cast<caf::actor>(known.address);
        found && known.process == process && known.name == actor)
      kill(found);
}

void world::stall(process_id process, std::string_view actor, time span) {
  remember_busy();
  for (auto& [id, known] : known_)
    if (known.process == process && known.name == actor)
      known.stalled_until = std::max(known.stalled_until, now_ + span);
  last_stall_ = std::max(last_stall_, now_ + span);
}

void world::freeze(process_id process, time span) {
  auto& until = frozen_[process];
  until = std::max(until, now_ + span);
  last_stall_ = std::max(last_stall_, until);
}

world::time world::stands_until(const known_actor& who) const {
  auto frozen = frozen_.find(who.process);
  return frozen == frozen_.end() ? who.stalled_until : std::max(who.stalled_until, frozen->second);
}

void world::drain() {
  while (step()) {
  }
}

bool world::advance(time limit) {
  auto& clock = scheduler().clock();
  if (now_ >= limit)
    return false;
  // At most to the next timer, and by whole milliseconds.
  auto span = limit - now_;
  if (!clock.schedule().empty()) {
    auto due = clock.schedule().begin()->first - clock.now();
    auto wait = std::chrono::ceil<time>(due);
    span = std::clamp(wait, time{0}, span);
  }
  for (auto& [id, known] : known_)
    if (last_stall_ > now_ && stands_until(known) > now_)
      span = std::min(span, stands_until(known) - now_);
  now_ += span;
  clock.advance_time(span);
  return true;
}

void world::run_for(time span) {
  auto end = now_ + span;
  do
    drain();
  while (advance(end));
}

bool world::run_until(const std::function<bool()>& reached, time limit) {
  auto end = now_ + limit;
  while (!reached())
    if (!step() && !advance(end))
      return reached();
  return true;
}

} // namespace troupe::sim
