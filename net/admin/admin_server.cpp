// The only source that knows Beast: it takes long to compile.

#include "net/admin/admin_server.hpp"

#include "net/admin/host_rule.hpp"
#include "net/gateway/line_budget.hpp"
#include "storage/logging.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include <algorithm>
#include <ctime>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <unordered_map>
#include <utility>

namespace troupe::net {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using beast::error_code;

constexpr std::uint32_t most_header_bytes = 16 * 1024;
/// Of one header and what follows it: no more of it is read ahead.
constexpr std::size_t most_buffered_bytes = most_header_bytes + 4096;
/// After the last answer: no more is waited for, or thrown away.
constexpr auto linger_time = std::chrono::seconds(2);
constexpr std::size_t most_dropped_bytes = 256 * 1024;
/// After a failed accept: descriptors are short, and may come back.
constexpr auto accept_pause = std::chrono::milliseconds(100);

/// Answers on their way to the port's thread, as long as there is one.
class answer_box {
public:
  using take = std::function<void(std::uint64_t, admin_answer)>;
  answer_box(asio::io_context& io, take to) : io_(&io), to_(std::move(to)) {}

  void put(std::uint64_t connection, admin_answer answer) {
    std::lock_guard lock(mutex_);
    if (io_ != nullptr)
      asio::post(*io_, [this, connection, a = std::move(answer)] { to_(connection, a); });
  }
  void close() {
    std::lock_guard lock(mutex_);
    io_ = nullptr;
  }

private:
  std::mutex mutex_;
  asio::io_context* io_;
  take to_;
};

/// As RFC 9110 wants it of whoever has a clock.
std::string date_text() {
  auto now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  char text[40];
  auto length = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &utc);
  return {text, length};
}

/// What a page from here may do, and that nobody else's page may hold or read it.
template <class Response>
void set_security(Response& r) {
  r.set("Content-Security-Policy", "default-src 'self'; base-uri 'none'; form-action 'none'; "
                                   "frame-ancestors 'none'");
  r.set("X-Content-Type-Options", "nosniff");
  r.set("X-Frame-Options", "DENY");
  r.set("Referrer-Policy", "no-referrer");
  r.set("Cross-Origin-Opener-Policy", "same-origin");
  r.set("Cross-Origin-Resource-Policy", "same-origin");
}

/// Why a header cannot be understood, as a status.
unsigned status_of(const error_code& failure) {
  if (failure == http::error::header_limit || failure == http::error::buffer_overflow)
    return 431;
  if (failure == http::error::body_limit || failure == http::error::unexpected_body)
    return 413;
  if (failure == http::error::bad_version)
    return 505;
  return 400;
}

bool is_closed(const error_code& failure) {
  return failure == http::error::end_of_stream || failure == http::error::partial_message ||
         failure == beast::error::timeout ||
         failure.category() == asio::error::get_system_category() ||
         failure.category() == asio::error::get_misc_category();
}

struct shared_parts {
  admin_options options;
  std::vector<std::string> hosts;
  admin_handler handler;
  std::shared_ptr<answer_box> answers;
  std::function<void(std::uint64_t)> ended; ///< not called from within the connection's start
};

/// One client, on the port's thread.
class connection : public std::enable_shared_from_this<connection> {
public:
  connection(std::uint64_t id, tcp::socket socket, shared_parts& shared)
      : id_(id), stream_(std::move(socket)), buffer_(most_buffered_bytes), shared_(shared) {
    error_code ignored;
    local_ = stream_.socket().local_endpoint(ignored).address().to_string(ignored);
  }

  /// Waits for the first byte for as long as it may be idle, and then for the rest.
  void read() {
    if (buffer_.size() > 0)
      return read_header();
    stream_.expires_after(shared_.options.idle_time);
    stream_.async_read_some(buffer_.prepare(1024),
                            [self = shared_from_this()](const error_code& failure, std::size_t n) {
                              if (failure)
                                return self->close();
                              self->buffer_.commit(n);
                              self->read_header();
                            });
  }

  void answer(const admin_answer& a) {
    if (!waiting_)
      return;
    waiting_ = false;
    write(a);
  }

  void close() {
    if (std::exchange(closed_, true))
      return;
    error_code ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_both, ignored);
    stream_.close();
    waiting_ = false;
    shared_.ended(id_);
  }

private:
  void read_header() {
    parser_.emplace();
    parser_->header_limit(most_header_bytes);
    parser_->body_limit(0);
    stream_.expires_after(shared_.options.request_time);
    http::async_read_header(stream_, buffer_, *parser_,
                            [self = shared_from_this()](const error_code& failure, std::size_t) {
                              if (failure && (self->closed_ || is_closed(failure)))
                                return self->close();
                              if (failure)
                                return self->refuse(status_of(failure),
                                                    "the request cannot be understood\n");
                              self->take();
                            });
  }

  /// What follows such a request may be its body: nothing more is read.
  void refuse(unsigned status, std::string why) {
    last_ = true;
    write(text_answer(std::move(why), status));
  }

  void take() {
    auto& header = parser_->get();
    last_ = !header.keep_alive();
    head_ = header.method() == http::verb::head;
    if (header.method() != http::verb::get && !head_)
      return refuse(405, "only GET and HEAD are answered here\n");
    if (!parser_->is_done())
      return refuse(413, "no body is taken here\n");
    if (header.count(http::field::host) != 1)
      return refuse(400, "which host? Exactly one is to be named\n");
    auto host = header[http::field::host];
    if (!host_allowed({host.data(), host.size()}, local_, shared_.hosts))
      return refuse(421, "this host is not served here; see admin-hosts of cluster.ini\n");
    auto target = header.target();
    if (target.empty() || target.front() != '/')
      return refuse(400, "a path is wanted\n");
    admin_request request;
    auto question = std::min(target.find('?'), target.size());
    request.path = std::string(target.substr(0, question));
    if (question < target.size())
      request.query = std::string(target.substr(question + 1));
    auto tag = header[http::field::if_none_match];
    request.known_tag = std::string(tag.data(), tag.size());
    waiting_ = true;
    known_tag_ = request.known_tag;
    shared_.handler(
        request, [to = shared_.answers, id = id_](admin_answer a) { to->put(id, std::move(a)); });
  }

  void write(const admin_answer& a) {
    auto made = std::make_shared<http::response<http::string_body>>();
    bool unchanged = a.status == 200 && !a.tag.empty() && a.tag == known_tag_;
    auto& r = *made;
    r.version(11);
    r.result(unchanged ? 304U : a.status);
    r.set(http::field::date, date_text());
    set_security(r);
    r.set(http::field::cache_control, a.tag.empty() ? "no-store" : "no-cache");
    if (!a.tag.empty())
      r.set(http::field::etag, a.tag);
    if (a.status == 405)
      r.set(http::field::allow, "GET, HEAD");
    r.keep_alive(!last_);
    if (!unchanged) {
      r.set(http::field::content_type, a.type);
      r.content_length(a.body ? a.body->size() : 0);
      if (a.body && !head_)
        r.body() = *a.body;
    }
    known_tag_.clear();
    stream_.expires_after(shared_.options.request_time);
    http::async_write(stream_, r,
                      [self = shared_from_this(), made](const error_code& failure, std::size_t) {
                        self->head_ = false;
                        if (failure)
                          self->close();
                        else if (self->last_)
                          self->linger();
                        else
                          self->read();
                      });
  }

  /// Who closes with something unread takes his answer back: what is under way is let come for a
  /// moment.
  void linger() {
    error_code ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
    stream_.expires_after(linger_time);
    drop(most_dropped_bytes);
  }

  void drop(std::size_t left) {
    buffer_.clear();
    stream_.async_read_some(
        buffer_.prepare(most_header_bytes),
        [self = shared_from_this(), left](const error_code& failure, std::size_t n) {
          if (failure || n >= left)
            self->close();
          else
            self->drop(left - n);
        });
  }

  std::uint64_t id_;
  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::empty_body>> parser_;
  shared_parts& shared_;
  std::string local_;
  std::string known_tag_;
  bool waiting_ = false; ///< for the handler's answer
  bool head_ = false;
  bool last_ = false; ///< it is closed behind the answer
  bool closed_ = false;
};

} // namespace

struct admin_server::parts {
  explicit parts(const admin_options& o) : acceptor(io), pause(io) {
    shared.options = o;
    shared.answers = std::make_shared<answer_box>(
        io, [this](std::uint64_t id, const admin_answer& a) { answered(id, a); });
    shared.ended = [this](std::uint64_t id) {
      asio::post(io, [this, id] { connections.erase(id); });
    };
  }

  storage::result<void> bind(const std::string& host, std::uint16_t port);
  void accept();
  void take_in(tcp::socket socket);
  void answered(std::uint64_t id, const admin_answer& a) {
    if (auto found = connections.find(id); found != connections.end())
      found->second->answer(a);
  }

  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
  tcp::acceptor acceptor;
  asio::steady_timer pause;
  shared_parts shared;
  std::unordered_map<std::uint64_t, std::shared_ptr<connection>> connections;
  std::uint64_t next_id = 1;
  line_budget full{1};
  std::thread thread;
};

storage::result<void> admin_server::parts::bind(const std::string& host, std::uint16_t port) {
  error_code failure;
  auto address = asio::ip::make_address(host, failure);
  if (!failure)
    acceptor.open(address.is_v4() ? tcp::v4() : tcp::v6(), failure);
  if (!failure)
    acceptor.set_option(tcp::acceptor::reuse_address(true), failure);
  if (!failure)
    acceptor.bind({address, port}, failure);
  if (!failure)
    acceptor.listen(64, failure);
  if (failure)
    return storage::error{storage::errc::unavailable, "cannot listen at " + host + ":" +
                                                          std::to_string(port) + ": " +
                                                          failure.message()};
  return boost::outcome_v2::success();
}

void admin_server::parts::accept() {
  acceptor.async_accept([this](const error_code& failure, tcp::socket socket) {
    if (failure == asio::error::operation_aborted || !acceptor.is_open())
      return;
    if (!failure) {
      take_in(std::move(socket));
      return accept();
    }
    pause.expires_after(accept_pause);
    pause.async_wait([this](const error_code& cancelled) {
      if (!cancelled && acceptor.is_open())
        accept();
    });
  });
}

void admin_server::parts::take_in(tcp::socket socket) {
  if (connections.size() >= shared.options.connections) {
    if (auto unsaid = full.take())
      storage::log_warning("admin.full", {{"connections", connections.size()},
                                          {"hint", "those that come meanwhile are closed"},
                                          {"unsaid", *unsaid}});
    return;
  }
  auto id = next_id++;
  auto made = std::make_shared<connection>(id, std::move(socket), shared);
  connections.emplace(id, made);
  made->read();
}

admin_server::admin_server(std::unique_ptr<parts> p) : parts_(std::move(p)) {}

admin_server::~admin_server() {
  stop();
}

storage::result<std::unique_ptr<admin_server>>
admin_server::listen(const admin_options& options, const std::string& host, std::uint16_t port,
                     std::vector<std::string> hosts) {
  try {
    auto p = std::make_unique<parts>(options);
    p->shared.hosts = std::move(hosts);
    TROUPE_TRY(p->bind(host, port));
    return std::unique_ptr<admin_server>(new admin_server(std::move(p)));
  } catch (const boost::system::system_error& e) { // no descriptor for the reactor
    return storage::error{storage::errc::too_many_files,
                          std::string("cannot prepare the admin port: ") + e.what()};
  }
}

std::uint16_t admin_server::port() const {
  error_code ignored;
  return parts_->acceptor.local_endpoint(ignored).port();
}

storage::result<void> admin_server::start(admin_handler handler) {
  auto& p = *parts_;
  p.shared.handler = std::move(handler);
  p.accept();
  try {
    p.thread = std::thread([&p] { p.io.run(); });
  } catch (const std::system_error& e) {
    return storage::error{storage::errc::unavailable,
                          std::string("no thread for the admin port: ") + e.what()};
  }
  return boost::outcome_v2::success();
}

void admin_server::stop() {
  auto& p = *parts_;
  p.shared.answers->close();
  if (!p.thread.joinable())
    return;
  asio::post(p.io, [&p] {
    error_code ignored;
    p.acceptor.close(ignored);
    p.pause.cancel();
    auto all = p.connections; // closing takes them out
    for (auto& [id, one] : all)
      one->close();
    p.work.reset();
  });
  p.thread.join();
  p.connections.clear();
}

} // namespace troupe::net
