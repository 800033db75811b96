#include "tests/support/actor_world.hpp"

#include "actors/interfaces.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace troupe::test {

namespace {

/// A test that needs more has two actors that send each other messages for ever.
constexpr std::uint64_t most_steps = 20'000'000;

std::unique_ptr<caf::actor_system_config> make_config() {
  auto config = std::make_unique<caf::actor_system_config>();
  config->add_message_types<caf::id_block::troupe>();
  config->add_message_types<caf::id_block::troupe_roles>();
  config->set("scheduler.policy", caf::atom("testing"));
  return config;
}

} // namespace

caf::result<caf::message> refuse_requests(caf::scheduled_actor* self, caf::message_view&) {
  if (self->current_message_id().is_request())
    return caf::sec::unexpected_message;
  return caf::delegated<caf::message>{};
}

actor_world::actor_world(std::uint64_t seed)
    : config_(make_config()), system_(std::make_unique<caf::actor_system>(*config_)),
      random_(seed) {
  // In places the framework takes 0 for "no time-out".
  scheduler().clock().current_time += std::chrono::hours(1);
  client_ = system_->spawn([](caf::event_based_actor* self) -> caf::behavior {
    self->set_default_handler(refuse_requests);
    return {[self](const client_task& task) { task.run(self); }};
  });
  drain();
}

actor_world::~actor_world() {
  between_steps = nullptr;
  kill_all();
  client_ = nullptr;
  kill_all();
  if (system_->registry().running() > 0) {
    // The system would wait for ever.
    std::fprintf(stderr, "an actor does not end when it is killed\n");
    std::abort();
  }
}

caf::scheduler::test_coordinator& actor_world::scheduler() {
  return dynamic_cast<caf::scheduler::test_coordinator&>(system_->scheduler());
}

void actor_world::in_client(std::function<void(caf::event_based_actor*)> run) {
  caf::anon_send(client_, client_task{std::move(run)});
}

/// Whoever is spawned has something to do at first: nobody is missed.
void actor_world::remember_busy() {
  for (auto* job : scheduler().jobs) {
    auto* actor = dynamic_cast<caf::local_actor*>(job);
    if (actor != nullptr && known_.count(actor->id()) == 0)
      known_[actor->id()] = {actor->name(), actor->address()};
  }
}

bool actor_world::kill_all(const std::string& name) {
  remember_busy();
  bool found = false;
  for (auto& [id, known] : known_)
    if (auto actor = caf::actor_cast<caf::actor>(known.address); actor && known.name == name) {
      kill(actor);
      found = true;
    }
  return found;
}

void actor_world::kill_all() {
  remember_busy();
  for (auto& [id, known] : known_)
    if (auto actor = caf::actor_cast<caf::actor>(known.address); actor && actor != client_)
      kill(actor);
  drain();
}

bool actor_world::step() {
  remember_busy();
  auto& jobs = scheduler().jobs;
  if (jobs.empty())
    return false;
  auto chosen = random_() % jobs.size();
  hash_ = (hash_ ^ (chosen + 1)) * 1099511628211ull;
  hash_ = (hash_ ^ jobs.size()) * 1099511628211ull;
  std::swap(jobs.front(), jobs[chosen]);
  scheduler().try_run_once();
  if (++steps_ > most_steps)
    throw std::runtime_error("the actors do not come to rest");
  if (between_steps)
    between_steps();
  return true;
}

void actor_world::drain() {
  while (step()) {
  }
}

bool actor_world::advance(time limit) {
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
  now_ += span;
  clock.advance_time(span);
  return true;
}

void actor_world::run_for(time span) {
  auto end = now_ + span;
  do
    drain();
  while (advance(end));
}

bool actor_world::run_until(const std::function<bool()>& reached, time limit) {
  auto end = now_ + limit;
  while (!reached())
    if (!step() && !advance(end))
      return reached();
  return true;
}

} // namespace troupe::test
