#pragma once

#include "actors/interfaces.hpp"
#include "actors/options.hpp"
#include "storage/clock.hpp"
#include "storage/log/log_file.hpp"
#include "storage/log/retention.hpp"

#include <span>
#include <string>

namespace troupe {

struct cleaner_setup {
  node_options options;
  storage::file_system* files = nullptr;
  const storage::wall_clock* clock = nullptr;
};

/// Looks at the age of the log's files and at the disk every few seconds, and decides. It
/// removes files on its own thread and tells those who use them, and the writer when the disk is
/// too full to write.
struct cleaner_state {
  cleaner_state() = default;
  static inline const char* name = "cleaner";

  void start(cleaner_actor::stateful_pointer<cleaner_state> actor, cleaner_setup setup);

  void pulse();
  cleaner_status status() const { return status_; }
  void set_roles(const role_table& table);

private:
  void look(log_offset durable);
  void directory_gone(const storage::error& why);
  bool believe_clock(std::int64_t now_ms, std::span<const storage::log_file_entry> files);
  void tell_writer();
  void remove(std::span<const storage::log_file_entry> files);
  void tell_begin(log_offset min);
  void rest();

  cleaner_actor::stateful_pointer<cleaner_state> self_;
  cleaner_setup setup_;
  role_table roles_;
  cleaner_status status_;
  storage::retention_clock clock_;
  bool disk_full_ = false;
  bool told_ = false;       ///< the writer knows whether the disk is full
  bool begin_told_ = false; ///< everybody knows where the log begins
  bool running_ = false;
};

cleaner_actor::behavior_type cleaner(cleaner_actor::stateful_pointer<cleaner_state> self,
                                     cleaner_setup setup);

} // namespace troupe
