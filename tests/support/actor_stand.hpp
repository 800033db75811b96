#pragma once

#include "actors/interfaces.hpp"
#include "actors/options.hpp"
#include "sim/world.hpp"
#include "storage/clock.hpp"
#include "storage/recovery/store.hpp"
#include "tests/support/observed_file_system.hpp"
#include "tests/support/temporary_directory.hpp"

#include <memory>
#include <string>
#include <vector>

namespace troupe::test {

using sim::answer;
using sim::client_task;

/// A wall clock that the test sets.
class manual_clock final : public storage::wall_clock {
public:
  std::int64_t ms = 1'700'000'000'000;
  std::int64_t now_ms() const override { return ms; }
};

/// A message as tests write it.
struct text_message {
  text_message(std::string b, std::int32_t q = 0, std::string t = {}, std::string k = {})
      : body(std::move(b)), queue(q), tag(std::move(t)), keys(std::move(k)) {}

  std::string body;
  std::int32_t queue;
  std::string tag;
  std::string keys;
};

put_request put_of(const std::string& topic, const std::vector<text_message>& messages);
put_bundle group_of(put_request request);
/// Bodies "<prefix>0", "<prefix>1" ... in turn for each queue, each `size` bytes long at least.
std::vector<text_message> numbered(const std::string& prefix, int count, std::int32_t queues = 1,
                                   std::size_t size = 0);

/// A message as it was read.
struct read_message {
  std::string topic;
  std::int32_t queue = 0;
  queue_offset number = 0;
  log_offset offset = 0;
  std::int64_t store_ms = 0;
  std::string body;
  std::string properties;
};
read_message read_back(const storage::slice& record);
std::vector<std::string> bodies_of(const std::vector<storage::slice>& records);

/// Settings with files so small that a few hundred messages fill several.
node_options small_options(const std::string& directory);

/// A store in a directory of its own and the actors that a test wants to be real. Roles that nobody
/// was given to are played by actors that ignore everything.
class actor_stand {
public:
  explicit actor_stand(std::uint64_t seed = 1);

  temporary_directory directory;
  observed_file_system files;
  manual_clock clock;
  node_options options;
  std::shared_ptr<storage::opened_store> store;
  sim::world world; ///< behind all that its actors use: ends first
  role_table roles;

  /// Opens the store, or opens it again.
  void open();
  void add_writer(const std::string& read_only = {});
  void add_flusher();
  void add_dispatcher();
  /// `restarted`: as if clients had been served before.
  void add_queues(bool restarted = false);
  void add_readers(std::size_t count = 1);
  void add_registrar();
  void add_cleaner();
  /// All that a message passes: writer, flusher, dispatcher, queues, reader.
  void add_pipeline();

  /// Tells every actor who plays which role.
  void announce();
  /// Announces, lets the queues catch up with the log, and opens the writer.
  void start();

  /// A session over these roles, made when it is wanted first.
  const session_actor& client();
  /// Puts through the writer, as one session would; runs until it is answered.
  put_response put(put_request request);
  writer_status writer_state() {
    return world.ask<writer_status>(roles.writer, status_atom_v).value();
  }

private:
  session_actor client_;
};

/// "Stored" for each message.
bool all_stored(const put_response& response);

/// The whole node, on a stand of its own.
class test_node {
public:
  explicit test_node(std::uint64_t seed = 1) : stand(seed) {}
  ~test_node();

  actor_stand stand;
  node_actor node;
  session_actor session;

  /// Opens the store and starts the node; runs until it serves.
  void start();
  /// An orderly stop, with its report.
  storage::result<stop_report> stop();
  /// All actors die where they are; the directory stays as it is.
  void crash();
  /// As the session knows them.
  role_table roles() const;

  void create_topic(const std::string& topic, std::int32_t queues = 1);
  put_response put(put_request request);
  answer<put_response> send(put_request request) {
    return stand.world.request<put_response>(session, std::move(request));
  }
  pull_response pull(const std::string& topic, std::int32_t queue, queue_offset from);
  /// Bodies from `from` to the end, pull by pull; numbers must rise one by one.
  std::vector<std::string> read_all(const std::string& topic, std::int32_t queue,
                                    queue_offset from = 0);
  node_status status() { return stand.world.ask<node_status>(session, status_atom_v).value(); }
};

} // namespace troupe::test
