#include "storage/os/posix_file_system.hpp"

#include "storage/check.hpp"
#include "storage/os/fault_guard.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <limits>
#include <optional>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

namespace troupe::storage {

namespace {

error last_error(std::string what) {
  return system_error(errno, std::move(what));
}

result<void> done() {
  return boost::outcome_v2::success();
}

bool unsupported(int number) {
  return number == EOPNOTSUPP || number == ENOSYS;
}

/// Repeats a call that a signal interrupted.
template <class Call>
auto uninterrupted(Call call) {
  decltype(call()) answer{};
  do
    answer = call();
  while (answer == -1 && errno == EINTR);
  return answer;
}

class descriptor {
public:
  explicit descriptor(int fd) noexcept : fd_(fd) {}
  ~descriptor() {
    if (fd_ >= 0)
      ::close(fd_);
  }
  descriptor(descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;
  descriptor& operator=(descriptor&&) = delete;

  int get() const noexcept { return fd_; }

private:
  int fd_;
};

class posix_mapping final : public mapping {
public:
  static result<std::shared_ptr<mapping>> create(int fd, std::size_t size, access pattern,
                                                 const std::string& path) {
    auto* at = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
      return last_error("cannot map " + path);
    if (pattern == access::random)
      ::madvise(at, size, MADV_RANDOM); // advice only
    auto* range = fault_guard::add(at, size);
    if (range == nullptr) {
      ::munmap(at, size);
      return error{errc::too_many_files, "cannot map " + path + ": out of memory"};
    }
    return std::shared_ptr<mapping>(new posix_mapping(at, size, *range));
  }

  ~posix_mapping() override {
    // In this order: once unmapped the addresses may be another's.
    fault_guard::remove(range_);
    ::munmap(address_, bytes_.size());
  }

  bool damaged() const noexcept override { return range_.damaged(); }

  void revoke() noexcept override {
    range_.set_damaged(); // first: who sees the zeros must also see the mark
    auto flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
    auto* at = ::mmap(address_, bytes_.size(), PROT_READ, flags, -1, 0);
    static_cast<void>(at); // without memory for a map the file stays held: late, but never wrong
  }

private:
  posix_mapping(void* at, std::size_t size, guarded_range& range) : address_(at), range_(range) {
    bytes_ = {static_cast<const std::byte*>(at), size};
  }

  void* address_;
  guarded_range& range_;
};

class posix_file final : public file {
public:
  posix_file(descriptor fd, std::string path, std::uint64_t size) : fd_(std::move(fd)) {
    path_ = std::move(path);
    size_ = size;
  }

  result<void> allocate(std::uint64_t size, blocks how) override;
  result<void> write_at(std::uint64_t offset, std::span<const byte_view> parts) override;
  result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> into) const override;
  result<std::size_t> read_resident(std::uint64_t offset, std::span<std::byte> into) const override;
  result<void> zero_range(std::uint64_t from, std::uint64_t to) override;
  result<void> sync() override;
  result<std::shared_ptr<mapping>> map(access pattern) const override;
  std::uint64_t next_data(std::uint64_t from) const override;
  std::uint64_t next_hole(std::uint64_t from) const override;

private:
  result<void> write_zeros(std::uint64_t from, std::uint64_t to);
  void refresh_size() noexcept;
  bool lies_in_memory() const noexcept;

  /// What the file system says to a read that must not wait.
  enum class no_wait : std::uint8_t { supported, always_resident, unsupported };

  descriptor fd_;
  std::optional<error> sync_error_;
  mutable no_wait no_wait_ = no_wait::supported; ///< until it refuses
};

constexpr auto max_offset = static_cast<std::uint64_t>(std::numeric_limits<off_t>::max());

error out_of_range(const std::string& path) {
  return {errc::invalid_argument, path + ": an offset or size beyond what a file can hold"};
}

error not_resident(const std::string& path, std::uint64_t offset) {
  return {errc::not_resident, path + " is not in memory at " + std::to_string(offset)};
}

result<void> posix_file::allocate(std::uint64_t size, blocks how) {
  if (size > max_offset)
    return out_of_range(path_);
  auto length = static_cast<off_t>(size);
  auto old_size = size_;
  if (how == blocks::reserved && size > 0) {
    if (uninterrupted([&] { return ::fallocate(fd_.get(), 0, 0, length); }) != 0) {
      auto number = errno;
      refresh_size();
      if (!unsupported(number))
        return system_error(number,
                            "cannot reserve " + std::to_string(size) + " bytes for " + path_);
      if (old_size < size) {
        TROUPE_TRY(write_zeros(old_size, size));
      }
    }
  }
  if (uninterrupted([&] { return ::ftruncate(fd_.get(), length); }) != 0) {
    auto number = errno;
    refresh_size();
    return system_error(number, "cannot set the size of " + path_ + " to " + std::to_string(size));
  }
  size_ = size;
  return done();
}

result<void> posix_file::write_at(std::uint64_t offset, std::span<const byte_view> parts) {
  std::uint64_t total = 0;
  for (auto& part : parts)
    total += part.size();
  if (offset > max_offset || total > max_offset - offset)
    return out_of_range(path_);
  std::array<iovec, IOV_MAX> vectors;
  std::size_t next = 0; // part to go on with
  std::size_t skip = 0; // bytes of it that are written
  while (total > 0) {
    int count = 0;
    for (auto i = next; i < parts.size() && count < IOV_MAX; ++i) {
      auto rest = i == next ? parts[i].subspan(skip) : parts[i];
      if (!rest.empty())
        vectors[static_cast<std::size_t>(count++)] = {const_cast<std::byte*>(rest.data()),
                                                      rest.size()};
    }
    auto written = uninterrupted(
        [&] { return ::pwritev(fd_.get(), vectors.data(), count, static_cast<off_t>(offset)); });
    if (written <= 0) {
      auto number = written == 0 ? EIO : errno;
      return system_error(number, "cannot write " + path_ + " at " + std::to_string(offset));
    }
    auto advance = static_cast<std::size_t>(written);
    offset += advance;
    total -= advance;
    size_ = std::max(size_, offset);
    while (next < parts.size() && advance >= parts[next].size() - skip) {
      advance -= parts[next++].size() - skip;
      skip = 0;
    }
    skip += advance;
  }
  return done();
}

result<std::size_t> posix_file::read_at(std::uint64_t offset, std::span<std::byte> into) const {
  if (offset > max_offset || into.size() > max_offset - offset)
    return out_of_range(path_);
  std::size_t filled = 0;
  while (filled < into.size()) {
    auto count = uninterrupted([&] {
      return ::pread(fd_.get(), into.data() + filled, into.size() - filled,
                     static_cast<off_t>(offset + filled));
    });
    if (count < 0)
      return last_error("cannot read " + path_ + " at " + std::to_string(offset + filled));
    if (count == 0)
      break;
    filled += static_cast<std::size_t>(count);
  }
  return filled;
}

bool posix_file::lies_in_memory() const noexcept {
  struct statfs status {};
  return ::fstatfs(fd_.get(), &status) == 0 && status.f_type == TMPFS_MAGIC;
}

result<std::size_t> posix_file::read_resident(std::uint64_t offset,
                                              std::span<std::byte> into) const {
  if (offset > max_offset || into.size() > max_offset - offset)
    return out_of_range(path_);
  std::size_t filled = 0;
  while (no_wait_ == no_wait::supported && filled < into.size()) {
    const auto at = offset + filled;
    iovec part{into.data() + filled, into.size() - filled};
    auto count = uninterrupted(
        [&] { return ::preadv2(fd_.get(), &part, 1, static_cast<off_t>(at), RWF_NOWAIT); });
    if (count < 0 && unsupported(errno)) {
      no_wait_ = lies_in_memory() ? no_wait::always_resident : no_wait::unsupported;
    } else if (count < 0 && errno != EAGAIN) {
      return last_error("cannot read " + path_ + " at " + std::to_string(at));
    } else if (count == 0 && at >= size_) {
      break;
    } else if (count <= 0) { // Linux 5.9 and 5.10 may say 0 for what is not there
      return not_resident(path_, at);
    } else {
      filled += static_cast<std::size_t>(count); // the rest may not be there, or not exist
    }
  }
  if (no_wait_ == no_wait::always_resident)
    return read_at(offset, into);
  if (no_wait_ == no_wait::unsupported)
    return not_resident(path_, offset);
  return filled;
}

result<void> posix_file::zero_range(std::uint64_t from, std::uint64_t to) {
  to = std::min(to, size_);
  if (from >= to)
    return done();
  auto at = static_cast<off_t>(from);
  auto count = static_cast<off_t>(to - from);
  auto set = [&](int mode) {
    return uninterrupted([&] { return ::fallocate(fd_.get(), mode, at, count); }) == 0;
  };
  if (set(FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE))
    return done();
  if (unsupported(errno)) {
    if (set(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)) {
      // The hole gave its blocks away; take them back, or a later write might find the disk full.
      if (set(FALLOC_FL_KEEP_SIZE) || unsupported(errno))
        return done();
    } else if (unsupported(errno)) {
      return write_zeros(from, to);
    }
  }
  return last_error("cannot zero " + path_ + " from " + std::to_string(from));
}

result<void> posix_file::write_zeros(std::uint64_t from, std::uint64_t to) {
  static constexpr std::array<std::byte, 65536> zeros{};
  while (from < to) {
    auto count = std::min<std::uint64_t>(zeros.size(), to - from);
    std::array<byte_view, 1> part{byte_view(zeros).first(static_cast<std::size_t>(count))};
    TROUPE_TRY(write_at(from, part));
    from += count;
  }
  return done();
}

result<void> posix_file::sync() {
  if (sync_error_)
    return *sync_error_;
  if (::fdatasync(fd_.get()) != 0) {
    sync_error_ = last_error("cannot sync " + path_ + "; what was written since is in doubt");
    return *sync_error_;
  }
  return done();
}

result<std::shared_ptr<mapping>> posix_file::map(access pattern) const {
  struct stat status {};
  if (::fstat(fd_.get(), &status) != 0)
    return last_error("cannot look at " + path_);
  if (status.st_size <= 0)
    return error{errc::corrupt, "cannot map " + path_ + ": it is empty"};
  return posix_mapping::create(fd_.get(), static_cast<std::size_t>(status.st_size), pattern, path_);
}

std::uint64_t posix_file::next_data(std::uint64_t from) const {
  if (from >= size_)
    return size_;
  auto at = ::lseek(fd_.get(), static_cast<off_t>(from), SEEK_DATA);
  if (at >= 0)
    return std::min(static_cast<std::uint64_t>(at), size_);
  return errno == ENXIO ? size_ : from;
}

std::uint64_t posix_file::next_hole(std::uint64_t from) const {
  if (from >= size_)
    return size_;
  auto at = ::lseek(fd_.get(), static_cast<off_t>(from), SEEK_HOLE);
  return at < 0 ? size_ : std::min(static_cast<std::uint64_t>(at), size_);
}

void posix_file::refresh_size() noexcept {
  struct stat status {};
  if (::fstat(fd_.get(), &status) == 0)
    size_ = static_cast<std::uint64_t>(status.st_size);
}

class posix_lock final : public file_lock {
public:
  explicit posix_lock(descriptor fd) : fd_(std::move(fd)) {}

private:
  descriptor fd_; ///< closing it releases the lock
};

class posix_files final : public file_system {
public:
  posix_files() { fault_guard::install(); }

  result<std::shared_ptr<file>> open(const std::string& path, open_mode mode) override;
  result<void> make_directory(const std::string& path) override;
  result<void> remove(const std::string& path) override;
  result<void> rename(const std::string& from, const std::string& to) override;
  result<void> sync_directory(const std::string& path) override;
  result<std::vector<directory_entry>> list(const std::string& path) override;
  result<disk_usage> usage(const std::string& path) override;
  result<std::unique_ptr<file_lock>> lock(const std::string& path) override;
};

result<std::shared_ptr<file>> posix_files::open(const std::string& path, open_mode mode) {
  auto flags = O_CLOEXEC;
  if (mode == open_mode::read)
    flags |= O_RDONLY;
  else
    flags |= mode == open_mode::create ? O_RDWR | O_CREAT : O_RDWR;
  descriptor fd(uninterrupted([&] { return ::open(path.c_str(), flags, 0644); }));
  struct stat status {};
  if (fd.get() < 0 || ::fstat(fd.get(), &status) != 0)
    return last_error("cannot open " + path);
  if (!S_ISREG(status.st_mode))
    return error{errc::io_error, "cannot open " + path + ": it is not a plain file"};
  auto size = static_cast<std::uint64_t>(status.st_size);
  return std::make_shared<posix_file>(std::move(fd), path, size);
}

result<void> posix_files::make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) == 0)
    return done();
  auto number = errno;
  struct stat status {};
  if (number == EEXIST && ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode))
    return done();
  return system_error(number, "cannot create directory " + path);
}

result<void> posix_files::remove(const std::string& path) {
  if (::unlink(path.c_str()) == 0 || errno == ENOENT)
    return done();
  if (errno == EISDIR && (::rmdir(path.c_str()) == 0 || errno == ENOENT))
    return done();
  return last_error("cannot remove " + path);
}

result<void> posix_files::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0)
    return last_error("cannot rename " + from + " to " + to);
  return done();
}

result<void> posix_files::sync_directory(const std::string& path) {
  descriptor fd(
      uninterrupted([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (fd.get() < 0)
    return last_error("cannot open directory " + path);
  if (::fsync(fd.get()) != 0)
    return last_error("cannot sync directory " + path);
  return done();
}

result<std::vector<directory_entry>> posix_files::list(const std::string& path) {
  struct closer {
    void operator()(DIR* directory) const noexcept { ::closedir(directory); }
  };
  std::unique_ptr<DIR, closer> directory(::opendir(path.c_str()));
  if (!directory)
    return last_error("cannot list " + path);
  std::vector<directory_entry> entries;
  for (;;) {
    errno = 0;
    auto* entry = ::readdir(directory.get());
    if (entry == nullptr) {
      if (errno != 0)
        return last_error("cannot list " + path);
      break;
    }
    std::string name = entry->d_name;
    if (name == "." || name == "..")
      continue;
    struct stat status {};
    if (::fstatat(::dirfd(directory.get()), name.c_str(), &status, 0) != 0) {
      if (errno == ENOENT)
        continue; // removed meanwhile
      return last_error("cannot look at " + path + "/" + name);
    }
    auto modified = static_cast<std::int64_t>(status.st_mtim.tv_sec) * 1000 +
                    static_cast<std::int64_t>(status.st_mtim.tv_nsec) / 1'000'000;
    entries.push_back({std::move(name), S_ISDIR(status.st_mode),
                       static_cast<std::uint64_t>(status.st_size), modified});
  }
  std::ranges::sort(entries, {}, &directory_entry::name);
  return entries;
}

result<disk_usage> posix_files::usage(const std::string& path) {
  struct statvfs status {};
  if (uninterrupted([&] { return ::statvfs(path.c_str(), &status); }) != 0)
    return last_error("cannot ask for the disk space of " + path);
  // As df counts: what is kept for root is neither used nor there for us.
  auto used = static_cast<std::uint64_t>(status.f_blocks - status.f_bfree) * status.f_frsize;
  auto available = static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
  return disk_usage{.total_bytes = used + available, .available_bytes = available};
}

result<std::unique_ptr<file_lock>> posix_files::lock(const std::string& path) {
  descriptor fd(
      uninterrupted([&] { return ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644); }));
  if (fd.get() < 0)
    return last_error("cannot open " + path);
  struct flock range {};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;
  range.l_start = 0;
  range.l_len = 1;
  if (uninterrupted([&] { return ::fcntl(fd.get(), F_OFD_SETLK, &range); }) != 0) {
    if (errno == EAGAIN || errno == EACCES)
      return error{errc::locked, path + " is locked: the directory is in use by another process; "
                                        "stop that one, or use another directory"};
    return last_error("cannot lock " + path);
  }
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0)
    return last_error("cannot look at " + path);
  static constexpr char content[] = {'l', 'o', 'c', 'k'}; // as Java writes it
  if (status.st_size == 0 &&
      uninterrupted([&] { return ::pwrite(fd.get(), content, sizeof content, 0); }) < 0)
    return last_error("cannot write " + path);
  return std::unique_ptr<file_lock>(std::make_unique<posix_lock>(std::move(fd)));
}

} // namespace

file_system& posix_file_system() {
  static posix_files files;
  return files;
}

} // namespace troupe::storage
