#include "actors/front.hpp"

#include "actors/unexpected.hpp"

namespace troupe {

namespace {

constexpr auto hello_timeout = std::chrono::seconds(5);

std::string mismatch(std::uint32_t version, const std::string& cluster, const front_setup& setup) {
  if (version != protocol_version)
    return "the client speaks protocol version " + std::to_string(version) + ", node " +
           setup.node_name + " speaks " + std::to_string(protocol_version) +
           ": use the same release on both ends";
  if (!cluster.empty() && cluster != setup.cluster)
    return "the client wants cluster " + cluster + ", node " + setup.node_name + " belongs to " +
           setup.cluster;
  return {};
}

/// Why this order to stop is refused; no error if it is taken.
storage::error objection(const front_setup& setup, const caf::strong_actor_ptr& client,
                         std::uint32_t version, const std::string& cluster,
                         const std::string& node) {
  if (auto why = mismatch(version, cluster, setup); !why.empty())
    return {errc::version_mismatch, why};
  if (!node.empty() && node != setup.node_name)
    return {errc::invalid_argument, "this is node " + setup.node_name + ", not the one to stop"};
  if (!client || !setup.stop_desk)
    return {errc::unavailable, "node " + setup.node_name + " is not stopped by orders"};
  if (!setup.may_stop || !setup.may_stop(client->node())) {
    storage::log_warning("stop.refused", {{"reason", "it came from another machine"}});
    return {errc::invalid_argument,
            "node " + setup.node_name +
                " is stopped by orders of its own machine only: nobody asks who gives one "
                "([actor-port] remote-stop)"};
  }
  return {};
}

} // namespace

front_actor::behavior_type front(front_actor::pointer self, front_setup setup) {
  ignore_unexpected(self, "front");
  return {
      [self, setup](hello_atom, std::uint32_t version, const std::string& cluster,
                    const std::string&) -> caf::result<caf::strong_actor_ptr, welcome> {
        if (auto why = mismatch(version, cluster, setup); !why.empty())
          return make_caf_error(errc::version_mismatch, why);
        auto client = self->current_sender(); // the promise takes the sender out of the message
        if (client == nullptr) // a session ends with its client: this one would never end
          return make_caf_error(errc::invalid_argument, "a hello needs a sender");
        auto promise = self->make_response_promise<caf::strong_actor_ptr, welcome>();
        self->request(setup.node, hello_timeout, hello_atom_v, client)
            .then(
                [promise, setup](const session_actor& session) mutable {
                  auto opened = caf::actor_cast<caf::strong_actor_ptr>(session);
                  if (setup.expose)
                    setup.expose(opened);
                  promise.deliver(std::move(opened),
                                  welcome{setup.node_name, setup.session.credit_messages,
                                          setup.session.credit_bytes});
                },
                [promise](caf::error& why) mutable { promise.deliver(std::move(why)); });
        return promise;
      },
      [self, setup](peer_hello& hello) -> caf::result<peer_welcome> {
        if (!setup.peers)
          return make_caf_error(errc::unavailable,
                                "node " + setup.node_name +
                                    " runs every role itself: it has no links to other nodes");
        return self->delegate(setup.peers, std::move(hello));
      },
      [self, setup](stop_atom, std::uint32_t version, const std::string& cluster,
                    const std::string& node) -> caf::result<caf::strong_actor_ptr> {
        auto client = self->current_sender();
        if (auto why = objection(setup, client, version, cluster, node); why.code != errc::none)
          return to_caf(why);
        return self->delegate(setup.stop_desk, stop_atom_v, client);
      },
  };
}

} // namespace troupe
