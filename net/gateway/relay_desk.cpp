#include "net/gateway/relay_desk.hpp"

#include "net/remoting/admin_bodies.hpp"
#include "net/remoting/admin_headers.hpp"
#include "net/remoting/codes.hpp"

#include <algorithm>
#include <utility>

namespace troupe::net {

namespace {

namespace request_code = remoting::request_code;
namespace response_code = remoting::response_code;

/// Of all operators together.
constexpr std::size_t most_open = 64;
/// The answer that is made of those of many clients.
constexpr std::size_t most_status_bytes = 8 * storage::mib;

remoting::command question_of(const client_request& request) {
  remoting::command question;
  question.code = request.header.code;
  question.ext = request.header.ext;
  return question;
}

} // namespace

request_lines relay_desk::lines() {
  return {
      line_for(this, request_code::get_consumer_running_info, request_kind::question,
               &relay_desk::show_running),
      line_for(this, request_code::consume_message_directly, request_kind::question,
               &relay_desk::consume),
      line_for(this, request_code::invoke_broker_to_get_consumer_status, request_kind::question,
               &relay_desk::show_status),
  };
}

// -- questions to clients ------------------------------------------------------------------------

void relay_desk::ask(connection_id to, const ticket& who, remoting::command question,
                     counter::slices body, answered then) {
  if (open_.size() >= most_open)
    return then({nullptr, response_code::system_busy,
                 std::to_string(most_open) + " questions wait for clients; try again later"});
  auto opaque = counter_.call(to, std::move(question), std::move(body));
  open_.emplace(opaque, open_question{to, std::move(then)});
  auto left = std::max<std::int64_t>(counter_.time_left_ms(who), 1);
  self_->delayed_send(self_, std::chrono::milliseconds(left), pulse_atom_v, opaque);
}

void relay_desk::end(std::int32_t opaque, const outcome& how) {
  auto question = open_.extract(opaque);
  if (!question.empty())
    question.mapped().then(how);
}

/// Whose answer comes too late, or to nothing, is not heard.
void relay_desk::take_answer(connection_id from, const client_request& answer) {
  auto question = open_.find(answer.header.opaque);
  if (question != open_.end() && question->second.to == from)
    end(answer.header.opaque, {&answer, 0, {}});
  counter_.settle(from, answer.bytes);
}

void relay_desk::departed(connection_id from) {
  std::vector<std::int32_t> gone;
  for (auto& [opaque, question] : open_)
    if (question.to == from)
      gone.push_back(opaque);
  for (auto opaque : gone)
    end(opaque, {nullptr, response_code::system_error,
                 "the client went away before it answered; ask again when it is back"});
}

void relay_desk::expire(std::int32_t opaque) {
  end(opaque, {nullptr, response_code::consume_message_timeout,
               "the client did not answer in time; is its program stopped or busy?"});
}

// -- one client ----------------------------------------------------------------------------------

connection_id relay_desk::find_or_refuse(const ticket& who, const std::string& group,
                                         const std::string& client_id) {
  for (auto& member : groups_.consumers(group))
    if (member.client_id == client_id)
      return member.connection;
  counter_.reply(who, response_code::system_error,
                 "The Consumer <" + group + "> <" + client_id + "> not online");
  return 0;
}

relay_desk::answered relay_desk::pass_back(const ticket& who) {
  return [this, who](const outcome& how) {
    if (how.answer == nullptr)
      return counter_.reply(who, how.code, how.reason);
    auto& given = how.answer->header;
    auto header = counter_.header_for(who, given.code, given.remark);
    header.ext = given.ext;
    counter_.reply(who, header, {how.answer->body});
  };
}

void relay_desk::show_running(const ticket& who, const client_request& request) {
  auto h = counter_.fields_of<remoting::client_header>(who, request);
  if (!h)
    return;
  if (auto to = find_or_refuse(who, h->group, h->client_id); to != 0)
    ask(to, who, question_of(request), {request.body}, pass_back(who));
}

/// The message goes along.
void relay_desk::consume(const session_actor& session, const ticket& who,
                         const client_request& request) {
  auto h = counter_.fields_of<remoting::consume_header>(who, request);
  if (!h || find_or_refuse(who, h->group, h->client_id) == 0)
    return;
  auto offset = remoting::offset_in(h->message_id);
  if (!offset)
    return counter_.reply(who, response_code::illegal_for(request.header.version),
                          "'" + h->message_id.substr(0, 100) +
                              "' is no id that the store gave a message (32 hexadecimal digits); "
                              "mqadmin queryMsgByUniqueKey shows it as OffsetID");
  auto question = question_of(request);
  question.ext = {};
  for (auto& [name, value] : request.header.ext)
    if (name != "brokerName")
      question.ext.add(name, value);
  question.ext.add("brokerName", setup_.address.broker);
  counter_.ask<record_batch>(
      who, session,
      [this, who, h = *h, question](record_batch& found) {
        if (found.records.empty())
          return counter_.reply(who, response_code::system_error,
                                "can not find message by id " + h.message_id +
                                    "; it was deleted, or lies in another store");
        if (auto to = find_or_refuse(who, h.group, h.client_id); to != 0)
          ask(to, who, question, std::move(found.records), pass_back(who));
      },
      fetch_atom_v, static_cast<log_offset>(*offset));
}

// -- all clients of a group ----------------------------------------------------------------------

struct relay_desk::status_walk {
  std::size_t open = 1; ///< answers that are not there, and the asking itself
  std::size_t bytes = 0;
  remoting::named_texts tables; ///< JSON by client id
};

/// Where each client of the group is. Those that do not answer are left out.
void relay_desk::show_status(const ticket& who, const client_request& request) {
  auto h = counter_.fields_of<remoting::status_header>(who, request);
  if (!h)
    return;
  auto walk = std::make_shared<status_walk>();
  auto done = [this, who, walk] {
    if (--walk->open == 0)
      counter_.reply_text(who, remoting::write_consumer_status(walk->tables));
  };
  bool any = false;
  for (auto& member : groups_.consumers(h->group)) {
    if (!h->client_id.empty() && h->client_id != member.client_id)
      continue;
    any = true;
    ++walk->open;
    remoting::command question;
    question.code = request_code::get_consumer_status_from_client;
    remoting::write_fields(question, remoting::status_header{h->topic, h->group, {}});
    ask(member.connection, who, std::move(question), {},
        [walk, done, id = member.client_id](const outcome& how) {
          if (how.answer != nullptr && how.answer->header.code == response_code::success) {
            auto body = how.answer->body.bytes();
            auto table = remoting::member_text(body, "messageQueueTable");
            walk->bytes += table.size();
            if (!table.empty() && walk->bytes <= most_status_bytes)
              walk->tables.emplace_back(id, std::move(table));
          }
          done();
        });
  }
  if (!any)
    return counter_.reply(who, response_code::system_error,
                          "No Any Consumer online in the consumer group: [" + h->group + "]");
  done();
}

} // namespace troupe::net
