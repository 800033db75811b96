#include "sim/node/node_transactions.hpp"

#include "storage/format/half_message.hpp"
#include "storage/format/message_batch.hpp"
#include "storage/format/properties.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <span>
#include <utility>

namespace troupe::sim {

namespace {

const std::string producer_group = "transactions";
/// A question that was decided on before the end came may still be on its way: what it takes to
/// read the half, and to write and flush how often it was asked about.
constexpr auto question_time = std::chrono::milliseconds(1000);

std::string name_of(const half_entry& one) {
  return "the message of transaction " + std::to_string(one.number) +
         (one.position < 0 ? "" : " (half " + std::to_string(one.position) + ")");
}

std::string body_of(const half_entry& one) {
  auto body = "x" + std::to_string(one.number) + ":";
  random_source bytes(one.number);
  while (body.size() < one.size)
    body.push_back(static_cast<char>(bytes.next()));
  return body;
}

std::string key_of(const half_entry& one) {
  return "transaction-" + std::to_string(one.number);
}

/// Whose message it is; null: nobody sent it, or it came back altered.
const half_entry* find(const std::vector<half_entry>& all, const std::string& body) {
  std::uint64_t number = 0;
  auto* end = body.data() + body.size();
  if (body.empty() || body.front() != 'x')
    return nullptr;
  auto [stop, failure] = std::from_chars(body.data() + 1, end, number);
  bool known = failure == std::errc{} && stop != end && *stop == ':' && number < all.size();
  return known && body == body_of(all[number]) ? &all[number] : nullptr;
}

} // namespace

struct producers_state {
  node_scene* scene = nullptr;
  random_source random{1};
  caf::event_based_actor* self = nullptr; ///< of the node's last start
  transactor_actor transactor;
  std::vector<half_entry> all;
  std::uint64_t cuts = 0; ///< of the power: what was asked for before may be undone
  std::string problem;

  void wrong(const std::string& what) {
    if (problem.empty())
      problem = what;
  }

  void set_transactor(const transactor_actor& now) {
    if (now == transactor)
      return;
    transactor = now;
    if (transactor)
      self->send(transactor, watch_atom_v, caf::actor_cast<caf::strong_actor_ptr>(self));
  }

  void end(std::uint64_t number, log_offset offset, queue_offset position) {
    if (!transactor)
      return;
    auto& one = all[number];
    one.end_sent = true;
    transaction_end what{producer_group, offset, position, one.wish == half_wish::commit};
    self->request(transactor, caf::infinite, std::move(what))
        .then(
            [this, number, before = cuts](bool) {
              auto& done = all[number];
              if (done.ended || (before != cuts && !scene->plan.sync_flush))
                return;
              done.ended = true;
              done.ended_at = scene->w.now();
            },
            [](const caf::error&) {});
  }

  /// As a client's listener: what it knows it says, mostly at once.
  bool take_question(const transaction_check& question) {
    seen_message seen;
    try {
      seen = decode_message(question.record);
    } catch (const broken& torn) {
      wrong("a producer is asked, and " + torn.what);
      return true;
    }
    auto* one = find(all, seen.body);
    if (one == nullptr || question.group != producer_group ||
        seen.topic != node_transactions::topic || seen.queue != one->queue ||
        question.unique_key != key_of(*one)) {
      wrong("a producer is asked about what he did not send, offset " +
            std::to_string(question.offset));
      return true;
    }
    auto late = scene->w.now() - one->ended_at;
    if (one->ended && late > question_time && !scene->plan.breaks_links())
      wrong(name_of(*one) + " is asked about " +
            std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(late).count()) +
            " ms after its end was acknowledged");
    if (one->wish == half_wish::nothing || random.one_in(3))
      return !random.one_in(4);
    bool first = one->position >= 0 && random.one_in(3); // it knows its own place, too
    end(one->number, first ? one->offset : question.offset,
        first ? one->position : question.position);
    return true;
  }
};

node_transactions::node_transactions(node_scene& scene)
    : scene_(scene), state_(std::make_shared<producers_state>()) {
  state_->scene = &scene;
  state_->random = stream(scene.plan.seed, "producers");
}

node_transactions::~node_transactions() = default;

const std::vector<half_entry>& node_transactions::known() const noexcept {
  return state_->all;
}

// -- what they do --------------------------------------------------------------------------------

void node_transactions::send(const node_event& event) {
  random_source random(event.seed);
  half_entry one;
  one.number = state_->all.size();
  one.queue = static_cast<std::int32_t>(event.queue) % queue_count;
  one.size = event.size;
  one.born_ms = scene_.node.clock().now_ms();
  auto wish = random.below(8);
  one.wish = wish < 5 ? half_wish::commit : wish < 7 ? half_wish::rollback : half_wish::nothing;
  storage::properties_builder properties;
  if (!properties.add(storage::property::unique_key, key_of(one)) ||
      !properties.add(storage::property::half_message, "true") ||
      !properties.add(storage::property::producer_group, producer_group))
    throw broken{"properties of a transaction that cannot be stored"};
  auto body = body_of(one);
  auto text = properties.take();
  storage::new_message message;
  message.queue_id = one.queue;
  message.sysflag = storage::sysflag::transaction_prepared;
  message.born_timestamp = one.born_ms;
  message.body = std::as_bytes(std::span(body));
  message.properties = text;
  storage::message_batch_builder batch;
  batch.add(message);
  put_request request;
  request.topic = topic;
  request.count = batch.count();
  request.messages = batch.take();
  request.wait = event.wait;
  auto& wire = scene_.wire(event.client);
  open_.push_back({scene_.w.request<put_response>(wire.service(), std::move(request)), one.number,
                   event.wait, state_->cuts});
  state_->all.push_back(std::move(one));
}

/// One whose place is known; now and then one that was ended before.
void node_transactions::end(const node_event& event) {
  random_source random(event.seed);
  bool again = random.one_in(4);
  std::vector<std::uint64_t> some;
  for (auto& one : state_->all)
    if (one.offset >= 0 && one.wish != half_wish::nothing && (again || !one.end_sent))
      some.push_back(one.number);
  if (some.empty() || !door_)
    return;
  auto& one = state_->all[some[random.below(some.size())]];
  scene_.w.inside(door_, [state = state_, number = one.number, offset = one.offset,
                          position = one.position, count = event.count] {
    for (std::uint32_t i = 0; i < count; ++i)
      state->end(number, offset, position);
  });
}

/// A door of the node as the gateway is one, that knows the producers of the group.
void node_transactions::attach() {
  auto& node = scene_.node;
  if (!node.running() || !node.actor() || node.actor() == node_)
    return;
  node_ = node.actor();
  scene_.w.in_process(node.process(), [this] {
    door_ = scene_.w.play<door_actor>([state = state_](caf::event_based_actor* self) {
      state->self = self;
      state->transactor = nullptr;
      return caf::message_handler{
          [](const topic_map&) {},
          [state](const role_table& roles) { state->set_transactor(roles.transactor); },
          [state](const transaction_check& question) { return state->take_question(question); },
      };
    });
  });
  scene_.w.tell(node_, attach_atom_v, door_);
}

void node_transactions::settle(open_half& sent) {
  auto& one = state_->all[sent.number];
  auto& got = sent.response.get();
  auto code = errc::maybe_stored;
  if (!got)
    code = got.error().code;
  else if (!got.value().results.empty())
    code = got.value().results.front().code;
  else
    code = got.value().failure.code;
  bool doubt = code == errc::maybe_stored || code == errc::connection_lost;
  if (code != errc::none) {
    one.state = doubt ? put_state::maybe : put_state::refused;
    return;
  }
  auto& place = got.value().results.front();
  one.durable = scene_.plan.sync_flush && sent.wait;
  one.state = one.durable || sent.cuts == state_->cuts ? put_state::stored : put_state::maybe;
  if (one.state == put_state::stored) {
    one.offset = place.offset;
    one.position = place.queue_position;
  }
}

void node_transactions::collect() {
  if (!scene_.plan.transactions)
    return;
  std::erase_if(open_, [this](open_half& sent) {
    if (!sent.response.there())
      return false;
    settle(sent);
    return true;
  });
  attach();
  if (!state_->problem.empty())
    throw broken{state_->problem};
}

void node_transactions::power_lost() {
  ++state_->cuts;
  for (auto& one : state_->all) {
    one.ended = one.ended && scene_.plan.sync_flush;
    if (one.state != put_state::stored || one.durable)
      continue;
    one.state = put_state::maybe;
    // The end of a transaction names a place alone, which may be another one's by now: it is ended
    // when its producer is asked.
    one.offset = one.position = -1;
  }
}

// -- what is promised ----------------------------------------------------------------------------

namespace {

/// What the queues say of one of them.
struct traces {
  std::vector<queue_offset> halves;
  std::size_t open = 0; ///< halves of which no word says that they are done
  std::size_t visible = 0;
  std::size_t given_up = 0;
};

std::set<queue_offset> done_halves(const std::vector<seen_message>& op) {
  std::set<queue_offset> done;
  for (auto& word : op) {
    storage::record_view view;
    view.properties = storage::op_properties;
    view.body = std::as_bytes(std::span(word.body));
    for (auto at : storage::done_by(view))
      done.insert(at);
  }
  return done;
}

/// Whatever else is gone.
std::optional<std::string> check_seen(const half_entry& one, const traces& its) {
  if (its.visible > 1)
    return name_of(one) + " is seen " + std::to_string(its.visible) + " times";
  if (its.visible > 0 && !(one.wish == half_wish::commit && one.end_sent))
    return name_of(one) + " is seen, and nobody committed it";
  return std::nullopt;
}

std::optional<std::string> check_whole(const half_entry& one, const traces& its,
                                       const half_entry& now) {
  if (one.state == put_state::stored && its.halves.empty())
    return name_of(one) + " was acknowledged, and is lost";
  if (one.state == put_state::refused && !its.halves.empty())
    return name_of(one) + " was refused as not stored, and is there";
  if (one.ended && one.wish == half_wish::commit && its.visible == 0)
    return name_of(one) + " was acknowledged as committed, and is not seen";
  bool rolled_back = one.wish == half_wish::rollback && now.end_sent;
  if (!its.halves.empty() && its.open == 0 && its.visible == 0 && its.given_up == 0 && !rolled_back)
    return name_of(one) + " is done, and neither seen nor rolled back nor given up";
  return std::nullopt;
}

} // namespace

node_transactions::problem node_transactions::check(const std::vector<half_entry>& known,
                                                    const transaction_queues& found, bool whole,
                                                    bool settled) const {
  auto& all = state_->all;
  std::vector<traces> seen(all.size());
  auto done = done_halves(found.op);
  std::set<queue_offset> there;
  for (auto& half : found.halves) {
    auto* one = find(all, half.body);
    if (one == nullptr)
      return "half " + std::to_string(half.position) + " is of nobody";
    there.insert(half.position);
    auto& its = seen[one->number];
    its.halves.push_back(half.position);
    its.open += done.count(half.position) == 0;
  }
  for (auto* list : {&found.visible, &found.unresolved})
    for (auto& message : *list) {
      auto* one = find(all, message.body);
      if (one == nullptr)
        return message.topic + " has a message of nobody, position " +
               std::to_string(message.position);
      bool visible = list == &found.visible;
      if (visible && message.queue != one->queue)
        return name_of(*one) + " is seen in queue " + std::to_string(message.queue);
      ++(visible ? seen[one->number].visible : seen[one->number].given_up);
    }
  for (auto at : done)
    if (whole && there.count(at) == 0)
      return "half " + std::to_string(at) + " is said to be done, and is not there";
  for (auto& one : known) {
    auto& its = seen[one.number];
    auto wrong = check_seen(all[one.number], its);
    if (!wrong && whole)
      wrong = check_whole(one, its, all[one.number]);
    if (!wrong && settled && its.open > 0)
      wrong = name_of(one) + " waits, and nobody ends it";
    if (wrong)
      return wrong;
  }
  return std::nullopt;
}

} // namespace troupe::sim
