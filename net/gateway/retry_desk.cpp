#include "net/gateway/retry_desk.hpp"

#include "net/remoting/codes.hpp"
#include "storage/format/properties.hpp"
#include "storage/logging.hpp"

#include <algorithm>
#include <utility>

namespace troupe::net {

namespace {

namespace request_code = remoting::request_code;
namespace response_code = remoting::response_code;
using storage::error;

/// Each has a thread of the client's waiting, and may hold as much as properties take.
constexpr std::size_t most_open_of_client = 128;
constexpr std::size_t most_open = 4096;
constexpr std::int32_t readable_and_writable = 6;
constexpr std::int32_t writable = 2;

} // namespace

request_lines retry_desk::lines() {
  return {
      line_for(this, request_code::consumer_send_msg_back, request_kind::send, &retry_desk::take)};
}

void retry_desk::take(const session_actor& session, const ticket& who,
                      const client_request& request) {
  auto wanted = counter_.fields_of<remoting::send_back_header>(who, request);
  if (!wanted)
    return;
  auto good = storage::check_topic_name(remoting::retry_topic(wanted->group));
  if (wanted->group.empty() || !good)
    return counter_.reply(who, response_code::system_error,
                          "no consumer group has the name '" + wanted->group.substr(0, 300) + "'");
  auto open = open_.find(who.from);
  if (all_open_ >= most_open || (open != open_.end() && open->second >= most_open_of_client))
    return counter_.fail(
        who, {errc::busy, "not sent back: too many messages are at once; try again later"});
  ++open_[who.from];
  ++all_open_;
  auto it = std::make_shared<work>();
  it->who = who;
  it->session = session;
  it->wanted = std::move(*wanted);
  it->client_version = request.header.version;
  if (setup_.accounts)
    it->header = request.header;
  book_.learn(it->wanted.group, [this, it] { find_origin(it); });
}

void retry_desk::find_origin(const shared_work& it) {
  if (too_late(it))
    return;
  if (book_.rules(it->wanted.group).retry_queues == 0) // the operator wants it to be dropped
    return reply(it, response_code::success);
  self_->request(it->session, caf::infinite, fetch_atom_v, log_offset{it->wanted.offset})
      .then([this, it](record_batch& found) { copy(it, found); },
            [this, it](const caf::error& why) { fail(it, from_caf(why)); });
}

void retry_desk::copy(const shared_work& it, record_batch& found) {
  if (too_late(it))
    return;
  auto nothing = "look message by offset failed, " + std::to_string(it->wanted.offset);
  if (found.records.empty())
    return reply(it, response_code::system_error, nothing);
  it->record = std::move(found.records.front());
  // The reader has compared the checksum.
  auto decoded =
      storage::decode_record(it->record.bytes(), it->wanted.offset, storage::verify::structure);
  if (decoded.kind != storage::record_kind::message)
    return reply(it, response_code::system_error, nothing);
  it->origin = decoded.view;
  if (!may_read(it))
    return;
  auto most = remoting::most_reconsume_times(it->client_version, it->wanted.most_times,
                                             book_.rules(it->wanted.group));
  auto copied = remoting::send_back(it->origin, it->wanted, most);
  if (!copied)
    return fail(it, copied.error());
  it->copy = std::move(copied.value());
  if (auto* topic = names_.find(it->copy.topic))
    return store(it, *topic);
  names_.refresh([this, it] { make_topic(it); }); // it may be there by another way
}

/// Who sends a message back has read it: the place that the request names may be any topic's. False
/// after it was refused.
bool retry_desk::may_read(const shared_work& it) {
  if (!setup_.accounts)
    return true;
  auto* peer = sessions_.peer_of(it->who.from);
  if (peer == nullptr) {
    fail(it, {errc::unavailable, "not sent back: the client is gone"});
    return false;
  }
  auto wanted = access::need_for_topic(std::string(it->origin.topic), access::right::sub);
  auto why =
      wanted ? setup_.accounts->now()->refusal_of(*wanted, it->header, *peer) : std::string();
  if (why.empty())
    return true;
  if (auto unsaid = refused_lines_.take())
    storage::log_warning(
        "gateway.refused",
        {{"peer", peer->text()}, {"request", it->who.code}, {"reason", why}, {"unsaid", *unsaid}});
  reply(it, response_code::no_permission, std::move(why));
  return false;
}

void retry_desk::make_topic(const shared_work& it) {
  if (too_late(it))
    return;
  auto& name = it->copy.topic;
  if (auto* topic = names_.find(name))
    return store(it, *topic);
  auto queues = it->copy.dead ? 1 : std::max(1, book_.rules(it->wanted.group).retry_queues);
  names_.create_for(it->who, {name, queues, queues, readable_and_writable},
                    [this, it](const error& failure) {
                      if (auto* topic = names_.find(it->copy.topic))
                        return store(it, *topic);
                      auto code = failure.code == errc::none ? errc::unavailable : failure.code;
                      fail(it, {code, "not sent back: topic " + it->copy.topic +
                                          " cannot be created: " + failure.message});
                    });
}

void retry_desk::store(const shared_work& it, const topic_info& topic) {
  if (too_late(it))
    return;
  if ((topic.perm & writable) == 0 || topic.write_queues <= 0)
    return reply(it, response_code::no_permission,
                 "the topic[" + topic.name + "] sending message is forbidden");
  auto queues = static_cast<std::uint32_t>(topic.write_queues);
  if (auto wanted = book_.rules(it->wanted.group).retry_queues; wanted > 0)
    queues = std::min(queues, static_cast<std::uint32_t>(wanted));
  storage::new_message copy;
  copy.queue_id = it->copy.dead ? 0 : static_cast<std::int32_t>(next_queue_++ % queues);
  copy.flag = it->origin.flag;
  copy.sysflag = it->copy.sysflag;
  copy.born_timestamp = it->origin.born_timestamp;
  copy.reconsume_times = it->copy.reconsume_times;
  copy.body = it->origin.body;
  copy.properties = it->copy.properties;
  put_request put;
  put.topic = topic.name;
  put.count = 1;
  put.messages = {{copy}, it};
  put.born_host = it->origin.born_host;
  put.time_left_ms =
      static_cast<std::uint32_t>(std::max<std::int64_t>(counter_.time_left_ms(it->who), 1));
  sends_.store_for(it->who, std::move(put), topic,
                   [this, it](const put_response& response) { answer(it, response); });
}

/// One of which nobody knows whether it is stored is sent back again: at most it comes twice.
void retry_desk::answer(const shared_work& it, const put_response& response) {
  auto& results = response.results;
  if (!results.empty() && results.front().code == errc::none && results.front().offset >= 0) {
    auto topic = storage::find_property(it->copy.properties, remoting::retry_topic_property);
    tally_.sent_back(std::string(topic), it->wanted.group);
    return reply(it, response_code::success);
  }
  auto why = response.failure;
  if (why.code == errc::none)
    why.code = results.empty() || results.front().code == errc::none ? errc::maybe_stored
                                                                     : results.front().code;
  fail(it, why);
}

// -- ends ----------------------------------------------------------------------------------------

bool retry_desk::too_late(const shared_work& it) {
  if (!counter_.too_late(it->who))
    return false;
  end(it->who.from);
  return true;
}

void retry_desk::reply(const shared_work& it, std::int32_t code, std::string remark) {
  end(it->who.from);
  counter_.reply(it->who, code, std::move(remark));
}

void retry_desk::fail(const shared_work& it, const error& why) {
  end(it->who.from);
  counter_.fail(it->who, why);
}

void retry_desk::end(connection_id from) {
  --all_open_;
  if (auto found = open_.find(from); found != open_.end() && --found->second == 0)
    open_.erase(found);
}

} // namespace troupe::net
