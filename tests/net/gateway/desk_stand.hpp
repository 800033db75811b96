#pragma once

#include "net/gateway/group_book.hpp"
#include "net/gateway/listings.hpp"
#include "net/gateway/message_tally.hpp"
#include "net/gateway/names_desk.hpp"
#include "tests/net/gateway/gateway_stand.hpp"
#include "tests/net/gateway/played_node.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::test {

/// What a desk of the gateway stands on, without the reception and all other desks but names.
struct desk_room {
  using opened = net::client_sessions::opened;
  desk_room(net::gateway_actor::pointer self, net::gateway_setup with,
            std::function<void(connection_id)> written, opened then);

  net::gateway_setup setup;
  net::counter counter;
  net::client_sessions sessions;
  net::message_tally tally;
  net::listings listings;
  net::desk_services services;
  net::names_desk names;
  net::group_book book;
  remoting::client_groups groups; ///< for desks that read them; the test fills them
  net::request_table table;
  std::shared_ptr<void> desk; ///< the one that is tested
};

/// One desk in virtual time. Requests come straight to it, from clients that have a session of the
/// node that the test plays.
class desk_stand {
public:
  desk_stand();
  ~desk_stand();
  desk_stand(const desk_stand&) = delete;
  desk_stand& operator=(const desk_stand&) = delete;

  sim::world world;
  played_node node{world};
  net::gateway_options options;
  node_options settings;
  std::deque<client_frame> sent; ///< all, in order
  std::size_t settled = 0;       ///< bytes of requests
  bool deaf = false;             ///< clients take no answers: their receipts are kept
  std::deque<std::shared_ptr<void>> receipts;
  std::vector<connection_id> written; ///< whose last write was answered

  // What comes to the gateway for a desk, if the test wants it.
  std::function<void()> on_pulse, on_work, on_retry, on_watch;
  std::function<void(std::int32_t)> on_deadline;
  std::function<void(const net::taken&)> on_taken;
  std::function<caf::result<bool>()> on_stop;
  std::function<void(connection_id)> on_departed;
  desk_room::opened on_open;

  /// Starts the actor that stands for the gateway, with a session of its own.
  void start();
  desk_room& room() { return *room_; }
  /// Opens the desk that is tested, with its codes.
  template <class Desk, class... Others>
  Desk& open(Others&... others) {
    auto made = std::make_shared<Desk>(room().services, others...);
    room().table.add(made->lines());
    room().desk = made;
    return *made;
  }
  /// A client comes and has a session.
  void enter(connection_id from);

  /// Does it as the gateway, and all that follows at this moment.
  void run(std::function<void()> what);
  const net::gateway_actor& actor() const { return actor_; }
  net::client_request request(std::int32_t code, ext_list fields, std::string_view body = {}) {
    return make_request(code, next_opaque_++, std::move(fields), body);
  }
  /// A ticket for such a request, as if it had come now.
  net::ticket ticket_for(connection_id from, const net::client_request& request,
                         net::request_kind kind = net::request_kind::question);
  /// Hands them to the desk in one batch; answers their numbers.
  std::vector<std::int32_t> send(connection_id from, std::vector<net::client_request> requests);
  /// Hands it to the desk, which has to answer it once and soon.
  client_frame ask(connection_id from, std::int32_t code, ext_list fields,
                   std::string_view body = {});
  std::vector<client_frame> answers_to(std::int32_t opaque) const;

private:
  friend struct desk_place;
  void take(const net::outgoing& message);

  std::deque<std::function<void()>> tasks_;
  net::gateway_actor actor_;
  desk_room* room_ = nullptr;
  std::int32_t next_opaque_ = 1'000'000;
};

} // namespace troupe::test
