#include "sim/net/link.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <utility>

namespace troupe::sim {

namespace {

using std::chrono::milliseconds;
constexpr auto patience = std::chrono::seconds(5);
constexpr auto deadline = std::chrono::seconds(30);
constexpr auto dial_pause = milliseconds(100);

/// A wire carries copies: what happens to the node's files later changes nothing that was sent.
template <class Result>
void copy_bytes(Result& answer) {
  if constexpr (requires { answer.records; })
    for (auto& record : answer.records)
      record = storage::slice::copy_of(record.bytes());
}

} // namespace

/// What waits for a connection, both directions of the wire, and every request that has not been
/// answered. Used by the link's actor, and by the test between two steps.
struct link_state {
  using time_point = caf::actor_clock::time_point;
  using actor_type = store_service::extend<handles<void(work_atom)>, handles<void(retry_atom)>>;

  struct parcel {
    time_point due;
    std::uint64_t id = 0;
    std::function<void()> arrive;
  };
  struct open_request {
    time_point deadline;  ///< for a connection, then for the answer
    bool on_wire = false; ///< of the connection that is there: it ends with that
    std::function<void(const storage::error&)> fail;
  };

  actor_type::pointer self = nullptr;
  world* of = nullptr;
  std::function<node_actor()> find_node;
  wire conditions;
  node_actor node; ///< gave the session
  session_actor session;
  std::deque<parcel> unsent; ///< never on a wire: the next connection takes them
  std::deque<parcel> requests;
  std::deque<parcel> answers;
  std::map<std::uint64_t, open_request> open;
  std::uint64_t next_id = 1;
  std::uint64_t connection = 0; ///< counts them: what comes late is of another one
  bool broken = false;          ///< the other end is gone; news of it come as answers do
  bool cut_off = false;         ///< this end knows it without them
  bool dialling = false;
  bool tick_pending = false;
  time_point tick_at;

  time_point now() const { return self->clock().now(); }

  time_point due_behind(const std::deque<parcel>& direction) const {
    auto due = now() + conditions.delay;
    if (conditions.jitter.count() > 0)
      due += milliseconds(static_cast<std::int64_t>(
          of->random() % static_cast<std::uint64_t>(conditions.jitter.count() + 1)));
    return direction.empty() ? due : std::max(due, direction.back().due);
  }

  template <class Result, class... Arguments>
  caf::result<Result> pass(Arguments... arguments) {
    auto id = next_id++;
    auto promise = self->make_response_promise<Result>();
    open[id] = {now() + patience, false,
                [promise](const storage::error& why) mutable { promise.deliver(to_caf(why)); }};
    unsent.push_back(
        {{}, id, [this, id, promise, held = std::make_tuple(std::move(arguments)...)]() mutable {
           auto answer = [this, id, promise, of_connection = connection](auto value) mutable {
             if (of_connection != connection || find_node() != node)
               return; // its end is gone, and with it the bytes; `lost` tells whoever asked
             answers.push_back({due_behind(answers), id,
                                [promise, value]() mutable { promise.deliver(std::move(value)); }});
             pump();
           };
           auto ask = [&](auto&... values) {
             self->request(session, caf::infinite, values...)
                 .then(
                     [answer](Result& result) mutable {
                       copy_bytes(result);
                       answer(std::move(result));
                     },
                     [answer](caf::error& why) mutable { answer(std::move(why)); });
           };
           std::apply(ask, held);
         }});
    pump();
    return promise;
  }

  /// Lets arrive what may.
  void pump() {
    if (broken && (conditions.answers_pass || cut_off))
      lost();
    if (!session)
      dial();
    put_on_wire();
    while (session && conditions.requests_pass && !requests.empty() &&
           requests.front().due <= now()) {
      auto arrived = std::move(requests.front());
      requests.pop_front();
      arrived.arrive(); // even if nobody waits for its answer any more
    }
    while (conditions.answers_pass && !answers.empty() && answers.front().due <= now()) {
      auto arrived = std::move(answers.front());
      answers.pop_front();
      if (open.erase(arrived.id) > 0)
        arrived.arrive();
    }
    expire();
    arm();
  }

  /// From here on nobody knows what becomes of a request until it is answered.
  void put_on_wire() {
    for (; session && !unsent.empty(); unsent.pop_front()) {
      auto found = open.find(unsent.front().id);
      if (found == open.end())
        continue;
      found->second.on_wire = true;
      found->second.deadline = now() + deadline;
      auto due = due_behind(requests);
      requests.push_back({due, unsent.front().id, std::move(unsent.front().arrive)});
    }
  }

  void expire() {
    for (auto at = open.begin(); at != open.end();) {
      auto& request = at->second;
      if (request.deadline > now()) {
        ++at;
        continue;
      }
      if (request.on_wire)
        request.fail({errc::maybe_stored, "no answer in time; it may have taken effect"});
      else
        request.fail({errc::unavailable, "the node is away; nothing was sent"});
      at = open.erase(at);
    }
  }

  void arm() {
    if (open.empty())
      return;
    auto next = now() + dial_pause;
    for (auto* direction : {&requests, &answers})
      if (!direction->empty() && direction->front().due > now())
        next = std::min(next, direction->front().due);
    if (tick_pending && tick_at <= next)
      return;
    tick_pending = true;
    tick_at = next;
    self->delayed_send(self, std::chrono::ceil<milliseconds>(next - now()), retry_atom_v);
  }

  void dial() {
    auto found_node = find_node();
    if (dialling || !found_node || open.empty() || !conditions.requests_pass ||
        !conditions.answers_pass)
      return;
    dialling = true;
    auto me = caf::actor_cast<caf::strong_actor_ptr>(self);
    self->request(found_node, dial_pause, hello_atom_v, me)
        .then(
            [this, found_node](const session_actor& found) {
              dialling = false;
              node = found_node;
              session = found;
              self->monitor(session);
              pump();
            },
            [this](const caf::error&) { dialling = false; });
  }

  /// A connection takes with it what was on its wire, in both directions.
  void lost() {
    session = nullptr;
    broken = cut_off = false;
    ++connection;
    requests.clear();
    answers.clear();
    auto all = std::exchange(open, {});
    for (auto& [id, request] : all)
      if (request.on_wire)
        request.fail({errc::connection_lost, "the connection broke; it may have taken effect"});
      else
        open.emplace(id, std::move(request));
  }
};

namespace {

link_state::actor_type::behavior_type link_actor(link_state::actor_type::pointer self,
                                                 const std::shared_ptr<link_state>& state) {
  auto* s = state.get();
  s->self = self;
  self->set_down_handler([s](const caf::down_msg& down) {
    if (!s->session || s->session.address() != down.source)
      return;
    s->broken = true;
    s->pump();
  });
  // The behaviour keeps the state alive.
  return {
      [s, state](put_request& request) { return s->pass<put_response>(std::move(request)); },
      [s](pull_request& request) { return s->pass<pull_response>(std::move(request)); },
      [s](const key_query& query) { return s->pass<record_batch>(query); },
      [s](fetch_atom a, log_offset offset) { return s->pass<record_batch>(a, offset); },
      [s](search_atom a, const std::string& topic, std::int32_t queue, std::int64_t time_ms) {
        return s->pass<queue_offset>(a, topic, queue, time_ms);
      },
      [s](create_atom a, const topic_info& topic) { return s->pass<topic_info>(a, topic); },
      [s](update_atom a, const topic_info& topic) { return s->pass<topic_info>(a, topic); },
      [s](remove_atom a, const std::string& topic) { return s->pass<tombstone>(a, topic); },
      [s](list_atom a) { return s->pass<topic_list>(a); },
      [s](bounds_atom a, const std::string& topic, std::int32_t queue) {
        return s->pass<topic_description>(a, topic, queue);
      },
      [s](bounds_atom a, const std::string& topic) { return s->pass<topic_description>(a, topic); },
      [s](fetch_atom a, const group_offset& which) { return s->pass<group_offset>(a, which); },
      [s](store_atom a, const group_offset& what) { return s->pass<group_offset>(a, what); },
      [s](list_atom a, const std::string& group) { return s->pass<group_list>(a, group); },
      [s](store_atom a, const group_settings& what) { return s->pass<group_settings>(a, what); },
      [s](remove_atom a, const group_settings& which, bool offsets) {
        return s->pass<group_settings>(a, which, offsets);
      },
      [s](status_atom a) { return s->pass<node_status>(a); },
      [s](const group_join& request) { return s->pass<group_members>(request); },
      [s](const group_claim& request) { return s->pass<group_claim>(request); },
      [s](const group_leave& request) { return s->pass<bool>(request); },
      [s](work_atom) { s->pump(); },
      [s](retry_atom) {
        if (s->tick_pending && s->now() >= s->tick_at)
          s->tick_pending = false;
        s->pump();
      },
  };
}

} // namespace

simulated_link::simulated_link(world& w, process_id client, std::function<node_actor()> find_node)
    : world_(w), state_(std::make_shared<link_state>()) {
  state_->of = &w;
  state_->find_node = std::move(find_node);
  world_.in_process(client, [this] {
    auto made = world_.system().spawn(link_actor, state_);
    service_ = made;
  });
}

simulated_link::~simulated_link() {
  state_->find_node = [] { return node_actor{}; };
  caf::anon_send_exit(service_, caf::exit_reason::kill);
}

void simulated_link::set(const wire& conditions) {
  state_->conditions = conditions;
  auto self = caf::actor_cast<link_state::actor_type>(service_);
  caf::anon_send(self, work_atom_v);
}

const wire& simulated_link::conditions() const noexcept {
  return state_->conditions;
}

void simulated_link::cut() {
  if (!state_->session)
    return;
  state_->cut_off = true;
  caf::anon_send_exit(state_->session, caf::exit_reason::remote_link_unreachable);
  set(state_->conditions); // it may have been broken before
}

} // namespace troupe::sim
