#include "cli/bench_load.hpp"
#include "cli/bench_report.hpp"
#include "cli/commands.hpp"
#include "cli/remote.hpp"
#include "cli/system_config.hpp"
#include "net/consumer.hpp"
#include "net/server.hpp"
#include "storage/os/posix_file_system.hpp"

#include <filesystem>
#include <map>
#include <memory>
#include <thread>

#include <unistd.h>

namespace troupe::cli {

namespace {

using storage::result;

struct arguments {
  load_options load;
  std::string directory;
  std::string flush = "async";
  std::uint32_t sessions = 1;
  bool warm_up = false;
};

/// Where the load goes: a node in this process, or the one that `--connect` names.
class target {
public:
  static result<std::unique_ptr<target>> open(const context& ctx, const arguments& args) {
    TROUPE_TRY(auto config, make_system_config({}));
    auto made = std::make_unique<target>(std::move(config));
    if (!ctx.connect.empty()) {
      TROUPE_TRY(made->remote_, remote::open(ctx));
      made->services_.assign(1, made->remote_->service());
      return made;
    }
    auto parent = std::filesystem::temp_directory_path();
    made->own_directory_ = args.directory.empty();
    made->directory_ = args.directory.empty()
                           ? (parent / ("troupe-bench-" + std::to_string(::getpid()))).string()
                           : args.directory;
    net::cluster_config cluster;
    cluster.options.store.flush =
        args.flush == "sync" ? storage::flush_policy::sync : storage::flush_policy::async;
    cluster.gateway.enabled = false; // only sessions of this process
    net::node_config node;
    node.name = "bench";
    node.directory = made->directory_;
    TROUPE_TRY(made->server_,
               net::server::start(made->system_, cluster, node, storage::posix_file_system()));
    for (std::uint32_t i = 0; i < std::max(1u, args.sessions); ++i) {
      TROUPE_TRY(auto session, made->server_->open_session());
      made->services_.push_back(session);
    }
    return made;
  }

  explicit target(std::unique_ptr<caf::actor_system_config> config)
      : config_(std::move(config)), system_(*config_), self_(system_) {}

  ~target() {
    services_.clear();
    remote_.reset();
    server_.reset();
    std::error_code ignored;
    if (own_directory_)
      std::filesystem::remove_all(directory_, ignored);
  }

  caf::actor_system& system() { return remote_ ? remote_->system() : system_; }
  const std::vector<store_service>& services() const { return services_; }

  template <class Result, class... Arguments>
  result<Result> ask(Arguments&&... arguments) {
    if (remote_)
      return remote_->ask<Result>(std::forward<Arguments>(arguments)...);
    return client::ask<Result>(self_, services_.front(), std::forward<Arguments>(arguments)...);
  }

private:
  std::unique_ptr<caf::actor_system_config> config_;
  caf::actor_system system_;
  caf::scoped_actor self_;
  std::unique_ptr<remote> remote_;
  std::unique_ptr<net::server> server_;
  std::vector<store_service> services_;
  std::string directory_;
  bool own_directory_ = false;
};

result<void> make_topics(target& to, std::uint32_t queues) {
  for (std::uint32_t first = 0; first < queues; first += queues_per_topic) {
    auto count = static_cast<std::int32_t>(std::min(queues_per_topic, queues - first));
    TROUPE_TRY(
        to.ask<topic_info>(create_atom_v, topic_info{queue_of(first).topic, count, count, 6}));
  }
  return boost::outcome_v2::success();
}

void wait_for(const load_counts& counts) {
  while (counts.running > 0)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

result<void> check(const load_counts& counts) {
  if (counts.failed > 0)
    return storage::error{errc::io_error,
                          std::to_string(counts.failed) + " messages failed: " + counts.failure};
  return boost::outcome_v2::success();
}

/// Asks for the status until it is so.
template <class Reached>
result<node_status> wait_until(target& to, Reached reached) {
  for (;;) {
    TROUPE_TRY(auto status, to.ask<node_status>(status_atom_v));
    if (!status.queues.failure.empty())
      return storage::error{errc::io_error, status.queues.failure};
    if (reached(status))
      return status;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

/// Waits until everything is in the queues.
result<node_status> drain(target& to) {
  return wait_until(to, [](const node_status& now) {
    return now.writer.backlog == 0 && now.queues.applied >= now.writer.end;
  });
}

/// Gives each queue a message, so that its files are there, and waits until they are durable. A
/// message at a time in a request: nothing is to be refused because ten thousand files take long.
result<std::uint64_t> warm_up(target& to, load_options load) {
  auto each = (load.queues + load.producers - 1) / load.producers;
  load.messages = std::uint64_t{each} * load.producers;
  load.batch = 1;
  auto counts = std::make_shared<load_counts>();
  start_producers(to.system(), to.services(), load, counts);
  wait_for(*counts);
  TROUPE_TRY(check(*counts));
  TROUPE_TRY(
      wait_until(to, [](const node_status& now) { return now.queues.durable >= now.writer.end; }));
  return load.messages;
}

/// Where each queue ends.
result<std::vector<queue_offset>> queue_ends(target& from, std::uint32_t queues) {
  std::vector<queue_offset> ends(queues, 0);
  for (std::uint32_t first = 0; first < queues; first += queues_per_topic) {
    TROUPE_TRY(auto topic, from.ask<topic_description>(bounds_atom_v, queue_of(first).topic));
    for (auto& queue : topic.queues)
      ends[first + static_cast<std::uint32_t>(queue.queue_id)] = queue.max;
  }
  return ends;
}

/// Reads everything back, from message 0 to the load's last: each body whole, numbers rising in
/// each queue, none missing or twice.
result<bool> verify(target& from, const load_options& load) {
  body_source bodies(load.size);
  const auto messages = load.first + load.messages;
  std::vector<bool> seen(messages, false);
  std::uint64_t count = 0;
  TROUPE_TRY(auto ends, queue_ends(from, load.queues));
  for (std::uint32_t q = 0; q < load.queues; ++q) {
    auto queue = queue_of(q);
    std::map<std::uint64_t, std::int64_t> last; // by producer: each sends its own in order
    for (queue_offset next = 0; next < ends[q];) {
      pull_request request{queue.topic, queue.id, next, 1024, storage::mib, {}, 0};
      TROUPE_TRY(auto answer, from.ask<pull_response>(request));
      for (auto& record : answer.records) {
        TROUPE_TRY(auto view, client::decode(record));
        auto number = bodies.check(view.body);
        auto place = static_cast<std::uint64_t>(number);
        if (number < 0 || place >= messages || seen[place])
          return false;
        seen[place] = true;
        auto& before = last.try_emplace(place % load.producers, -1).first->second;
        if (number <= before)
          return false;
        before = number;
        ++count;
      }
      if (answer.next <= next)
        return false;
      next = answer.next;
    }
  }
  return count == messages;
}

exit_code show(const context& ctx, const bench_report& report) {
  print_line(ctx.json() ? report_json(report) : report_text(report));
  return report.verified ? exit_code::done : exit_code::failed;
}

result<exit_code> put(const context& ctx, const arguments& args) {
  TROUPE_TRY(auto to, target::open(ctx, args));
  TROUPE_TRY(make_topics(*to, args.load.queues));
  auto load = args.load;
  if (args.warm_up) {
    TROUPE_TRY(load.first, warm_up(*to, load));
  }
  bench_report report{"put-" + std::to_string(load.batch), load};
  auto counts = std::make_shared<load_counts>();
  {
    usage_meter meter;
    start_producers(to->system(), to->services(), load, counts);
    wait_for(*counts);
    report.seconds = meter.seconds();
    TROUPE_TRY(auto status, drain(*to));
    report.drain_seconds = meter.seconds() - report.seconds;
    report.cpu_seconds = meter.cpu_seconds();
    report.anonymous_peak_mib = meter.anonymous_peak_mib();
    report.backlog_max = status.writer.backlog_max;
  }
  TROUPE_TRY(check(*counts));
  report.messages = counts->answered;
  report.take_latencies(*counts);
  TROUPE_TRY(report.verified, verify(*to, load));
  return show(ctx, report);
}

result<exit_code> get(const context& ctx, const arguments& args) {
  TROUPE_TRY(auto from, target::open(ctx, args));
  TROUPE_TRY(make_topics(*from, args.load.queues));
  auto fill = args.load;
  fill.batch = 64;
  auto stored = std::make_shared<load_counts>();
  start_producers(from->system(), from->services(), fill, stored);
  wait_for(*stored);
  TROUPE_TRY(check(*stored));
  TROUPE_TRY(drain(*from));
  TROUPE_TRY(auto ends, queue_ends(*from, args.load.queues));
  bench_report report{"get-" + std::to_string(args.load.batch), args.load};
  auto counts = std::make_shared<load_counts>();
  {
    usage_meter meter;
    start_readers(from->system(), from->services(), args.load, ends, counts);
    wait_for(*counts);
    report.seconds = meter.seconds();
    report.cpu_seconds = meter.cpu_seconds();
    report.anonymous_peak_mib = meter.anonymous_peak_mib();
  }
  TROUPE_TRY(check(*counts));
  report.messages = counts->answered;
  report.take_latencies(*counts);
  TROUPE_TRY(auto intact, verify(*from, args.load));
  report.verified = intact && report.messages == args.load.messages;
  return show(ctx, report);
}

void add_load_options(CLI::App& verb, arguments& args) {
  auto& load = args.load;
  add_number(verb, "--messages", load.messages, "Messages", 1, 10'000'000'000);
  verb.add_option("--size", load.size, "Bytes of a body")->check(CLI::Range(8, 4 << 20));
  verb.add_option("--batch", load.batch, "Messages of a request")->check(CLI::Range(1, 65536));
  verb.add_option("--queues", load.queues, "Queues, 1000 a topic")->check(CLI::Range(1, 100'000));
  verb.add_option("--in-flight", load.in_flight, "Messages open at a time")
      ->check(CLI::Range(1, 65536));
  verb.add_option("--producers", load.producers, "Producing actors")->check(CLI::Range(1, 4096));
  verb.add_option("--sessions", args.sessions, "Sessions that they share")
      ->check(CLI::Range(1, 1000));
  verb.add_flag("--unique-keys", load.unique_keys, "Give each message a unique key");
  verb.add_option("--flush", args.flush, "Of the node in this process")
      ->check(CLI::IsMember({"sync", "async"}));
  verb.add_option("--directory", args.directory,
                  "Its directory, empty or new (default: a temporary one)");
}

} // namespace

void add_bench(CLI::App& app, context& ctx) {
  auto args = std::make_shared<arguments>();
  auto* bench = add_noun(app, "bench", "Measure a node in this process, or one named by --connect");

  auto* put_verb = bench->add_subcommand("put", "Send messages, then read all back and check");
  add_load_options(*put_verb, *args);
  put_verb->add_flag("--warm-up", args->warm_up,
                     "First give each queue a message, and wait until its files are durable");
  put_verb->callback([&ctx, args] { ctx.then([&ctx, args] { return put(ctx, *args); }); });

  auto* get_verb = bench->add_subcommand("get", "Store messages, then pull them");
  add_load_options(*get_verb, *args);
  get_verb->callback([&ctx, args] { ctx.then([&ctx, args] { return get(ctx, *args); }); });
}

} // namespace troupe::cli
