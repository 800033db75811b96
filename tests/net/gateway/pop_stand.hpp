#pragma once

#include "net/gateway/pop_ack_desk.hpp"
#include "net/gateway/pop_desk.hpp"
#include "storage/format/properties.hpp"
#include "tests/net/gateway/desk_stand.hpp"
#include "tests/support/bytes.hpp"
#include "tests/support/catch.hpp"

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace troupe::test {

/// The desks for popping, with a queue-manager and a session that the test plays on a log in
/// memory. Topic "t" has 4 queues.
struct pop_stand : desk_stand {
  using queue_key = std::pair<std::string, std::int32_t>;
  struct held_pull {
    pull_request asked;
    caf::typed_response_promise<read_request> promise;
  };

  std::map<queue_key, std::vector<storage::slice>> queues;
  std::map<log_offset, storage::slice> log;
  std::map<std::pair<std::string, queue_key>, queue_offset> stored; ///< by group
  std::deque<held_pull> held;                                       ///< pulls that wait
  std::size_t pulls = 0;
  bool refuse_puts = false;
  net::pop_desk* pops = nullptr;
  std::shared_ptr<net::pop_ack_desk> acks;

  pop_stand() {
    node.also = caf::message_handler{
        [this](fetch_atom, const group_offset& asked) {
          auto found = asked;
          auto known = stored.find({asked.group, {asked.topic, asked.queue_id}});
          found.offset = known == stored.end() ? -1 : known->second;
          return found;
        },
        [this](store_atom, const group_offset& what) {
          stored[{what.group, {what.topic, what.queue_id}}] = what.offset;
          return what;
        },
        [this](fetch_atom, log_offset at) -> caf::result<record_batch> {
          record_batch found;
          auto known = log.find(at);
          if (known == log.end())
            return make_caf_error(errc::not_found, "nothing there");
          found.records.push_back(known->second);
          return found;
        },
        [this](bounds_atom, const std::string& topic, std::int32_t queue) {
          topic_description found;
          found.queues.push_back({queue, 0, end_of(topic, queue), -1, 0});
          return found;
        },
        [this](const put_request& put) -> caf::result<put_response> {
          if (refuse_puts)
            return make_caf_error(errc::busy, "no room");
          auto message = *put.messages.read().next().value();
          put_response done;
          done.results.push_back({errc::none, next_offset_, end_of(put.topic, message.queue_id)});
          append(put.topic, message.queue_id, as_text(message.body),
                 std::string(message.properties), message.reconsume_times);
          return done;
        }};
    node.roles.queue_manager =
        world.play<queue_manager_actor>([this](caf::event_based_actor* self) {
          return caf::message_handler{
              [this, self](const pull_request& asked) -> caf::result<read_request> {
                ++pulls;
                auto found = find(asked);
                if (found.answer.status != pull_status::nothing_new || asked.wait_ms == 0)
                  return found;
                held.push_back({asked, self->make_response_promise<read_request>()});
                return held.back().promise;
              }};
        });
    start();
    pops = &open<net::pop_desk>(room().names, room().book, room().tally);
    acks = std::make_shared<net::pop_ack_desk>(room().services, room().names, *pops);
    room().table.add(acks->lines());
    on_work = [this] { pops->work(); };
    run([this] { pops->set_roles(node.roles); });
    run([this] { room().names.refresh([] {}); });
    enter(1);
    enter(2);
  }

  queue_offset end_of(const std::string& topic, std::int32_t queue) {
    return static_cast<queue_offset>(queues[{topic, queue}].size());
  }
  read_request find(const pull_request& asked) {
    read_request found{asked.topic, asked.queue_id, {}, {}};
    auto& all = queues[{asked.topic, asked.queue_id}];
    auto end = static_cast<queue_offset>(all.size());
    auto& answer = found.answer;
    answer.max = end;
    answer.next = asked.from;
    if (asked.from > end) {
      answer.status = pull_status::offset_too_large;
      answer.next = end;
      return found;
    }
    for (auto i = asked.from; i < end && answer.records.size() < asked.max_messages; ++i)
      answer.records.push_back(all[static_cast<std::size_t>(i)]);
    answer.next += static_cast<queue_offset>(answer.records.size());
    answer.status = answer.records.empty() ? pull_status::nothing_new : pull_status::found;
    return found;
  }
  void append(const std::string& topic, std::int32_t queue, const std::string& body,
              const std::string& properties = {}, std::int32_t times = 0) {
    storage::record_fields fields;
    fields.topic = topic;
    fields.queue_id = queue;
    fields.reconsume_times = times;
    fields.body = as_bytes(body);
    fields.properties = properties;
    std::vector<std::byte> bytes(storage::encoded_size(fields, false));
    storage::encode_record(fields, {.queue_position = end_of(topic, queue), .offset = next_offset_},
                           false, bytes);
    auto record = storage::slice::copy_of(bytes);
    log[next_offset_] = record;
    queues[{topic, queue}].push_back(record);
    next_offset_ += static_cast<log_offset>(bytes.size());
  }
  /// A message comes; pulls that wait for it are answered.
  void publish(std::int32_t queue, const std::string& body, const std::string& properties = {}) {
    append("t", queue, body, properties);
    release();
  }
  void release() {
    world.inside(node.roles.queue_manager, [this] {
      for (auto& each : std::exchange(held, {})) {
        auto found = find(each.asked);
        if (found.answer.status == pull_status::nothing_new)
          held.push_back(std::move(each));
        else
          each.promise.deliver(std::move(found));
      }
    });
    world.drain();
  }

  ext_list pop_fields(std::int32_t queue = -1, std::int64_t poll_ms = 0,
                      const std::string& most = "32") {
    return {{"consumerGroup", "G"},
            {"topic", "t"},
            {"queueId", std::to_string(queue)},
            {"maxMsgNums", most},
            {"invisibleTime", "10000"},
            {"pollTime", std::to_string(poll_ms)},
            {"bornTime", "1"},
            {"initMode", "0"},
            {"expType", "TAG"},
            {"exp", "*"},
            {"order", "false"}};
  }
  static void set(ext_list& fields, const std::string& name, const std::string& value) {
    for (auto& each : fields)
      if (each.first == name)
        each.second = value;
  }
  client_frame pop(ext_list fields, connection_id from = 1) {
    return ask(from, request_code::pop_message, std::move(fields));
  }
  std::int32_t begin_pop(ext_list fields, connection_id from = 1) {
    return send(from, {request(request_code::pop_message, std::move(fields))})[0];
  }
  static std::string field(const client_frame& frame, std::string_view name) {
    auto* found = frame.header.ext.find(name);
    return found == nullptr ? std::string() : *found;
  }
  /// As the client makes it of an answer.
  static std::string handle_of(const client_frame& popped) {
    return "0 " + field(popped, "popTime") + " " + field(popped, "invisibleTime") + " " +
           field(popped, "reviveQid") + " 0 n1 0 0";
  }
  ext_list ack_fields(const client_frame& popped, std::int32_t queue, std::int64_t offset,
                      const std::string& topic = "t") {
    return {{"consumerGroup", "G"},
            {"topic", topic},
            {"queueId", std::to_string(queue)},
            {"offset", std::to_string(offset)},
            {"extraInfo", handle_of(popped)}};
  }
  std::int32_t ack(const client_frame& popped, std::int32_t queue, std::int64_t offset,
                   const std::string& topic = "t") {
    return ask(1, request_code::ack_message, ack_fields(popped, queue, offset, topic)).header.code;
  }
  queue_offset progress(std::int32_t queue, const std::string& topic = "t") {
    auto found = stored.find({"G", {topic, queue}});
    return found == stored.end() ? -1 : found->second;
  }
  /// Time goes by, and topics are made that somebody wants.
  template <class Duration>
  void pass(Duration time) {
    world.run_for(time);
    while (node.release_creations(world))
      world.drain();
    release();
  }

private:
  log_offset next_offset_ = 1000;
};

} // namespace troupe::test
