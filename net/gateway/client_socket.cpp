#include "net/gateway/client_socket.hpp"

#include "net/remoting/codes.hpp"
#include "storage/logging.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace troupe::net {

namespace {

/// One client's turn: what came since, up to this, is handed on together.
constexpr std::size_t turn_bytes = std::size_t{256} << 10;
/// What the way of a request through the node takes, however small it is, and each of its fields.
constexpr std::size_t request_cost = std::size_t{1} << 10;
constexpr std::size_t field_cost = 64;
/// So little is always read at a time. The smallest frames cost less than 64 times their bytes:
/// more than a 64th of the share is not read, since it would be over before anybody looks again.
constexpr std::size_t least_read = 512;
constexpr std::size_t most_cost_factor = 64;
/// Who holds much of a frame and sends no more of it is not waited for if others wait.
constexpr std::chrono::seconds large_frame_patience{2};
/// Small answers are joined up to this.
constexpr std::size_t joined_bytes = std::size_t{64} << 10;
/// The system takes at most 1024 pieces at a time.
constexpr std::size_t most_pieces = 512;

storage::host host_of(const boost::asio::ip::tcp::endpoint& at) {
  if (at.address().is_v4())
    return storage::host::ipv4(at.address().to_v4().to_uint(), at.port());
  storage::host h;
  h.address = at.address().to_v6().to_bytes();
  h.v6 = true;
  h.port = at.port();
  return h;
}

} // namespace

client_socket::client_socket(connection_id id, boost::asio::ip::tcp::socket socket,
                             std::shared_ptr<socket_context> context,
                             std::shared_ptr<request_share> address)
    : id_(id), socket_(std::move(socket)), context_(std::move(context)),
      open_requests_(std::move(address)) {
  boost::system::error_code ignored; // a peer that is gone already shows at the first read
  peer_ = host_of(socket_.remote_endpoint(ignored));
  socket_.non_blocking(true, ignored);
  socket_.set_option(boost::asio::ip::tcp::no_delay(true), ignored);
  came_ = last_read_ = frame_began_ = last_write_ = clock::now();
}

// -- reading -------------------------------------------------------------------------------------

/// Whether what it holds after the next read is no more than its share, or it has the turn.
bool client_socket::has_share() {
  auto& memory = context_->memory;
  if (memory.has_turn(id_))
    return true;
  splitter_.limit_room(memory.most_bytes() / 4);
  if (memory.allows(request_bytes_ + block_bytes_, request_bytes_ + splitter_.next_held_bytes()))
    return true;
  if (splitter_.pending() == 0 || !memory.take_turn(id_))
    return false;
  count_block();
  return true;
}

void client_socket::resume() {
  if (closed_ || reading_ || ending_)
    return;
  if (!may_read()) {
    stopped_ = true;
    end_turn();
    if (is_below_own_limit() && !std::exchange(waiting_, true))
      context_->memory.wait(id_);
    return;
  }
  if (std::exchange(stopped_, false))
    last_read_ = frame_began_ = clock::now();
  reading_ = true;
  if (session_ && session_->pending() > 0) { // of which the socket does not tell
    boost::asio::post(socket_.get_executor(), [self = shared_from_this()] {
      self->reading_ = false;
      if (!self->closed_)
        self->read();
    });
    return;
  }
  socket_.async_wait(boost::asio::ip::tcp::socket::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& failure) {
                       self->reading_ = false;
                       if (!failure && !self->closed_)
                         self->read();
                     });
}

void client_socket::try_again() {
  waiting_ = false;
  resume();
}

void client_socket::read() {
  if (ending_)
    return;
  arrived batch{id_, peer_, {}};
  auto open = listen();
  if (open && open.value() && (speech_ == speech::plain || speech_ == speech::tls))
    open = read_into(batch);
  splitter_.give_back();
  count_block();
  if (!batch.requests.empty()) {
    batch.received = last_read_;
    context_->requests(std::move(batch)); // they count, whatever came behind them
  }
  if (open.has_error())
    close_for(open.error().message);
  else if (!open.value())
    close();
  else
    resume();
  flush(); // refusals
}

/// Finds out whether the client speaks TLS, by its first byte as RocketMQ does: that of a frame's
/// length is another. As `read_into`.
storage::result<bool> client_socket::listen() {
  if (speech_ == speech::shaking_hands)
    return shake_hands();
  if (speech_ != speech::unknown)
    return true;
  constexpr unsigned char handshake = 0x16;
  unsigned char first = 0;
  auto came = ::recv(socket_.native_handle(), &first, 1, MSG_PEEK | MSG_DONTWAIT);
  if (came <= 0)
    return came < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
  auto mode = context_->tls ? context_->options.tls : tls_mode::off;
  if (first != handshake && mode == tls_mode::required)
    return storage::error{storage::errc::invalid_argument,
                          "it does not speak TLS, which [gateway] tls = required wants"};
  if (first != handshake) {
    speech_ = speech::plain;
    return true;
  }
  if (mode == tls_mode::off)
    return storage::error{storage::errc::invalid_argument,
                          "it speaks TLS, and [gateway] tls is off"};
  session_ = context_->tls->accept(socket_.native_handle());
  if (!session_)
    return storage::error{storage::errc::unavailable, "no memory for TLS with it"};
  speech_ = speech::shaking_hands;
  return shake_hands();
}

storage::result<bool> client_socket::shake_hands() {
  switch (session_->shake_hands()) {
  case tls_session::state::done:
    speech_ = speech::tls;
    last_read_ = clock::now();
    return true;
  case tls_session::state::wants_to_write:
    if (!writing_)
      wait_writable();
    return true;
  case tls_session::state::wants_to_read:
    return true;
  case tls_session::state::failed:
    break;
  }
  if (session_->reason().empty())
    return false;
  return storage::error{storage::errc::invalid_argument, "no TLS with it: " + session_->reason()};
}

std::size_t client_socket::read_some(std::span<std::byte> room,
                                     boost::system::error_code& failure) {
  if (!session_)
    return socket_.read_some(boost::asio::buffer(room.data(), room.size()), failure);
  std::size_t done = 0;
  auto after = session_->read(room.data(), room.size(), done);
  if (after == tls_session::state::done)
    return done;
  failure = boost::asio::error::would_block;
  if (after == tls_session::state::failed)
    failure = boost::asio::error::eof;
  return 0;
}

/// Takes what there is; false when nothing more will come, an error when it is not understood.
storage::result<bool> client_socket::read_into(arrived& batch) {
  for (std::size_t count = 0; count < turn_bytes && may_read();) {
    auto room = splitter_.room();
    count_block();
    auto most = std::max(least_read, context_->memory.most_bytes() / most_cost_factor);
    if (context_->memory.has_turn(id_))
      most = splitter_.missing(); // the turn is for one frame, not for those behind it
    room = room.first(std::min(room.size(), most));
    boost::system::error_code failure;
    auto bytes = read_some(room, failure);
    if (failure)
      return failure == boost::asio::error::would_block;
    last_read_ = clock::now();
    if (splitter_.pending() == 0)
      frame_began_ = last_read_;
    context_->received.fetch_add(bytes, std::memory_order_relaxed);
    splitter_.received(bytes);
    count += bytes;
    TROUPE_TRY(take_frames(batch));
    if (bytes < room.size() && !session_)
      break; // that was all
  }
  return true;
}

storage::result<void> client_socket::take_frames(arrived& batch) {
  for (;;) {
    TROUPE_TRY(auto next, splitter_.next());
    if (!next)
      return boost::outcome_v2::success();
    frame_began_ = last_read_;
    end_turn();
    TROUPE_TRY(auto header, remoting::decode_header(next->type, next->header.bytes()));
    if (!has_room_for(header, next->type))
      continue;
    auto cost = next->bytes + request_cost + header.ext.size() * field_cost;
    count(request_bytes_ + cost, block_bytes_);
    open_requests_.add();
    batch.requests.push_back({std::move(header), std::move(next->body), cost});
  }
}

/// What it holds now; the block of the one that has the turn does not count.
void client_socket::count(std::size_t request_bytes, std::size_t block_bytes) {
  if (context_->memory.has_turn(id_))
    block_bytes = 0;
  auto before = request_bytes_ + block_bytes_;
  request_bytes_ = request_bytes;
  block_bytes_ = block_bytes;
  context_->memory.change(before, request_bytes_ + block_bytes_);
}

void client_socket::end_turn() {
  if (!context_->memory.has_turn(id_))
    return;
  context_->memory.end_turn(id_);
  count_block();
}

// -- open requests -------------------------------------------------------------------------------

/// False after the request was refused: its address or its account has too many open.
bool client_socket::has_room_for(const remoting::command& request, remoting::header_type type) {
  auto* full = open_requests_.full();
  if (full == nullptr || request.is_answer())
    return true;
  auto reason = full->refusal();
  if (auto unsaid = context_->refused_lines.take())
    storage::log_warning("gateway.limit",
                         {{"peer", peer_.text()}, {"reason", reason}, {"unsaid", *unsaid}});
  if (request.is_oneway())
    return false;
  std::string head;
  remoting::append_frame_head(head,
                              remoting::answer_to(request.opaque, type,
                                                  remoting::response_code::system_busy,
                                                  std::move(reason)),
                              0);
  push_head(std::move(head));
  return false;
}

// -- writing -------------------------------------------------------------------------------------

void client_socket::send(outgoing message) {
  count(request_bytes_ - std::min(message.settled_bytes, request_bytes_), block_bytes_);
  if (closed_)
    return;
  if (message.settled_bytes > 0)
    open_requests_.remove_one();
  if (message.account)
    open_requests_.join(std::move(message.account));
  if (!message.head.empty()) {
    push_head(std::move(message.head));
    for (auto& slice : message.body)
      if (!slice.empty())
        push({.text = {}, .slice = std::move(slice), .receipt = {}});
    if (pieces_.back().text.empty())
      pieces_.back().receipt = std::move(message.receipt);
  }
  ending_ = ending_ || message.last;
  resume();
}

/// Small ones are joined.
void client_socket::push_head(std::string head) {
  if (pieces_.empty())
    last_write_ = clock::now();
  if (!pieces_.empty() && !pieces_.back().text.empty() &&
      pieces_.back().text.size() < joined_bytes) {
    pieces_.back().text += head;
    count_unread(head.size(), false);
  } else {
    push({.text = std::move(head), .slice = {}, .receipt = {}});
  }
}

void client_socket::push(piece p) {
  count_unread(p.bytes().size(), p.slice.mapped());
  count_unread(sizeof(piece), false);
  pieces_.push_back(std::move(p));
}

void client_socket::count_unread(std::size_t bytes, bool mapped) {
  for (auto* counts : {&unread_, &context_->unread}) {
    counts->all += bytes;
    counts->copied += mapped ? 0 : bytes;
  }
}

void client_socket::pop_piece() {
  auto& done = pieces_.front();
  auto bytes = done.bytes().size() + sizeof(piece);
  auto copied = sizeof(piece) + (done.slice.mapped() ? 0 : done.bytes().size());
  for (auto* counts : {&unread_, &context_->unread}) {
    counts->all -= bytes;
    counts->copied -= copied;
  }
  pieces_.pop_front();
}

void client_socket::flush() {
  if (session_)
    flush_tls();
  else
    flush_plain();
  if (ending_ && pieces_.empty())
    close();
}

/// Joined and encrypted: TLS copies in any case. What is sent again begins with the same bytes.
void client_socket::flush_tls() {
  while (!closed_ && !writing_ && !pieces_.empty()) {
    auto& joined = context_->joined;
    std::size_t size = 0;
    bool damaged = false;
    for (auto& next : pieces_) {
      auto bytes = next.rest().first(std::min(next.rest().size(), joined.size() - size));
      std::memcpy(joined.data() + size, bytes.data(), bytes.size());
      size += bytes.size();
      damaged = damaged || next.slice.damaged();
      if (size == joined.size())
        break;
    }
    if (damaged) {
      close_for("a message for it was damaged on the disk while it was sent");
      return;
    }
    std::size_t done = 0;
    switch (session_->write(joined.data(), size, done)) {
    case tls_session::state::done:
      written(done);
      break;
    case tls_session::state::failed:
    case tls_session::state::wants_to_read: // without renegotiation it never does
      close();
      break;
    case tls_session::state::wants_to_write:
      wait_writable();
      break;
    }
  }
}

void client_socket::flush_plain() {
  while (!closed_ && !writing_ && !pieces_.empty()) {
    std::array<iovec, most_pieces> vector;
    auto count = std::min(pieces_.size(), most_pieces);
    for (std::size_t i = 0; i < count; ++i) {
      auto bytes = pieces_[i].rest();
      vector[i] = {const_cast<std::byte*>(bytes.data()), bytes.size()}; // only read from
    }
    msghdr message{};
    message.msg_iov = vector.data();
    message.msg_iovlen = count;
    auto sent = ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL);
    if (sent >= 0)
      written(static_cast<std::size_t>(sent));
    else if (errno == EAGAIN || errno == EWOULDBLOCK)
      wait_writable();
    else if (errno == EFAULT) // a page of the log that cannot be read
      close_for("a message for it cannot be read from the disk");
    else if (errno != EINTR)
      close();
  }
}

void client_socket::written(std::size_t count) {
  context_->sent.fetch_add(count, std::memory_order_relaxed);
  last_write_ = clock::now();
  auto left = count;
  while (!pieces_.empty() && left >= pieces_.front().rest().size()) {
    left -= pieces_.front().rest().size();
    if (pieces_.front().slice.damaged()) {
      close_for("a message for it was damaged on the disk while it was sent");
      return;
    }
    pop_piece();
  }
  if (left > 0)
    pieces_.front().written += left;
  resume();
}

void client_socket::wait_writable() {
  writing_ = true;
  socket_.async_wait(boost::asio::ip::tcp::socket::wait_write,
                     [self = shared_from_this()](const boost::system::error_code& failure) {
                       self->writing_ = false;
                       if (failure || self->closed_)
                         return;
                       if (self->speech_ == speech::shaking_hands)
                         self->read();
                       else
                         self->flush();
                     });
}

// -- limits --------------------------------------------------------------------------------------

void client_socket::check_time(clock::time_point now) {
  auto& o = context_->options;
  auto seconds = [](auto time) {
    return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(time).count()) + " s";
  };
  if (speech_ == speech::shaking_hands && now - came_ > o.frame_time)
    close_for("it did not complete the handshake of TLS in " + seconds(o.frame_time));
  else if (!pieces_.empty() && now - last_write_ > o.frame_time)
    close_for("it took no byte of its answers for " + seconds(o.frame_time));
  else if (splitter_.pending() > 0 && reading_ && now - frame_began_ > o.frame_time)
    close_for("a frame was not complete after " + seconds(o.frame_time));
  else if (context_->memory.anyone_waits() && reading_ && now - last_read_ > large_frame_patience &&
           splitter_.pending() > 0 && splitter_.held_bytes() > context_->memory.own_bytes())
    close_for("it sends no more of a large frame, for which others wait");
  else if (reading_ && now - last_read_ > o.idle_time)
    close_for("nothing came from it for " + seconds(o.idle_time));
}

void client_socket::close_for(const std::string& reason) {
  if (auto unsaid = closed_ ? std::nullopt : context_->closed_lines.take())
    storage::log_warning("gateway.closed",
                         {{"peer", peer_.text()}, {"reason", reason}, {"unsaid", *unsaid}});
  close();
}

void client_socket::close() {
  if (closed_)
    return;
  closed_ = true;
  boost::system::error_code ignored;
  socket_.close(ignored);
  while (!pieces_.empty())
    pop_piece();
  end_turn();
  count(0, 0);
  open_requests_.remove_all();
  context_->closed(id_);
}

} // namespace troupe::net
