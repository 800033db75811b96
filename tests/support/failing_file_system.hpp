#pragma once

#include "storage/os/file_system.hpp"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

namespace troupe::test {

/// Passes everything on to another file system until a number of changing calls is used up; from
/// then on each changing call fails and changes nothing, as if the process had died there.
class failing_file_system final : public storage::file_system {
public:
  explicit failing_file_system(storage::file_system& real,
                               int changes = std::numeric_limits<int>::max())
      : real_(real), left_(changes) {}

  /// How many more changing calls succeed.
  void allow(int changes) noexcept { left_ = changes; }
  bool failed() const noexcept { return failed_; }

  /// Syncs succeed without doing anything: for tests in which the machine does not fail.
  void skip_syncs() noexcept { skip_syncs_ = true; }

  /// From now on the page at `offset` of this file cannot be read through a map.
  void break_page(std::string path, std::size_t offset) {
    broken_path_ = std::move(path);
    broken_offset_ = offset;
  }
  /// Nor in another way, until it is written anew.
  void break_reads_too() noexcept { broken_reads_ = true; }
  void mend_page() noexcept {
    broken_path_.clear();
    broken_reads_ = false;
  }

  storage::result<std::shared_ptr<storage::file>> open(const std::string& path,
                                                       storage::open_mode mode) override {
    if (mode == storage::open_mode::create) {
      TROUPE_TRY(spend());
    }
    TROUPE_TRY(auto opened, real_.open(path, mode));
    return std::shared_ptr<storage::file>(std::make_shared<failing_file>(*this, std::move(opened)));
  }
  storage::result<void> make_directory(const std::string& path) override {
    TROUPE_TRY(spend());
    return real_.make_directory(path);
  }
  storage::result<void> remove(const std::string& path) override {
    TROUPE_TRY(spend());
    return real_.remove(path);
  }
  storage::result<void> rename(const std::string& from, const std::string& to) override {
    TROUPE_TRY(spend());
    return real_.rename(from, to);
  }
  storage::result<void> sync_directory(const std::string& path) override {
    TROUPE_TRY(spend());
    if (skip_syncs_)
      return boost::outcome_v2::success();
    return real_.sync_directory(path);
  }
  storage::result<std::vector<storage::directory_entry>> list(const std::string& path) override {
    return real_.list(path);
  }
  storage::result<storage::disk_usage> usage(const std::string& path) override {
    return real_.usage(path);
  }
  storage::result<std::unique_ptr<storage::file_lock>> lock(const std::string& path) override {
    return real_.lock(path);
  }

private:
  class broken_mapping final : public storage::mapping {
  public:
    broken_mapping(storage::byte_view whole, std::size_t broken)
        : content_(whole.begin(), whole.end()) {
      constexpr std::size_t page = 4096;
      auto from = broken - broken % page;
      std::fill_n(content_.begin() + static_cast<std::ptrdiff_t>(from), page, std::byte{0});
      bytes_ = content_;
    }
    bool damaged() const noexcept override { return true; }
    void revoke() noexcept override {}

  private:
    std::vector<std::byte> content_;
  };

  class failing_file final : public storage::file {
  public:
    failing_file(failing_file_system& owner, std::shared_ptr<storage::file> real)
        : owner_(owner), real_(std::move(real)) {
      path_ = real_->path();
      size_ = real_->size();
    }
    storage::result<void> allocate(std::uint64_t size, storage::blocks how) override {
      return change([&] { return real_->allocate(size, how); });
    }
    storage::result<void> write_at(std::uint64_t offset,
                                   std::span<const storage::byte_view> parts) override {
      if (breaks(offset))
        owner_.mend_page();
      return change([&] { return real_->write_at(offset, parts); });
    }
    storage::result<std::size_t> read_at(std::uint64_t offset,
                                         std::span<std::byte> into) const override {
      if (owner_.broken_reads_ && breaks(offset))
        return storage::error{storage::errc::io_error, "injected failure"};
      return real_->read_at(offset, into);
    }
    storage::result<std::size_t> read_resident(std::uint64_t offset,
                                               std::span<std::byte> into) const override {
      if (owner_.broken_reads_ && breaks(offset))
        return storage::error{storage::errc::not_resident, "no page that holds its bytes"};
      return real_->read_resident(offset, into);
    }
    storage::result<void> zero_range(std::uint64_t from, std::uint64_t to) override {
      return change([&] { return real_->zero_range(from, to); });
    }
    storage::result<void> sync() override {
      return change([&]() -> storage::result<void> {
        if (owner_.skip_syncs_)
          return boost::outcome_v2::success();
        return real_->sync();
      });
    }
    storage::result<std::shared_ptr<storage::mapping>> map(storage::access how) const override {
      TROUPE_TRY(auto whole, real_->map(how));
      if (path_ != owner_.broken_path_)
        return whole;
      return std::shared_ptr<storage::mapping>(
          std::make_shared<broken_mapping>(whole->bytes(), owner_.broken_offset_));
    }

  private:
    bool breaks(std::uint64_t offset) const {
      return path_ == owner_.broken_path_ && offset / 4096 == owner_.broken_offset_ / 4096;
    }
    template <class Call>
    storage::result<void> change(Call call) {
      TROUPE_TRY(owner_.spend());
      auto answer = call();
      size_ = real_->size();
      return answer;
    }

    failing_file_system& owner_;
    std::shared_ptr<storage::file> real_;
  };

  storage::result<void> spend() {
    if (left_ <= 0) {
      failed_ = true;
      return storage::error{storage::errc::io_error, "injected failure"};
    }
    --left_;
    return boost::outcome_v2::success();
  }

  storage::file_system& real_;
  int left_;
  bool failed_ = false;
  bool skip_syncs_ = false;
  std::string broken_path_;
  std::size_t broken_offset_ = 0;
  bool broken_reads_ = false;
};

} // namespace troupe::test
