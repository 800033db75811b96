#include "storage/os/posix_file_system.hpp"

#include "storage/options.hpp"
#include "storage/os/slice.hpp"
#include "tests/support/bytes.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_directory.hpp"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace troupe::storage;
using namespace troupe::test;

namespace {

std::shared_ptr<file> create(const std::string& path) {
  auto made = posix_file_system().open(path, open_mode::create);
  REQUIRE(made.has_value());
  return made.value();
}

std::string content_of(file& from) {
  std::string text(static_cast<std::size_t>(from.size()), '?');
  auto bytes = std::as_writable_bytes(std::span(text));
  REQUIRE(from.read_at(0, bytes).value() == text.size());
  return text;
}

bool reads_as_zeros(byte_view bytes) {
  for (auto b : bytes)
    if (b != std::byte{0})
      return false;
  return true;
}

/// Runs `act` in a child process and answers its wait status.
template <class Action>
int in_child(Action act) {
  auto child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    act();
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return status;
}

} // namespace

TEST_CASE("posix_file: more parts than one call takes are all written", "[storage]") {
  temporary_directory directory;
  auto to = create(directory / "f");
  std::string expected = "head";
  std::vector<std::string> pieces;
  for (int i = 0; i < 3000; ++i)
    pieces.push_back(i % 7 == 0 ? "" : std::to_string(i) + ",");
  std::vector<byte_view> parts;
  for (auto& piece : pieces) {
    parts.push_back(as_bytes(piece));
    expected += piece;
  }
  REQUIRE(write(*to, 0, "head").has_value());
  REQUIRE(to->write_at(4, parts).has_value());
  CHECK(to->size() == expected.size());
  CHECK(content_of(*to) == expected);
}

TEST_CASE("posix_file: a read that must not wait gives what was just written", "[storage]") {
  temporary_directory directory;
  auto to = create(directory / "f");
  const std::string text = std::string(10'000, 'x') + "end";
  REQUIRE(write(*to, 0, text).has_value());
  std::string got(text.size() + 100, '?');
  auto into = std::as_writable_bytes(std::span(got));
  auto read = to->read_resident(0, into);
  if (read.has_error()) { // the file system cannot say
    CHECK(read.error().code == errc::not_resident);
  } else {
    CHECK(read.value() == text.size()); // fewer at the end of the file
    CHECK(got.substr(0, text.size()) == text);
    CHECK(to->read_resident(text.size() - 3, into).value() == 3);
    CHECK(to->read_resident(text.size(), into).value() == 0);
    CHECK(to->read_resident(1 << 20, into).value() == 0);
  }
  auto beyond = to->read_resident(UINT64_MAX - 2, into);
  CHECK(beyond.error().code == errc::invalid_argument);
}

TEST_CASE("posix_file: a read that must not wait gives cold pages whole or not at all",
          "[storage]") {
  temporary_directory directory;
  const auto path = directory / "f";
  auto to = create(path);
  const std::string text(1 << 20, 'y');
  REQUIRE(write(*to, 0, text).has_value());
  REQUIRE(to->sync().has_value());
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  REQUIRE(fd >= 0);
  ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  ::close(fd);
  std::string got(text.size(), '?');
  auto into = std::as_writable_bytes(std::span(got));
  auto read = to->read_resident(0, into);
  if (read.has_error())
    CHECK(read.error().code == errc::not_resident);
  else
    CHECK(read.value() == text.size());
  REQUIRE(to->read_at(0, into).value() == text.size());
  CHECK(got == text);
}

TEST_CASE("posix_file: what lies in memory is always resident", "[storage]") {
  const std::string root = "/dev/shm";
  struct stat there {};
  if (::stat(root.c_str(), &there) != 0 || ::access(root.c_str(), W_OK) != 0)
    return; // no tmpfs here
  const auto path = root + "/troupe-resident-" + std::to_string(::getpid());
  auto to = create(path);
  std::filesystem::remove(path);
  REQUIRE(write(*to, 0, "abc").has_value());
  std::string got(3, '?');
  auto into = std::as_writable_bytes(std::span(got));
  CHECK(to->read_resident(0, into).value() == 3);
  CHECK(got == "abc");
}

TEST_CASE("posix_file: reading ends at the end of the file", "[storage]") {
  temporary_directory directory;
  auto to = create(directory / "f");
  REQUIRE(write(*to, 0, "0123456789").has_value());
  std::string into(8, '-');
  CHECK(to->read_at(6, std::as_writable_bytes(std::span(into))).value() == 4);
  CHECK(into == "6789----");
  CHECK(to->read_at(99, std::as_writable_bytes(std::span(into))).value() == 0);
}

TEST_CASE("posix_file: offsets that no file can hold are refused", "[storage]") {
  temporary_directory directory;
  auto to = create(directory / "f");
  auto huge = ~std::uint64_t{0} - 3;
  std::string into(8, '-');
  CHECK(write(*to, huge, "x").error().code == errc::invalid_argument);
  CHECK(to->read_at(huge, std::as_writable_bytes(std::span(into))).error().code ==
        errc::invalid_argument);
  CHECK(to->allocate(huge, blocks::sparse).error().code == errc::invalid_argument);
  CHECK(to->size() == 0);
}

TEST_CASE("posix_file: reserved blocks are taken, sparse ones are not", "[storage]") {
  temporary_directory directory;
  auto blocks_of = [&](const std::string& name) {
    struct stat status {};
    REQUIRE(::stat((directory / name).c_str(), &status) == 0);
    CHECK(status.st_size == 1 << 20);
    return status.st_blocks * 512;
  };
  auto reserved = create(directory / "reserved");
  REQUIRE(reserved->allocate(mib, blocks::reserved).has_value());
  CHECK(blocks_of("reserved") >= 1 << 20);
  auto sparse = create(directory / "sparse");
  REQUIRE(sparse->allocate(mib, blocks::sparse).has_value());
  CHECK(blocks_of("sparse") < 1 << 16);
  CHECK(reserved->size() == mib);

  REQUIRE(write(*reserved, mib - 1, "x").has_value());
  REQUIRE(reserved->allocate(10, blocks::reserved).has_value());
  REQUIRE(reserved->allocate(mib, blocks::reserved).has_value());
  CHECK(content_of(*reserved) == std::string(mib, '\0'));
}

TEST_CASE("posix_file: a zeroed range keeps its neighbours and the size", "[storage]") {
  temporary_directory directory;
  auto to = create(directory / "f");
  REQUIRE(write(*to, 0, std::string(20'000, 'x')).has_value());
  auto map = to->map(access::sequential).value();
  REQUIRE(to->zero_range(5'000, 15'001).has_value());
  auto expected = std::string(5'000, 'x') + std::string(10'001, '\0') + std::string(4'999, 'x');
  CHECK(content_of(*to) == expected);
  CHECK(as_text(map->bytes()) == expected);
  REQUIRE(to->zero_range(19'999, 1 << 30).has_value());
  CHECK(to->size() == 20'000);
  CHECK(content_of(*to).back() == '\0');
}

TEST_CASE("posix_file: next_data never skips a byte that was written", "[storage]") {
  temporary_directory directory;
  auto to = create(directory / "f");
  REQUIRE(to->allocate(mib, blocks::sparse).has_value());
  CHECK(to->next_data(0) == mib);
  REQUIRE(write(*to, 500'000, "x").has_value());
  CHECK(to->next_data(0) <= 500'000);
  CHECK(to->next_data(500'000) == 500'000);
  CHECK(to->next_data(2 * mib) == mib);
  CHECK(to->next_hole(500'000) > 500'000);
  CHECK(to->next_hole(to->next_data(0)) < mib);
  CHECK(to->next_hole(700'000) == 700'000);
  CHECK(to->next_hole(2 * mib) == mib);
}

TEST_CASE("posix_file: a mapping sees what is written afterwards", "[storage]") {
  temporary_directory directory;
  auto to = create(directory / "f");
  REQUIRE(to->map(access::random).error().code == errc::corrupt);
  REQUIRE(to->allocate(8192, blocks::reserved).has_value());
  auto map = to->map(access::random).value();
  CHECK(map->bytes().size() == 8192);
  REQUIRE(write(*to, 5000, "hello").has_value());
  CHECK(as_text(map->bytes().subspan(5000, 5)) == "hello");
  CHECK_FALSE(map->damaged());
}

TEST_CASE("posix_file: a page that cannot be read damages its mapping only", "[storage]") {
  temporary_directory directory;
  auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  auto torn = create(directory / "torn");
  auto whole = create(directory / "whole");
  for (auto& to : {torn, whole})
    REQUIRE(write(*to, 0, std::string(4 * page, 'x')).has_value());
  auto damaged = torn->map(access::sequential).value();
  auto intact = whole->map(access::sequential).value();
  REQUIRE(::truncate((directory / "torn").c_str(), static_cast<off_t>(page)) == 0);

  CHECK(damaged->bytes()[0] == std::byte{'x'});
  CHECK_FALSE(damaged->damaged());
  CHECK(reads_as_zeros(damaged->bytes().subspan(2 * page, page)));
  CHECK(damaged->damaged());
  CHECK(damaged->bytes()[0] == std::byte{'x'});
  CHECK(as_text(intact->bytes()) == std::string(4 * page, 'x'));
  CHECK_FALSE(intact->damaged());
}

TEST_CASE("posix_file: a guarded range that is given back starts undamaged", "[storage]") {
  temporary_directory directory;
  auto to = create(directory / "f");
  REQUIRE(write(*to, 0, "content").has_value());
  for (int i = 0; i < 2000; ++i) {
    auto map = to->map(access::sequential).value();
    REQUIRE_FALSE(map->damaged());
    map->revoke();
    REQUIRE(map->damaged());
  }
  std::vector<std::shared_ptr<mapping>> many; // more than one chunk of the registry
  for (int i = 0; i < 1500; ++i)
    many.push_back(to->map(access::sequential).value());
  REQUIRE(::truncate((directory / "f").c_str(), 0) == 0);
  CHECK(reads_as_zeros(many.back()->bytes()));
  CHECK(many.back()->damaged());
  CHECK_FALSE(many.front()->damaged());
}

TEST_CASE("posix_file: a bus error elsewhere ends the process", "[storage]") {
  posix_file_system();
  auto status = in_child([] {
    ::close(STDERR_FILENO);
    ::raise(SIGBUS);
  });
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 128 + SIGBUS);
}

TEST_CASE("posix_file: a revoked mapping stays readable, holds zeros and frees the file",
          "[storage]") {
  temporary_directory directory;
  auto to = create(directory / "f");
  REQUIRE(write(*to, 0, std::string(100'000, 'x')).has_value());
  auto map = to->map(access::sequential).value();
  slice held(std::shared_ptr<const mapping>(map), map->bytes().subspan(1000, 50'000));
  CHECK_FALSE(held.damaged());
  map->revoke();
  CHECK(held.damaged());
  CHECK(held.size() == 50'000);
  CHECK(reads_as_zeros(held.bytes()));
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);)
    CHECK(line.find(directory.path()) == std::string::npos);
}

TEST_CASE("posix_file: a failed sync is final", "[storage]") {
  temporary_directory directory;
  auto path = directory / "f";
  auto to = create(path);
  REQUIRE(to->sync().has_value());
  int number = -1; // of the descriptor in use
  for (auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code ignored;
    if (std::filesystem::read_symlink(entry.path(), ignored) == path)
      number = std::stoi(entry.path().filename());
  }
  REQUIRE(number >= 0);
  REQUIRE(::close(number) == 0); // the next call on it fails
  auto failed = to->sync();
  REQUIRE(failed.has_error());
  CHECK(failed.error().code == errc::io_error);
  auto other = ::open(path.c_str(), O_RDWR);
  REQUIRE((other == number || ::dup2(other, number) == number)); // and now it would succeed
  auto again = to->sync();
  REQUIRE(again.has_error());
  CHECK(again.error().message == failed.error().message);
  if (other != number)
    ::close(other);
}

TEST_CASE("posix_file_system: opening wants a plain file that is there", "[storage]") {
  temporary_directory directory;
  auto& fs = posix_file_system();
  CHECK(fs.open(directory / "none", open_mode::read).error().code == errc::not_found);
  CHECK(fs.open(directory / "none", open_mode::read_write).error().code == errc::not_found);
  CHECK(fs.open(directory.path(), open_mode::read).error().code == errc::io_error);
  auto failure = fs.open(directory / "none", open_mode::read).error();
  CHECK(failure.message.find(directory / "none") != std::string::npos);
}

TEST_CASE("posix_file_system: directories are made with all levels and listed by name",
          "[storage]") {
  temporary_directory directory;
  auto& fs = posix_file_system();
  REQUIRE(make_directories(fs, directory / "a/b/c").has_value());
  REQUIRE(make_directories(fs, directory / "a/b/c/").has_value());
  REQUIRE(write(*create(directory / "a/b/z"), 0, "12345").has_value());
  create(directory / "a/b/0");
  auto entries = fs.list(directory / "a/b").value();
  REQUIRE(entries.size() == 3);
  CHECK(entries[0].name == "0");
  CHECK(entries[1].name == "c");
  CHECK(entries[1].directory);
  CHECK(entries[2].name == "z");
  CHECK(entries[2].size == 5);
  CHECK(entries[2].modified_ms > 1'600'000'000'000);
  CHECK(fs.list(directory / "none").error().code == errc::not_found);
  CHECK(make_directories(fs, directory / "a/b/z").has_error());

  CHECK(fs.remove(directory / "a/b/c").has_value());
  CHECK(fs.remove(directory / "a/b/z").has_value());
  CHECK(fs.remove(directory / "a/b/z").has_value());
  CHECK(fs.remove(directory / "a/b").has_error());
  CHECK(fs.list(directory / "a/b").value().size() == 1);
}

TEST_CASE("posix_file_system: a file is replaced whole, and a left-over is no hindrance",
          "[storage]") {
  temporary_directory directory;
  auto& fs = posix_file_system();
  auto path = directory / "topics.json";
  REQUIRE(write(*create(path + ".tmp"), 0, "a longer left-over").has_value());
  REQUIRE(replace_file(fs, path, as_bytes("first")).has_value());
  REQUIRE(replace_file(fs, path, as_bytes("2nd")).has_value());
  CHECK(as_text(read_file(fs, path, 3).value()) == "2nd");
  CHECK(read_file(fs, path, 2).error().code == errc::too_large);
  CHECK(fs.list(directory.path()).value().size() == 1);
}

TEST_CASE("posix_file_system: usage is rounded up", "[storage]") {
  CHECK(disk_usage{1000, 1000}.used_percent() == 0);
  CHECK(disk_usage{1000, 999}.used_percent() == 1);
  CHECK(disk_usage{1000, 250}.used_percent() == 75);
  CHECK(disk_usage{1000, 249}.used_percent() == 76);
  CHECK(disk_usage{~std::uint64_t{0}, 0}.used_percent() == 100);
  temporary_directory directory;
  auto real = posix_file_system().usage(directory.path()).value();
  CHECK(real.total_bytes > 0);
  CHECK(real.available_bytes <= real.total_bytes);
}

TEST_CASE("posix_file_system: two locks exclude each other in one process", "[storage]") {
  temporary_directory directory;
  auto& fs = posix_file_system();
  auto path = directory / "lock";
  auto held = fs.lock(path);
  REQUIRE(held.has_value());
  CHECK(as_text(read_file(fs, path, 100).value()) == "lock");
  auto second = fs.lock(path);
  REQUIRE(second.has_error());
  CHECK(second.error().code == errc::locked);
  held.value().reset();
  CHECK(fs.lock(path).has_value());
}

TEST_CASE("posix_file_system: locks exclude other processes, also ones that lock as Java does",
          "[storage]") {
  temporary_directory directory;
  auto path = directory / "lock";
  auto held = posix_file_system().lock(path);
  REQUIRE(held.has_value());
  auto status = in_child([&] {
    struct flock range {};
    range.l_type = F_WRLCK;
    range.l_whence = SEEK_SET;
    range.l_len = 1;
    auto fd = ::open(path.c_str(), O_RDWR);
    auto refused = ::fcntl(fd, F_SETLK, &range) != 0;
    auto ours_refused = posix_file_system().lock(path).has_error();
    ::_exit(refused && ours_refused ? 7 : 1);
  });
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 7);
}
