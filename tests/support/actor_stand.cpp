#include "tests/support/actor_stand.hpp"

#include "actors/cleaner.hpp"
#include "actors/dispatcher.hpp"
#include "actors/flusher.hpp"
#include "actors/node.hpp"
#include "actors/queue_flusher.hpp"
#include "actors/queue_manager.hpp"
#include "actors/reader.hpp"
#include "actors/registrar.hpp"
#include "actors/session.hpp"
#include "actors/writer.hpp"
#include "net/consumer.hpp"
#include "storage/format/message_batch.hpp"
#include "storage/format/properties.hpp"
#include "storage/os/posix_file_system.hpp"
#include "tests/support/bytes.hpp"

#include <stdexcept>

namespace troupe::test {

// -- messages ------------------------------------------------------------------------------------

put_request put_of(const std::string& topic, const std::vector<text_message>& messages) {
  storage::message_batch_builder builder;
  for (auto& m : messages) {
    storage::properties_builder properties;
    bool good = m.tag.empty() || properties.add(storage::property::tags, m.tag);
    good = (m.keys.empty() || properties.add(storage::property::keys, m.keys)) && good;
    if (!good)
      throw std::runtime_error("a tag or key that cannot be stored");
    storage::new_message entry;
    entry.queue_id = m.queue;
    entry.born_timestamp = 1'600'000'000'000;
    entry.body = as_bytes(m.body);
    entry.properties = properties.text();
    builder.add(entry);
  }
  put_request request;
  request.topic = topic;
  request.count = builder.count();
  request.messages = builder.take();
  request.born_host = storage::host::ipv4(0x7f000001, 5000);
  return request;
}

put_bundle group_of(put_request request) {
  put_bundle group;
  group.requests.push_back(std::move(request));
  return group;
}

std::vector<text_message> numbered(const std::string& prefix, int count, std::int32_t queues,
                                   std::size_t size) {
  std::vector<text_message> messages;
  for (int i = 0; i < count; ++i) {
    text_message m{prefix + std::to_string(i), i % queues};
    if (m.body.size() < size)
      m.body.append(size - m.body.size(), '.');
    messages.push_back(std::move(m));
  }
  return messages;
}

read_message read_back(const storage::slice& record) {
  auto decoded = client::decode(record);
  if (!decoded)
    throw std::runtime_error("no whole record: " + decoded.error().message);
  auto& v = decoded.value();
  return {std::string(v.topic), v.queue_id,      v.queue_position,         v.offset,
          v.store_timestamp,    as_text(v.body), std::string(v.properties)};
}

std::vector<std::string> bodies_of(const std::vector<storage::slice>& records) {
  std::vector<std::string> bodies;
  for (auto& record : records)
    bodies.push_back(read_back(record).body);
  return bodies;
}

bool all_stored(const put_response& response) {
  for (auto& result : response.results)
    if (result.code != errc::none || result.offset < 0)
      return false;
  return !response.results.empty();
}

// -- a stand -------------------------------------------------------------------------------------

node_options small_options(const std::string& directory) {
  node_options options;
  options.store.directory = directory;
  options.store.log_file_size_bytes = 64 * storage::kib;
  options.store.queue_file_size_bytes = 20'000;
  options.store.index_slots = 100;
  options.store.index_entries = 400;
  options.store.delete_when_hours = {};
  options.pull.readers = 2;
  return options;
}

actor_stand::actor_stand(std::uint64_t seed)
    : files(storage::posix_file_system()), options(small_options(directory / "store")),
      world(seed) {}

void actor_stand::open() {
  store.reset(); // gives the lock back
  auto opened = storage::open_store(files, options.store, clock);
  if (!opened)
    throw std::runtime_error("opening the store: " + opened.error().message);
  store = std::make_shared<storage::opened_store>(std::move(opened.value()));
}

void actor_stand::add_writer(const std::string& read_only) {
  writer_setup setup;
  setup.options = options;
  setup.files = &files;
  setup.clock = &clock;
  setup.min = store->log.min_offset;
  setup.end = store->log.end;
  setup.last_store_ms = store->log.last_store_timestamp;
  setup.current = std::move(store->log.current);
  setup.read_only = read_only;
  setup.tombstones = store->tombstones;
  setup.topics = store->topics;
  if (read_only.empty())
    setup.producers = std::make_shared<storage::producer_book>(std::move(store->producers));
  roles.writer = world.system().spawn(writer, std::move(setup));
}

void actor_stand::add_flusher() {
  flusher_setup setup;
  setup.options = options;
  setup.files = &files;
  setup.end = store->log.end;
  setup.store_ms = store->log.last_store_timestamp;
  roles.flusher = world.system().spawn(flusher, std::move(setup));
}

void actor_stand::add_dispatcher() {
  roles.dispatcher = world.system().spawn(dispatcher);
}

void actor_stand::add_queues(bool restarted) {
  queue_flusher_setup own{options, &files};
  roles.queue_flusher = world.system().spawn(queue_flusher, std::move(own));
  queue_manager_setup setup;
  setup.options = options;
  setup.files = &files;
  setup.clock = &clock;
  setup.log_min = store->log.min_offset;
  setup.log_end = store->log.end;
  setup.flushed = store->log.end;
  setup.checkpoint = store->known;
  setup.trust_queues = store->after_orderly_stop;
  setup.restarted = restarted;
  setup.tombstones = store->tombstones;
  roles.queue_manager = world.system().spawn(queue_manager, std::move(setup));
}

void actor_stand::add_readers(std::size_t count) {
  for (std::size_t i = 0; i < count; ++i)
    roles.readers.push_back(
        world.system().spawn(reader, reader_setup{options, &files, store->log.min_offset}));
}

void actor_stand::add_registrar() {
  roles.registrar = world.system().spawn(registrar, registrar_setup{options, &files, &clock});
}

void actor_stand::add_cleaner() {
  roles.cleaner = world.system().spawn(cleaner, cleaner_setup{options, &files, &clock});
}

void actor_stand::add_pipeline() {
  add_writer();
  add_flusher();
  add_dispatcher();
  add_queues();
  add_readers();
}

namespace {

template <class Role>
void fill(sim::world& world, Role& role) {
  if (!role)
    role = world.play<Role>([](caf::event_based_actor*) { return caf::message_handler{}; });
}

} // namespace

void actor_stand::announce() {
  fill(world, roles.writer);
  fill(world, roles.flusher);
  fill(world, roles.dispatcher);
  fill(world, roles.queue_flusher);
  fill(world, roles.queue_manager);
  fill(world, roles.registrar);
  fill(world, roles.cleaner);
  fill(world, roles.node);
  if (roles.readers.empty()) {
    roles.readers.resize(1);
    fill(world, roles.readers.front());
  }
  world.tell(roles.writer, roles);
  world.tell(roles.flusher, roles);
  world.tell(roles.dispatcher, roles);
  world.tell(roles.queue_flusher, roles);
  world.tell(roles.queue_manager, roles);
  world.tell(roles.registrar, roles);
  world.tell(roles.cleaner, roles);
  for (auto& one : roles.readers)
    world.tell(one, roles);
  if (client_)
    world.tell(client_, roles);
  world.drain();
}

const session_actor& actor_stand::client() {
  if (!client_) {
    topic_map none{std::make_shared<const std::map<std::string, topic_info>>()};
    client_ = world.system().spawn(session, session_setup{options, {}, roles, none});
  }
  return client_;
}

void actor_stand::start() {
  announce();
  auto state = world.ask<queue_state>(roles.queue_manager, resume_atom_v, log_offset{0});
  world.tell(roles.dispatcher, resume_atom_v, std::uint32_t{0}, state.value().applied);
  auto complete = world.ask<queue_state>(roles.queue_manager, resume_atom_v, store->log.end);
  world.tell(roles.writer, complete.value());
  world.drain();
}

put_response actor_stand::put(put_request request) {
  auto done = world.ask<put_bundle_response>(roles.writer, group_of(std::move(request)));
  return done.value().responses.at(0);
}

// -- a node --------------------------------------------------------------------------------------

test_node::~test_node() {
  crash();
}

void test_node::start() {
  stand.open();
  node_setup setup{"n1", "troupe", stand.options, &stand.files, &stand.clock, stand.store};
  auto& world = stand.world;
  node = world.system().spawn(troupe::node, std::move(setup));
  world.ask<std::string>(node, ready_atom_v).value();
  session = world.ask<session_actor>(node, hello_atom_v, caf::strong_actor_ptr{}).value();
  world.drain();
}

role_table test_node::roles() const {
  using session_pointer = session_actor::stateful_pointer<session_state>;
  auto* peek = caf::actor_cast<caf::abstract_actor*>(session);
  return dynamic_cast<session_pointer>(peek)->state.roles;
}

storage::result<stop_report> test_node::stop() {
  auto report = stand.world.ask<stop_report>(node, stop_atom_v);
  stand.world.drain();
  node = nullptr;
  session = nullptr;
  stand.store.reset();
  return report.get();
}

void test_node::crash() {
  stand.world.kill_all("node"); // first, so that it replaces nobody
  stand.world.drain();
  stand.world.kill_all();
  node = nullptr;
  session = nullptr;
  stand.store.reset();
}

void test_node::create_topic(const std::string& topic, std::int32_t queues) {
  topic_info info{topic, queues, queues, 6};
  stand.world.ask<topic_info>(session, create_atom_v, info).value();
  stand.world.drain();
}

put_response test_node::put(put_request request) {
  auto sent = send(std::move(request));
  stand.world.run_until([&] { return sent.there(); });
  return sent.value();
}

pull_response test_node::pull(const std::string& topic, std::int32_t queue, queue_offset from) {
  pull_request request;
  request.topic = topic;
  request.queue_id = queue;
  request.from = from;
  request.max_messages = 1024;
  return stand.world.ask<pull_response>(session, request).value();
}

std::vector<std::string> test_node::read_all(const std::string& topic, std::int32_t queue,
                                             queue_offset from) {
  std::vector<std::string> bodies;
  for (;;) {
    auto part = pull(topic, queue, from);
    if (part.status != pull_status::found)
      return bodies;
    for (auto& record : part.records) {
      auto message = read_back(record);
      if (message.number != from++ || message.topic != topic || message.queue != queue)
        throw std::runtime_error("message " + std::to_string(message.number) + " instead of " +
                                 std::to_string(from - 1));
      bodies.push_back(std::move(message.body));
    }
    if (part.next != from)
      throw std::runtime_error("the next pull would leave messages out");
  }
}

} // namespace troupe::test
