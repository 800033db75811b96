#include "net/gateway/names_desk.hpp"

#include "net/remoting/admin_headers.hpp"
#include "net/remoting/codes.hpp"
#include "storage/logging.hpp"

#include <algorithm>

namespace troupe::net {

namespace {

namespace request_code = remoting::request_code;
namespace response_code = remoting::response_code;

/// What TBW102 says a new topic gets at most: queues, and read, write, inherit.
topic_info topic_to_be_made() {
  return {{}, 8, 8, 7};
}

bool are_equal(const topic_map& a, const topic_map& b) {
  if (a.topics == b.topics)
    return true;
  if (a.topics == nullptr || b.topics == nullptr || a.topics->size() != b.topics->size())
    return false;
  return std::equal(a.topics->begin(), a.topics->end(), b.topics->begin(),
                    [](const auto& one, const auto& other) {
                      return one.first == other.first &&
                             one.second.read_queues == other.second.read_queues &&
                             one.second.write_queues == other.second.write_queues &&
                             one.second.perm == other.second.perm &&
                             one.second.order == other.second.order;
                    });
}

constexpr std::size_t most_waiting = 10'000; ///< requests that wait for the topics
constexpr std::size_t most_creations = 1000;
constexpr std::size_t most_open_creations = 256;

} // namespace

request_lines names_desk::lines() {
  return {
      line_for(this, request_code::get_routeinfo_by_topic, request_kind::bounded,
               &names_desk::answer_route),
      line_for(this, request_code::get_broker_cluster_info, request_kind::bounded,
               &names_desk::show_cluster),
      line_for(this, request_code::wipe_write_perm_of_broker, request_kind::bounded,
               &names_desk::change_writing),
      line_for(this, request_code::add_write_perm_of_broker, request_kind::bounded,
               &names_desk::change_writing),
  };
}

/// Other name servers are told at once what changed.
void names_desk::set_topics(const topic_map& topics) {
  bool news = setup_.topics_changed && !are_equal(topics_, topics);
  topics_ = topics;
  if (news)
    setup_.topics_changed(topics_);
}

const topic_info* names_desk::find(const std::string& topic) const {
  if (topics_.topics == nullptr)
    return nullptr;
  auto found = topics_.topics->find(topic);
  return found == topics_.topics->end() ? nullptr : &found->second;
}

void names_desk::refuse(const ticket& who, std::int32_t code, std::string remark) {
  if (known_)
    return counter_.reply(who, code, std::move(remark));
  counter_.fail(who, {errc::unavailable, "the topics are not known just now; try again"});
}

// -- asking for them -----------------------------------------------------------------------------

void names_desk::refresh(const ticket& who, std::function<void()> then) {
  if (wanted_.size() >= most_waiting)
    return counter_.fail(who,
                         {errc::busy, "too many requests wait for the topics; try again later"});
  refresh([this, who, then = std::move(then)] {
    if (!counter_.too_late(who))
      then();
  });
}

/// One question is under way at a time. Who comes meanwhile waits for the next one: the answer to
/// this one may be older than a topic that he knows of.
void names_desk::refresh(std::function<void()> then) {
  wanted_.push_back(std::move(then));
  if (!asking_)
    ask();
}

void names_desk::ask() {
  asking_ = true;
  auto waiting =
      std::make_shared<const std::vector<std::function<void()>>>(std::exchange(wanted_, {}));
  self_->request(sessions_.own(), caf::infinite, watch_atom_v)
      .then(
          [this, waiting](const topic_map& newest) {
            set_topics(newest);
            known_ = true;
            asked(*waiting);
          },
          [this, waiting](const caf::error&) {
            known_ = false; // they go on with what was known before
            asked(*waiting);
          });
}

void names_desk::asked(const std::vector<std::function<void()>>& waiting) {
  for (auto& then : waiting)
    then();
  asking_ = false;
  if (!wanted_.empty())
    ask();
}

// -- creating them -------------------------------------------------------------------------------

/// Those that are made together cost one save of their file. So many at a time leave the session
/// room for everything else.
void names_desk::create(const topic_info& topic, created then) {
  auto known = creating_.find(topic.name);
  if (known == creating_.end() && creating_.size() >= most_creations)
    return then({errc::busy, "too many topics are being created; try again later"});
  auto& waiting = creating_[topic.name];
  waiting.push_back(std::move(then));
  if (known != creating_.end())
    return;
  to_create_.push_back(topic);
  create_next();
}

void names_desk::create_for(const ticket& who, const topic_info& topic, created then) {
  if (creating_.size() < most_creations && !is_being_made(topic.name))
    if (auto counted = charge(who, creation_of(topic.name)); !counted)
      return then(counted.error());
  create(topic, std::move(then));
}

storage::result<void> names_desk::charge(const ticket& who, creation what) {
  auto* peer = sessions_.peer_of(who.from);
  auto* account = sessions_.account_of(who.from);
  if (peer == nullptr || account == nullptr)
    return storage::error{errc::unavailable, "the client is gone"};
  return limits_.take(what, {*peer, account->name}, counter_.now_ms());
}

void names_desk::create_next() {
  while (open_creations_ < most_open_creations && !to_create_.empty()) {
    auto topic = std::move(to_create_.front());
    to_create_.pop_front();
    ++open_creations_;
    self_->request(sessions_.own(), caf::infinite, create_atom_v, topic)
        .then([this, topic](const topic_info&) { made(topic.name, {}); },
              [this, topic](const caf::error& why) { made(topic.name, from_caf(why)); });
  }
}

void names_desk::made(const std::string& topic, const storage::error& failure) {
  --open_creations_;
  if (failure.code != errc::none)
    storage::log_warning("gateway.topic_not_created",
                         {{"topic", topic}, {"reason", failure.message}});
  refresh([this, topic, failure] {
    auto made = creating_.extract(topic);
    for (auto& then : made.mapped())
      then(failure);
  });
  create_next();
}

// -- routes --------------------------------------------------------------------------------------

void names_desk::show_cluster(const ticket& who, const client_request&) {
  forget_silent();
  std::vector brokers{remoting::alone(setup_.address)};
  others_.add_to(brokers);
  counter_.reply_text(who, remoting::write_cluster_info(brokers));
}

/// What routes say, until told otherwise or restarted: clients send elsewhere then, and what they
/// still send here is taken.
void names_desk::change_writing(const ticket& who, const client_request& request) {
  auto h = counter_.fields_of<remoting::broker_name_header>(who, request);
  if (!h)
    return;
  bool wipe = who.code == request_code::wipe_write_perm_of_broker;
  std::size_t changed = 0;
  if (h->broker == setup_.address.broker) {
    writing_wiped_ = wipe;
    changed = topics_.topics != nullptr ? topics_.topics->size() : 0;
    storage::log_warning("gateway.write_permission", {{"routes", wipe ? "wiped" : "added"}});
  } else {
    changed = others_.set_writable(h->broker, !wipe);
  }
  if (wipe)
    counter_.succeed(who, remoting::wiped_answer{changed});
  else
    counter_.succeed(who, remoting::added_answer{changed});
}

void names_desk::answer_route(const ticket& who, const client_request& request) {
  auto wanted = counter_.fields_of<remoting::route_header>(who, request);
  if (!wanted)
    return;
  auto dialect = remoting::dialect_for(request.header, wanted->standard_json);
  if (wanted->topic == remoting::default_topic)
    return route_known(who, *wanted, dialect);
  // Anew each time: clients ask every 30 s, and a topic may come and go by other ways.
  refresh(who, [this, who, wanted = *wanted, dialect] {
    auto made = creating_.find(wanted.topic);
    if (made == creating_.end())
      return route_known(who, wanted, dialect);
    made->second.push_back([this, who, wanted, dialect](const storage::error&) {
      if (!counter_.too_late(who))
        route_known(who, wanted, dialect);
    });
  });
}

void names_desk::route_known(const ticket& who, const remoting::route_header& wanted,
                             remoting::route_dialect dialect) {
  forget_silent();
  auto* topic = find(wanted.topic);
  auto own = [this](topic_info shown) {
    if (writing_wiped_)
      shown.perm &= ~2;
    return remoting::route_to(setup_.address, shown);
  };
  remoting::route to;
  if (topic != nullptr)
    to = own(*topic);
  else if (wanted.topic == remoting::default_topic && setup_.options.auto_create_topics)
    to = own(topic_to_be_made());
  others_.add_to(to, wanted.topic);
  if (to.brokers.empty())
    return refuse(who, response_code::topic_not_exist,
                  "No topic route info in name server for the topic: " +
                      (wanted.topic.empty() ? "null" : wanted.topic));
  if (auto* order = kv_.find(std::string(remoting::order_topics), wanted.topic))
    to.order = *order;
  counter_.reply_text(who, remoting::write_route(to, dialect));
}

// -- other brokers -------------------------------------------------------------------------------

void names_desk::forget_silent() {
  say_gone(others_.expire(counter_.now_ms()), "it did not register again in time");
}

void names_desk::departed(connection_id from) {
  say_gone(others_.departed(from), "its connection is closed");
}

void names_desk::say_registered(const std::string& broker, const std::string& address) {
  if (auto unsaid = broker_lines_.take())
    storage::log_info("registry.registered",
                      {{"broker", broker}, {"address", address}, {"unsaid", *unsaid}});
}

void names_desk::say_gone(const std::vector<std::string>& brokers, const char* reason) {
  for (auto& broker : brokers)
    if (auto unsaid = broker_lines_.take())
      storage::log_info("registry.gone",
                        {{"broker", broker}, {"reason", reason}, {"unsaid", *unsaid}});
}

} // namespace troupe::net
