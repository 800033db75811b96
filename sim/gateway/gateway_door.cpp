#include "sim/gateway/gateway_door.hpp"

#include "net/gateway/gateway.hpp"
#include "net/remoting/codes.hpp"
#include "net/remoting/fields.hpp"
#include "net/remoting/frame.hpp"
#include "net/remoting/headers.hpp"
#include "sim/gateway/frame_answers.hpp"
#include "storage/format/message_batch.hpp"

#include <algorithm>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <utility>

namespace troupe::sim {

namespace {

namespace request_code = remoting::request_code;
namespace response_code = remoting::response_code;
using std::chrono::milliseconds;
using time_point = caf::actor_clock::time_point;

constexpr auto redial_pause = milliseconds(100);
constexpr auto deaf = milliseconds(20'000); ///< now and then it reads nothing for so long
/// For one that may be deaf more than once while its pull waits for a turn and then for a message.
constexpr auto longest_answer = std::chrono::seconds(120);
/// For a client whose connection is good: what it waits for a message, and RocketMQ's patience.
constexpr auto longest_calm_answer = std::chrono::seconds(30);
/// The gateway's: answers with messages that a client may leave unread. Those of pulls that waited
/// for a message come beside them, one a queue.
constexpr std::size_t most_unread = 32;

/// Bytes on their way; an empty piece is the end of the connection.
struct piece {
  time_point due;
  std::string bytes;
  std::shared_ptr<void> receipt = {}; ///< let go when the client has read them, or never will
};

/// Feeds bytes; hands each whole frame to `take`. False when they are no frames.
template <class Take>
bool feed(remoting::frame_splitter& splitter, std::string_view bytes, Take take) {
  while (!bytes.empty()) {
    auto room = splitter.room();
    auto count = std::min(bytes.size(), room.size());
    std::memcpy(room.data(), bytes.data(), count);
    splitter.received(count);
    bytes.remove_prefix(count);
    for (;;) {
      auto next = splitter.next();
      if (!next)
        return false;
      if (!next.value())
        break;
      auto& frame = *next.value();
      auto header = remoting::decode_header(frame.type, frame.header.bytes());
      if (!header)
        return false;
      take(std::move(header.value()), frame);
    }
  }
  return true;
}

} // namespace

/// One client with one connection at a time; what the sockets' thread knows of it is here too.
struct gateway_door_state {
  using answer_function = std::function<void(const remoting::command&, const storage::slice&)>;
  struct open_request {
    time_point deadline;
    answer_function take;
    std::function<void(const storage::error&)> fail;
  };

  node_scene* scene = nullptr;
  caf::event_based_actor* self = nullptr;
  random_source random{1};
  net::gateway_actor gateway;             ///< of the node's last start, perhaps dead
  net::gateway_actor peer;                ///< whom the connection leads to
  bool calm = false;                      ///< behaves, and nothing happens to its connections
  bool rough = true;                      ///< connections are treated badly
  remoting::connection_id connection = 0; ///< 0: there is none
  remoting::connection_id last_connection = 0;
  time_point redial_at;
  std::deque<piece> to_node;
  std::deque<piece> to_client;
  remoting::frame_splitter at_node;
  remoting::frame_splitter at_client;
  std::size_t held = 0;   ///< bytes of requests that the gateway has not settled
  std::size_t unread = 0; ///< answers with bodies, on their way to the client
  std::map<std::int32_t, std::size_t> unanswered; ///< bytes of each request that reached it
  std::int32_t next_opaque = 1;
  std::map<std::int32_t, open_request> open;
  std::string problem;

  time_point now() const { return self->clock().now(); }
  void wrong(const std::string& what) {
    if (problem.empty())
      problem = (calm ? "a RocketMQ client that behaves: " : "a RocketMQ client: ") + what;
  }

  // -- the connection ----------------------------------------------------------------------------

  bool connected() {
    if (connection == 0 && gateway && now() >= redial_at) {
      connection = ++last_connection;
      peer = gateway;
      self->monitor(peer);
    }
    return connection != 0;
  }

  void end(bool tell_node) {
    if (connection == 0)
      return;
    if (tell_node)
      self->send(peer, net::departed{connection});
    connection = 0;
    redial_at = now() + redial_pause;
    held = 0;
    unread = 0;
    unanswered.clear();
    to_node.clear();
    to_client.clear();
    at_node = {};
    at_client = {};
    for (auto& [opaque, request] : std::exchange(open, {}))
      request.fail({errc::connection_lost, "the connection ended; it may have taken effect"});
  }

  /// Behind what is on its way already.
  void push(std::deque<piece>& direction, std::string bytes, milliseconds delay,
            std::shared_ptr<void> receipt = {}) {
    auto due = now() + delay;
    if (!direction.empty())
      due = std::max(due, direction.back().due);
    direction.push_back({due, std::move(bytes), std::move(receipt)});
    self->delayed_send(self, std::chrono::ceil<milliseconds>(due - now()), retry_atom_v);
  }

  milliseconds delay() {
    if (!rough)
      return milliseconds(0);
    return milliseconds(random.below(random.one_in(40) ? 2000 : 5));
  }

  /// In pieces, each later than the one before; now and then the connection ends among them.
  void write(std::string_view bytes) {
    bool ends = rough && random.one_in(60);
    while (!bytes.empty()) {
      auto size = rough && random.one_in(2) ? 1 + random.below(bytes.size()) : bytes.size();
      push(to_node, std::string(bytes.substr(0, size)), delay());
      bytes.remove_prefix(size);
      if (ends && (bytes.empty() || random.one_in(2))) {
        push(to_node, {}, delay());
        return;
      }
    }
  }

  void send(remoting::command header, answer_function take,
            std::function<void(const storage::error&)> fail, std::string_view body = {}) {
    if (!connected())
      return fail({errc::unavailable, "no gateway answers"});
    if (rough && random.one_in(50))
      burst();
    header.opaque = next_opaque++;
    auto patience = calm ? longest_calm_answer : longest_answer;
    open[header.opaque] = {now() + patience, std::move(take), std::move(fail)};
    std::string text;
    remoting::append_frame_head(text, header, body.size());
    write(text += body);
  }

  /// More than it will read, and nobody waits for the answers.
  void burst() {
    const std::string body = R"({"clientID":"c","producerDataSet":[{"groupName":"g"}]})";
    for (int i = 0; i < 20; ++i) {
      remoting::command beat;
      beat.code = request_code::heart_beat;
      beat.opaque = next_opaque++;
      std::string text;
      remoting::append_frame_head(text, beat, body.size());
      push(to_node, text + body, milliseconds(0));
    }
    for (int i = 0; i < 100; ++i) {
      remoting::pull_header h;
      h.group = "frames";
      h.topic = scene->topic_of(0);
      h.max_messages = 4;
      h.sysflag = remoting::pull_flag::subscription;
      h.subscription = "*";
      remoting::command pull;
      pull.code = request_code::pull_message;
      pull.opaque = next_opaque++;
      remoting::write_fields(pull, h);
      std::string text;
      remoting::append_frame_head(text, pull, 0);
      push(to_node, std::move(text), milliseconds(0));
    }
  }

  /// Lets arrive what is due.
  void pump() {
    while (connection != 0 && !to_node.empty() && to_node.front().due <= now()) {
      auto arrived = std::move(to_node.front());
      to_node.pop_front();
      if (arrived.bytes.empty())
        end(true);
      else
        reach_node(arrived.bytes);
    }
    while (connection != 0 && !to_client.empty() && to_client.front().due <= now()) {
      auto arrived = std::move(to_client.front());
      to_client.pop_front();
      reach_client(arrived.bytes);
    }
    for (auto& [opaque, request] : open)
      if (request.deadline < now())
        wrong("a request is not answered in time, and its connection lasts");
  }

  void reach_node(std::string_view bytes) {
    net::arrived batch;
    batch.from = connection;
    batch.peer = storage::host::ipv4(0x7f000001, 40'000);
    feed(at_node, bytes, [&](remoting::command header, const remoting::frame& frame) {
      held += frame.bytes;
      unanswered[header.opaque] = frame.bytes;
      batch.requests.push_back({std::move(header), frame.body, frame.bytes});
    });
    if (!batch.requests.empty())
      self->send(peer, std::move(batch));
  }

  void reach_client(std::string_view bytes) {
    bool understood =
        feed(at_client, bytes, [&](const remoting::command& header, const remoting::frame& frame) {
          if (header.is_answer())
            answered(header.opaque);
          if (frame.body.size() > 0)
            --unread;
          auto found = open.find(header.opaque);
          if (!header.is_answer() || found == open.end())
            return; // a notice, or the answer to a heartbeat
          auto request = std::move(found->second);
          open.erase(found);
          request.take(header, frame.body);
        });
    if (!understood)
      wrong("an answer is no frame");
  }

  /// What is answered must be settled by then: else it costs the client its credit for ever.
  void answered(std::int32_t opaque) {
    unanswered.erase(opaque);
    std::size_t most = 0;
    for (auto& [other, bytes] : unanswered)
      most += bytes;
    if (held > most)
      wrong("a request is answered and not settled");
  }

  /// The gateway's `send`: in the node's name, between two steps of the client.
  void take(const net::outgoing& message) {
    if (message.to != connection)
      return;
    if (message.settled_bytes > held)
      wrong("more is settled than was sent");
    held -= std::min(held, message.settled_bytes);
    if (!message.body.empty() && ++unread > most_unread + scene->plan.topics * scene->plan.queues)
      wrong("it reads nothing, and more and more answers wait for it");
    auto bytes = message.head;
    for (auto& slice : message.body) {
      auto part = slice.bytes();
      bytes.append(reinterpret_cast<const char*>(part.data()), part.size());
    }
    if (!bytes.empty())
      push(to_client, std::move(bytes), rough && random.one_in(300) ? deaf : delay(),
           message.receipt);
  }

  // -- what a client asks ------------------------------------------------------------------------

  /// Every message in a frame of its own, as producers do.
  caf::result<put_response> put(const put_request& wanted) {
    auto promise = self->make_response_promise<put_response>();
    auto sent = std::make_shared<put_response>();
    auto left = std::make_shared<std::uint32_t>(wanted.count);
    sent->results.resize(wanted.count);
    auto settle = [sent, left, promise](std::uint32_t index, const sent_frame& result) mutable {
      sent->results[index] = result.result;
      if (result.result.code != errc::none)
        sent->failure = {result.result.code, result.reason};
      if (--*left == 0)
        promise.deliver(std::move(*sent));
    };
    auto messages = wanted.messages.read();
    for (std::uint32_t index = 0; index < wanted.count; ++index) {
      auto next = messages.next();
      put_one(wanted.topic, *next.value(),
              [settle, index](const sent_frame& result) mutable { settle(index, result); });
    }
    return promise;
  }

  void put_one(const std::string& topic, const storage::new_message& message,
               const std::function<void(const sent_frame&)>& settle) {
    remoting::command request;
    request.code = request_code::send_message_v2;
    remoting::send_header h;
    h.group = "frames";
    h.topic = topic;
    h.queue_id = message.queue_id;
    h.born_timestamp = scene->node.clock().now_ms();
    h.properties = message.properties;
    remoting::write_fields(request, h);
    std::string_view body(reinterpret_cast<const char*>(message.body.data()), message.body.size());
    send(
        std::move(request),
        [settle](const remoting::command& answer, const storage::slice&) {
          settle(read_sent(answer));
        },
        [settle](const storage::error& why) {
          sent_frame lost;
          lost.result.code = why.code;
          lost.reason = why.message;
          settle(lost);
        },
        body);
  }

  caf::result<pull_response> pull(const pull_request& wanted) {
    remoting::command request;
    request.code = request_code::pull_message;
    remoting::pull_header h;
    h.group = "frames";
    h.topic = wanted.topic;
    h.queue_id = wanted.queue_id;
    h.queue_offset = wanted.from;
    h.max_messages = static_cast<std::int32_t>(wanted.max_messages);
    h.sysflag = remoting::pull_flag::subscription | remoting::pull_flag::suspend;
    h.suspend_ms = wanted.wait_ms;
    h.max_bytes = static_cast<std::int32_t>(wanted.max_bytes);
    h.subscription = "*";
    remoting::write_fields(request, h);
    auto promise = self->make_response_promise<pull_response>();
    send(
        std::move(request),
        [this, promise, from = wanted.from](const remoting::command& answer,
                                            const storage::slice& body) mutable {
          auto response = read_pull(answer, body, from);
          if (response)
            promise.deliver(std::move(response.value()));
          else
            promise.deliver(to_caf(response.error()));
        },
        [promise](const storage::error& why) mutable { promise.deliver(to_caf(why)); });
    return promise;
  }

  caf::result<group_offset> fetch(const group_offset& which) {
    remoting::command request;
    request.code = request_code::query_consumer_offset;
    remoting::write_fields(request,
                           remoting::group_queue_header{which.group, which.topic, which.queue_id});
    return progress(std::move(request), which, [](const remoting::command& answer) {
      return remoting::read_fields<remoting::offset_header>(answer);
    });
  }

  caf::result<group_offset> store(const group_offset& what) {
    remoting::command request;
    request.code = request_code::update_consumer_offset;
    remoting::commit_header h;
    h.group = what.group;
    h.topic = what.topic;
    h.queue_id = what.queue_id;
    h.offset = what.offset;
    remoting::write_fields(request, h);
    return progress(std::move(request), what, [offset = what.offset](const remoting::command&) {
      return storage::result<remoting::offset_header>(remoting::offset_header{offset});
    });
  }

  template <class Read>
  caf::result<group_offset> progress(remoting::command request, group_offset which, Read read) {
    auto promise = self->make_response_promise<group_offset>();
    send(
        std::move(request),
        [promise, which, read](const remoting::command& answer, const storage::slice&) mutable {
          storage::result<remoting::offset_header> found = read_refusal(answer);
          if (answer.code == response_code::success)
            found = read(answer);
          else if (answer.code == response_code::query_not_found)
            found = remoting::offset_header{-1};
          if (found) {
            which.offset = found.value().offset;
            promise.deliver(which);
          } else {
            promise.deliver(to_caf(found.error()));
          }
        },
        [promise](const storage::error& why) mutable { promise.deliver(to_caf(why)); });
    return promise;
  }
};

namespace {

struct door_name {
  static inline const char* name = "frame-client";
};

caf::behavior frame_client(caf::stateful_actor<door_name>* self,
                           const std::shared_ptr<gateway_door_state>& state) {
  state->self = self;
  self->set_default_handler(refuse_requests);
  self->set_down_handler([s = state.get()](const caf::down_msg& down) {
    if (s->connection != 0 && down.source == s->peer.address())
      s->end(false);
  });
  return {
      [state](const put_request& request) { return state->put(request); },
      [state](const pull_request& request) { return state->pull(request); },
      [state](fetch_atom, const group_offset& which) { return state->fetch(which); },
      [state](store_atom, const group_offset& what) { return state->store(what); },
      [state](retry_atom) { state->pump(); },
  };
}

} // namespace

gateway_door::gateway_door(node_scene& scene) : scene_(scene) {
  add_client("frames", false);
  add_client("calm-frames", true);
  scene_.node.on_start = [this] { start(); };
}

void gateway_door::add_client(const char* name, bool calm) {
  auto state = std::make_shared<gateway_door_state>();
  state->scene = &scene_;
  state->random = stream(scene_.plan.seed, name);
  state->calm = calm;
  state->rough = !calm;
  state->last_connection = clients_.size() * 1'000'000'000;
  auto client = scene_.w.system().spawn(frame_client, state);
  services_.push_back(
      caf::actor_cast<store_service>(caf::actor_cast<caf::strong_actor_ptr>(client)));
  clients_.push_back(std::move(state));
}

/// The gateway of a node that has started.
void gateway_door::start() {
  net::gateway_setup setup;
  setup.node = scene_.node.actor();
  setup.address = {"troupe", "simulated", "127.0.0.1:10911"};
  setup.node_settings = scene_.node.options();
  std::vector<std::weak_ptr<gateway_door_state>> all(clients_.begin(), clients_.end());
  setup.send = [all](const net::outgoing& message) {
    for (auto& each : all)
      if (auto client = each.lock())
        client->take(message);
  };
  auto gateway = net::spawn_gateway(scene_.w.system(), std::move(setup));
  for (auto& client : clients_)
    client->gateway = gateway;
}

gateway_door::~gateway_door() {
  scene_.node.on_start = nullptr;
  for (auto& service : services_)
    scene_.w.kill(service);
}

void gateway_door::check() const {
  for (auto& client : clients_)
    if (!client->problem.empty())
      throw broken{client->problem};
}

void gateway_door::heal() {
  for (auto& client : clients_)
    client->rough = false;
}

} // namespace troupe::sim
