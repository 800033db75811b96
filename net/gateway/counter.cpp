#include "net/gateway/counter.hpp"

#include "net/remoting/codes.hpp"
#include "net/remoting/frame.hpp"
#include "storage/mutant.hpp"

namespace troupe::net {

namespace {

namespace response_code = remoting::response_code;

/// Producers try another broker on 2 and 14; consumers ask again.
std::int32_t response_for(errc code) noexcept {
  switch (code) {
  case errc::busy:
    return response_code::system_busy;
  case errc::no_space:
  case errc::too_many_files:
  case errc::write_stopped:
  case errc::disk_full:
  case errc::unavailable:
  case errc::connection_lost:
    return response_code::service_not_available;
  default:
    return response_code::system_error;
  }
}

/// Java clients read no larger frame than 16 MiB.
constexpr std::size_t most_text = 16 * storage::mib - 64 * storage::kib;

/// Clients give up on a send after 3 s and send again, and on most others after 5 s or later.
constexpr std::chrono::milliseconds producer_patience{2500};
constexpr std::chrono::milliseconds client_patience{10'000};

/// Go's consumer counts a message as sent back whatever the answer's code, and sends it back again
/// when it has waited 3 s for none.
bool takes_any_answer(const remoting::command& request) {
  static const auto go = remoting::language_number("GO");
  return request.code == remoting::request_code::consumer_send_msg_back && request.language == go;
}

/// Of one client at a time.
constexpr std::size_t most_open_questions = 16;

} // namespace

// -- time ----------------------------------------------------------------------------------------

std::int64_t counter::milliseconds_of(caf::actor_clock::time_point at) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(at.time_since_epoch()).count();
}

std::int64_t counter::now_ms() const {
  return milliseconds_of(self_->clock().now());
}

std::int64_t counter::time_left_ms(const ticket& who) const {
  auto patience = who.kind == request_kind::send ? producer_patience : client_patience;
  return who.since_ms + patience.count() - now_ms();
}

bool counter::too_late(const ticket& who) {
  if (is_of_use_late(who.kind) || time_left_ms(who) > 0)
    return false;
  fail(who, {errc::busy, who.kind == request_kind::send
                             ? "not stored: it waited longer than the producer does"
                             : "it waited longer than the client does; try again later"});
  return true;
}

// -- counting ------------------------------------------------------------------------------------

ticket counter::ticket_of(connection_id from, const client_request& request, request_kind kind,
                          std::int64_t since_ms) {
  auto& h = request.header;
  ticket who{from, h.code, h.opaque, h.is_oneway(), h.type, kind, request.bytes, since_ms};
  who.success_only = takes_any_answer(h);
  return who;
}

bool counter::has_writes(connection_id from) const {
  auto found = clients_.find(from);
  return found != clients_.end() && found->second.writes > 0;
}

bool counter::may_ask(connection_id from) const {
  auto found = clients_.find(from);
  return found == clients_.end() ||
         (found->second.questions < most_open_questions && found->second.waiting.empty());
}

void counter::wait_for_turn(ticket who, client_request request) {
  auto& c = clients_[who.from];
  c.waiting.emplace_back(std::move(who), std::move(request));
}

void counter::begin_question(ticket& who) {
  ++clients_[who.from].questions;
  gateway_actor me = self_;
  who.place = {nullptr, [me, from = who.from](void*) { caf::anon_send(me, taken{from, false}); }};
}

void counter::end_question(connection_id from) {
  if (auto found = clients_.find(from); found != clients_.end())
    --found->second.questions;
}

std::optional<counter::waiting_question> counter::next_question(connection_id from) {
  auto found = clients_.find(from);
  if (found == clients_.end())
    return std::nullopt;
  auto& c = found->second;
  if (c.questions >= most_open_questions || c.waiting.empty())
    return std::nullopt;
  auto next = std::move(c.waiting.front());
  c.waiting.pop_front();
  return next;
}

// -- answers -------------------------------------------------------------------------------------

remoting::command counter::header_for(const ticket& who, std::int32_t code, std::string remark) {
  return remoting::answer_to(who.opaque, who.type, code, std::move(remark));
}

void counter::reply(const ticket& who, const remoting::command& header, slices body,
                    std::shared_ptr<void> receipt) {
  outgoing message;
  message.to = who.from;
  message.settled_bytes = TROUPE_MUTANT("request-not-settled") ? 0 : who.bytes;
  bool success = header.code == response_code::success;
  if (!who.oneway && (success || !who.success_only)) {
    std::size_t bytes = 0;
    for (auto& slice : body)
      bytes += slice.size();
    remoting::append_frame_head(message.head, header, bytes);
    message.body = std::move(body);
    // They lead to nothing: what counts is who owns them.
    message.receipt = receipt.use_count() > 0 ? std::move(receipt) : who.place;
  }
  send_(std::move(message));
  if (success && who.after)
    who.after();
  if (!is_write(who.kind))
    return;
  if (auto found = clients_.find(who.from); found != clients_.end() && found->second.writes > 0)
    if (--found->second.writes == 0)
      written_(who.from);
}

void counter::reply(const ticket& who, std::int32_t code, std::string remark) {
  reply(who, header_for(who, code, std::move(remark)));
}

void counter::reply_text(const ticket& who, std::string_view body) {
  if (body.size() > most_text)
    return fail(who, {errc::too_large, "the answer has " + std::to_string(body.size()) +
                                           " bytes, more than clients read"});
  reply(who, header_for(who, response_code::success), {storage::slice::copy_of_text(body)});
}

void counter::fail(const ticket& who, const storage::error& why) {
  reply(who, response_for(why.code), why.message);
}

void counter::tell(connection_id to, remoting::command word, slices body) {
  word.flag = remoting::oneway_flag;
  word.opaque = next_opaque_++;
  send_own(to, word, std::move(body));
}

std::int32_t counter::call(connection_id to, remoting::command question, slices body) {
  question.flag = 0;
  question.opaque = next_opaque_++;
  send_own(to, question, std::move(body));
  return question.opaque;
}

void counter::send_own(connection_id to, const remoting::command& header, slices body) {
  std::size_t bytes = 0;
  for (auto& slice : body)
    bytes += slice.size();
  outgoing message;
  message.to = to;
  remoting::append_frame_head(message.head, header, bytes);
  message.body = std::move(body);
  send_(std::move(message));
}

void counter::settle(connection_id from, std::size_t bytes) {
  outgoing nothing;
  nothing.to = from;
  nothing.settled_bytes = bytes;
  send_(std::move(nothing));
}

} // namespace troupe::net
