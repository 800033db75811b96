#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace troupe {

/// A part of a store that may run in a process of its own; cluster.ini names them.
enum class store_role : std::uint8_t {
  writer,
  flusher,
  cleaner,
  readers,
  dispatcher,
  queue_manager, ///< and the queue-flusher: both hold the same open files, so they stay together
  registrar,
  door, ///< sessions of client actors, and the gateway for RocketMQ clients
};

inline constexpr std::array every_role = {
    store_role::writer,     store_role::flusher,       store_role::cleaner,   store_role::readers,
    store_role::dispatcher, store_role::queue_manager, store_role::registrar, store_role::door};

/// "queue-manager", as cluster.ini has it.
inline std::string_view name_of(store_role role) noexcept {
  switch (role) {
  case store_role::writer:
    return "writer";
  case store_role::flusher:
    return "flusher";
  case store_role::cleaner:
    return "cleaner";
  case store_role::readers:
    return "readers";
  case store_role::dispatcher:
    return "dispatcher";
  case store_role::queue_manager:
    return "queue-manager";
  case store_role::registrar:
    return "registrar";
  case store_role::door:
    return "door";
  }
  return "unknown";
}

inline std::optional<store_role> role_of(std::string_view name) noexcept {
  for (auto role : every_role)
    if (name_of(role) == name)
      return role;
  return std::nullopt;
}

/// Some of the roles.
class role_set {
public:
  constexpr role_set() = default;
  constexpr role_set(std::initializer_list<store_role> roles) {
    for (auto role : roles)
      add(role);
  }
  static constexpr role_set every() {
    role_set all;
    for (auto role : every_role)
      all.add(role);
    return all;
  }

  constexpr void add(store_role role) noexcept { bits_ = bits_ | bit(role); }
  constexpr bool has(store_role role) const noexcept { return (bits_ & bit(role)) != 0; }
  constexpr bool empty() const noexcept { return bits_ == 0; }
  /// Those that are in both.
  constexpr role_set operator&(role_set other) const noexcept {
    other.bits_ = other.bits_ & bits_;
    return other;
  }
  /// Those that are in one of them.
  constexpr role_set with(role_set other) const noexcept {
    other.bits_ = other.bits_ | bits_;
    return other;
  }
  /// Those that are not in the other.
  constexpr role_set without(role_set other) const noexcept {
    other.bits_ = bits_ & ~other.bits_;
    return other;
  }
  constexpr bool operator==(const role_set&) const noexcept = default;

private:
  static constexpr unsigned bit(store_role role) noexcept {
    return 1U << static_cast<unsigned>(role);
  }
  unsigned bits_ = 0;
};

/// Those that open files of the log, or of what lies beside it: they share a directory. The queues
/// may be there as well, or elsewhere.
inline constexpr role_set log_seat = {store_role::writer, store_role::flusher, store_role::cleaner,
                                      store_role::readers, store_role::registrar};

/// "writer, flusher", in the order of `every_role`.
inline std::string to_text(role_set roles) {
  std::string out;
  for (auto role : every_role)
    if (roles.has(role))
      out.append(out.empty() ? "" : ", ").append(name_of(role));
  return out;
}

} // namespace troupe
