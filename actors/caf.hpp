#pragma once

// Everything that depends on the version of the actor framework. Written for CAF 0.17 (Debian's
// package); a later version is a change of this file.

#include <caf/config.hpp>
#if CAF_VERSION < 1700 || CAF_VERSION >= 1800
#error "Troupe needs CAF 0.17 (Debian 12: libcaf-dev); another version of CAF was found"
#include <CAF-0.17> // not there: ends the compilation, for what would follow are riddles
#endif

#include <caf/all.hpp>
#include <caf/io/all.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace troupe {

namespace caf_detail {

template <class Signature>
struct signature_of;
template <class Result, class... Arguments>
struct signature_of<Result(Arguments...)> {
  using type = typename caf::replies_to<Arguments...>::template with<Result>;
};
template <class... Arguments>
struct signature_of<void(Arguments...)> {
  using type = caf::reacts_to<Arguments...>;
};

} // namespace caf_detail

/// One message of a typed interface, spelt as a function: `handles<answer(question)>`.
template <class Signature>
using handles = typename caf_detail::signature_of<Signature>::type;

/// Inspects the members of a message type.
template <class Inspector, class... Members>
auto fields(Inspector& f, const char* name, Members&... members) {
  return f(caf::meta::type_name(name), members...);
}

template <class Inspector>
inline constexpr bool is_saving = std::is_base_of_v<caf::serializer, Inspector>;
template <class Inspector>
inline constexpr bool is_loading = std::is_base_of_v<caf::deserializer, Inspector>;

/// The largest block of bytes that is taken from the network in one piece.
inline constexpr std::uint32_t max_block_bytes = 64u << 20;

/// Writes a length and the bytes behind it; nothing that the other end would refuse.
template <class Serializer>
caf::error save_block(Serializer& f, const void* data, std::size_t size) {
  if (size > max_block_bytes)
    return caf::sec::invalid_argument;
  auto length = static_cast<std::uint32_t>(size);
  if (auto err = f(length))
    return err;
  // The serializer only reads; its interface is shared with the loading side.
  return size > 0 ? f.apply_raw(size, const_cast<void*>(data)) : caf::error{};
}

/// Reads what `save_block` wrote into `make(size)`, which returns the memory to fill. Grows with
/// what has arrived, not with what is announced.
template <class Deserializer, class Make>
caf::error load_block(Deserializer& f, Make make) {
  std::uint32_t length = 0;
  if (auto err = f(length))
    return err;
  auto limit = static_cast<std::size_t>(max_block_bytes);
  if (auto* buffer = dynamic_cast<caf::binary_deserializer*>(&f))
    limit = std::min(limit, buffer->remaining());
  if (length > limit)
    return caf::sec::end_of_stream;
  void* memory = make(static_cast<std::size_t>(length));
  return length > 0 ? f.apply_raw(length, memory) : caf::error{};
}

/// True for a system in testing mode: everything happens on one thread, in an order of its own.
inline bool is_simulated(const caf::actor_system& system) {
  return caf::get_or(system.config(), "scheduler.policy", caf::atom("sharing")) ==
         caf::atom("testing");
}

/// Spawns an actor whose handlers block on the disk: it gets a thread of its own, except in a
/// simulation.
template <class Function, class... Arguments>
auto spawn_blocking(caf::actor_system& system, Function function, Arguments&&... arguments) {
  if (is_simulated(system))
    return system.spawn(function, std::forward<Arguments>(arguments)...);
  return system.spawn<caf::detached>(function, std::forward<Arguments>(arguments)...);
}

} // namespace troupe
