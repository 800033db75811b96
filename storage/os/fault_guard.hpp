#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace troupe::storage {

/// One mapped range under guard: a page in it that cannot be read becomes zeros, and `damaged`
/// turns true before anybody can see them.
class guarded_range {
public:
  bool damaged() const noexcept { return damaged_.load(std::memory_order_acquire); }
  void set_damaged() noexcept { damaged_.store(true, std::memory_order_release); }

private:
  friend class fault_guard;
  std::atomic<bool> taken_{false};
  std::atomic<std::uint32_t> version_{0}; ///< odd while begin and end change
  std::atomic<std::uintptr_t> begin_{0};
  std::atomic<std::uintptr_t> end_{0};
  std::atomic<bool> damaged_{false};
};

/// The SIGBUS handler and the ranges it knows. Everything is static: signals have no owner.
/// Lock-free, since the handler may interrupt any thread at any instruction.
class fault_guard {
public:
  /// Installs the handler; later calls do nothing.
  static void install() noexcept;

  /// Guards [begin, begin + size). Null only when memory is out.
  static guarded_range* add(const void* begin, std::size_t size) noexcept;
  /// To be called before the range is unmapped, when nobody reads it any more.
  static void remove(guarded_range& range) noexcept;

private:
  static constexpr std::size_t ranges_in_chunk = 512;
  struct chunk {
    guarded_range ranges[ranges_in_chunk];
    std::atomic<chunk*> next{nullptr};
  };

  static guarded_range* find(std::uintptr_t address) noexcept;
  static void on_fault(int signal, void* address, bool from_kernel) noexcept;
  static void set(guarded_range& range, std::uintptr_t begin, std::uintptr_t end) noexcept;

  static chunk first_; ///< chunks are added and never freed
};

} // namespace troupe::storage
