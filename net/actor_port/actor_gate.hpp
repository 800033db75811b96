#pragma once

#include "actors/caf.hpp"
#include "net/actor_port/frame_check.hpp"
#include "net/actor_port/options.hpp"
#include "storage/log_limit.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <unordered_set>

namespace troupe::net {

class actor_seat;

/// What the connections of the actor port share: who may be addressed, how many there may be, and
/// who must be done by when. A thread of its own ends those that are late. Any thread may call.
class actor_gate : public std::enable_shared_from_this<actor_gate> {
public:
  using time_point = std::chrono::steady_clock::time_point;

  actor_gate(actor_port_options options, frame_rules rules);
  ~actor_gate();
  actor_gate(const actor_gate&) = delete;
  actor_gate& operator=(const actor_gate&) = delete;

  /// Lets clients address the actor, until it ends. Before its handle is sent: the framework would
  /// find each actor whose handle ever left the process, for anyone who guesses its number, and so
  /// everything else is refused.
  void expose(const caf::strong_actor_ptr& who);
  /// The same, but only for those who are trusted.
  void expose_to_trusted(const caf::strong_actor_ptr& who);
  /// The program is another node of the store: until its last connection here ends it may send what
  /// it likes to what is exposed for it, and its answers come through. Those who are not connected
  /// here are not remembered.
  void trust(const caf::node_id& program);
  /// From where the program is connected; empty: it is not. Nobody else can speak in its name.
  std::string address_of(const caf::node_id& program) const;

  /// The actor that those who connect from now on are given, and exposed for them. Null: nobody is
  /// let in.
  void set_front(const caf::strong_actor_ptr& front);
  caf::strong_actor_ptr front() const;
  /// The one that the framework's broker knows; follows when somebody connects.
  void set_published(const caf::strong_actor_ptr& front);
  caf::strong_actor_ptr published() const;

  /// A seat for a connection that was accepted; null when there is no room for it.
  std::unique_ptr<actor_seat> admit(int socket);

  const actor_port_options& options() const noexcept { return options_; }
  const frame_rules& rules() const noexcept { return rules_; }

private:
  friend class actor_seat;
  using actor_set = std::unordered_set<std::uint64_t>;
  struct owner {
    std::string address;
    std::size_t connections = 0;
    bool trusted = false;
  };

  void expose_in(actor_set actor_gate::*set, const caf::strong_actor_ptr& who);
  void leave(const actor_seat& seat);
  bool exposed(std::uint64_t actor, const std::string& node) const;
  bool trusted(const std::string& node) const;
  bool claim(const std::string& node, const std::string& address);
  void report_cut(const std::string& address, std::string_view reason);
  void report_dropped(const std::string& address, std::string_view reason);
  void watch();

  const actor_port_options options_;
  const frame_rules rules_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  caf::strong_actor_ptr front_;
  caf::strong_actor_ptr published_;
  actor_set exposed_;
  actor_set exposed_to_trusted_;
  std::set<const actor_seat*> seats_;
  std::map<std::string, std::size_t> addresses_; ///< connections of each
  std::map<std::string, owner> nodes_;
  storage::log_limit refused_;
  storage::log_limit cut_;
  storage::log_limit dropped_;
  std::thread watchdog_; ///< last: it uses the rest
};

/// One connection at the actor port, from accept until its socket is closed. The framework's
/// network thread calls; only the deadline is for others.
class actor_seat final : public frame_surroundings {
public:
  actor_seat(std::shared_ptr<actor_gate> gate, int socket, std::string address);
  ~actor_seat() override;

  /// As `frame_check::take`, and watches the time. False: the connection is cut.
  bool take(std::span<std::byte> bytes);
  std::size_t wanted() const noexcept { return check_.wanted(); }
  bool greeted() const noexcept { return check_.greeted(); }

  /// Ends the connection: its reader sees the end of the stream, and nothing keeps the socket.
  void cut(std::string_view reason);
  bool is_cut() const noexcept { return cut_; }

  std::size_t unread_limit() const noexcept { return gate_->options().unread_bytes; }

  bool exposed(std::uint64_t actor) override { return gate_->exposed(actor, node_); }
  bool trusted() override { return gate_->trusted(node_); }
  bool claim(std::string_view node) override;
  void dropped(std::string_view reason) override { gate_->report_dropped(address_, reason); }

private:
  friend class actor_gate;
  using duration = std::chrono::steady_clock::duration;

  void set_deadline();
  bool is_late(actor_gate::time_point now) const noexcept;
  void shut_down() const noexcept;

  const std::shared_ptr<actor_gate> gate_;
  const int socket_;
  const std::string address_;
  std::string node_; ///< once it said which
  frame_check check_;
  std::atomic<duration> deadline_; ///< since the clock's epoch
  bool cut_ = false;
};

} // namespace troupe::net
