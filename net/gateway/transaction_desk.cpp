#include "net/gateway/transaction_desk.hpp"

#include "net/remoting/codes.hpp"
#include "net/remoting/headers.hpp"
#include "storage/format/half_message.hpp"
#include "storage/format/properties.hpp"
#include "storage/logging.hpp"

namespace troupe::net {

namespace {

namespace request_code = remoting::request_code;
namespace response_code = remoting::response_code;
using storage::error;

constexpr std::size_t most_open_of_client = 4096;
constexpr std::size_t most_open = 32'768;

/// Empty: there is no half, or it does not say. The reader has compared the checksum.
std::string topic_of_half(const record_batch& found, log_offset offset) {
  if (found.records.empty())
    return {};
  auto half =
      storage::decode_record(found.records.front().bytes(), offset, storage::verify::structure);
  if (half.kind != storage::record_kind::message || half.view.topic != storage::half_topic)
    return {};
  return std::string(storage::find_property(half.view.properties, storage::property::real_topic));
}

} // namespace

request_lines transaction_desk::lines() {
  return {
      line_for(this, request_code::end_transaction, request_kind::progress,
               &transaction_desk::take),
      line_for(this, request_code::resume_check_half_message, request_kind::progress,
               &transaction_desk::take_resume),
  };
}

void transaction_desk::set_roles(const role_table& roles) {
  if (transactor_ == roles.transactor)
    return;
  transactor_ = roles.transactor;
  if (transactor_)
    self_->send(transactor_, watch_atom_v, caf::actor_cast<caf::strong_actor_ptr>(self_));
}

void transaction_desk::take(const session_actor& session, const ticket& who,
                            const client_request& request) {
  auto wanted = counter_.fields_of<remoting::transaction_header>(who, request);
  if (!wanted)
    return;
  bool commit = wanted->what == storage::sysflag::transaction_commit;
  // RocketMQ's broker does not answer to a producer that does not know. Then it is asked later.
  if (!commit && wanted->what != storage::sysflag::transaction_rollback)
    return counter_.reply(who, response_code::success, {});
  if (!may_begin(who))
    return;
  transaction_end end{std::move(wanted->group), wanted->offset, wanted->position, commit};
  if (setup_.accounts)
    check_right(session, who, request, end);
  else
    resolve(who, end);
}

/// The request names a place in the log. Whoever ends a transaction publishes, or keeps from being
/// published, so it takes the right for the topic that the half there is for. Of what is no half
/// the transactor says so.
void transaction_desk::check_right(const session_actor& session, const ticket& who,
                                   const client_request& request, const transaction_end& end) {
  auto* known = sessions_.peer_of(who.from);
  auto peer = known == nullptr ? storage::host{} : *known;
  self_->request(session, caf::infinite, fetch_atom_v, end.offset)
      .then(
          [this, who, end, header = request.header, peer](const record_batch& found) {
            auto topic = topic_of_half(found, end.offset);
            if (topic.empty() || may_publish(who, topic, header, peer))
              resolve(who, end);
          },
          [this, who, end](const caf::error& why) {
            auto reason = from_caf(why);
            if (reason.code == errc::not_found)
              resolve(who, end);
            else
              fail(who, reason);
          });
}

/// False after the request was refused.
bool transaction_desk::may_publish(const ticket& who, const std::string& topic,
                                   const remoting::command& header, const storage::host& peer) {
  auto wanted = access::need_for_topic(topic, access::right::pub);
  auto why = wanted ? setup_.accounts->now()->refusal_of(*wanted, header, peer) : std::string{};
  if (why.empty())
    return true;
  done(who);
  if (auto unsaid = refused_lines_.take())
    storage::log_warning(
        "gateway.refused",
        {{"peer", peer.text()}, {"request", who.code}, {"reason", why}, {"unsaid", *unsaid}});
  counter_.reply(who, response_code::no_permission, std::move(why));
  return false;
}

void transaction_desk::resolve(const ticket& who, const transaction_end& end) {
  if (!transactor_)
    return fail(who, {errc::unavailable, "nobody resolves transactions now; try again later"});
  self_->request(transactor_, caf::infinite, end)
      .then(
          [this, who](bool) {
            done(who);
            counter_.reply(who, response_code::success, {});
          },
          [this, who](const caf::error& why) { fail(who, from_caf(why)); });
}

void transaction_desk::take_resume(const ticket& who, const client_request& request) {
  auto wanted = counter_.fields_of<remoting::resume_header>(who, request);
  if (!wanted)
    return;
  auto id = storage::parse_message_id(wanted->message_id);
  if (!id)
    return counter_.reply(who, response_code::system_error, id.error().message);
  if (!may_begin(who))
    return;
  self_->request(transactor_, caf::infinite, revive_atom_v, log_offset{id.value().offset})
      .then(
          [this, who](bool) {
            done(who);
            counter_.reply(who, response_code::success, {});
          },
          [this, who](const caf::error& why) { fail(who, from_caf(why)); });
}

bool transaction_desk::may_begin(const ticket& who) {
  if (!transactor_) {
    counter_.fail(who, {errc::unavailable, "nobody resolves transactions now; try again later"});
    return false;
  }
  auto open = open_.find(who.from);
  if (all_open_ >= most_open || (open != open_.end() && open->second >= most_open_of_client)) {
    counter_.fail(who, {errc::busy, "too many transactions are being resolved; try again later"});
    return false;
  }
  ++open_[who.from];
  ++all_open_;
  return true;
}

void transaction_desk::done(const ticket& who) {
  --all_open_;
  if (auto found = open_.find(who.from); found != open_.end() && --found->second == 0)
    open_.erase(found);
}

/// As RocketMQ's broker answers for what is not there, or is not what is meant.
void transaction_desk::fail(const ticket& who, const error& why) {
  done(who);
  if (why.code == errc::not_found || why.code == errc::invalid_argument)
    return counter_.reply(who, response_code::system_error, why.message);
  counter_.fail(who, why);
}

bool transaction_desk::ask_producer(const transaction_check& question) {
  auto producers = groups_.producers(question.group);
  if (producers.empty())
    return false;
  auto& store = setup_.node_settings.store;
  auto host = storage::host::ipv4(store.store_host_ipv4, store.store_port);
  remoting::command word;
  word.code = request_code::check_transaction_state;
  remoting::write_fields(
      word, remoting::transaction_question{question.position, question.offset, question.unique_key,
                                           question.unique_key,
                                           storage::message_id(host, question.offset)});
  counter_.tell(producers[turn_++ % producers.size()].connection, std::move(word),
                {question.record});
  return true;
}

} // namespace troupe::net
