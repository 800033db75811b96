#include "net/gateway/reply_desk.hpp"

#include "net/remoting/codes.hpp"
#include "storage/clock.hpp"
#include "storage/format/producer_sequence.hpp"
#include "storage/format/properties.hpp"
#include "storage/format/system_topics.hpp"

#include <algorithm>
#include <utility>

namespace troupe::net {

namespace {

namespace request_code = remoting::request_code;
namespace response_code = remoting::response_code;
namespace property = remoting::reply_property;

constexpr std::size_t most_open_of_client = 1024;
constexpr std::size_t most_open = 8192;
constexpr std::int32_t readable_and_writable = 6;
constexpr std::int32_t writable = 2;
constexpr std::int32_t most_new_queues = 8;

} // namespace

request_lines reply_desk::lines() {
  return {
      line_for(this, request_code::send_reply_message, request_kind::send, &reply_desk::take),
      line_for(this, request_code::send_reply_message_v2, request_kind::send, &reply_desk::take),
  };
}

void reply_desk::take(const ticket& who, const client_request& request) {
  auto read = remoting::read_send_header(request.header);
  if (!read)
    return counter_.fail(who, read.error());
  auto& h = read.value();
  remoting::drop_empty_properties(h.properties);
  if (!storage::takes_messages(h.topic))
    return counter_.reply(who, response_code::no_permission,
                          "the sending message to topic[" + h.topic + "] is forbidden.");
  if (auto good = storage::check_topic_name(h.topic); !good)
    return counter_.reply(who, response_code::message_illegal, good.error().message);
  auto open = open_.find(who.from);
  if (all_open_ >= most_open || (open != open_.end() && open->second >= most_open_of_client))
    return counter_.fail(
        who, {errc::busy, "the reply is not taken: too many are at once; try again later"});
  ++open_[who.from];
  ++all_open_;
  auto it = std::make_shared<work>(work{who, std::move(h), request.body, {}});
  if (auto* topic = names_.find(it->reply.topic))
    return go_on(it, *topic);
  names_.refresh([this, it] { make_topic(it); }); // it may be there by another way
}

/// The topic of replies is made whatever the rules are: brokers have it from the start.
void reply_desk::make_topic(const shared_work& it) {
  auto& name = it->reply.topic;
  if (auto* topic = names_.find(name))
    return go_on(it, *topic);
  bool own = name == remoting::reply_topic(setup_.address.cluster);
  if (!own &&
      !(setup_.options.auto_create_topics && it->reply.template_topic == remoting::default_topic))
    return reply(it, response_code::topic_not_exist,
                 "there is no topic " + name + ", and it cannot be created");
  auto queues = own ? 1 : std::clamp(it->reply.template_queues, 1, most_new_queues);
  auto made = [this, it](const storage::error& failure) {
    if (auto* topic = names_.find(it->reply.topic))
      return go_on(it, *topic);
    auto code = failure.code == errc::none ? errc::unavailable : failure.code;
    fail(it, {code, "the reply is not taken: topic " + it->reply.topic +
                        " cannot be created: " + failure.message});
  };
  topic_info wanted{name, queues, queues, readable_and_writable};
  if (own)
    names_.create(wanted, made);
  else
    names_.create_for(it->who, wanted, made);
}

void reply_desk::go_on(const shared_work& it, const topic_info& topic) {
  auto& h = it->reply;
  auto* peer = sessions_.peer_of(it->who.from);
  if (peer == nullptr)
    return fail(it, {errc::unavailable, "the client is gone"});
  if (counter_.time_left_ms(it->who) <= 0)
    return fail(it, {errc::busy, "the reply is not taken: it waited longer than its client does"});
  if ((topic.perm & writable) == 0 || topic.write_queues <= 0)
    return reply(it, response_code::no_permission,
                 "the topic[" + topic.name + "] sending message is forbidden");
  if (h.queue_id >= topic.write_queues)
    return reply(it, response_code::system_error,
                 "request queueId[" + std::to_string(h.queue_id) + "] is illegal, topic:[" +
                     topic.name + "] has " + std::to_string(topic.write_queues) +
                     " queues to write to");
  if (h.queue_id < 0)
    h.queue_id =
        static_cast<std::int32_t>(next_queue_++ % static_cast<std::uint32_t>(topic.write_queues));
  it->not_pushed = push(*it, *peer);
  store(it, topic, *peer);
}

/// Why it was not; nothing when it was. It is not known whether the client takes it: it gives up
/// after a time of its own.
std::string reply_desk::push(const work& it, const storage::host& from) {
  std::string asker(storage::find_property(it.reply.properties, property::client));
  if (asker.empty())
    return "reply message properties[REPLY_TO_CLIENT] is null";
  auto to = groups_.producer(asker);
  if (!to)
    return "push reply message fail, channel of <" + asker + "> not found.";
  auto& store = setup_.node_settings.store;
  auto now_ms = storage::system_wall_clock().now_ms();
  remoting::reply_push pushed{it.reply, from.text(),
                              storage::host::ipv4(store.store_host_ipv4, store.store_port).text(),
                              now_ms};
  remoting::set_property(pushed.reply.properties, property::push_time, std::to_string(now_ms));
  remoting::command word;
  word.code = request_code::push_reply_message_to_client;
  remoting::write_fields(word, std::move(pushed));
  counter_.tell(*to, std::move(word), {it.body});
  return {};
}

void reply_desk::store(const shared_work& it, const topic_info& topic, const storage::host& from) {
  auto& h = it->reply;
  storage::new_message m;
  m.queue_id = h.queue_id;
  m.flag = h.flag;
  m.sysflag = h.sysflag & ~(storage::sysflag::sequenced | storage::sysflag::transaction_mask);
  m.born_timestamp = h.born_timestamp;
  m.reconsume_times = h.reconsume_times;
  m.body = it->body.bytes();
  m.properties = h.properties;
  put_request put;
  put.topic = topic.name;
  put.count = 1;
  put.messages = {{m}, it};
  put.born_host = from;
  put.time_left_ms =
      static_cast<std::uint32_t>(std::max<std::int64_t>(counter_.time_left_ms(it->who), 1));
  sends_.store_for(it->who, std::move(put), topic,
                   [this, it](const put_response& response) { answer(it, response); });
}

/// A reply that has arrived is a success though it is not stored: nobody waits for it there.
void reply_desk::answer(const shared_work& it, const put_response& response) {
  if (!it->not_pushed.empty())
    return reply(it, response_code::system_error, it->not_pushed);
  remoting::send_answer done;
  done.message_id = "0";
  done.queue_id = it->reply.queue_id;
  auto& results = response.results;
  if (!results.empty() && results.front().code == errc::none && results.front().offset >= 0) {
    auto& store = setup_.node_settings.store;
    done.message_id = storage::message_id(
        storage::host::ipv4(store.store_host_ipv4, store.store_port), results.front().offset);
    done.queue_offset = results.front().queue_position;
  }
  end(it->who.from);
  counter_.succeed(it->who, std::move(done));
}

void reply_desk::reply(const shared_work& it, std::int32_t code, std::string remark) {
  end(it->who.from);
  counter_.reply(it->who, code, std::move(remark));
}

void reply_desk::fail(const shared_work& it, const storage::error& why) {
  end(it->who.from);
  counter_.fail(it->who, why);
}

void reply_desk::end(connection_id from) {
  --all_open_;
  if (auto found = open_.find(from); found != open_.end() && --found->second == 0)
    open_.erase(found);
}

} // namespace troupe::net
