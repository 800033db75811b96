#include "net/gateway/name_registrar.hpp"

#include "net/gateway/name_link.hpp"
#include "net/remoting/broker_table.hpp"
#include "net/remoting/codes.hpp"
#include "net/remoting/frame.hpp"
#include "net/remoting/registration.hpp"
#include "storage/clock.hpp"
#include "storage/logging.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include <algorithm>
#include <system_error>
#include <thread>
#include <utility>

namespace troupe::net {

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

/// What every broker registers beside its topics: newer name servers refuse a first registration of
/// a single topic, which they take for a part of one.
std::vector<remoting::registered_topic> usual_topics(const name_registrar::setup& with) {
  std::vector<remoting::registered_topic> topics;
  topics.push_back({{"SELF_TEST_TOPIC", 1, 1, 6}});
  topics.push_back({{with.address.broker, 1, 1, 7}});
  if (with.auto_create_topics)
    topics.push_back({{std::string(remoting::default_topic), 8, 8, 7}});
  return topics;
}

} // namespace

/// The connection to one name server. Everything runs on the registrar's thread. What an earlier
/// connection still brings counts no more: each has a number.
class name_connection {
public:
  name_connection(asio::io_context& io, name_server server, const name_registrar::setup& with,
                  const remoting::registration& what)
      : server_(std::move(server)), with_(with), what_(what), resolver_(io), socket_(io),
        timer_(io) {}

  void topics_changed() {
    link_.topics_changed();
    go_on();
  }
  void leave() {
    link_.leave();
    go_on();
  }
  /// A look-up of its name is under way, which nobody can end.
  bool is_resolving() const noexcept { return resolving_; }
  /// Called once, when it is.
  std::function<void()> done;

private:
  void go_on();
  void arm();
  void connect();
  void connected(const error_code& failure);
  void close();
  void lost(const std::string& reason);
  void say_all();
  void say_farewell();
  void send(remoting::command request, const std::string& body);
  void write();
  void read();
  storage::result<void> take_frames();
  void take(const remoting::command& answer);

  std::string name() const { return server_.host + ":" + std::to_string(server_.port); }

  name_server server_;
  const name_registrar::setup& with_;
  const remoting::registration& what_;
  name_link link_;
  tcp::resolver resolver_;
  tcp::socket socket_;
  asio::steady_timer timer_;
  std::uint64_t number_ = 0; ///< of the connection
  bool resolving_ = false;
  remoting::frame_splitter splitter_;
  std::string out_;     ///< is being written
  std::string waiting_; ///< is written then
  std::int32_t opaque_ = 0;
  bool told_away_ = false;       ///< its absence was said
  bool told_registered_ = false; ///< its presence, since then
  bool told_refused_ = false;
};

/// What is to be done, and then the clock.
void name_connection::go_on() {
  for (;;) {
    switch (link_.next(name_link::clock::now())) {
    case name_link::deed::connect:
      connect();
      continue;
    case name_link::deed::say_all:
      say_all();
      continue;
    case name_link::deed::say_farewell:
      say_farewell();
      continue;
    case name_link::deed::close:
      lost("it does not answer");
      continue;
    case name_link::deed::none:
      break;
    }
    break;
  }
  arm();
  if (link_.is_done() && done)
    std::exchange(done, nullptr)();
}

void name_connection::arm() {
  auto when = link_.wakes();
  if (!when) {
    timer_.cancel();
    return;
  }
  timer_.expires_at(*when);
  timer_.async_wait([this](const error_code& cancelled) {
    if (!cancelled)
      go_on();
  });
}

// -- the connection ------------------------------------------------------------------------------

/// The name is looked up each time: it may stand for another machine by now.
void name_connection::connect() {
  auto number = ++number_;
  resolving_ = true;
  resolver_.async_resolve(
      server_.host, std::to_string(server_.port), tcp::resolver::numeric_service,
      [this, number](const error_code& failure, const tcp::resolver::results_type& found) {
        resolving_ = false;
        if (number != number_)
          return;
        if (failure)
          return connected(failure);
        asio::async_connect(socket_, found,
                            [this, number](const error_code& refused, const tcp::endpoint&) {
                              if (number == number_)
                                connected(refused);
                            });
      });
}

void name_connection::connected(const error_code& failure) {
  if (failure) {
    lost(failure.message());
  } else {
    error_code ignored;
    socket_.set_option(tcp::no_delay(true), ignored);
    socket_.set_option(asio::socket_base::keep_alive(true), ignored);
    splitter_ = {};
    link_.connected(name_link::clock::now());
    read();
  }
  go_on();
}

void name_connection::close() {
  ++number_;
  resolver_.cancel();
  error_code ignored;
  socket_.close(ignored);
  out_.clear();
  waiting_.clear();
}

/// Said once, until it is there again.
void name_connection::lost(const std::string& reason) {
  close();
  link_.lost(name_link::clock::now());
  told_registered_ = false;
  if (link_.is_done() || std::exchange(told_away_, true))
    return;
  storage::log_warning("name_server.away",
                       {{"server", name()},
                        {"reason", reason},
                        {"hint", "clients that ask it do not find this node before it is back"}});
}

// -- what is said --------------------------------------------------------------------------------

void name_connection::say_all() {
  remoting::command request;
  request.code = remoting::request_code::register_broker;
  remoting::register_header header;
  header.broker = with_.address.broker;
  header.address = with_.address.address;
  header.cluster = with_.address.cluster;
  header.ha_address = with_.address.address;                 // must be there; nobody copies from it
  header.timeout_ms = remoting::broker_table::usual_time_ms; // 0 would be over at once
  header.all_topics = true;
  auto body = remoting::write_registration(what_, header);
  remoting::write_fields(request, header);
  send(std::move(request), body);
}

void name_connection::say_farewell() {
  remoting::command request;
  request.code = remoting::request_code::unregister_broker;
  remoting::broker_header header;
  header.broker = with_.address.broker;
  header.address = with_.address.address;
  header.cluster = with_.address.cluster;
  remoting::write_fields(request, header);
  send(std::move(request), {});
}

void name_connection::send(remoting::command request, const std::string& body) {
  request.opaque = ++opaque_;
  remoting::append_frame_head(waiting_, request, body.size());
  waiting_ += body;
  if (out_.empty())
    write();
}

void name_connection::write() {
  out_ = std::exchange(waiting_, {});
  asio::async_write(socket_, asio::buffer(out_),
                    [this, number = number_](const error_code& failure, std::size_t) {
                      if (number != number_)
                        return;
                      out_.clear();
                      if (failure) {
                        lost(failure.message());
                        go_on();
                      } else if (!waiting_.empty()) {
                        write();
                      }
                    });
}

void name_connection::read() {
  auto room = splitter_.room();
  socket_.async_read_some(asio::buffer(room.data(), room.size()),
                          [this, number = number_](const error_code& failure, std::size_t count) {
                            if (number != number_)
                              return;
                            if (failure) {
                              lost(failure == asio::error::eof ? "it closed the connection"
                                                               : failure.message());
                              return go_on();
                            }
                            splitter_.received(count);
                            if (auto taken = take_frames(); !taken)
                              lost(taken.error().message);
                            else
                              read();
                            go_on();
                          });
}

storage::result<void> name_connection::take_frames() {
  for (;;) {
    TROUPE_TRY(auto frame, splitter_.next());
    if (!frame)
      return boost::outcome_v2::success();
    TROUPE_TRY(auto header, remoting::decode_header(frame->type, frame->header.bytes()));
    if (header.is_answer() && header.opaque == opaque_)
      take(header);
  }
}

void name_connection::take(const remoting::command& answer) {
  bool good = answer.code == remoting::response_code::success;
  link_.answered(good);
  if (link_.is_done())
    return close();
  if (!good) {
    if (!std::exchange(told_refused_, true))
      storage::log_warning(
          "name_server.refused",
          {{"server", name()}, {"code", answer.code}, {"reason", answer.remark.substr(0, 500)}});
    return;
  }
  told_away_ = told_refused_ = false;
  if (!std::exchange(told_registered_, true))
    storage::log_info("name_server.registered",
                      {{"server", name()}, {"topics", what_.topics.size()}});
}

// -- all of them ---------------------------------------------------------------------------------

struct name_registrar::parts {
  explicit parts(setup s) : with(std::move(s)) {
    for (auto& server : with.servers)
      links.push_back(std::make_unique<name_connection>(io, server, with, what));
  }

  void set_topics(const topics& all);
  void leave();

  setup with;
  remoting::registration what;
  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
  std::vector<std::unique_ptr<name_connection>> links;
  std::size_t open = 0; ///< links that are not done, while it stops
  bool leaving = false;
  std::thread thread;
};

void name_registrar::parts::set_topics(const topics& all) {
  if (leaving || all == nullptr)
    return;
  what.topics = usual_topics(with);
  auto usual = what.topics.size();
  for (auto& [name, topic] : *all) {
    bool is_usual = false;
    for (std::size_t i = 0; i < usual && !is_usual; ++i)
      is_usual = what.topics[i].name == name;
    if (!is_usual)
      what.topics.push_back({topic});
  }
  what.version.timestamp_ms = storage::system_wall_clock().now_ms();
  ++what.version.counter;
  for (auto& link : links)
    link->topics_changed();
}

void name_registrar::parts::leave() {
  leaving = true;
  open = links.size();
  for (auto& link : links) {
    link->done = [this] {
      if (--open == 0)
        io.stop();
    };
    link->leave();
  }
  if (links.empty())
    io.stop();
}

name_registrar::name_registrar(std::shared_ptr<parts> p) : parts_(std::move(p)) {}

name_registrar::~name_registrar() {
  stop();
}

storage::result<std::unique_ptr<name_registrar>> name_registrar::start(setup with) {
  try {
    auto p = std::make_shared<parts>(std::move(with));
    p->thread = std::thread([&io = p->io] { io.run(); });
    return std::unique_ptr<name_registrar>(new name_registrar(std::move(p)));
  } catch (const std::system_error& e) { // no thread, or no descriptor for the reactor
    return storage::error{storage::errc::unavailable,
                          std::string("cannot prepare the connections to name servers: ") +
                              e.what()};
  }
}

name_registrar::topic_sink name_registrar::sink() const {
  return [to = std::weak_ptr(parts_)](topics all) {
    if (auto p = to.lock())
      asio::post(p->io, [&parts = *p, all = std::move(all)] { parts.set_topics(all); });
  };
}

void name_registrar::stop() {
  auto& p = *parts_;
  if (!p.thread.joinable())
    return;
  asio::post(p.io, [&p] { p.leave(); });
  p.thread.join();
  if (!std::any_of(p.links.begin(), p.links.end(), [](auto& l) { return l->is_resolving(); }))
    return;
  try { // a name server for names that does not answer holds nobody up: that ends by itself
    std::thread([last = parts_]() mutable { last.reset(); }).detach();
  } catch (const std::system_error&) { // then it is waited for
  }
}

} // namespace troupe::net
