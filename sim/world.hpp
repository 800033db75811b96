#pragma once

#include "actors/caf.hpp"
#include "actors/error.hpp"
#include "sim/random.hpp"
#include "sim/trace_hash.hpp"

#include <caf/scheduler/test_coordinator.hpp>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace troupe::sim {

/// Work for the world's client: it sends and asks in the order in which it was told to.
struct client_task {
  std::function<void(caf::event_based_actor*)> run;
};

} // namespace troupe::sim

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::sim::client_task)

namespace troupe::sim {

/// The answer to a question that was asked in a `world`, as soon as it is there.
template <class Result>
class answer {
public:
  bool there() const noexcept { return slot_->has_value(); }
  storage::result<Result>& get() {
    if (!there())
      throw std::runtime_error("nobody has answered");
    return **slot_;
  }
  Result& value() {
    if (get().has_error())
      throw std::runtime_error("the answer is an error: " + get().error().message);
    return get().value();
  }
  storage::errc code() { return get().has_error() ? get().error().code : storage::errc::none; }
  std::string reason() { return get().has_error() ? get().error().message : std::string{}; }

private:
  friend class world;
  std::shared_ptr<std::optional<storage::result<Result>>> slot_ =
      std::make_shared<std::optional<storage::result<Result>>>();
};

/// For actors that know only a part of their role's messages: requests are refused, notes ignored.
/// The framework's own `drop` answers a note with an error, which ends whoever sent it.
caf::result<caf::message> refuse_requests(caf::scheduled_actor* self, caf::message_view& message);

/// Actors that live and die together, as those of one operating system's process do.
using process_id = std::uint32_t;

/// Who did the last step, for traces.
struct step_info {
  std::uint64_t number = 0;
  std::chrono::milliseconds time{0};
  process_id process = 0;
  std::string_view actor; ///< its name
};

/// An actor system on one thread, with a clock that only moves when told to and a scheduler that
/// draws the next actor from a seeded generator: one seed, one run. Time passes in `run_for` and
/// `run_until`, and only while nobody has anything to do.
///
/// Actors belong to processes: to the one in whose name they are spawned (`in_process`), or to that
/// of the actor that spawned them. What belongs to none is in process 0, the outside.
class world {
public:
  using time = std::chrono::milliseconds;

  /// `configure` adds what the actor system of a user's own actors needs: message types.
  explicit world(std::uint64_t seed = 1,
                 const std::function<void(caf::actor_system_config&)>& configure = nullptr);
  ~world();
  world(const world&) = delete;
  world& operator=(const world&) = delete;

  caf::actor_system& system() noexcept { return *system_; }
  /// The actor in whose name the test asks and tells.
  const caf::actor& client() const noexcept { return client_; }

  /// Lets one actor handle one message; false when nobody has one.
  bool step();
  /// Steps until nobody has anything to do at this moment.
  void drain();
  void run_for(time span);
  /// Runs until it is so; false when it did not come within the limit.
  bool run_until(const std::function<bool()>& reached, time limit = std::chrono::seconds(60));

  time now() const noexcept { return now_; }
  std::uint64_t steps() const noexcept { return steps_; }
  /// Of all that was chosen so far: differs as soon as one step differs.
  std::uint64_t hash() const noexcept { return hash_.value(); }
  std::uint64_t random() noexcept { return random_.next(); }
  /// Something outside has happened: it changes the hash.
  void note(std::uint64_t what) noexcept { hash_.add(what); }

  /// Called between two steps, for tests that interfere.
  std::function<void()> between_steps;
  /// Called after each step.
  std::function<void(const step_info&)> on_step;

  /// Does what `what` does in the name of a process: who is spawned there belongs to it.
  void in_process(process_id process, const std::function<void()>& what);
  /// All actors of the process end before anybody else does a step, and before they do another one
  /// themselves: those who waited for them are told.
  void kill_process(process_id process);
  /// Those of this name in the process die, each by itself.
  void kill_actor(process_id process, std::string_view actor);
  /// Nobody of this name in the process does a step for a while, as if it waited for the disk.
  void stall(process_id process, std::string_view actor, time span);
  /// Nobody in the process does a step for a while, whoever is spawned there meanwhile included.
  void freeze(process_id process, time span);

  /// An actor that plays a role with the handlers that `make` returns; it refuses the rest.
  template <class Role>
  Role play(std::function<caf::message_handler(caf::event_based_actor*)> make) {
    auto made = system_->spawn([make](caf::event_based_actor* self) -> caf::behavior {
      self->set_default_handler(refuse_requests);
      return make(self).or_else([self](const client_task& task) { task.run(self); });
    });
    return caf::actor_cast<Role>(caf::actor_cast<caf::strong_actor_ptr>(made));
  }

  /// Runs `what` inside an actor that plays a role, where alone its promises may be kept.
  template <class Role>
  void inside(const Role& played, std::function<void()> what) {
    caf::anon_send(caf::actor_cast<caf::actor>(played),
                   client_task{[what](caf::event_based_actor*) { what(); }});
  }

  /// An actor that takes every message and never answers.
  template <class Role>
  Role play_dead() {
    auto made = system_->spawn([](caf::event_based_actor* self) -> caf::behavior {
      self->set_default_handler(caf::skip);
      return {[](const client_task&) {}};
    });
    return caf::actor_cast<Role>(caf::actor_cast<caf::strong_actor_ptr>(made));
  }

  /// Asks in the client's name; nothing has happened yet when this returns.
  template <class Result, class Handle, class... Arguments>
  answer<Result> request(const Handle& whom, Arguments... arguments) {
    answer<Result> result;
    auto slot = result.slot_;
    in_client([slot, whom,
               held = std::make_tuple(std::move(arguments)...)](caf::event_based_actor* self) {
      auto ask = [&](const auto&... values) {
        self->request(whom, caf::infinite, values...)
            .then([slot](Result& value) { slot->emplace(std::move(value)); },
                  [slot](const caf::error& why) { slot->emplace(from_caf(why)); });
      };
      std::apply(ask, held);
    });
    return result;
  }

  /// Asks and runs until the answer is there.
  template <class Result, class Handle, class... Arguments>
  answer<Result> ask(const Handle& whom, Arguments... arguments) {
    auto result = request<Result>(whom, std::move(arguments)...);
    run_until([&] { return result.there(); });
    return result;
  }

  /// Sends in the client's name.
  template <class Handle, class... Arguments>
  void tell(const Handle& whom, Arguments... arguments) {
    in_client(
        [whom, held = std::make_tuple(std::move(arguments)...)](caf::event_based_actor* self) {
          std::apply([&](const auto&... values) { self->send(whom, values...); }, held);
        });
  }

  /// Kills every actor of this name; false when there never was one.
  bool kill_all(const std::string& name);
  /// Kills everybody but the client.
  void kill_all();

  template <class Handle>
  void kill(const Handle& whom) {
    caf::anon_send_exit(whom, caf::exit_reason::kill);
  }

private:
  struct known_actor {
    std::string name;
    caf::actor_addr address;
    process_id process = 0;
    time stalled_until{0};
  };

  void in_client(std::function<void(caf::event_based_actor*)> run);
  caf::scheduler::test_coordinator& scheduler();
  bool advance(time limit);
  time stands_until(const known_actor& who) const;
  void remember_busy();
  std::optional<std::size_t> choose();
  void run(std::size_t chosen);

  std::unique_ptr<caf::actor_system_config> config_;
  std::unique_ptr<caf::actor_system> system_;
  random_source random_;
  caf::actor client_;
  std::map<process_id, time> frozen_;
  std::map<caf::actor_id, known_actor> known_; ///< everybody who ever had something to do
  process_id current_ = 0;                     ///< of the actor that did the last step
  time last_stall_{0};                         ///< nobody is stalled for longer
  std::vector<std::size_t> ready_; ///< places in the scheduler's queue that may be chosen
  time now_{0};
  std::uint64_t steps_ = 0;
  trace_hash hash_;
};

} // namespace troupe::sim
