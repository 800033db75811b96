#include "tests/net/gateway/desk_stand.hpp"

#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <utility>

namespace troupe::test {

desk_room::desk_room(net::gateway_actor::pointer self, net::gateway_setup with,
                     std::function<void(connection_id)> written, opened then)
    : setup(std::move(with)), counter(self, setup.send, std::move(written)),
      sessions(self, setup.node, setup.node_settings.session, counter, std::move(then)),
      tally(counter, setup.address.cluster),
      listings(counter), services{self, setup, counter, sessions}, names(services), book(services) {
}

/// The actor's own: ends with it, before what its desks point to.
struct desk_place {
  static inline const char* name = "gateway";
  std::unique_ptr<desk_room> room;

  static net::gateway_actor::behavior_type
  make(net::gateway_actor::stateful_pointer<desk_place> self, desk_stand* stand,
       const net::gateway_setup& with) {
    auto opened = [stand](const session_actor& session,
                          const net::client_sessions::waiting_requests& all) {
      if (stand->on_open)
        stand->on_open(session, all);
    };
    auto written = [stand](connection_id from) { stand->written.push_back(from); };
    self->state.room = std::make_unique<desk_room>(self, with, written, opened);
    auto& room = *self->state.room;
    stand->room_ = &room;
    self->set_down_handler(
        [&room](const caf::down_msg& down) { room.sessions.session_ended(down.source); });
    room.sessions.open_own([](const caf::error&) {});
    auto call = [](const std::function<void()>& what) {
      if (what)
        what();
    };
    self->send(with.node, attach_atom_v, door_actor{self});
    return {
        [&room](const topic_map& topics) { room.names.set_topics(topics); },
        [](const role_table&) {}, // of the node that the test plays, which has it
        [stand](net::arrived&) {
          auto task = std::move(stand->tasks_.front());
          stand->tasks_.pop_front();
          task();
        },
        [stand](const net::departed& who) {
          if (stand->on_departed)
            stand->on_departed(who.from);
        },
        [stand](const net::taken& by) {
          if (stand->on_taken)
            stand->on_taken(by);
        },
        [](status_atom) { return net::gateway_report{}; },
        [stand](stop_atom) { return stand->on_stop(); },
        [stand, call](pulse_atom) { call(stand->on_pulse); },
        [stand](pulse_atom, std::int32_t number) {
          if (stand->on_deadline)
            stand->on_deadline(number);
        },
        [stand, call](work_atom) { call(stand->on_work); },
        [stand, call](retry_atom) { call(stand->on_retry); },
        [stand, call](watch_atom) { call(stand->on_watch); },
        [](const group_members&) {},
        [](const transaction_check&) { return false; },
    };
  }
};

desk_stand::desk_stand() = default;

/// What comes now would reach what the test has ended already.
desk_stand::~desk_stand() {
  on_pulse = on_work = on_retry = on_watch = nullptr;
  on_taken = nullptr;
  on_departed = nullptr;
  on_open = nullptr;
  receipts.clear();
  world.kill_all();
}

void desk_stand::start() {
  net::gateway_setup setup;
  setup.node = node.handle;
  setup.address = {.cluster = "troupe", .broker = "n1", .address = "127.0.0.1:10911"};
  setup.options = options;
  setup.node_settings = settings;
  setup.send = [this](const net::outgoing& message) { take(message); };
  actor_ = world.system().spawn(desk_place::make, this, setup);
  world.drain();
}

void desk_stand::take(const net::outgoing& message) {
  settled += message.settled_bytes;
  if (deaf && message.receipt.use_count() > 0)
    receipts.push_back(message.receipt);
  for (auto& frame : frames_of(message))
    sent.push_back(std::move(frame));
}

void desk_stand::run(std::function<void()> what) {
  tasks_.push_back(std::move(what));
  world.tell(actor_, net::arrived{});
  world.drain();
}

void desk_stand::enter(connection_id from) {
  run([this, from] {
    room().sessions.enter(from, storage::host::ipv4(0x7f000001, 5000));
    room().counter.enter(from, 0);
    room().sessions.wait(net::ticket{.from = from}, {}); // the stand drops it
    room().sessions.open_if_wanted(from);
  });
  if (room().sessions.find(from) == nullptr)
    throw std::runtime_error("the client has no session");
}

net::ticket desk_stand::ticket_for(connection_id from, const net::client_request& request,
                                   net::request_kind kind) {
  return net::counter::ticket_of(from, request, kind, room().counter.now_ms());
}

std::vector<std::int32_t> desk_stand::send(connection_id from,
                                           std::vector<net::client_request> requests) {
  std::vector<std::int32_t> numbers;
  for (auto& r : requests)
    numbers.push_back(r.header.opaque);
  run([this, from, requests = std::move(requests)] {
    auto* session = room().sessions.find(from);
    for (auto& request : requests) {
      auto* line = room().table.find(request.header.code);
      if (line == nullptr)
        throw std::runtime_error("the desk does not answer this code");
      line->take(session != nullptr ? *session : session_actor{},
                 ticket_for(from, request, line->kind), request);
    }
  });
  return numbers;
}

client_frame desk_stand::ask(connection_id from, std::int32_t code, ext_list fields,
                             std::string_view body) {
  auto number = send(from, {request(code, std::move(fields), body)})[0];
  auto answers = answers_to(number);
  if (answers.size() != 1)
    throw std::runtime_error("request " + std::to_string(code) + " has " +
                             std::to_string(answers.size()) + " answers");
  return answers.front();
}

std::vector<client_frame> desk_stand::answers_to(std::int32_t opaque) const {
  std::vector<client_frame> found;
  std::copy_if(sent.begin(), sent.end(), std::back_inserter(found),
               [opaque](const client_frame& frame) { return frame.header.opaque == opaque; });
  return found;
}

} // namespace troupe::test
