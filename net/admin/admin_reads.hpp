#pragma once

#include "net/admin/admin_actor.hpp"
#include "net/admin/query_fields.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::net {

/// What the admin port shows of one topic, one group, and of messages. Everything is asked of a
/// session as the commands have one, which bounds and ends every request, and is opened when
/// somebody asks; nothing is changed by looking, and no group's progress is touched. At most
/// `most_open` questions are open, so that their answers take bounded memory.
///
/// Part of the admin actor, in whose context everything runs.
class admin_reads {
public:
  /// An answer of messages takes about 3 MiB at the most.
  static constexpr std::size_t most_open = 8;
  static constexpr std::int64_t most_messages = 32;
  static constexpr std::size_t most_body_bytes = std::size_t{64} * 1024;
  /// Of how many queues the first message is looked at, and how many topics of a group.
  static constexpr std::size_t most_looks = 64;
  static constexpr std::size_t most_topics = 64;
  /// Then the session is given up, until somebody asks again.
  static constexpr std::chrono::seconds rest{60};

  admin_reads(admin_actor::pointer self, node_actor node);
  admin_reads(const admin_reads&) = delete;
  admin_reads& operator=(const admin_reads&) = delete;

  /// True when the path is one of these; then the answer comes.
  bool take(const admin_request& request, const admin_reply& reply);
  /// To be called now and then.
  void rest_if_idle();
  void session_ended(const caf::actor_addr& who);

  // How those below ask the session: `then` gets the answer, or the refusal is given to `reply`.
  template <class Answer, class Then, class... Arguments>
  void ask(const admin_reply& reply, Then then, Arguments&&... arguments);
  admin_actor::pointer self() const noexcept { return self_; }
  const session_actor& session() const noexcept { return session_; }

private:
  using question = std::function<void(const admin_reply&)>;
  void open(const admin_reply& reply, question then);
  void session_open(const session_actor& session);
  void topic(const std::string& name, const admin_reply& reply);
  void group(const std::string& name, const admin_reply& reply);
  void messages(const query_fields& fields, const admin_reply& reply);
  void find_queue(const pull_request& wanted, const admin_reply& reply, std::function<void()> then);
  void by_id(const std::string& id, const admin_reply& reply);
  void by_key(const std::string& topic, const std::string& key, std::uint32_t most,
              const admin_reply& reply);
  void by_time(const pull_request& wanted, std::int64_t time_ms, const admin_reply& reply);
  void pull(const pull_request& wanted, const admin_reply& reply);

  admin_actor::pointer self_;
  node_actor node_;
  session_actor session_;
  bool opening_ = false;
  struct waiting {
    admin_reply reply;
    question then;
  };
  std::vector<waiting> waiting_; ///< for the session
  std::shared_ptr<std::size_t> open_ = std::make_shared<std::size_t>(0);
  caf::actor_clock::time_point used_{};
};

/// As HTTP says why something is not there: 400, 404 or 503.
admin_answer refusal_of(const storage::error& why);

template <class Answer, class Then, class... Arguments>
void admin_reads::ask(const admin_reply& reply, Then then, Arguments&&... arguments) {
  self_->request(session_, caf::infinite, std::forward<Arguments>(arguments)...)
      .then([then](const Answer& answer) { then(answer); },
            [reply](const caf::error& why) { reply(refusal_of(from_caf(why))); });
}

} // namespace troupe::net
