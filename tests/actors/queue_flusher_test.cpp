#include "actors/queue_flusher.hpp"

#include "net/client.hpp"
#include "storage/os/posix_file_system.hpp"
#include "tests/support/actor_stand.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::test;
using action = observed_file_system::action;

namespace {

/// A queue-flusher with all its threads, in a system of its own, behind a log that is durable.
class threaded_stand {
public:
  threaded_stand() : files(storage::posix_file_system()) {
    client::configure(config_);
    system_ = std::make_unique<caf::actor_system>(config_);
    REQUIRE(storage::make_directories(files, options_.store.directory));
    for (int i = 0; i < 200; ++i) {
      request.directories.push_back(directory_ / ("store/" + std::to_string(i)));
      request.files.push_back(request.directories.back() + "/00");
      REQUIRE(files.make_directory(request.directories.back()));
      REQUIRE(files.open(request.files.back(), storage::open_mode::create));
    }
    request.applied = 4711;
    files.events.clear();
    flusher_ = system_->spawn<caf::detached>(queue_flusher, queue_flusher_setup{options_, &files});
    mend_log();
  }
  ~threaded_stand() { caf::anon_send_exit(flusher_, caf::exit_reason::user_shutdown); }

  void mend_log() {
    auto log = system_->spawn([] {
      return caf::behavior{[](flush_atom, log_run run, log_offset end) {
        return log_flushed{end, 1000, run};
      }};
    });
    set_log(caf::actor_cast<flusher_actor>(caf::actor_cast<caf::strong_actor_ptr>(log)));
  }
  void fail_log() {
    auto log = system_->spawn([] {
      return caf::behavior{[](flush_atom, log_run, log_offset) -> caf::result<log_flushed> {
        return make_caf_error(errc::write_stopped, "a sync failed");
      }};
    });
    set_log(caf::actor_cast<flusher_actor>(caf::actor_cast<caf::strong_actor_ptr>(log)));
  }
  /// The log's flusher, or none.
  void set_log(const flusher_actor& log) {
    role_table roles;
    roles.flusher = log;
    caf::anon_send(flusher_, roles);
  }
  errc sync() {
    caf::scoped_actor self{*system_};
    auto code = errc::none;
    self->request(flusher_, caf::infinite, request)
        .receive([](const queue_synced&) {},
                 [&](const caf::error& why) { code = from_caf(why).code; });
    return code;
  }

private:
  temporary_directory directory_;

public:
  observed_file_system files;
  queue_sync request;

private:
  node_options options_ = small_options(directory_ / "store");
  caf::actor_system_config config_;
  std::unique_ptr<caf::actor_system> system_;
  queue_flusher_actor flusher_;
};

} // namespace

TEST_CASE("queue_flusher: syncs every file, then every directory, then the checkpoint",
          "[actors]") {
  threaded_stand t;
  REQUIRE(t.sync() == errc::none);
  std::vector<std::string> files, directories;
  bool checkpoint = false;
  for (auto& [what, path] : t.files.events) {
    checkpoint = checkpoint || path.find("checkpoint") != std::string::npos;
    if (checkpoint)
      continue;
    if (what == action::sync) {
      CHECK(directories.empty());
      files.push_back(path);
    } else if (what == action::sync_directory) {
      directories.push_back(path);
    }
  }
  CHECK(checkpoint);
  std::ranges::sort(files);
  std::ranges::sort(directories);
  std::ranges::sort(t.request.files);
  std::ranges::sort(t.request.directories);
  CHECK(files == t.request.files);
  CHECK(directories == t.request.directories);
}

TEST_CASE("queue_flusher: what one thread cannot sync keeps the checkpoint away", "[actors]") {
  for (auto failing : {action::sync, action::sync_directory}) {
    threaded_stand t;
    auto bad = failing == action::sync ? t.request.files[150] : t.request.directories[150];
    t.files.fault = [&](action what, const std::string& path) {
      return what == failing && path == bad ? errc::io_error : errc::none;
    };
    CHECK(t.sync() == errc::io_error);
    CHECK(t.files.count(action::create, "checkpoint") == 0);
    t.files.fault = nullptr;
    CHECK(t.sync() == errc::io_error); // a failed sync is final
    CHECK(t.files.count(action::create, "checkpoint") == 0);
  }
}

TEST_CASE("queue_flusher: what the log's flusher has said once it need not say again",
          "[actors][spread]") {
  threaded_stand t;
  REQUIRE(t.sync() == errc::none);
  t.set_log({});
  CHECK(t.sync() == errc::none);
  t.request.run = 2; // of another run it was not said
  CHECK(t.sync() != errc::none);
  t.request.run = 0;
  ++t.request.applied;
  CHECK(t.sync() != errc::none);
}

TEST_CASE("queue_flusher: a log in doubt is no failure of the queues", "[actors][spread]") {
  threaded_stand t;
  t.fail_log();
  CHECK(t.sync() == errc::unavailable); // tried again, and not final
  t.mend_log();
  CHECK(t.sync() == errc::none);
}
