#pragma once

#include "storage/error.hpp"

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::sim {

/// The calls of `storage::file_system` and `storage::file`; each is a place where the process may
/// die or the disk may fail.
enum class call_kind : std::uint8_t {
  open,
  allocate,
  write,
  read,
  zero,
  sync,
  map,
  make_directory,
  remove,
  rename,
  sync_directory,
  list,
  usage,
  lock,
};
std::string_view name_of(call_kind kind) noexcept;

/// What may go wrong at a call. What does not fit to the kind of call does nothing.
enum class fault_kind : std::uint8_t {
  io_error,       ///< fails and changes nothing
  no_space,       ///< the same, as on a full disk
  too_many_files, ///< the same, as without descriptors
  short_write,    ///< write: the first `argument` bytes are written, then an I/O error
  lost_sync,      ///< sync: fails; nothing became durable, and no later sync will make it so.
                  ///< sync_directory: fails and changes nothing
  lying_sync,     ///< sync, sync_directory: succeeds, nothing became durable
  flip_bit,       ///< before the call: bit `argument` (modulo size) of its file turns over at rest
  broken_page,    ///< map: the page at byte `argument` (modulo size) reads as zeros; damaged
  write_back,     ///< before the call: some pages of any file become durable; `argument` is a seed
  crash,          ///< the process dies before the call: this and all later calls do nothing
};
std::string_view name_of(fault_kind kind) noexcept;

/// One fault: when it happens, and what. It happens at the calls that fit `kind` and `path`, after
/// `skip` of them have passed, `count` times. `call` counts all calls of a life from 1.
struct fault {
  fault_kind what = fault_kind::io_error;
  std::uint64_t call = 0;          ///< at exactly this call; 0: at any
  std::optional<call_kind> kind{}; ///< only at such calls
  std::string path{};              ///< only at paths that contain it; without blanks
  std::uint32_t skip = 0;
  std::uint32_t count = 1;
  std::uint64_t argument = 0;

  friend bool operator==(const fault&, const fault&) = default;
};

/// All that goes wrong in one life of a process. Plain data, so that a run can be repeated, written
/// down and shortened.
using fault_plan = std::vector<fault>;

/// Those of a simulation's classes of faults under which a node keeps its promises: all but "lies",
/// and "reads" (reads that fail for a while).
std::set<std::string> usual_classes(const std::vector<std::string>& classes);

/// "short-write call=17 argument=40; io-error kind=sync path=commitlog skip=2 count=3"
std::string to_string(const fault_plan& plan);
/// The inverse; `invalid_argument` names the word that is not understood.
storage::result<fault_plan> parse_fault_plan(std::string_view text);

} // namespace troupe::sim
