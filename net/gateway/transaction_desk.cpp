#include "net/gateway/transaction_desk.hpp"

#include "net/remoting/codes.hpp"
#include "net/remoting/headers.hpp"
#include "storage/format/record.hpp"

namespace troupe::net {

namespace {

namespace request_code = remoting::request_code;
namespace response_code = remoting::response_code;
using storage::error;

constexpr std::size_t most_open_of_client = 4096;
constexpr std::size_t most_open = 32'768;

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

void transaction_desk::take(const ticket& who, const client_request& request) {
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
  self_->request(transactor_, caf::infinite, std::move(end))
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
