#include "sim/node_run.hpp"

#include "sim/node.hpp"
#include "sim/node_ledger.hpp"
#include "storage/big_endian.hpp"
#include "storage/checkpoint.hpp"
#include "storage/message_batch.hpp"
#include "storage/properties.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <stdexcept>
#include <utility>

namespace troupe::sim {

namespace {

using std::chrono::milliseconds;
/// Long enough for every deadline of client, session and actors.
constexpr auto until_all_answered = std::chrono::seconds(60);
constexpr int start_tries = 5;
/// A process dies in the middle of what its actors do.
constexpr std::uint64_t most_steps_before_end = 100;

/// A broken promise ends the run from wherever it is seen.
struct broken {
  std::string what;
};

seen_message decode(const storage::slice& record) {
  auto bytes = record.bytes();
  constexpr std::size_t own_offset_at = 28;
  if (bytes.size() < storage::record_layout::fixed_bytes_v1)
    throw broken{"a record that is too short was served"};
  auto offset = storage::big_endian::load<log_offset>(bytes.data() + own_offset_at);
  auto found = storage::decode_record(bytes, offset, storage::verify::structure_and_crc);
  if (found.kind != storage::record_kind::message)
    throw broken{"a torn message was served, offset " + std::to_string(offset)};
  auto& view = found.view;
  auto property = [&](std::string_view name) {
    return std::string(storage::find_property(view.properties, name));
  };
  auto* body = reinterpret_cast<const char*>(view.body.data());
  return {std::string(view.topic),
          view.queue_id,
          view.queue_position,
          view.offset,
          std::string(body, view.body.size()),
          property(storage::property::keys),
          property(storage::property::tags)};
}

class node_runner {
public:
  node_runner(const node_plan& plan, const node_tracer& tracer)
      : plan_(plan), tracer_(tracer), world_(plan.seed), node_(world_, 1, options_of(plan)) {
    world_.between_steps = [this] {
      if (node_.running() && node_.crashed())
        node_.kill();
    };
    for (std::uint32_t i = 0; i <= plan.producers; ++i)
      wires_.push_back(node_.connect());
  }

  node_outcome run();

private:
  static node_options options_of(const node_plan& plan);
  std::string topic_of(std::uint32_t queue) const {
    return "t" + std::to_string(queue / plan_.queues);
  }
  simulated_link& wire(std::uint32_t client) { return *wires_[client % wires_.size()]; }

  void prepare();
  void happen(const node_event& event);
  void put(const node_event& event);
  void read(const node_event& event);
  void restart(bool lost_power);
  void collect_answers();
  void settle(std::uint64_t number, const storage::error* error, const message_result* result,
              bool wait);
  void verify(bool lost_power);
  std::vector<seen_message> read_everything(const session_actor& session);
  void check_keys(const session_actor& session, const std::vector<seen_message>& seen);
  void check_bound(const node_status& status) const;
  void check_status(const session_actor& session, std::size_t messages);
  void finish();
  template <class Result, class... Arguments>
  Result ask(const session_actor& session, Arguments... arguments);
  session_actor open_session();

  struct open_put {
    answer<put_response> response;
    std::vector<std::uint64_t> numbers;
    bool wait = true;
  };
  struct open_read {
    answer<pull_response> response;
  };

  const node_plan& plan_;
  const node_tracer& tracer_;
  world world_;
  simulated_node node_;
  std::vector<std::unique_ptr<simulated_link>> wires_;
  node_ledger ledger_;
  std::vector<open_put> puts_;
  std::vector<open_read> reads_;
  std::vector<answer<node_status>> probes_;
  log_offset vouched_ = 0; ///< by the last checkpoint that was there after a life
  node_outcome outcome_;
};

node_options node_runner::options_of(const node_plan& plan) {
  auto options = small_node_options();
  options.store.flush =
      plan.sync_flush ? storage::flush_policy::sync : storage::flush_policy::async;
  options.store.log_file_size_bytes = plan.log_file_bytes;
  options.store.max_message_size_bytes =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(plan.log_file_bytes / 2, 8192));
  options.dispatcher.mailbox_capacity = plan.capacity;
  options.queue_manager.tail_entries = plan.tail_entries;
  return options;
}

node_outcome node_runner::run() {
  try {
    prepare();
    for (auto& event : plan_.events) {
      if (event.after.count() > 0) // else it happens while the actors are at work
        world_.run_for(event.after);
      collect_answers();
      if (tracer_)
        tracer_(std::to_string(world_.now().count()) + " ms: " + to_string(event));
      happen(event);
      ++outcome_.event;
    }
    finish();
  } catch (const broken& promise) {
    outcome_.failure = promise.what;
  } catch (const std::exception& problem) {
    outcome_.failure = problem.what();
  }
  world_.between_steps = nullptr;
  outcome_.trace = world_.hash();
  outcome_.steps = world_.steps();
  return outcome_;
}

template <class Result, class... Arguments>
Result node_runner::ask(const session_actor& session, Arguments... arguments) {
  auto given = world_.ask<Result>(session, std::move(arguments)...);
  if (!given.there())
    throw broken{"a request was not answered within a minute"};
  if (given.code() != errc::none)
    throw broken{"a healthy node answers: " + given.reason()};
  return std::move(given.value());
}

session_actor node_runner::open_session() {
  auto given = world_.ask<session_actor>(node_.actor(), hello_atom_v, caf::strong_actor_ptr{});
  if (!given.there() || given.code() != errc::none)
    throw broken{"a healthy node gives no session"};
  return given.value();
}

/// A node with its topics, before anything goes wrong.
void node_runner::prepare() {
  if (auto started = node_.start(); !started)
    throw broken{"the first start fails: " + started.error().message};
  auto session = open_session();
  for (std::uint32_t t = 0; t < plan_.topics; ++t) {
    topic_info info{topic_of(t * plan_.queues), static_cast<std::int32_t>(plan_.queues),
                    static_cast<std::int32_t>(plan_.queues), 6};
    ask<topic_info>(session, create_atom_v, info);
  }
}

void node_runner::happen(const node_event& event) {
  random_source random(event.seed);
  if (event.kind == event_kind::kill || event.kind == event_kind::power_cut)
    for (auto steps = random.below(most_steps_before_end); steps > 0; --steps)
      world_.step();
  switch (event.kind) {
  case event_kind::put:
    put(event);
    break;
  case event_kind::read:
    read(event);
    break;
  case event_kind::probe:
    probes_.push_back(world_.request<node_status>(wire(event.client).service(), status_atom_v));
    break;
  case event_kind::stop:
    (void)node_.stop(); // what was left over, the next start has to find
    restart(false);
    break;
  case event_kind::kill:
    node_.kill();
    restart(false);
    break;
  case event_kind::power_cut:
    collect_answers();
    node_.cut_power(random);
    restart(true);
    break;
  case event_kind::kill_actor:
    node_.kill_actor(event.role);
    break;
  case event_kind::stall:
    node_.stall(event.role, milliseconds(event.span_ms));
    break;
  case event_kind::hold:
    wire(event.client).set({wire(event.client).conditions().delay, {}, !event.wait, !event.other});
    break;
  case event_kind::heal:
    wire(event.client).set({milliseconds(event.span_ms), milliseconds(event.span_ms / 3)});
    break;
  case event_kind::cut:
    wire(event.client).cut();
    break;
  case event_kind::disk_fault:
    node_.disk().set_faults({event.disk});
    break;
  case event_kind::write_back:
    node_.disk().write_back(random);
    break;
  case event_kind::clock:
    node_.clock().jump(milliseconds(event.span_ms));
    break;
  }
  if (!node_.running()) // its process died by a fault of the disk
    restart(false);
}

void node_runner::put(const node_event& event) {
  open_put sent;
  sent.wait = event.wait;
  storage::message_batch_builder batch;
  for (std::uint32_t i = 0; i < event.count; ++i) {
    auto queue = static_cast<std::int32_t>(event.queue % plan_.queues);
    auto& entry = ledger_.add(topic_of(event.queue), queue, event.size);
    auto body = node_ledger::body_of(entry);
    storage::properties_builder properties;
    if (!properties.add(storage::property::keys, node_ledger::key_of(entry)) ||
        !properties.add(storage::property::tags, node_ledger::tag_of(entry)))
      throw broken{"a key or tag that cannot be stored"};
    storage::new_message message;
    message.queue_id = queue;
    message.body = std::as_bytes(std::span(body));
    message.properties = properties.text();
    batch.add(message);
    sent.numbers.push_back(entry.number);
  }
  put_request request;
  request.topic = topic_of(event.queue);
  request.count = batch.count();
  request.messages = batch.take();
  request.wait = event.wait;
  sent.response = world_.request<put_response>(wire(event.client % plan_.producers).service(),
                                               std::move(request));
  puts_.push_back(std::move(sent));
}

void node_runner::read(const node_event& event) {
  random_source random(event.seed);
  pull_request request;
  auto queue = static_cast<std::uint32_t>(random.below(plan_.topics * plan_.queues));
  request.topic = topic_of(queue);
  request.queue_id = static_cast<std::int32_t>(queue % plan_.queues);
  request.from = static_cast<queue_offset>(random.below(40));
  request.max_messages = static_cast<std::uint32_t>(random.between(1, 20));
  request.wait_ms = random.one_in(3) ? static_cast<std::uint32_t>(random.below(3000)) : 0;
  reads_.push_back({world_.request<pull_response>(wire(event.client).service(), request)});
}

/// Up again, with what went wrong in the life before behind it; then everything is looked at.
void node_runner::restart(bool lost_power) {
  ++outcome_.restarts;
  world_.drain(); // clients learn that it is away
  collect_answers();
  auto path = storage::checkpoint_path(node_.options().store);
  auto known = storage::load_checkpoint(node_.disk(), path);
  if (known && known.value().extension_valid)
    vouched_ = known.value().safe_offset;
  std::string why;
  for (int i = 0; i < start_tries; ++i) {
    auto started = node_.start();
    if (started) {
      verify(lost_power);
      return;
    }
    why = started.error().message;
  }
  throw broken{"the node does not start: " + why};
}

void node_runner::settle(std::uint64_t number, const storage::error* error,
                         const message_result* result, bool wait) {
  auto& entry = ledger_.at(number);
  auto code = error != nullptr ? error->code : result->code;
  bool doubt = code == errc::maybe_stored || code == errc::connection_lost;
  if (entry.state != put_state::open)
    throw broken{"message " + std::to_string(number) + " is answered twice"};
  if (code == errc::none) {
    if (entry.offset >= 0 && entry.offset != result->offset)
      throw broken{"message " + std::to_string(number) + " was seen at offset " +
                   std::to_string(entry.offset) + " and acknowledged at another"};
    entry.state = put_state::stored;
    entry.offset = result->offset;
    entry.position = result->queue_position;
    entry.durable = plan_.sync_flush && wait;
  } else {
    entry.state = doubt ? put_state::maybe : put_state::refused;
  }
}

void node_runner::collect_answers() {
  std::erase_if(puts_, [this](open_put& put) {
    if (!put.response.there())
      return false;
    auto& got = put.response.get();
    auto reason = got ? got.value().failure.message : got.error().message;
    if (got && got.value().results.size() != put.numbers.size() && reason.empty())
      throw broken{"an answer without all results"};
    for (std::size_t i = 0; i < put.numbers.size(); ++i) {
      if (!got)
        settle(put.numbers[i], &got.error(), nullptr, put.wait);
      else if (i < got.value().results.size())
        settle(put.numbers[i], nullptr, &got.value().results[i], put.wait);
      else
        settle(put.numbers[i], &got.value().failure, nullptr, put.wait);
      auto state = ledger_.at(put.numbers[i]).state;
      if (state != put_state::stored && reason.empty())
        throw broken{"a refusal without a reason"};
    }
    return true;
  });
  std::erase_if(reads_, [this](open_read& read) {
    if (!read.response.there())
      return false;
    if (read.response.code() == errc::none)
      for (auto& record : read.response.value().records) {
        ++outcome_.messages;
        auto seen = decode(record);
        if (auto wrong = ledger_.check_message(seen))
          throw broken{*wrong};
        if (plan_.sync_flush)
          ledger_.shown(seen);
      }
    return true;
  });
  std::erase_if(probes_, [this](answer<node_status>& probe) {
    if (probe.there() && probe.code() == errc::none) {
      ledger_.flushed(probe.value().flusher.flushed);
      check_bound(probe.value());
    }
    return probe.there();
  });
}

std::vector<seen_message> node_runner::read_everything(const session_actor& session) {
  std::vector<seen_message> seen;
  for (std::uint32_t t = 0; t < plan_.topics; ++t) {
    auto topic = topic_of(t * plan_.queues);
    auto description = ask<topic_description>(session, bounds_atom_v, topic);
    for (auto& queue : description.queues) {
      auto next = queue.min;
      while (next < queue.max) {
        pull_request request;
        request.topic = topic;
        request.queue_id = queue.queue_id;
        request.from = next;
        auto answer = ask<pull_response>(session, request);
        if (answer.damaged > 0 || answer.records.empty())
          throw broken{topic + " queue " + std::to_string(queue.queue_id) + " position " +
                       std::to_string(next) + " cannot be read: " + answer.warning};
        for (auto& record : answer.records) {
          seen.push_back(decode(record));
          if (seen.back().position != next++)
            throw broken{topic + ": a pull leaves out a position"};
        }
      }
    }
  }
  return seen;
}

/// By its key and by its offset a message is the same as by its place in the queue.
void node_runner::check_keys(const session_actor& session, const std::vector<seen_message>& seen) {
  auto stride = std::max<std::size_t>(1, seen.size() / 8);
  for (std::size_t i = 0; i < seen.size(); i += stride) {
    auto& one = seen[i];
    key_query query;
    query.topic = one.topic;
    query.key = one.key;
    auto found = ask<record_batch>(session, query);
    if (std::none_of(found.records.begin(), found.records.end(),
                     [&](const storage::slice& r) { return decode(r).offset == one.offset; }))
      throw broken{"the message at offset " + std::to_string(one.offset) +
                   " is not found by its key " + one.key};
    auto fetched = ask<record_batch>(session, fetch_atom_v, one.offset);
    if (fetched.records.size() != 1 || decode(fetched.records[0]).body != one.body)
      throw broken{"the message at offset " + std::to_string(one.offset) +
                   " is another one when it is asked for by offset"};
  }
}

void node_runner::check_bound(const node_status& status) const {
  if (status.writer.backlog_max > plan_.capacity)
    throw broken{"the dispatcher's bound of " + std::to_string(plan_.capacity) +
                 " was passed: " + std::to_string(status.writer.backlog_max)};
}

void node_runner::check_status(const session_actor& session, std::size_t messages) {
  auto status = ask<node_status>(session, status_atom_v);
  check_bound(status);
  if (status.writer.end < vouched_)
    throw broken{"the checkpoint vouches for the log up to " + std::to_string(vouched_) +
                 ", which ends at " + std::to_string(status.writer.end)};
  if (!status.writer.refusal.empty())
    throw broken{"a node that was started anew refuses writes: " + status.writer.refusal};
  if (status.queues.entries < messages)
    throw broken{"the queues hold fewer entries than were read"};
}

void node_runner::verify(bool lost_power) {
  auto session = open_session();
  auto seen = read_everything(session);
  collect_answers();
  outcome_.messages += seen.size();
  if (auto wrong = ledger_.check_all(seen, lost_power))
    throw broken{*wrong};
  check_keys(session, seen);
  check_status(session, seen.size());
  caf::anon_send_exit(session, caf::exit_reason::user_shutdown);
}

/// Nothing goes wrong any more: everything is answered, and a new start finds everything again.
void node_runner::finish() {
  for (auto& each : wires_)
    each->set({});
  node_.disk().set_faults({});
  world_.run_for(until_all_answered);
  collect_answers();
  if (!puts_.empty() || !reads_.empty() || !probes_.empty())
    throw broken{"a request was not answered within a minute"};
  if (!node_.running())
    restart(false);
  (void)node_.stop();
  restart(false);
  node_event last;
  last.size = 10;
  put(last);
  world_.run_for(std::chrono::seconds(3));
  collect_answers();
  if (ledger_.entries().back().state != put_state::stored)
    throw broken{"a healthy node does not store"};
  if (auto stopped = node_.stop(); !stopped)
    throw broken{"a healthy node does not stop in order: " + stopped.error().message};
  restart(false);
}

} // namespace

node_outcome run_node(const node_plan& plan, const node_tracer& tracer) {
  node_runner runner(plan, tracer);
  return runner.run();
}

node_plan shorten(node_plan plan, std::size_t runs) {
  auto first = run_node(plan);
  if (!first.failure)
    return plan;
  plan.events.resize(std::min(plan.events.size(), first.event + 1));
  for (auto part = plan.events.size() / 2; part >= 1; part /= 2) {
    for (std::size_t at = 0; at < plan.events.size() && runs > 0;) {
      auto shorter = plan;
      auto from = shorter.events.begin() + static_cast<std::ptrdiff_t>(at);
      auto count = std::min(part, shorter.events.size() - at);
      shorter.events.erase(from, from + static_cast<std::ptrdiff_t>(count));
      --runs;
      if (run_node(shorter).failure)
        plan = std::move(shorter);
      else
        at += part;
    }
  }
  return plan;
}

} // namespace troupe::sim
