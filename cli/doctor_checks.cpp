#include "cli/doctor_checks.hpp"

#include "net/descriptors.hpp"
#include "net/quantity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

namespace troupe::cli {

namespace {

using level = diagnosis::level;
using net::cluster_config;

std::string size(std::uint64_t bytes) {
  return net::size_text(static_cast<std::int64_t>(bytes));
}

/// Of a disk, rounded down: "12GiB".
std::string rounded(std::uint64_t bytes) {
  constexpr std::uint64_t enough = 10;
  auto unit = bytes >= enough * storage::gib ? storage::gib : storage::mib;
  return size(bytes / unit * unit);
}

/// Collects findings; `good` says whether what was found is fine.
class findings {
public:
  void add(std::string what, bool good, level otherwise, std::string found, std::string remedy) {
    all_.push_back({std::move(what), good ? level::fine : otherwise, std::move(found),
                    good ? std::string() : std::move(remedy)});
  }
  std::vector<diagnosis> take() { return std::move(all_); }

private:
  std::vector<diagnosis> all_;
};

std::optional<std::int64_t> number_of(const machine_facts& m, std::string_view name) {
  auto found = m.kernel.find(name);
  if (found == m.kernel.end())
    return std::nullopt;
  std::int64_t value = 0;
  auto& text = found->second;
  auto [rest, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  return failure == std::errc() ? std::optional(value) : std::nullopt;
}

bool has_option(std::string_view options, std::string_view wanted) {
  while (!options.empty()) {
    auto end = std::min(options.find(','), options.size());
    if (options.substr(0, end) == wanted)
      return true;
    options.remove_prefix(std::min(end + 1, options.size()));
  }
  return false;
}

/// Readers map log files, each for itself.
void check_maps(findings& out, const machine_facts& m, const cluster_config& cluster) {
  auto maps = number_of(m, "vm.max_map_count");
  if (!maps)
    return;
  constexpr std::uint64_t of_the_program = 1000; // libraries, stacks, memory
  auto needed = m.log_files * (cluster.options.pull.readers + 2) + of_the_program;
  out.add("kernel.max_map_count", static_cast<std::uint64_t>(*maps) >= needed, level::wrong,
          fmt::format("vm.max_map_count = {}; {} files of the log need up to {}", *maps,
                      m.log_files, needed),
          fmt::format("sysctl -w vm.max_map_count={}, and the same in /etc/sysctl.d",
                      std::max<std::uint64_t>(needed * 2, 262'144)));
}

void check_kernel(findings& out, const machine_facts& m, const cluster_config& cluster) {
  check_maps(out, m, cluster);
  if (auto overcommit = number_of(m, "vm.overcommit_memory"))
    out.add("kernel.overcommit", *overcommit != 2, level::advice,
            "vm.overcommit_memory = " + std::to_string(*overcommit),
            "2 counts memory that is only reserved: a node may be refused some while much is free; "
            "sysctl -w vm.overcommit_memory=0");
  auto dirty = number_of(m, "vm.dirty_ratio");
  auto background = number_of(m, "vm.dirty_background_ratio");
  constexpr std::int64_t most_dirty = 40;
  constexpr std::int64_t most_background = 20;
  // Where limits in bytes are set the kernel says 0 here.
  if (dirty && background)
    out.add("kernel.dirty_ratios", *dirty <= most_dirty && *background <= most_background,
            level::advice,
            "vm.dirty_ratio = " + std::to_string(*dirty) +
                ", vm.dirty_background_ratio = " + std::to_string(*background),
            "much unwritten data is written at once, and syncs wait behind it; "
            "sysctl -w vm.dirty_ratio=20 vm.dirty_background_ratio=5");
  constexpr std::int64_t least_somaxconn = 1024;
  if (auto somaxconn = number_of(m, "net.core.somaxconn"))
    out.add("kernel.somaxconn", *somaxconn >= least_somaxconn, level::advice,
            "net.core.somaxconn = " + std::to_string(*somaxconn),
            "many clients that come at once are turned away; sysctl -w net.core.somaxconn=4096");
  if (auto found = m.kernel.find("transparent_hugepage"); found != m.kernel.end())
    out.add("kernel.transparent_hugepage", found->second.find("[always]") == std::string::npos,
            level::advice, found->second,
            "the kernel may stop the process to gather pages; "
            "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled");
}

void check_limits(findings& out, const machine_facts& m, const cluster_config& cluster) {
  if (m.descriptors) {
    auto wanted = cluster.gateway.connections;
    auto shares = net::share_descriptors(*m.descriptors, wanted);
    out.add("limit.descriptors",
            shares.connections >= wanted && *m.descriptors >= net::least_descriptors, level::wrong,
            std::to_string(*m.descriptors) + " descriptors: " + std::to_string(shares.connections) +
                " connections of " + std::to_string(wanted) + " wanted, " +
                std::to_string(shares.queue_files) + " queue files open at a time",
            "LimitNOFILE=65536 in the unit, or ulimit -Hn 65536; or lower [gateway] connections");
    out.add("limit.queue_files", shares.queue_files >= m.queue_files, level::advice,
            std::to_string(m.queue_files) + " queue files, " + std::to_string(shares.queue_files) +
                " may be open",
            "those that are not open are opened when they are needed, which is slower: raise the "
            "limit of descriptors (LimitNOFILE)");
  }
  auto largest = std::max(cluster.options.store.log_file_size_bytes,
                          cluster.options.store.queue_file_size_bytes);
  out.add("limit.file_size", !m.file_size_bytes || *m.file_size_bytes >= largest, level::wrong,
          m.file_size_bytes ? "a file may have " + size(*m.file_size_bytes)
                            : std::string("files may be as large as they like"),
          "a file of the log has " + size(largest) +
              ": LimitFSIZE=infinity, or ulimit -f unlimited");
}

/// Whose writes are not on a disk of this machine when a sync has returned, or never.
void check_file_system(findings& out, const machine_facts& m) {
  out.add("directory", m.directory_writable, level::wrong,
          m.directory + (m.directory_there ? "" : " (is not there yet)"),
          "the user who runs the node must be able to write there");
  auto& type = m.file_system;
  if (type.empty())
    return;
  constexpr std::array memory{"tmpfs", "ramfs"};
  constexpr std::array network{"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "glusterfs"};
  auto any_of = [&type](const auto& names) {
    return std::ranges::find(names, type) != names.end();
  };
  if (any_of(memory))
    out.add("file_system.type", false, level::wrong, type + ": it is memory, nothing is durable",
            "give the store a directory on a disk");
  else if (any_of(network))
    out.add("file_system.type", false, level::wrong,
            type + ": maps and locks of files on another machine fail in other ways",
            "give the store a directory on a disk of this machine");
  else
    out.add("file_system.type", type != "overlay" && !type.starts_with("fuse"), level::advice, type,
            "it goes with its container, or is slow: mount a volume or a disk there");
  bool barrier =
      !has_option(m.mount_options, "nobarrier") && !has_option(m.mount_options, "barrier=0");
  out.add("file_system.barriers", barrier, level::wrong, m.mount_options,
          "a power loss takes what was synced: mount it without nobarrier");
  out.add("file_system.options",
          !has_option(m.mount_options, "sync") && !has_option(m.mount_options, "dirsync") &&
              !has_option(m.mount_options, "data=journal"),
          level::advice, m.mount_options,
          "every write waits for the disk: mount it without sync, dirsync and data=journal");
  out.add("file_system.writable", !has_option(m.mount_options, "ro"), level::wrong, m.mount_options,
          "it is mounted read-only: dmesg may say why; remount it");
}

void check_disk(findings& out, const machine_facts& m, const cluster_config& cluster) {
  auto& o = cluster.options.store;
  if (m.disk_bytes != 0) {
    auto found = rounded(m.available_bytes) + " of " + rounded(m.disk_bytes) + " free, " +
                 std::to_string(m.used_percent) + " % used";
    if (m.used_percent > o.disk_warning_percent)
      out.add("disk.space", false, level::wrong,
              found + ": above disk-space-warning-level-ratio (" +
                  std::to_string(o.disk_warning_percent) + ")",
              "writes are refused: make room, or shorten file-reserved-time");
    else if (m.used_percent > o.disk_clean_forcibly_percent)
      out.add("disk.space", false, level::wrong,
              found + ": above disk-space-clean-forcibly-ratio (" +
                  std::to_string(o.disk_clean_forcibly_percent) + ")",
              "the oldest files go though they have not expired: make room, or shorten "
              "file-reserved-time");
    else
      out.add("disk.space", m.used_percent <= o.disk_max_used_percent, level::advice, found,
              "above disk-max-used-space-ratio expired files go at any hour: a larger disk, or a "
              "shorter file-reserved-time");
    // The next file of the log is made ahead of the one that is written.
    out.add("disk.next_files", m.available_bytes >= 2 * o.log_file_size_bytes, level::wrong, found,
            "two files of the log, of " + size(o.log_file_size_bytes) +
                " each, find no room: make some, or choose a smaller mapped-file-size-commit-log "
                "before there is data");
  }
  constexpr std::uint64_t least_inodes = 10'000;
  if (m.inodes_left)
    out.add("disk.inodes", *m.inodes_left >= least_inodes, level::wrong,
            std::to_string(*m.inodes_left) + " more files may be made",
            "each queue takes one at least: make room on the file system, or make it anew with "
            "more inodes");
  constexpr std::int64_t slow_us = 20'000;
  if (m.sync_us)
    out.add("disk.sync", *m.sync_us <= slow_us, level::advice,
            "a small write is durable after " + std::to_string(*m.sync_us) + " us, the slowest " +
                std::to_string(m.slowest_sync_us.value_or(*m.sync_us)) + " us",
            "with flush = sync every acknowledgement waits so long: a disk with a protected write "
            "cache, or nothing else on this one");
}

std::int64_t longest_delay(const storage::options& o) {
  std::int64_t longest = 0;
  for (std::int32_t i = 1; i <= o.delays.highest(); ++i)
    longest = std::max(longest, o.delays.of(i).value_or(0));
  return longest;
}

} // namespace

std::vector<diagnosis> diagnose(const machine_facts& machine, const cluster_config& cluster) {
  findings out;
  check_kernel(out, machine, cluster);
  check_limits(out, machine, cluster);
  check_file_system(out, machine);
  check_disk(out, machine, cluster);
  out.add("clock", machine.clock_synchronised, level::advice,
          machine.clock_synchronised ? "synchronised" : "nobody keeps it right",
          "store times and the age of files follow it: run chrony or systemd-timesyncd");
  return out.take();
}

std::vector<diagnosis> diagnose_settings(const cluster_config& cluster) {
  findings out;
  auto& o = cluster.options;
  auto largest = o.store.max_message_size_bytes;
  auto limit = [&](const char* key, std::uint64_t bytes) {
    out.add("settings.max-message-size", largest <= bytes, level::wrong,
            "max-message-size = " + size(largest) + ", " + key + " = " + size(bytes),
            "a message of that size would be refused as busy for ever: raise the one, or lower "
            "the other");
  };
  limit("parked-bytes of [writer]", o.writer.parked_bytes);
  limit("credit-bytes of [session]", o.session.credit_bytes);
  limit("connection-bytes of [gateway]", cluster.gateway.connection_bytes);
  limit("total-bytes of [gateway]", cluster.gateway.total_bytes);
  out.add("settings.pull-bytes", o.pull.max_bytes <= o.session.credit_bytes, level::advice,
          "max-bytes of [pull] = " + size(o.pull.max_bytes) +
              ", credit-bytes of [session] = " + size(o.session.credit_bytes),
          "no answer gets as large as max-bytes allows: raise credit-bytes");
  out.add("settings.connection-bytes",
          cluster.gateway.connection_bytes <= cluster.gateway.total_bytes, level::advice,
          "connection-bytes = " + size(cluster.gateway.connection_bytes) +
              ", total-bytes = " + size(cluster.gateway.total_bytes),
          "one connection never has what connection-bytes allows: lower it");
  auto kept = o.store.file_reserved_time_ms;
  out.add("settings.delay-levels", longest_delay(o.store) < kept, level::wrong,
          "the longest delay is " + net::duration_text(longest_delay(o.store)) +
              ", file-reserved-time = " + net::duration_text(kept),
          "a delayed message may be deleted before it is delivered: raise file-reserved-time");
  auto asked = o.transaction.timeout.count() +
               o.transaction.check_interval.count() * std::int64_t{o.transaction.check_max};
  out.add("settings.transactions", asked < kept, level::advice,
          "producers are asked for " + net::duration_text(asked) +
              ", file-reserved-time = " + net::duration_text(kept),
          "a message of a transaction may be deleted before it is given up: lower "
          "transaction-check-max or transaction-check-interval");
  return out.take();
}

} // namespace troupe::cli
