#include "net/gateway/socket_server.hpp"

#include "net/gateway/client_socket.hpp"
#include "net/gateway/connection_limits.hpp"
#include "net/gateway/line_budget.hpp"
#include "net/gateway/outbox.hpp"
#include "storage/logging.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <system_error>
#include <thread>
#include <unordered_map>

namespace troupe::net {

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

/// How often the clients' times are looked at; they are seconds long.
constexpr auto sweep_interval = std::chrono::seconds(1);
/// After a failed accept: descriptors are short, and may come back.
constexpr auto accept_pause = std::chrono::milliseconds(100);

} // namespace

struct socket_server::parts {
  struct listener {
    tcp::acceptor acceptor;
    asio::steady_timer pause;
  };

  struct open_client {
    std::shared_ptr<client_socket> socket;
    asio::ip::address address;
  };

  parts(const gateway_options& o, std::shared_ptr<const door_tls> tls)
      : answers(std::make_shared<outbox>([this] { asio::post(io, [this] { deliver(); }); })),
        context(std::make_shared<socket_context>(
            o, [this] { asio::post(io, [this] { wake_readers(); }); }, std::move(tls))),
        limits(o), sweeper(io) {
    context->closed = [this](connection_id id) { ended(id); };
  }

  storage::result<void> bind(const std::string& host, std::uint16_t port);
  void accept(listener& at);
  void take_in(tcp::socket socket);
  void deliver();
  void wake_readers();
  void close_largest();
  void ended(connection_id id);
  void sweep();
  void arm_sweep();
  void close_clients();
  void close_listeners();

  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
  std::shared_ptr<outbox> answers;
  std::shared_ptr<socket_context> context;
  std::vector<std::unique_ptr<listener>> listeners;
  std::unordered_map<connection_id, open_client> clients;
  connection_limits limits;
  connection_id next_id = 1;
  asio::steady_timer sweeper;
  bool sweeping = false;
  line_budget full{1};
  line_budget not_accepted{1};
  handlers to;
  std::thread thread;
};

storage::result<void> socket_server::parts::bind(const std::string& host, std::uint16_t port) {
  auto made = std::make_unique<listener>(listener{tcp::acceptor(io), asio::steady_timer(io)});
  boost::system::error_code failure;
  auto address = asio::ip::make_address(host, failure);
  auto& acceptor = made->acceptor;
  if (!failure)
    acceptor.open(address.is_v4() ? tcp::v4() : tcp::v6(), failure);
  if (!failure)
    acceptor.set_option(tcp::acceptor::reuse_address(true), failure);
  if (!failure)
    acceptor.bind({address, port}, failure);
  if (!failure)
    acceptor.listen(1024, failure);
  if (!failure)
    acceptor.non_blocking(true, failure);
  if (failure)
    return storage::error{storage::errc::unavailable, "cannot listen at " + host + ":" +
                                                          std::to_string(port) + ": " +
                                                          failure.message()};
  listeners.push_back(std::move(made));
  return boost::outcome_v2::success();
}

void socket_server::parts::accept(listener& at) {
  at.acceptor.async_accept(
      [this, &at](const boost::system::error_code& failure, tcp::socket socket) {
        if (failure == asio::error::operation_aborted || !at.acceptor.is_open())
          return;
        if (!failure) {
          take_in(std::move(socket));
          accept(at);
          return;
        }
        if (auto unsaid = not_accepted.take())
          storage::log_warning("gateway.not_accepted",
                               {{"reason", failure.message()}, {"unsaid", *unsaid}});
        at.pause.expires_after(accept_pause);
        at.pause.async_wait([this, &at](const boost::system::error_code& cancelled) {
          if (!cancelled && at.acceptor.is_open())
            accept(at);
        });
      });
}

void socket_server::parts::take_in(tcp::socket socket) {
  boost::system::error_code failure;
  auto peer = socket.remote_endpoint(failure);
  if (failure)
    return; // gone already
  auto address = peer.address();
  auto requests = limits.enter(address);
  if (requests == nullptr) {
    if (auto unsaid = full.take())
      storage::log_warning("gateway.full",
                           {{"peer", address.to_string()},
                            {"connections", clients.size()},
                            {"reason", limits.refusal()},
                            {"hint", "it is closed at once, like all that come while it is so"},
                            {"unsaid", *unsaid}});
    return;
  }
  auto id = next_id++;
  auto made = std::make_shared<client_socket>(id, std::move(socket), context, std::move(requests));
  clients.emplace(id, open_client{made, address});
  made->resume();
  arm_sweep();
}

void socket_server::parts::deliver() {
  std::vector<std::shared_ptr<client_socket>> touched;
  for (auto& message : answers->take()) {
    auto found = clients.find(message.to);
    if (found == clients.end())
      continue;
    auto client = found->second.socket;
    client->send(std::move(message));
    if (touched.empty() || touched.back() != client)
      touched.push_back(std::move(client));
  }
  for (auto& client : touched)
    client->flush();
  close_largest();
}

/// What clients do not take is bounded: who has the most of it goes first.
void socket_server::parts::close_largest() {
  auto close = [this](const std::size_t unread_bytes::*kind, const char* limit) {
    auto largest = std::max_element(clients.begin(), clients.end(), [&](auto& a, auto& b) {
      return a.second.socket->unread().*kind < b.second.socket->unread().*kind;
    });
    auto bytes = std::to_string(largest->second.socket->unread().*kind);
    largest->second.socket->close_for("it has not taken " + bytes +
                                      " bytes of its answers, the most of all, and all together "
                                      "are above [gateway] " +
                                      limit);
  };
  auto& o = context->options;
  while (context->unread.all > o.unread_bytes)
    close(&unread_bytes::all, "unread-bytes");
  while (context->unread.copied > o.total_bytes)
    close(&unread_bytes::copied, "total-bytes");
}

void socket_server::parts::wake_readers() {
  for (auto id : context->memory.take_waiting())
    if (auto found = clients.find(id); found != clients.end())
      found->second.socket->try_again();
}

void socket_server::parts::ended(connection_id id) {
  // Later: the caller still stands in the client's own function.
  asio::post(io, [this, id] {
    auto found = clients.find(id);
    if (found == clients.end())
      return;
    limits.leave(found->second.address);
    clients.erase(found);
    if (to.end)
      to.end({id});
  });
}

void socket_server::parts::arm_sweep() {
  if (sweeping || clients.empty())
    return;
  sweeping = true;
  sweeper.expires_after(sweep_interval);
  sweeper.async_wait([this](const boost::system::error_code& cancelled) {
    sweeping = false;
    if (!cancelled)
      sweep();
  });
}

void socket_server::parts::sweep() {
  auto now = client_socket::clock::now();
  for (auto& [id, client] : clients)
    client.socket->check_time(now);
  arm_sweep();
}

void socket_server::parts::close_clients() {
  auto all = clients; // closing takes them out
  for (auto& [id, client] : all)
    client.socket->close();
}

void socket_server::parts::close_listeners() {
  for (auto& at : listeners) {
    boost::system::error_code ignored;
    at->acceptor.close(ignored);
    at->pause.cancel();
  }
}

socket_server::socket_server(std::unique_ptr<parts> p) : parts_(std::move(p)) {}

socket_server::~socket_server() {
  stop();
}

storage::result<std::unique_ptr<socket_server>>
socket_server::listen(const gateway_options& options, const std::string& host,
                      const std::vector<std::uint16_t>& ports,
                      std::shared_ptr<const door_tls> tls) {
  try {
    auto p = std::make_unique<parts>(options, std::move(tls));
    for (auto port : ports) {
      TROUPE_TRY(p->bind(host, port));
    }
    return std::unique_ptr<socket_server>(new socket_server(std::move(p)));
  } catch (const boost::system::system_error& e) { // no descriptor for the reactor
    return storage::error{storage::errc::too_many_files,
                          std::string("cannot prepare the sockets for RocketMQ clients: ") +
                              e.what()};
  }
}

std::vector<std::uint16_t> socket_server::ports() const {
  std::vector<std::uint16_t> bound;
  for (auto& at : parts_->listeners) {
    boost::system::error_code ignored;
    bound.push_back(at->acceptor.local_endpoint(ignored).port());
  }
  return bound;
}

std::function<socket_bytes()> socket_server::bytes_function() const {
  return [context = parts_->context] {
    return socket_bytes{context->received.load(std::memory_order_relaxed),
                        context->sent.load(std::memory_order_relaxed)};
  };
}

storage::result<void> socket_server::start(handlers to) {
  auto& p = *parts_;
  p.to = std::move(to);
  p.context->requests = p.to.requests;
  for (auto& at : p.listeners)
    p.accept(*at);
  try {
    p.thread = std::thread([&p] { p.io.run(); });
  } catch (const std::system_error& e) {
    return storage::error{storage::errc::unavailable,
                          std::string("no thread for the sockets of RocketMQ clients: ") +
                              e.what()};
  }
  return boost::outcome_v2::success();
}

void socket_server::close_clients() {
  asio::post(parts_->io, [&p = *parts_] { p.close_clients(); });
}

void socket_server::close_listeners() {
  asio::post(parts_->io, [&p = *parts_] { p.close_listeners(); });
}

void socket_server::stop() {
  auto& p = *parts_;
  p.answers->close();
  if (!p.thread.joinable())
    return;
  asio::post(p.io, [&p] {
    p.to.end = nullptr;
    p.close_listeners();
    p.sweeper.cancel();
    p.close_clients();
    p.work.reset();
  });
  p.thread.join();
  p.clients.clear();
}

socket_server::sender socket_server::send_function() const {
  return [answers = parts_->answers](outgoing message) { answers->put(std::move(message)); };
}

} // namespace troupe::net
