#include "storage/os/dry_run.hpp"

#include <utility>

namespace troupe::storage {

namespace {

/// Reads from the real file, if there is one, and forgets what is written.
class dry_file final : public file {
public:
  dry_file(const std::string& path, std::shared_ptr<file> real) : real_(std::move(real)) {
    path_ = path;
    size_ = real_ ? real_->size() : 0;
  }

  result<void> allocate(std::uint64_t size, blocks) override {
    size_ = size;
    return boost::outcome_v2::success();
  }
  result<void> write_at(std::uint64_t, std::span<const byte_view>) override {
    return boost::outcome_v2::success();
  }
  result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> into) const override {
    if (real_)
      return real_->read_at(offset, into);
    return std::size_t{0};
  }
  result<std::size_t> read_resident(std::uint64_t offset,
                                    std::span<std::byte> into) const override {
    if (real_)
      return real_->read_resident(offset, into);
    return std::size_t{0};
  }
  result<void> zero_range(std::uint64_t, std::uint64_t) override {
    return boost::outcome_v2::success();
  }
  result<void> sync() override { return boost::outcome_v2::success(); }
  result<std::shared_ptr<mapping>> map(access pattern) const override {
    if (real_)
      return real_->map(pattern);
    return error{errc::not_found, path_ + " was not really created"};
  }
  std::uint64_t next_data(std::uint64_t from) const override {
    return real_ ? real_->next_data(from) : from;
  }
  std::uint64_t next_hole(std::uint64_t from) const override {
    return real_ ? real_->next_hole(from) : size_;
  }

private:
  std::shared_ptr<file> real_;
};

} // namespace

result<std::shared_ptr<file>> dry_run_file_system::open(const std::string& path, open_mode mode) {
  auto real = real_.open(path, open_mode::read);
  if (real.has_value())
    return std::make_shared<dry_file>(path, std::move(real).value());
  if (mode == open_mode::create && real.error().code == errc::not_found)
    return std::make_shared<dry_file>(path, nullptr);
  return std::move(real).error();
}

result<void> dry_run_file_system::make_directory(const std::string& path) {
  made_.insert(path);
  return boost::outcome_v2::success();
}

result<void> dry_run_file_system::remove(const std::string&) {
  return boost::outcome_v2::success();
}

result<void> dry_run_file_system::rename(const std::string&, const std::string&) {
  return boost::outcome_v2::success();
}

result<void> dry_run_file_system::sync_directory(const std::string&) {
  return boost::outcome_v2::success();
}

result<std::vector<directory_entry>> dry_run_file_system::list(const std::string& path) {
  auto found = real_.list(path);
  if (found.has_error() && found.error().code == errc::not_found && made_.contains(path))
    return std::vector<directory_entry>{};
  return found;
}

result<disk_usage> dry_run_file_system::usage(const std::string& path) {
  return real_.usage(path);
}

result<std::unique_ptr<file_lock>> dry_run_file_system::lock(const std::string&) {
  return std::unique_ptr<file_lock>(std::make_unique<file_lock>());
}

} // namespace troupe::storage
