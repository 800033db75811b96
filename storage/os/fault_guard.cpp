#include "storage/os/fault_guard.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <new>

#include <sys/mman.h>
#include <unistd.h>

namespace troupe::storage {

fault_guard::chunk fault_guard::first_;

namespace {

/// Asked once: sysconf is not allowed in a signal handler.
std::uintptr_t page_size = 4096;

} // namespace

void fault_guard::install() noexcept {
  static const bool installed = [] {
    page_size = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    struct sigaction action {};
    action.sa_sigaction = [](int signal, siginfo_t* info, void*) {
      on_fault(signal, info->si_addr, info->si_code > 0);
    };
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
    sigemptyset(&action.sa_mask);
    return ::sigaction(SIGBUS, &action, nullptr) == 0;
  }();
  static_cast<void>(installed);
}

guarded_range* fault_guard::add(const void* begin, std::size_t size) noexcept {
  auto from = reinterpret_cast<std::uintptr_t>(begin);
  for (auto* in = &first_;;) {
    for (auto& range : in->ranges) {
      bool expected = false;
      if (range.taken_.load(std::memory_order_relaxed) ||
          !range.taken_.compare_exchange_strong(expected, true, std::memory_order_acquire))
        continue;
      range.damaged_.store(false, std::memory_order_relaxed);
      set(range, from, from + size);
      return &range;
    }
    auto* next = in->next.load(std::memory_order_acquire);
    if (next == nullptr) {
      auto* fresh = new (std::nothrow) chunk;
      if (fresh == nullptr)
        return nullptr;
      if (in->next.compare_exchange_strong(next, fresh, std::memory_order_acq_rel))
        next = fresh;
      else
        delete fresh;
    }
    in = next;
  }
}

void fault_guard::remove(guarded_range& range) noexcept {
  set(range, 0, 0);
  range.taken_.store(false, std::memory_order_release);
}

void fault_guard::set(guarded_range& range, std::uintptr_t begin, std::uintptr_t end) noexcept {
  range.version_.fetch_add(1, std::memory_order_acq_rel);
  range.begin_.store(begin, std::memory_order_release);
  range.end_.store(end, std::memory_order_release);
  range.version_.fetch_add(1, std::memory_order_acq_rel);
}

guarded_range* fault_guard::find(std::uintptr_t address) noexcept {
  for (auto* in = &first_; in != nullptr; in = in->next.load(std::memory_order_acquire)) {
    for (auto& range : in->ranges) {
      auto before = range.version_.load(std::memory_order_acquire);
      auto begin = range.begin_.load(std::memory_order_acquire);
      auto end = range.end_.load(std::memory_order_acquire);
      auto after = range.version_.load(std::memory_order_acquire);
      // A range that is read right now is not being changed, so one in change is another.
      if (before == after && before % 2 == 0 && begin <= address && address < end)
        return &range;
    }
  }
  return nullptr;
}

void fault_guard::on_fault(int, void* address, bool from_kernel) noexcept {
  auto saved = errno;
  auto where = reinterpret_cast<std::uintptr_t>(address);
  auto* range = from_kernel ? find(where) : nullptr;
  if (range != nullptr) {
    range->set_damaged(); // first: who sees the zeros must also see the mark
    auto* page = reinterpret_cast<void*>(where & ~(page_size - 1));
    auto flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    if (::mmap(page, page_size, PROT_READ, flags, -1, 0) == page) {
      errno = saved;
      return;
    }
  }
  static constexpr char line[] = "troupe: bus error outside a mapped file of the store\n";
  auto ignored = ::write(STDERR_FILENO, line, std::strlen(line));
  static_cast<void>(ignored);
  ::_exit(128 + SIGBUS);
}

} // namespace troupe::storage
