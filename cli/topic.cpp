#include "cli/commands.hpp"
#include "cli/message_json.hpp"
#include "cli/remote.hpp"
#include "net/admin/listing_json.hpp"
#include "net/quantity.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <thread>

namespace troupe::cli {

namespace {

using storage::result;

struct arguments {
  std::string topic;
  std::int32_t queues = 8;
  bool yes = false;
  // Of `update`; what is not given stays.
  std::optional<std::int32_t> all_queues;
  std::optional<std::int32_t> read_queues;
  std::optional<std::int32_t> write_queues;
  std::string perm;
  std::int64_t rate_ms = 0; ///< of `describe`: time between two samples; 0: no rates
};

using net::topic_json;

result<exit_code> create(const context& ctx, const arguments& args) {
  TROUPE_TRY(auto node, remote::open(ctx));
  topic_info wanted{args.topic, args.queues, args.queues, 6};
  TROUPE_TRY(auto made, node->ask<topic_info>(create_atom_v, wanted));
  if (made.write_queues != args.queues)
    return storage::error{errc::exists, "topic " + made.name + " exists already, with " +
                                            std::to_string(made.write_queues) + " queues"};
  print_line(ctx.json()
                 ? topic_json(made)
                 : "topic " + made.name + " has " + std::to_string(made.write_queues) + " queues");
  return exit_code::done;
}

result<exit_code> remove(const context& ctx, const arguments& args) {
  TROUPE_TRY(auto node, remote::open(ctx));
  if (!args.yes) { // what would be lost, and that there is such a topic
    TROUPE_TRY(auto topic, node->ask<topic_description>(bounds_atom_v, args.topic));
    std::int64_t messages = 0;
    for (auto& q : topic.queues)
      messages += q.max - q.min;
    print_note("topic " + args.topic + " has " + std::to_string(topic.queues.size()) +
               " queues and " + std::to_string(messages) + " messages; they cannot be had back");
  }
  if (!agreed(args.yes))
    return exit_code::failed;
  TROUPE_TRY(auto dead, node->ask<tombstone>(remove_atom_v, args.topic));
  std::string line = "topic " + dead.topic + " is deleted";
  if (ctx.json()) {
    line = "{\"topic\":";
    append_json_string(line, dead.topic);
    line += ",\"deletedAt\":" + std::to_string(dead.deleted_at) + "}";
  }
  print_line(line);
  return exit_code::done;
}

result<exit_code> list(const context& ctx) {
  TROUPE_TRY(auto node, remote::open(ctx));
  TROUPE_TRY(auto topics, node->ask<topic_list>(list_atom_v));
  for (auto& t : topics.topics)
    print_line(ctx.json() ? topic_json(t)
                          : t.name + "  " + std::to_string(t.write_queues) + " queues");
  return exit_code::done;
}

/// RocketMQ's bits: 4 to read, 2 to write.
std::optional<std::int32_t> perm_of(const std::string& text) {
  constexpr std::int32_t read = 4;
  constexpr std::int32_t write = 2;
  if (text == "rw")
    return read | write;
  if (text == "r")
    return read;
  if (text == "w")
    return write;
  return std::nullopt;
}

result<exit_code> update(const context& ctx, const arguments& args) {
  TROUPE_TRY(auto node, remote::open(ctx));
  TROUPE_TRY(auto topics, node->ask<topic_list>(list_atom_v));
  auto found = std::ranges::find(topics.topics, args.topic, &topic_info::name);
  if (found == topics.topics.end())
    return storage::error{errc::not_found, "there is no topic " + args.topic};
  auto wanted = *found;
  wanted.read_queues = args.read_queues.value_or(args.all_queues.value_or(wanted.read_queues));
  wanted.write_queues = args.write_queues.value_or(args.all_queues.value_or(wanted.write_queues));
  wanted.perm = perm_of(args.perm).value_or(wanted.perm);
  if (wanted.read_queues < wanted.write_queues)
    print_note("fewer queues are read than written: messages of the others wait for readers");
  TROUPE_TRY(auto made, node->ask<topic_info>(update_atom_v, wanted));
  print_line(ctx.json() ? topic_json(made)
                        : "topic " + made.name + ": " + std::to_string(made.read_queues) +
                              " queues to read, " + std::to_string(made.write_queues) +
                              " to write, perm " + std::to_string(made.perm));
  return exit_code::done;
}

/// Messages a second of each queue between two samples, by queue.
using rates = std::map<std::int32_t, double>;

result<rates> measure_rates(remote& node, topic_description& topic, std::int64_t ms) {
  rates found;
  auto began = std::chrono::steady_clock::now();
  std::this_thread::sleep_for(std::chrono::milliseconds(ms));
  TROUPE_TRY(auto later, node.ask<topic_description>(bounds_atom_v, topic.info.name));
  auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  for (auto& q : later.queues) {
    auto before = std::ranges::find(topic.queues, q.queue_id, &queue_bounds::queue_id);
    if (before != topic.queues.end() && q.max >= before->max) // else the topic was made anew
      found[q.queue_id] = static_cast<double>(q.max - before->max) / seconds;
  }
  topic = std::move(later);
  return found;
}

std::string rate_text(const rates& of, std::int32_t queue, const char* without) {
  auto found = of.find(queue);
  if (found == of.end())
    return without;
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", found->second);
  return text;
}

result<exit_code> describe(const context& ctx, const arguments& args) {
  TROUPE_TRY(auto node, remote::open(ctx));
  TROUPE_TRY(auto topic, node->ask<topic_description>(bounds_atom_v, args.topic));
  bool rated = args.rate_ms > 0;
  rates per_second;
  if (rated) {
    TROUPE_TRY(per_second, measure_rates(*node, topic, args.rate_ms));
  }
  if (!ctx.json())
    print_line("topic " + topic.info.name + ": " + std::to_string(topic.info.write_queues) +
               " queues\nqueue        min        max  " + (rated ? "messages/s  " : "") +
               "last stored");
  for (auto& q : topic.queues) {
    if (ctx.json()) {
      auto line = net::queue_json(topic.info.name, q);
      if (rated)
        line.insert(line.size() - 1,
                    ",\"messagesPerSecond\":" + rate_text(per_second, q.queue_id, "null"));
      print_line(line);
      continue;
    }
    char line[64];
    std::snprintf(line, sizeof line, "%5d %10lld %10lld  ", q.queue_id,
                  static_cast<long long>(q.min), static_cast<long long>(q.max));
    auto rate = rated ? rate_text(per_second, q.queue_id, "-") : std::string();
    if (rated)
      rate = std::string(rate.size() < 10 ? 10 - rate.size() : 0, ' ') + rate + "  ";
    print_line(line + rate +
               (q.last_store_ms < 0 ? std::string{"-"} : net::moment_text(q.last_store_ms)));
  }
  return exit_code::done;
}

} // namespace

void add_topic(CLI::App& app, context& ctx) {
  auto args = std::make_shared<arguments>();
  auto* topic = add_noun(app, "topic", "Create, list, describe, change and delete topics");

  auto* create_verb = topic->add_subcommand("create", "Create a topic");
  create_verb->add_option("TOPIC", args->topic, "Letters, digits, % | _ -")
      ->required()
      ->check([](const std::string& name) { return problem_of(storage::check_topic_name(name)); });
  create_verb->add_option("--queues", args->queues, "Number of queues")
      ->check(CLI::Range(1, static_cast<int>(storage::max_queues_per_topic)))
      ->capture_default_str();
  create_verb->callback([&ctx, args] { ctx.then([&ctx, args] { return create(ctx, *args); }); });

  auto* list_verb = topic->add_subcommand("list", "List all topics");
  list_verb->callback([&ctx] { ctx.then([&ctx] { return list(ctx); }); });

  auto* describe_verb =
      topic->add_subcommand("describe", "Show each queue's offsets and last store time");
  describe_verb->add_option("TOPIC", args->topic)->required();
  describe_verb->callback(
      [&ctx, args] { ctx.then([&ctx, args] { return describe(ctx, *args); }); });

  add_duration(*describe_verb, "--rate", args->rate_ms,
               "Show messages a second too, from two samples that far apart")
      ->check([](const std::string& text) {
        auto ms = net::parse_duration(text);
        return ms && (ms.value() < 100 || ms.value() > 60'000) ? std::string("100ms to 60s")
                                                               : std::string();
      });

  auto* update_verb = topic->add_subcommand("update", "Change a topic's queues or permission");
  update_verb->add_option("TOPIC", args->topic)->required();
  auto queues = CLI::Range(1, static_cast<int>(storage::max_queues_per_topic));
  update_verb->add_option("--queues", args->all_queues, "Queues to read and to write")
      ->check(queues);
  update_verb->add_option("--read-queues", args->read_queues, "Queues that are read")
      ->check(queues);
  update_verb->add_option("--write-queues", args->write_queues, "Queues that are written")
      ->check(queues);
  update_verb->add_option("--perm", args->perm, "r, w or rw")->check([](const std::string& text) {
    return perm_of(text) ? std::string() : "'" + text + "' is none of r, w, rw";
  });
  update_verb->callback([&ctx, args] {
    if (!args->all_queues && !args->read_queues && !args->write_queues && args->perm.empty())
      throw CLI::RequiredError("--queues, --read-queues, --write-queues or --perm");
    ctx.then([&ctx, args] { return update(ctx, *args); });
  });

  auto* delete_verb = topic->add_subcommand("delete", "Delete a topic with all its messages");
  delete_verb->add_option("TOPIC", args->topic)->required();
  delete_verb->add_flag("--yes", args->yes, "Do it without asking");
  delete_verb->callback([&ctx, args] { ctx.then([&ctx, args] { return remove(ctx, *args); }); });
}

} // namespace troupe::cli
