#include "cli/doctor_checks.hpp"

#include "net/config.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>

using namespace troupe;
using namespace troupe::cli;
using level = diagnosis::level;

namespace {

/// Of a machine that a node likes.
machine_facts good_machine() {
  machine_facts m;
  m.kernel = {{"vm.max_map_count", "65530"},  {"vm.overcommit_memory", "0"},
              {"vm.dirty_ratio", "20"},       {"vm.dirty_background_ratio", "10"},
              {"net.core.somaxconn", "4096"}, {"transparent_hugepage", "always [madvise] never"}};
  m.descriptors = 65536;
  m.directory = "/d";
  m.file_system = "ext4";
  m.mount_options = "rw,relatime";
  m.disk_bytes = 100 * storage::gib;
  m.available_bytes = 50 * storage::gib;
  m.used_percent = 50;
  m.inodes_left = 1'000'000;
  m.log_files = 10;
  m.queue_files = 100;
  m.sync_us = 500;
  m.slowest_sync_us = 900;
  return m;
}

level worst(const std::vector<diagnosis>& all) {
  return std::ranges::max(all, {}, &diagnosis::how).how;
}

/// What is not fine, each with its name; every one says what to do.
std::vector<std::string> not_fine(const std::vector<diagnosis>& all) {
  std::vector<std::string> names;
  for (auto& d : all)
    if (d.how != level::fine) {
      names.push_back(d.what);
      CHECK(!d.remedy.empty());
    }
  return names;
}

using names = std::vector<std::string>;

} // namespace

TEST_CASE("doctor: a good machine with the defaults is fine", "[cli]") {
  CHECK(not_fine(diagnose(good_machine(), {})).empty());
  CHECK(not_fine(diagnose_settings({})).empty());
}

TEST_CASE("doctor: what the kernel and the limits refuse is wrong", "[cli]") {
  auto with = [](auto change) {
    auto m = good_machine();
    change(m);
    return diagnose(m, {});
  };
  auto maps = with([](auto& m) { m.log_files = 100'000; });
  CHECK(not_fine(maps) == names{"kernel.max_map_count"});
  CHECK(worst(maps) == level::wrong);
  auto few = with([](auto& m) { m.descriptors = 256; });
  CHECK(not_fine(few) == names{"limit.descriptors", "limit.queue_files"});
  CHECK(worst(few) == level::wrong);
  auto many_queues = with([](auto& m) { m.queue_files = 10'000'000; });
  CHECK(not_fine(many_queues) == names{"limit.queue_files"});
  CHECK(worst(many_queues) == level::advice);
  CHECK(not_fine(with([](auto& m) { m.file_size_bytes = storage::mib; })) ==
        names{"limit.file_size"});
  CHECK(not_fine(with([](auto& m) { m.kernel["transparent_hugepage"] = "[always] madvise"; })) ==
        names{"kernel.transparent_hugepage"});
  CHECK(not_fine(with([](auto& m) { m.kernel["vm.overcommit_memory"] = "2"; })) ==
        names{"kernel.overcommit"});
  CHECK(not_fine(with([](auto& m) { m.kernel.clear(); })).empty());
}

TEST_CASE("doctor: file systems that do not keep what was synced are wrong", "[cli]") {
  auto with = [](const char* type, const char* options) {
    auto m = good_machine();
    m.file_system = type;
    m.mount_options = options;
    return diagnose(m, {});
  };
  CHECK(worst(with("tmpfs", "rw")) == level::wrong);
  CHECK(worst(with("nfs4", "rw")) == level::wrong);
  CHECK(worst(with("overlay", "rw")) == level::advice);
  CHECK(not_fine(with("ext4", "rw,nobarrier")) == names{"file_system.barriers"});
  CHECK(not_fine(with("ext4", "ro,relatime")) == names{"file_system.writable"});
  CHECK(not_fine(with("ext4", "rw,sync")) == names{"file_system.options"});
  CHECK(not_fine(with("ext4", "rw,errors=remount-ro,async")).empty());
}

TEST_CASE("doctor: the disk's use is judged by the node's own thresholds", "[cli]") {
  auto used = [](int percent) {
    auto m = good_machine();
    m.used_percent = percent;
    return worst(diagnose(m, {}));
  };
  CHECK(used(75) == level::fine);
  CHECK(used(76) == level::advice);
  CHECK(used(86) == level::wrong);
  CHECK(used(91) == level::wrong);
  auto m = good_machine();
  m.available_bytes = storage::gib;
  CHECK(not_fine(diagnose(m, {})) == names{"disk.next_files"});
}

TEST_CASE("doctor: settings that contradict each other are named", "[cli]") {
  net::cluster_config small;
  small.options.session.credit_bytes = storage::mib;
  CHECK(not_fine(diagnose_settings(small)) == names{"settings.max-message-size"});
  net::cluster_config short_lived;
  short_lived.options.store.file_reserved_time_ms = 3600 * 1000;
  CHECK(not_fine(diagnose_settings(short_lived)) == names{"settings.delay-levels"});
  net::cluster_config patient;
  patient.options.transaction.check_max = 10'000;
  CHECK(not_fine(diagnose_settings(patient)) == names{"settings.transactions"});
}
