#include "net/admin/admin_actor.hpp"

#include "actors/error.hpp"
#include "net/admin/admin_reads.hpp"
#include "net/admin/history_watch.hpp"
#include "net/admin/listing_json.hpp"
#include "net/admin/metrics.hpp"
#include "net/admin/readiness.hpp"
#include "net/admin/status_json.hpp"

#include <optional>
#include <utility>
#include <vector>

namespace troupe::net {

namespace {

/// A node's own status takes a second where a part is silent.
constexpr auto patience = std::chrono::seconds(3);

void refuse(const admin_reply& reply, const caf::error& why) {
  reply(text_answer(from_caf(why).message + "\n", 503));
}

class admin_state {
public:
  admin_state(admin_actor::pointer self, admin_setup setup)
      : self_(self), setup_(std::move(setup)), reads_(self, setup_.node),
        watch_(self, setup_.node, setup_.disk_percent) {
    self_->send(setup_.node, attach_atom_v, door_actor{self_});
    self_->set_down_handler([this](const caf::down_msg& m) { reads_.session_ended(m.source); });
  }

  void set_topics(const topic_map& topics) { topics_ = topics; }
  void set_roles(const role_table& roles) { roles_ = roles; }
  void pulse() {
    watch_.look(roles_.registrar);
    reads_.rest_if_idle();
  }

  void take(admin_question& q) {
    auto& path = q.request.path;
    if (path == "/readyz")
      return readiness(q.request.query == "verbose", std::move(q.reply));
    if (path == "/metrics")
      return metrics(std::move(q.reply));
    if (path == "/v1/status")
      return status(std::move(q.reply));
    if (path == "/v1/topics")
      return q.reply(json_answer(topics_json(topics_)));
    if (path == "/v1/groups")
      return groups(std::move(q.reply));
    if (path == "/v1/clients")
      return clients(std::move(q.reply));
    if (path == "/v1/history")
      return q.reply(watch_.answer(q.request.query));
    if (reads_.take(q.request, q.reply))
      return;
    q.reply(text_answer("nothing is here; see /\n", 404));
  }

private:
  /// Answers that are still to come for `/metrics`.
  struct gathering {
    std::optional<node_status> status;
    std::optional<gateway_report> gateway;
    std::optional<group_list> groups;
    std::optional<queue_state> ends;
    std::size_t open = 0;
  };

  /// Who asks while the numbers are gathered for another gets the same ones.
  void metrics(admin_reply reply) {
    scrapers_.push_back(std::move(reply));
    if (scrapers_.size() > 1)
      return;
    auto g = std::make_shared<gathering>();
    ++g->open;
    gather(g, setup_.node, &gathering::status, status_atom_v);
    if (auto gateway = setup_.gateway->get())
      gather(g, gateway, &gathering::gateway, status_atom_v);
    gather(g, roles_.registrar, &gathering::groups, list_atom_v, std::string());
    gather(g, roles_.queue_manager, &gathering::ends, resume_atom_v, log_offset{0});
    came(*g);
  }

  template <class Answer, class Handle, class... Arguments>
  void gather(const std::shared_ptr<gathering>& g, const Handle& whom,
              std::optional<Answer> gathering::*into, Arguments&&... arguments) {
    ++g->open;
    ask<Answer>(
        whom,
        [this, g, into](const Answer* answer, const caf::error&) {
          if (answer != nullptr)
            (*g).*into = *answer;
          came(*g);
        },
        std::forward<Arguments>(arguments)...);
  }

  void came(gathering& g) {
    auto given = [](const auto& one) { return one ? &*one : nullptr; };
    if (--g.open > 0)
      return;
    metrics_input from{.cluster = setup_.cluster,
                       .node = setup_.name,
                       .start = setup_.progress->read(),
                       .most_series = setup_.most_series,
                       .status = given(g.status),
                       .gateway = given(g.gateway),
                       .bytes = {},
                       .topics = &topics_,
                       .groups = given(g.groups),
                       .ends = given(g.ends)};
    if (setup_.bytes)
      from.bytes = setup_.bytes();
    auto text = std::make_shared<std::string>(metrics_text(from));
    for (auto& reply : std::exchange(scrapers_, {}))
      reply({200, "text/plain; version=0.0.4; charset=utf-8", text, {}});
  }

  /// `then` gets the answer, or null with the reason.
  template <class Answer, class Handle, class Then, class... Arguments>
  void ask(const Handle& whom, Then then, Arguments&&... arguments) {
    if (!whom)
      return then(nullptr, to_caf(not_reachable<Handle>(roles_)));
    self_->request(whom, patience, std::forward<Arguments>(arguments)...)
        .then([then](const Answer& answer) { then(&answer, caf::error{}); },
              [then](const caf::error& why) { then(nullptr, why); });
  }

  void readiness(bool verbose, admin_reply reply) {
    ask<node_status>(
        setup_.node,
        [reply, verbose, progress = setup_.progress](const node_status* s, const caf::error&) {
          auto all = check_readiness(progress->read(), s);
          reply(text_answer(readiness_text(all, verbose), is_ready(all) ? 200 : 503));
        },
        status_atom_v);
  }

  void status(admin_reply reply) {
    ask<node_status>(
        setup_.node,
        [reply](const node_status* s, const caf::error& why) {
          s == nullptr ? refuse(reply, why) : reply(json_answer(status_json(*s) + "\n"));
        },
        status_atom_v);
  }

  void groups(admin_reply reply) {
    ask<group_list>(
        roles_.registrar,
        [this, reply](const group_list* all, const caf::error& why) {
          if (all == nullptr)
            return refuse(reply, why);
          ask<queue_state>(
              roles_.queue_manager,
              [reply, groups = *all](const queue_state* ends, const caf::error&) {
                reply(json_answer(groups_json(groups, ends)));
              },
              resume_atom_v, log_offset{0}); // as the queues are now
        },
        list_atom_v, std::string());
  }

  void clients(admin_reply reply) {
    auto gateway = setup_.gateway->get();
    if (!gateway)
      return reply(json_answer(clients_json({})));
    ask<gateway_report>(
        gateway,
        [reply](const gateway_report* report, const caf::error& why) {
          report == nullptr ? refuse(reply, why) : reply(json_answer(clients_json(*report)));
        },
        status_atom_v);
  }

  admin_actor::pointer self_;
  admin_setup setup_;
  topic_map topics_;
  role_table roles_;
  std::vector<admin_reply> scrapers_; ///< who wait for the numbers that are being gathered
  admin_reads reads_;
  history_watch watch_;
};

/// What the framework makes before the actor knows its settings, and ends with it.
struct admin_place {
  static inline const char* name = "admin";
  std::optional<admin_state> state;
};

} // namespace

admin_actor spawn_admin(caf::actor_system& system, admin_setup setup) {
  auto behavior = [](admin_actor::stateful_pointer<admin_place> self,
                     admin_setup with) -> admin_actor::behavior_type {
    auto& state = self->state.state.emplace(self, std::move(with));
    return {
        [&state](const topic_map& topics) { state.set_topics(topics); },
        [&state](const role_table& roles) { state.set_roles(roles); },
        [&state](admin_question& q) { state.take(q); },
        [](stop_atom) { return true; },
        [&state](pulse_atom) { state.pulse(); },
    };
  };
  return system.spawn<caf::detached>(behavior, std::move(setup));
}

} // namespace troupe::net
