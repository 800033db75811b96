#include "net/gateway/pop_returns.hpp"

#include "storage/logging.hpp"

#include <utility>

namespace troupe::net {

namespace {

using storage::error;

/// Until what could not be stored is tried again.
constexpr std::int64_t pause_ms = 1000;
constexpr std::int32_t readable_and_writable = 6;

} // namespace

void pop_returns::sweep() {
  if (full())
    return;
  auto over = ledger_.book().expire(counter_.now_ms(), most_open - open_);
  for (auto& queue : over.freed)
    freed_(queue);
  for (auto& message : over.messages)
    begin(std::move(message));
}

void pop_returns::begin(remoting::pop_book::expired_message message) {
  ++open_;
  auto it = std::make_shared<work>();
  it->message = std::move(message);
  if (!sessions_.own())
    return fail(it, {errc::unavailable, "the gateway's session ended"});
  self_->request(sessions_.own(), caf::infinite, fetch_atom_v, log_offset{it->message.where})
      .then([this, it](record_batch& found) { copy(it, found); },
            [this, it](const caf::error& why) {
              auto e = from_caf(why);
              if (e.code == errc::not_found || e.code == errc::corrupt)
                done(it); // nobody can have it any more
              else
                fail(it, e);
            });
}

void pop_returns::copy(const shared_work& it, record_batch& found) {
  auto& message = it->message;
  if (found.records.empty())
    return done(it);
  it->record = std::move(found.records.front());
  // The reader has compared the checksum.
  auto decoded =
      storage::decode_record(it->record.bytes(), message.where, storage::verify::structure);
  it->origin = decoded.view;
  if (decoded.kind != storage::record_kind::message || it->origin.topic != message.queue.topic ||
      it->origin.queue_position != message.position)
    return done(it); // another message lies there
  it->copy = remoting::copy_of_popped(it->origin, message.queue.group, message.pop_ms);
  if (names_.find(it->copy.topic) != nullptr)
    return store(it);
  names_.create({it->copy.topic, 1, 1, readable_and_writable}, [this, it](const error& failure) {
    if (names_.find(it->copy.topic) != nullptr)
      store(it);
    else
      fail(it, failure.code == errc::none ? error{errc::unavailable, "no topic"} : failure);
  });
}

void pop_returns::store(const shared_work& it) {
  if (!sessions_.own())
    return fail(it, {errc::unavailable, "the gateway's session ended"});
  storage::new_message copy;
  copy.flag = it->origin.flag;
  copy.sysflag = it->copy.sysflag;
  copy.born_timestamp = it->origin.born_timestamp;
  copy.reconsume_times = it->copy.reconsume_times;
  copy.body = it->origin.body;
  copy.properties = it->copy.properties;
  put_request put;
  put.topic = it->copy.topic;
  put.count = 1;
  put.messages = {{copy}, it};
  put.born_host = it->origin.born_host;
  self_->request(sessions_.own(), caf::infinite, std::move(put))
      .then([this, it](const put_response& response) { stored(it, response); },
            [this, it](const caf::error& why) { fail(it, from_caf(why)); });
}

/// One of which nobody knows whether it is stored is stored once more: at most it comes twice.
void pop_returns::stored(const shared_work& it, const put_response& response) {
  auto& results = response.results;
  if (!results.empty() && results.front().code == errc::none && results.front().offset >= 0)
    return done(it);
  auto why = response.failure;
  if (why.code == errc::none)
    why.code = errc::maybe_stored;
  fail(it, why);
}

void pop_returns::done(const shared_work& it) {
  ledger_.book().returned(it->message);
  ledger_.keep();
  freed_(it->message.queue);
  end();
}

void pop_returns::fail(const shared_work& it, const error& why) {
  if (auto unsaid = lines_.take())
    storage::log_warning("pop.not_returned", {{"group", it->message.queue.group},
                                              {"topic", it->message.queue.topic},
                                              {"reason", why.message},
                                              {"unsaid", *unsaid}});
  ledger_.book().not_returned(it->message, counter_.now_ms() + pause_ms);
  end();
}

/// When what is in the mailbox had its turn there may be more.
void pop_returns::end() {
  --open_;
  self_->send(self_, work_atom_v);
}

} // namespace troupe::net
