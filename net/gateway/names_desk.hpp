#pragma once

#include "net/gateway/creation_limits.hpp"
#include "net/gateway/desk.hpp"
#include "net/gateway/line_budget.hpp"
#include "net/remoting/broker_table.hpp"
#include "net/remoting/headers.hpp"
#include "net/remoting/kv_config.hpp"

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace troupe::net {

/// The name service: which topics there are, and where.
///
/// Owns the topics as the registrar told them last, those who wait to hear of them anew, and the
/// topics that are being made because a client's message or group needs them; and of other brokers
/// that registered here which they are and what they have, with what operators keep here.
class names_desk : public desk {
public:
  explicit names_desk(const desk_services& with)
      : desk(with), limits_(setup_.options), others_(setup_.address), kv_(setup_.kv) {}

  request_lines lines();

  /// As the node tells them.
  void set_topics(const topic_map& topics);
  /// Null for a topic that is not known, until `refresh` at least.
  const topic_info* find(const std::string& topic) const;
  /// Refuses a request for a topic that is not there; without knowing that, as unavailable.
  void refuse(const ticket& who, std::int32_t code, std::string remark);
  /// Learns the topics anew, all that was created before included; then calls `then`, unless the
  /// request had to be refused.
  void refresh(const ticket& who, std::function<void()> then);
  /// The same, whatever the number of those who wait.
  void refresh(std::function<void()> then);

  using created = std::function<void(const storage::error&)>;
  /// Calls `then` when the topic is known, or with the reason why it could not be made.
  void create(const topic_info& topic, created then);
  /// The same for a client, if its address and account may make one more.
  void create_for(const ticket& who, const topic_info& topic, created then);
  /// Counts what the client's request makes. Fails when it may not.
  storage::result<void> charge(const ticket& who, creation what);
  bool is_being_made(const std::string& topic) const { return creating_.count(topic) > 0; }

  // -- other brokers -----------------------------------------------------------------------------
  /// Those that registered; call `forget_silent` before they are shown to anybody.
  remoting::broker_table& others() noexcept { return others_; }
  const remoting::broker_table& others() const noexcept { return others_; }
  remoting::kv_config& kv() noexcept { return kv_; }
  /// Those whose time is over are no longer there.
  void forget_silent();
  /// The connection is closed, and with it those who registered by it are gone.
  void departed(connection_id from);
  void say_registered(const std::string& broker, const std::string& address);
  void say_gone(const std::vector<std::string>& brokers, const char* reason);

private:
  void show_cluster(const ticket& who, const client_request& request);
  void change_writing(const ticket& who, const client_request& request);
  void answer_route(const ticket& who, const client_request& request);
  void route_known(const ticket& who, const remoting::route_header& wanted,
                   remoting::route_dialect dialect);

  void ask();
  void asked(const std::vector<std::function<void()>>& waiting);
  void create_next();
  void made(const std::string& topic, const storage::error& failure);

  topic_map topics_;   ///< as the registrar told last; without any before it did
  bool known_ = false; ///< the registrar answered the last question
  bool asking_ = false;
  bool writing_wiped_ = false; ///< an operator wants clients to send to other brokers
  std::vector<std::function<void()>> wanted_;            ///< wait for the next question
  std::map<std::string, std::vector<created>> creating_; ///< by topic
  std::deque<topic_info> to_create_;
  std::size_t open_creations_ = 0;
  creation_limits limits_;

  remoting::broker_table others_;
  remoting::kv_config kv_;
  line_budget broker_lines_{100};
};

} // namespace troupe::net
