#pragma once

#include "actors/error.hpp"
#include "net/gateway/gateway.hpp"
#include "net/remoting/admin_bodies.hpp"
#include "net/remoting/admin_headers.hpp"
#include "net/remoting/fields.hpp"
#include "net/remoting/headers.hpp"
#include "net/remoting/queue_locks.hpp"
#include "storage/message_batch.hpp"

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace troupe::net {

/// The gateway's mind; its members are spread over gateway_*.cpp by what clients do: send, pull,
/// belong to groups, ask. Every request is answered or settled exactly once.
struct gateway_state {
  gateway_state() = default;
  static inline const char* name = "gateway";
  using pointer = gateway_actor::stateful_pointer<gateway_state>;

  void start(pointer actor, gateway_setup setup);
  void take(arrived& batch);
  void forget(connection_id from);
  void pulse();
  void send_notes();
  void send_held_answers();
  void watch_members();
  void take_members(const group_members& others);
  /// The client has taken a pull's answer: lets its next pull go.
  void pull_done(connection_id from);
  /// The same for a question.
  void question_done(connection_id from);

private:
  /// What it takes to answer a request.
  struct ticket {
    connection_id from = 0;
    std::int32_t code = 0;
    std::int32_t opaque = 0;
    bool oneway = false;
    remoting::header_type type = remoting::header_type::json;
    std::size_t bytes = 0;
    std::int64_t since_ms = 0; ///< when it came, in the actor clock
    /// One of those that its client may have open at a time; free when the last copy is gone and
    /// the client has the answer. Null for a kind that is bounded otherwise.
    std::shared_ptr<void> place = {};
  };
  /// A pull with all that is needed to ask for it again.
  struct pull_work {
    std::string group;
    pull_request wanted;
    std::int64_t offset = 0;     ///< as the client asked: may be below 0
    std::int64_t asked_ms = 0;   ///< when its session was asked, in the actor clock
    std::int64_t suspend_ms = 0; ///< how long it may wait for a message; 0 or less: not at all
  };
  struct client {
    storage::host peer;
    session_actor session;
    bool opening = false;
    bool gone = false;            ///< its connection is closed; what it sent is still carried out
    std::size_t open_writes = 0;  ///< sends and offsets that are not answered
    std::size_t retry_topics = 0; ///< that were created because of its heartbeats
    std::vector<std::pair<ticket, client_request>> waiting; ///< for the session
    std::size_t open_pulls = 0; ///< that may bring much, until the client has it
    std::deque<std::pair<ticket, pull_work>> waiting_pulls;
    std::size_t open_questions = 0; ///< requests of other kinds, until the client has the answer
    std::deque<std::pair<ticket, client_request>> waiting_questions;
  };
  /// One request's messages in a put.
  struct send_part {
    ticket who;
    std::int32_t queue_id = 0;
    std::uint32_t count = 0;
  };
  struct open_put {
    bool wait = true; ///< for the flush
    storage::message_batch_builder builder;
    std::vector<send_part> parts;
  };
  /// A send to a topic that is not known yet.
  struct held_send {
    ticket who;
    client_request request;
    remoting::send_header header;
  };
  /// A put that its session has: whom to answer.
  struct sent_put {
    std::string topic;
    std::vector<send_part> parts;
  };
  using put_key = std::pair<connection_id, std::string>; ///< client and topic
  using slices = std::vector<storage::slice>;

  // -- requests and answers (gateway_state.cpp)
  static ticket ticket_of(connection_id from, const client_request& request, std::int64_t since_ms);
  /// Of the time for which the client waits; may be below 0.
  std::int64_t time_left_ms(const ticket& who) const;
  /// True after the request was refused because its client does not wait any more.
  bool too_late(const ticket& who);
  void open_own_session();
  void handle_early();
  void open_session(connection_id from);
  void session_open(connection_id from, const session_actor& session);
  void forget_if_done(connection_id from, const client& c);
  void session_refused(connection_id from, const storage::error& why);
  /// Handles what needs no session of the client; false otherwise.
  bool handle_here(const ticket& who, const client_request& request);
  void handle(client& c, const ticket& who, const client_request& request);
  void handle_request(client& c, const ticket& who, const client_request& request);
  bool takes_turns(const client& c, const ticket& who) const;
  void handle_question(client& c, ticket who, const client_request& request);
  void handle_next_questions(connection_id from);
  void reply(const ticket& who, const remoting::command& header, slices body = {},
             std::shared_ptr<void> receipt = {});
  void reply(const ticket& who, std::int32_t code, std::string remark);
  /// Answers with success and this body.
  void reply_text(const ticket& who, std::string_view body);
  void fail(const ticket& who, const storage::error& why);
  static remoting::command header_for(const ticket& who, std::int32_t code,
                                      std::string remark = {});
  template <class Header>
  void succeed(const ticket& who, Header fields, slices body = {}) {
    auto header = header_for(who, 0);
    remoting::write_fields(header, std::move(fields));
    reply(who, header, std::move(body));
  }
  /// The header's fields, or nothing after the request was refused.
  template <class Header>
  std::optional<Header> fields_of(const ticket& who, const client_request& request) {
    auto fields = remoting::read_fields<Header>(request.header);
    if (fields)
      return std::move(fields.value());
    fail(who, fields.error());
    return std::nullopt;
  }
  /// The client whose session can be asked, or null after the request was refused.
  client* client_of(const ticket& who);
  /// Asks an actor for the client: `then` takes the answer; an error is the client's.
  template <class Result, class Handle, class Then, class... Arguments>
  void ask(const ticket& who, const Handle& whom, Then then, Arguments&&... arguments) {
    self_->request(whom, caf::infinite, std::forward<Arguments>(arguments)...)
        .then([then](Result& answer) mutable { then(answer); },
              [this, who](const caf::error& why) { fail(who, from_caf(why)); });
  }

  // -- topics (gateway_names.cpp)
  /// Learns the topics anew, all that was created before included; then calls `then`, unless the
  /// request had to be refused.
  void refresh_topics(const ticket& who, std::function<void()> then);
  /// The same, whatever the number of those who wait.
  void refresh_topics(std::function<void()> then);
  void ask_topics();
  void topics_asked(const std::vector<std::function<void()>>& waiting);
  using created = std::function<void(const storage::error&)>;
  /// Calls `then` when the topic is known, or with the reason why it could not be made.
  void create_topic(const topic_info& topic, created then);
  void create_next();
  void topic_made(const std::string& topic, const storage::error& failure);
  const topic_info* find_topic(const std::string& topic) const;
  /// Refuses a request for a topic that is not there; without knowing that, as unavailable.
  void refuse_topic(const ticket& who, std::int32_t code, std::string remark);
  void answer_route(const ticket& who, const client_request& request);
  void route_known(const ticket& who, const remoting::route_header& wanted,
                   remoting::route_dialect dialect);

  // -- producing (gateway_send.cpp)
  void take_send(const ticket& who, const client_request& request);
  void release_sends(const std::string& topic);
  void finish_sends(const std::string& topic, const storage::error& failure);
  void add_send(const ticket& who, const client_request& request,
                const remoting::send_header& header, const topic_info& topic);
  storage::result<void> add_messages(const ticket& who, const client_request& request,
                                     const remoting::send_header& header, const topic_info& topic);
  void send_puts();
  void send_put(const put_key& key, open_put& put);
  void answer_put(const sent_put& put, const put_response& response);
  void answer_part(const send_part& part, const message_result* results,
                   const storage::error& failure);
  void refuse_part(const send_part& part, const storage::error& why);
  void answer_doubt(const send_part& part, const message_result* results,
                    const std::string& reason);
  void answer_stored(const send_part& part, const message_result* results,
                     remoting::command header);

  // -- consuming (gateway_pull.cpp)
  void take_pull(const ticket& who, const client_request& request, bool may_ask);
  void send_pull(const ticket& who, const remoting::pull_header& header,
                 std::vector<std::int32_t> tags);
  void ask_pull(const ticket& who, pull_work work);
  std::shared_ptr<void> pull_receipt(connection_id from) const;
  void answer_pull(const ticket& who, pull_work& work, pull_response& found,
                   std::shared_ptr<void> slot);
  void hold_answer(const ticket& who, std::int64_t until_ms, remoting::command answer);
  void arm_held_answers();

  // -- groups and their offsets (gateway_groups.cpp)
  void take_heartbeat(const ticket& who, const client_request& request);
  void take_leave(const ticket& who, const client_request& request);
  void list_consumers(const ticket& who, const client_request& request);
  void take_lock(const ticket& who, const client_request& request);
  void make_retry_topics(const ticket& who, const std::vector<std::string>& topics);
  void notify_groups(const std::vector<std::string>& groups);
  void notify_soon(const std::vector<std::string>& groups);
  void report_members(const std::string& group);
  std::vector<std::string> members_of(const std::string& group) const;
  void fetch_offset(client& c, const ticket& who, const client_request& request);
  void first_offset(const ticket& who, const remoting::group_queue_header& wanted);
  void store_offset(client& c, const ticket& who, const client_request& request);
  static std::int64_t milliseconds_of(caf::actor_clock::time_point at);
  std::int64_t now_ms() const;
  void arm_pulse();

  // -- questions (gateway_queries.cpp)
  void answer_bounds(client& c, const ticket& who, const client_request& request);
  void search_time(client& c, const ticket& who, const client_request& request);
  void offset_failed(const ticket& who, const caf::error& why);
  void view_message(client& c, const ticket& who, const client_request& request);
  void query_key(client& c, const ticket& who, const client_request& request);

  // -- operators (gateway_admin*.cpp)
  using admin_handler = void (gateway_state::*)(client&, const ticket&, const client_request&);
  /// Null for a code that is not served here.
  static admin_handler admin_handler_for(std::int32_t code) noexcept;
  void update_topic(client& c, const ticket& who, const client_request& request);
  void delete_topic(client& c, const ticket& who, const client_request& request);
  void delete_topic_name(client& c, const ticket& who, const client_request& request);
  void list_topics(client& c, const ticket& who, const client_request& request);
  void list_cluster_topics(client& c, const ticket& who, const client_request& request);
  void list_topic_settings(client& c, const ticket& who, const client_request& request);
  void show_topic_settings(client& c, const ticket& who, const client_request& request);
  void show_topic_stats(client& c, const ticket& who, const client_request& request);
  bool may_change(const ticket& who, const std::string& topic);

  void update_group(client& c, const ticket& who, const client_request& request);
  void delete_group(client& c, const ticket& who, const client_request& request);
  void list_group_settings(client& c, const ticket& who, const client_request& request);
  void list_group_offsets(client& c, const ticket& who, const client_request& request);
  void list_topic_groups(client& c, const ticket& who, const client_request& request);
  void list_consumer_clients(client& c, const ticket& who, const client_request& request);
  void list_producer_clients(client& c, const ticket& who, const client_request& request);
  std::vector<remoting::client_connection>
  connections_of(const std::vector<remoting::group_client>& clients) const;

  /// Held while a large answer is made.
  using listing = std::shared_ptr<void>;
  /// Null, and the request refused, when there are too many.
  listing begin_listing(const ticket& who);
  /// Begins a listing with what the node knows of a group, or of all with an empty name.
  void list_groups(const ticket& who, const session_actor& session, const std::string& group,
                   std::function<void(const group_list&, const listing&)> then);
  std::shared_ptr<std::size_t> listings_ = std::make_shared<std::size_t>(0);

  struct progress_walk;
  struct reset_walk;
  void show_progress(client& c, const ticket& who, const client_request& request);
  void next_topic(const std::shared_ptr<progress_walk>& walk);
  void next_time(const std::shared_ptr<progress_walk>& walk);
  void reset_offsets(client& c, const ticket& who, const client_request& request);
  void next_reset(const std::shared_ptr<reset_walk>& walk);
  void finish_reset(const reset_walk& walk);
  void nobody_to_reset(const ticket& who, const remoting::reset_header& wanted);

  void show_runtime(client& c, const ticket& who, const client_request& request);
  void show_config(client& c, const ticket& who, const client_request& request);
  void show_rates(client& c, const ticket& who, const client_request& request);
  void count_put(const std::string& topic, std::uint64_t messages);
  void count_get(const pull_work& work, std::uint64_t messages);
  remoting::named_texts runtime_table(const node_status& node, std::int64_t first_ms) const;

  pointer self_ = nullptr;
  gateway_setup setup_;
  session_actor own_; ///< for what concerns no client: topics. Without it nothing is handled
  bool own_opening_ = false;
  std::vector<arrived> early_; ///< wait for it
  std::vector<connection_id> early_gone_;
  std::map<connection_id, client> clients_;
  std::map<put_key, open_put> puts_;
  topic_map topics_;          ///< as the registrar told last; without any before it did
  bool topics_known_ = false; ///< the registrar answered the last question
  bool asking_topics_ = false;
  std::vector<std::function<void()>> topics_wanted_;     ///< wait for the next question
  std::map<std::string, std::vector<created>> creating_; ///< by topic
  std::deque<topic_info> to_create_;
  std::size_t open_creations_ = 0;
  std::map<std::string, std::vector<held_send>> held_sends_; ///< by topic, in order
  std::size_t held_send_count_ = 0;
  std::uint32_t next_queue_ = 0; ///< for messages that leave the choice to us
  remoting::client_groups groups_;
  membership_actor membership_; ///< null while there is none
  /// The members of groups that came through other doors; groups without any are left out.
  std::map<std::string, std::vector<std::string>> others_;
  remoting::queue_locks locks_;
  remoting::message_counts counts_;
  remoting::daily_total puts_total_, gets_total_;
  std::int32_t next_opaque_ = 0;
  std::set<std::string> changed_groups_; ///< their members are told soon
  std::multimap<std::int64_t, std::pair<ticket, remoting::command>> held_answers_; ///< by due time
  bool held_pending_ = false;
  bool pulse_pending_ = false;
};

} // namespace troupe::net
