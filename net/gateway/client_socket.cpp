#include "net/gateway/client_socket.hpp"

#include "storage/logging.hpp"

#include <boost/asio/buffer.hpp>

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace troupe::net {

namespace {

/// One client's turn: what came since, up to this, is handed on together.
constexpr std::size_t turn_bytes = std::size_t{256} << 10;
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
                             std::shared_ptr<socket_context> context)
    : id_(id), socket_(std::move(socket)), context_(std::move(context)) {
  boost::system::error_code ignored; // a peer that is gone already shows at the first read
  peer_ = host_of(socket_.remote_endpoint(ignored));
  socket_.non_blocking(true, ignored);
  socket_.set_option(boost::asio::ip::tcp::no_delay(true), ignored);
  last_read_ = frame_began_ = last_write_ = clock::now();
}

// -- reading -------------------------------------------------------------------------------------

bool client_socket::may_read() const noexcept {
  auto& o = context_->options;
  return held_bytes_ < o.connection_bytes && context_->held_bytes < o.total_bytes;
}

void client_socket::resume() {
  if (closed_ || reading_ || !may_read())
    return;
  reading_ = true;
  socket_.async_wait(boost::asio::ip::tcp::socket::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& failure) {
                       self->reading_ = false;
                       if (!failure && !self->closed_)
                         self->read();
                     });
}

void client_socket::read() {
  arrived batch{id_, peer_, {}};
  auto open = read_into(batch);
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
}

/// Takes what there is; false when nothing more will come, an error when it is not understood.
storage::result<bool> client_socket::read_into(arrived& batch) {
  for (std::size_t count = 0; count < turn_bytes && may_read();) {
    auto room = splitter_.room();
    boost::system::error_code failure;
    auto bytes = socket_.read_some(boost::asio::buffer(room.data(), room.size()), failure);
    if (failure)
      return failure == boost::asio::error::would_block;
    last_read_ = clock::now();
    if (splitter_.pending() == 0)
      frame_began_ = last_read_;
    splitter_.received(bytes);
    count += bytes;
    TROUPE_TRY(take_frames(batch));
  }
  return true;
}

storage::result<void> client_socket::take_frames(arrived& batch) {
  for (;;) {
    TROUPE_TRY(auto next, splitter_.next());
    if (!next)
      return boost::outcome_v2::success();
    frame_began_ = last_read_;
    TROUPE_TRY(auto header, remoting::decode_header(next->type, next->header.bytes()));
    if (header.is_answer())
      continue; // to a request of ours, none of which wants one
    hold(next->bytes);
    batch.requests.push_back({std::move(header), std::move(next->body), next->bytes});
  }
}

// -- writing -------------------------------------------------------------------------------------

void client_socket::send(outgoing message) {
  release(message.settled_bytes);
  if (closed_ || message.head.empty())
    return;
  if (pieces_.empty())
    last_write_ = clock::now();
  hold(message.head.size());
  if (!pieces_.empty() && !pieces_.back().text.empty() && pieces_.back().text.size() < joined_bytes)
    pieces_.back().text += message.head;
  else
    pieces_.push_back({std::move(message.head), {}});
  for (auto& slice : message.body) {
    hold(slice.size());
    if (!slice.empty())
      pieces_.push_back({{}, std::move(slice)});
  }
}

void client_socket::flush() {
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
  last_write_ = clock::now();
  auto left = count;
  while (!pieces_.empty() && left >= pieces_.front().rest().size()) {
    left -= pieces_.front().rest().size();
    if (pieces_.front().slice.damaged()) {
      close_for("a message for it was damaged on the disk while it was sent");
      return;
    }
    pieces_.pop_front();
  }
  if (left > 0)
    pieces_.front().written += left;
  release(count);
}

void client_socket::wait_writable() {
  writing_ = true;
  socket_.async_wait(boost::asio::ip::tcp::socket::wait_write,
                     [self = shared_from_this()](const boost::system::error_code& failure) {
                       self->writing_ = false;
                       if (!failure)
                         self->flush();
                     });
}

// -- limits --------------------------------------------------------------------------------------

void client_socket::hold(std::size_t bytes) {
  held_bytes_ += bytes;
  context_->held_bytes += bytes;
}

void client_socket::release(std::size_t bytes) {
  auto& o = context_->options;
  bytes = std::min(bytes, held_bytes_);
  auto was_full = context_->held_bytes >= o.total_bytes;
  held_bytes_ -= bytes;
  context_->held_bytes -= bytes;
  if (was_full && context_->held_bytes < o.total_bytes)
    context_->room();
  resume();
}

void client_socket::check_time(clock::time_point now) {
  auto& o = context_->options;
  auto seconds = [](auto time) {
    return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(time).count()) + " s";
  };
  if (!pieces_.empty() && now - last_write_ > o.frame_time)
    close_for("it took no byte of its answers for " + seconds(o.frame_time));
  else if (splitter_.pending() > 0 && may_read() && now - frame_began_ > o.frame_time)
    close_for("a frame was not complete after " + seconds(o.frame_time));
  else if (may_read() && now - last_read_ > o.idle_time)
    close_for("nothing came from it for " + seconds(o.idle_time));
}

void client_socket::close_for(const std::string& reason) {
  if (!closed_)
    storage::log_warning("gateway.closed", {{"peer", peer_.text()}, {"reason", reason}});
  close();
}

void client_socket::close() {
  if (closed_)
    return;
  closed_ = true;
  boost::system::error_code ignored;
  socket_.close(ignored);
  pieces_.clear();
  release(held_bytes_);
  context_->closed(id_);
}

} // namespace troupe::net
