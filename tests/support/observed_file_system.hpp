#pragma once

#include "storage/os/file_system.hpp"

#include <algorithm>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace troupe::test {

/// Passes everything on to another file system; records what changes, and fails what the test wants
/// to fail. Syncs reach nothing: the machine does not stop in these tests. How full the disk is,
/// the test says.
class observed_file_system final : public storage::file_system {
public:
  enum class action {
    create,
    open, ///< for writing
    allocate,
    write,
    sync,
    make_directory,
    remove,
    rename,
    sync_directory
  };
  struct event {
    action what;
    std::string path;
  };

  explicit observed_file_system(storage::file_system& real) : real_(real) {}

  /// Asked before each change; anything but `none` makes it fail with that and change nothing.
  std::function<storage::errc(action, const std::string& path)> fault;
  /// The same before each opening to read, reading and mapping.
  std::function<storage::errc(const std::string& path)> read_fault;
  /// The same before mapping alone.
  std::function<storage::errc(const std::string& path)> map_fault;
  /// Asked before each reading that must not wait, if set: true makes it `not_resident`. All else
  /// counts as resident, whatever the real file system knows.
  std::function<bool(const std::string& path, std::uint64_t offset, std::size_t size)> cold;
  std::vector<event> events;
  int used_percent = 10;

  /// How often it happened to a path that contains the text.
  std::size_t count(action what, const std::string& part) const {
    return static_cast<std::size_t>(
        std::count_if(events.begin(), events.end(), [&](const event& e) {
          return e.what == what && e.path.find(part) != std::string::npos;
        }));
  }

  storage::result<std::shared_ptr<storage::file>> open(const std::string& path,
                                                       storage::open_mode mode) override {
    if (mode == storage::open_mode::create) {
      TROUPE_TRY(change(action::create, path));
    } else if (mode == storage::open_mode::read_write) {
      TROUPE_TRY(change(action::open, path));
    } else {
      TROUPE_TRY(check(read_fault, path));
    }
    TROUPE_TRY(auto opened, real_.open(path, mode));
    return std::shared_ptr<storage::file>(
        std::make_shared<observed_file>(*this, std::move(opened)));
  }
  storage::result<void> make_directory(const std::string& path) override {
    TROUPE_TRY(change(action::make_directory, path));
    return real_.make_directory(path);
  }
  storage::result<void> remove(const std::string& path) override {
    TROUPE_TRY(change(action::remove, path));
    return real_.remove(path);
  }
  storage::result<void> rename(const std::string& from, const std::string& to) override {
    TROUPE_TRY(change(action::rename, to));
    return real_.rename(from, to);
  }
  storage::result<void> sync_directory(const std::string& path) override {
    return change(action::sync_directory, path);
  }
  storage::result<std::vector<storage::directory_entry>> list(const std::string& path) override {
    return real_.list(path);
  }
  storage::result<storage::disk_usage> usage(const std::string&) override {
    constexpr std::uint64_t total = 100 * storage::mib;
    return storage::disk_usage{total, total / 100 * static_cast<std::uint64_t>(100 - used_percent)};
  }
  storage::result<std::unique_ptr<storage::file_lock>> lock(const std::string& path) override {
    return real_.lock(path);
  }

private:
  class observed_file final : public storage::file {
  public:
    observed_file(observed_file_system& owner, std::shared_ptr<storage::file> real)
        : owner_(owner), real_(std::move(real)) {
      path_ = real_->path();
      size_ = real_->size();
    }
    storage::result<void> allocate(std::uint64_t size, storage::blocks how) override {
      TROUPE_TRY(owner_.change(action::allocate, path_));
      auto done = real_->allocate(size, how);
      size_ = real_->size();
      return done;
    }
    storage::result<void> write_at(std::uint64_t offset,
                                   std::span<const storage::byte_view> parts) override {
      TROUPE_TRY(owner_.change(action::write, path_));
      auto done = real_->write_at(offset, parts);
      size_ = real_->size();
      return done;
    }
    storage::result<std::size_t> read_at(std::uint64_t offset,
                                         std::span<std::byte> into) const override {
      TROUPE_TRY(owner_.check(owner_.read_fault, path_));
      return real_->read_at(offset, into);
    }
    storage::result<std::size_t> read_resident(std::uint64_t offset,
                                               std::span<std::byte> into) const override {
      if (owner_.cold && owner_.cold(path_, offset, into.size()))
        return storage::error{storage::errc::not_resident, path_ + ": made cold"};
      return read_at(offset, into);
    }
    storage::result<void> zero_range(std::uint64_t from, std::uint64_t to) override {
      TROUPE_TRY(owner_.change(action::write, path_));
      return real_->zero_range(from, to);
    }
    storage::result<void> sync() override { return owner_.change(action::sync, path_); }
    storage::result<std::shared_ptr<storage::mapping>> map(storage::access how) const override {
      TROUPE_TRY(owner_.check(owner_.read_fault, path_));
      TROUPE_TRY(owner_.check(owner_.map_fault, path_));
      return real_->map(how);
    }
    std::uint64_t next_data(std::uint64_t from) const override { return real_->next_data(from); }
    std::uint64_t next_hole(std::uint64_t from) const override { return real_->next_hole(from); }

  private:
    observed_file_system& owner_;
    std::shared_ptr<storage::file> real_;
  };

  static storage::result<void>
  check(const std::function<storage::errc(const std::string& path)>& asked,
        const std::string& path) {
    auto code = asked ? asked(path) : storage::errc::none;
    if (code != storage::errc::none)
      return storage::error{code, path + ": made to fail"};
    return boost::outcome_v2::success();
  }

  storage::result<void> change(action what, const std::string& path) {
    std::scoped_lock one_at_a_time{changing_};
    events.push_back({what, path});
    auto code = fault ? fault(what, path) : storage::errc::none;
    if (code != storage::errc::none)
      return storage::error{code, path + ": made to fail"};
    return boost::outcome_v2::success();
  }

  storage::file_system& real_;
  std::mutex changing_;
};

} // namespace troupe::test
