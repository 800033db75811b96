#include "net/link_port.hpp"

#include <mutex>
#include <utility>

namespace troupe::net {

caf::strong_actor_ptr link_port::open(caf::actor_system& system, caf::strong_actor_ptr role) {
  caf::actor_config config;
  return caf::make_actor<link_port, caf::strong_actor_ptr>(system.next_actor_id(), system.node(),
                                                           &system, config, std::move(role));
}

void link_port::close(const caf::strong_actor_ptr& port) {
  static_cast<link_port*>(port->get())->kill_proxy(nullptr, caf::exit_reason::normal);
}

link_port::link_port(caf::actor_config& config, caf::strong_actor_ptr role)
    : actor_proxy(config), role_(std::move(role)) {}

link_port::~link_port() = default;

void link_port::enqueue(caf::mailbox_element_ptr what, caf::execution_unit* unit) {
  // Whoever is at the other end does not decide when a role ends.
  if (what->content().match_elements<caf::exit_msg>())
    return;
  {
    std::shared_lock lock(mutex_);
    if (open_) {
      role_->enqueue(std::move(what), unit);
      return;
    }
  }
  bounce(what, caf::sec::request_receiver_down);
}

void link_port::kill_proxy(caf::execution_unit* unit, caf::error why) {
  {
    std::lock_guard lock(mutex_);
    open_ = false;
  }
  cleanup(std::move(why), unit);
}

} // namespace troupe::net
