#pragma once

#include "net/admin/admin_actor.hpp"
#include "net/admin/history.hpp"

#include <string>

namespace troupe::net {

/// A look at a node, from what it says of itself; `answer_us`: how long that took.
history_sample sample_of(const node_status& s, std::int64_t answer_us);

/// Bytes of this process that no file has; `not_known` where the system does not say.
std::int64_t own_memory();

/// Keeps the history of a node. Part of the admin actor, in whose context everything runs: asks the
/// node each second or ten (`history_pace`), and the registrar each ten while somebody looks.
class history_watch {
public:
  /// Sends `pulse_atom` to `self`, at once and for every look.
  history_watch(admin_actor::pointer self, node_actor node, std::array<int, 3> disk_percent);
  history_watch(const history_watch&) = delete;
  history_watch& operator=(const history_watch&) = delete;

  /// The pulse has come.
  void look(const registrar_actor& registrar);
  /// Of /v1/history; `query` may say since when.
  admin_answer answer(const std::string& query);

private:
  using time_point = history_pace::time_point;
  void arm(time_point due);
  void looked(history_sample now);
  void ask_progress(const registrar_actor& registrar, time_point now);
  std::int64_t time_of(time_point now) const;

  admin_actor::pointer self_;
  node_actor node_;
  history_setting setting_;
  history history_;
  history_pace pace_;
  time_point began_;
  std::int64_t began_ms_;
  time_point due_; ///< of the next look: a pulse comes then
  bool looking_ = false;
  std::int64_t consumed_ = not_known; ///< since the last look
  time_point consumed_due_{};
};

} // namespace troupe::net
