#include "cli/commands.hpp"
#include "cli/doctor.hpp"
#include "cli/remote.hpp"
#include "cli/status_text.hpp"
#include "cli/store_usage.hpp"
#include "cli/tar_file.hpp"
#include "cli/version.hpp"
#include "net/admin/status_json.hpp"
#include "net/config_table.hpp"
#include "storage/clock.hpp"
#include "storage/os/posix_file_system.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>

#include <fcntl.h>
#include <sys/utsname.h>
#include <unistd.h>

namespace troupe::cli {

namespace {

using storage::result;

struct arguments {
  std::string log;
  std::string out = "troupe-debug.tar";
};

std::string error_text(const storage::error& why) {
  return why.message + " (" + std::string(storage::name_of(why.code)) + ")\n";
}

/// Of a result that is text, or why there is none.
std::string text_of(const result<std::string>& read) {
  return read ? read.value() + "\n" : error_text(read.error());
}

/// Settings of the framework are not looked into: one may say anything.
bool may_be_secret(std::string_view key) {
  constexpr std::array words{"password", "passphrase", "secret", "token", "key"};
  return std::ranges::any_of(
      words, [key](std::string_view word) { return key.find(word) != std::string_view::npos; });
}

/// Every setting with its place. The files that some name (keys, accounts) are named and not read.
std::string settings_text(const net::cluster_config& cluster) {
  std::string out;
  auto add = [&out](std::string_view section, std::string_view key, const std::string& value,
                    const std::string& place) {
    out.append(section).append(".").append(key).append(" = ").append(value);
    out.append("  # ").append(place.empty() ? "default" : place).append("\n");
  };
  for (auto& s : net::settings()) {
    if (s.section == "node")
      continue;
    auto at = cluster.places.find(std::string(s.section) + "." + std::string(s.key));
    add(s.section, s.key, net::written(s, cluster, {}),
        at == cluster.places.end() ? std::string() : at->second);
  }
  for (auto& node : cluster.nodes)
    for (auto& s : net::settings())
      if (s.section == "node")
        add("node " + node.name, s.key, net::written(s, cluster, node),
            node.places.contains(s.key) ? node.place_of(s.key) : std::string());
  for (auto& line : cluster.caf)
    add("caf", line.key, may_be_secret(line.key) ? "(left out)" : line.value, line.place);
  return out;
}

result<std::string> status_of_node(const context& ctx) {
  TROUPE_TRY(auto node, remote::open(ctx));
  TROUPE_TRY(auto status, node->ask<node_status>(status_atom_v));
  return status_text(status) + "\n" + net::status_json(status);
}

/// The last lines of a log, whole ones.
result<std::string> end_of_log(const std::string& path) {
  constexpr std::streamoff most = 1 << 20;
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in)
    return storage::system_error(errno, "cannot read " + path);
  auto size = static_cast<std::streamoff>(in.tellg());
  auto from = std::max<std::streamoff>(0, size - most);
  in.seekg(from);
  std::string text(static_cast<std::size_t>(size - from), '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (from > 0)
    text.erase(0, text.find('\n') + 1); // all of it, if there is no line break
  return text;
}

std::string system_text() {
  utsname name{};
  if (::uname(&name) != 0)
    return {};
  return std::string(name.sysname) + " " + name.release + " " + name.version + " " + name.machine +
         "\n";
}

/// Nobody else may read it; what is there already stays.
result<void> write_new(const std::string& path, const std::string& bytes) {
  auto file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file == -1)
    return storage::system_error(errno, "cannot make " + path);
  std::size_t done = 0;
  int failure = 0;
  while (done < bytes.size() && failure == 0) {
    auto count = ::write(file, bytes.data() + done, bytes.size() - done);
    if (count > 0)
      done += static_cast<std::size_t>(count);
    else if (count == 0 || errno != EINTR)
      failure = count == 0 ? EIO : errno;
  }
  if (::close(file) != 0 && failure == 0)
    failure = errno;
  if (failure != 0) {
    ::unlink(path.c_str());
    return storage::system_error(failure, "cannot write " + path);
  }
  return boost::outcome_v2::success();
}

result<exit_code> bundle(const context& ctx, const arguments& args) {
  auto now_s = storage::system_wall_clock().now_ms() / 1000;
  tar_file tar;
  std::string list;
  auto add = [&](const std::string& name, const std::string& content) {
    tar.add("troupe-debug/" + name, content, now_s);
    list += (list.empty() ? "" : ", ") + name;
  };
  add("version.txt", version_text() + "\n" + system_text());
  add("status.txt", text_of(status_of_node(ctx)));
  if (auto chosen = ctx.load()) {
    add("config.txt", settings_text(chosen.value().cluster));
    std::string found;
    for (auto& d : examine(chosen.value()))
      found += diagnosis_json(d) + "\n";
    add("doctor.txt", found);
    add("df.txt", text_of(usage_json(ctx, chosen.value().node.directory)));
  } else {
    add("config.txt", error_text(chosen.error()));
  }
  if (!args.log.empty())
    add("log.txt", text_of(end_of_log(args.log)));
  TROUPE_TRY(write_new(args.out, tar.take()));
  print_line(args.out + " holds " + list + (args.log.empty() ? "; no log: give --log FILE" : ""));
  return exit_code::done;
}

} // namespace

void add_debug(CLI::App& app, context& ctx) {
  auto args = std::make_shared<arguments>();
  auto* noun = add_noun(app, "debug", "For reports of faults");
  auto* verb = noun->add_subcommand(
      "bundle", "Gather version, settings, status, doctor, df and the log's end in a .tar; no "
                "messages, no keys, no accounts");
  verb->add_option("--log", args->log, "The file to which the node's standard error goes")
      ->type_name("FILE");
  verb->add_option("--out", args->out, "The archive, which must not be there")
      ->capture_default_str()
      ->type_name("FILE");
  verb->callback([&ctx, args] { ctx.then([&ctx, args] { return bundle(ctx, *args); }); });
}

} // namespace troupe::cli
