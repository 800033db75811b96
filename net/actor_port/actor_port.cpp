#include "net/actor_port/actor_port.hpp"

#include "net/actor_port/guarded_scribe.hpp"
#include "net/tls/tls_porch.hpp"
#include "net/tls/tls_wire.hpp"

#include <caf/io/network/doorman_impl.hpp>
#include <caf/policy/tcp.hpp>

#include <algorithm>
#include <optional>
#include <utility>

#include <unistd.h>

namespace troupe::net {

namespace {

/// What lies beneath: bytes as they come, or TLS (net/tls/tls_wire.hpp).
struct plain_wire : caf::policy::tcp {};

/// Gives every connection a seat, or closes it. With TLS it waits outside until it has shown its
/// certificate.
class guarded_doorman final : public caf::io::network::doorman_impl {
public:
  guarded_doorman(caf::io::network::default_multiplexer& multiplexer, int socket,
                  std::shared_ptr<actor_gate> gate, std::shared_ptr<const tls_context> tls)
      : doorman_impl(multiplexer, socket), gate_(std::move(gate)), tls_(std::move(tls)) {
    if (tls_)
      open_porch();
  }
  ~guarded_doorman() override { *here_ = nullptr; }

  bool new_connection() override {
    if (detached())
      return false;
    auto socket = acceptor_.accepted_socket();
    auto seat = gate_->front() ? gate_->admit(socket) : nullptr;
    if (!seat) {
      ::close(socket);
      return false;
    }
    if (!tls_)
      return let_in(socket, std::make_unique<plain_wire>(), std::move(seat));
    caf::io::network::nonblocking(socket, true);
    auto session = tls_->accept(socket);
    auto guest = std::make_shared<tls_guest>(socket, std::move(seat), std::move(session));
    if (guest->session)
      porch_->enter(std::move(guest));
    return true;
  }

private:
  void open_porch() {
    // Only the network's thread, or who ends the system when that has ended, looks who is here.
    porch_.emplace([here = here_, &multiplexer = acceptor_.backend()](auto guest) {
      multiplexer.post([here, guest = std::move(guest)] {
        if (caf::intrusive_ptr<guarded_doorman> alive{*here}; alive && !alive->detached())
          alive->let_in(std::exchange(guest->socket, -1),
                        std::make_unique<tls_wire>(std::move(guest->session)),
                        std::move(guest->seat));
      });
    });
  }

  template <class Wire>
  bool let_in(int socket, std::unique_ptr<Wire> wire, std::unique_ptr<actor_seat> seat) {
    if (!publish_front()) {
      seat.reset();
      ::close(socket);
      return false;
    }
    auto& multiplexer = acceptor_.backend();
    auto made = caf::make_counted<guarded_scribe<Wire>>(multiplexer, socket, std::move(wire),
                                                        std::move(seat));
    auto handle = made->hdl();
    parent()->add_scribe(std::move(made));
    return caf::io::doorman::new_connection(&multiplexer, handle);
  }

  /// Lets the framework's broker greet with the front that is there now. False: there is none.
  bool publish_front() {
    auto front = gate_->front();
    if (!front || front == gate_->published())
      return front != nullptr;
    gate_->set_published(front);
    auto& broker = static_cast<caf::io::basp_broker&>(*parent());
    broker.system().registry().put(front->id(), front);
    broker.instance.add_published_actor(port(), front,
                                        broker.system().message_types<front_actor>());
    return true;
  }

  std::shared_ptr<actor_gate> gate_;
  std::shared_ptr<const tls_context> tls_; ///< null: plain
  std::shared_ptr<guarded_doorman*> here_ = std::make_shared<guarded_doorman*>(this);
  std::optional<tls_porch> porch_; ///< last: its thread uses the rest
};

/// As a message holds it.
template <class T>
using portable = std::conditional_t<caf::is_atom_constant<T>::value, caf::atom_value, T>;

/// Admits the messages of a typed interface, and no others.
struct admission {
  const caf::uniform_type_info_map& types;
  frame_rules& rules;

  template <class... Signatures>
  void admit(caf::detail::type_list<Signatures...> /*interface*/) {
    (admit_one(Signatures{}), ...);
  }
  template <class... Inputs, class Outputs>
  void admit_one(caf::typed_mpi<caf::detail::type_list<Inputs...>, Outputs> /*message*/) {
    std::string names = "@<>";
    ((names +=
      "+" + types.portable_name(caf::type_nr<portable<Inputs>>::value, &typeid(portable<Inputs>))),
     ...);
    auto& first = rules.messages[names];
    using first_input = std::tuple_element_t<0, std::tuple<Inputs...>>;
    if constexpr (caf::is_atom_constant<first_input>::value)
      first.insert(first_input::uint_value());
  }
};

/// A client's message with all that belongs to it: a body of this size crosses, and no more.
constexpr std::uint32_t room_for_the_rest = 1u << 20;

/// A hello of a node carries handles, for each of which the framework keeps something: where no
/// node is expected it does not get that far.
void admit_no_nodes(const caf::uniform_type_info_map& types, frame_rules& rules) {
  frame_rules of_nodes;
  admission{types, of_nodes}.admit_one(handles<peer_welcome(peer_hello)>{});
  for (auto& [names, first] : of_nodes.messages)
    rules.messages.erase(names);
}

frame_rules rules_of(caf::actor_system& system, bool nodes) {
  frame_rules rules;
  std::vector<char> id;
  caf::binary_serializer sink{system, id};
  if (!sink(system.node()) && id.size() == rules.own_node.size())
    std::ranges::copy(std::as_bytes(std::span(id)), rules.own_node.begin());
  rules.nobody = static_cast<std::uint64_t>(caf::atom("nobody"));
  rules.longest_message = max_block_bytes + room_for_the_rest;
  admission to{system.types(), rules};
  to.admit(front_actor::signatures{});
  to.admit(store_service::signatures{});
  to.admit(stop_reports::signatures{});
  if (!nodes)
    admit_no_nodes(system.types(), rules);
  return rules;
}

} // namespace

storage::result<actor_port> actor_port::open(caf::actor_system& system,
                                             const actor_port_options& options,
                                             const std::string& host, std::uint16_t port,
                                             const front_actor& front, bool nodes,
                                             std::shared_ptr<const tls_context> tls) {
  namespace network = caf::io::network;
  auto* multiplexer = dynamic_cast<network::default_multiplexer*>(&system.middleman().backend());
  if (multiplexer == nullptr)
    return storage::error{errc::unavailable, "there are no sockets in a simulation"};
  auto socket = network::new_tcp_acceptor_impl(port, host.c_str(), true);
  if (!socket)
    return storage::error{errc::unavailable,
                          "cannot listen at " + host + ":" + std::to_string(port) +
                              " (actor-port): is another node running there, and is the address "
                              "one of this machine?"};
  auto gate = std::make_shared<actor_gate>(options, rules_of(system, nodes));
  auto published = caf::actor_cast<caf::strong_actor_ptr>(front);
  gate->set_front(published);
  gate->set_published(published);
  caf::io::doorman_ptr doorman =
      caf::make_counted<guarded_doorman>(*multiplexer, *socket, gate, std::move(tls));
  auto bound = doorman->port();
  caf::anon_send(system.middleman().named_broker<caf::io::basp_broker>(caf::atom("BASP")),
                 caf::publish_atom::value, std::move(doorman), bound, std::move(published),
                 system.message_types<front_actor>());
  return actor_port(std::move(gate), bound);
}

void actor_port::close(caf::actor_system& system) const {
  // Whom the broker knows may have been replaced since somebody came last.
  if (auto published = gate_->published())
    (void)system.middleman().unpublish(caf::actor_cast<front_actor>(published), port_);
  gate_->set_front(nullptr);
}

} // namespace troupe::net
