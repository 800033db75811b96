#include "cli/commands.hpp"
#include "cli/message_json.hpp"
#include "cli/remote.hpp"
#include "net/quantity.hpp"

#include <memory>

namespace troupe::cli {

namespace {

using storage::result;

struct arguments {
  std::string topic;
  std::int32_t queues = 8;
  bool yes = false;
};

std::string topic_json(const topic_info& t) {
  std::string line = "{\"topic\":";
  append_json_string(line, t.name);
  return line + ",\"readQueues\":" + std::to_string(t.read_queues) +
         ",\"writeQueues\":" + std::to_string(t.write_queues) +
         ",\"perm\":" + std::to_string(t.perm) + "}";
}

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

result<exit_code> describe(const context& ctx, const arguments& args) {
  TROUPE_TRY(auto node, remote::open(ctx));
  TROUPE_TRY(auto topic, node->ask<topic_description>(bounds_atom_v, args.topic));
  if (!ctx.json())
    print_line("topic " + topic.info.name + ": " + std::to_string(topic.info.write_queues) +
               " queues\nqueue        min        max  last stored");
  for (auto& q : topic.queues) {
    if (ctx.json()) {
      std::string line = "{\"topic\":";
      append_json_string(line, topic.info.name);
      print_line(line + ",\"queueId\":" + std::to_string(q.queue_id) + ",\"minOffset\":" +
                 std::to_string(q.min) + ",\"maxOffset\":" + std::to_string(q.max) +
                 ",\"lastStoreTimestamp\":" + std::to_string(q.last_store_ms) + "}");
      continue;
    }
    char line[64];
    std::snprintf(line, sizeof line, "%5d %10lld %10lld  ", q.queue_id,
                  static_cast<long long>(q.min), static_cast<long long>(q.max));
    print_line(line + (q.last_store_ms < 0 ? std::string{"-"} : net::moment_text(q.last_store_ms)));
  }
  return exit_code::done;
}

} // namespace

void add_topic(CLI::App& app, context& ctx) {
  auto args = std::make_shared<arguments>();
  auto* topic = add_noun(app, "topic", "Create, list, describe and delete topics");

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

  auto* delete_verb = topic->add_subcommand("delete", "Delete a topic with all its messages");
  delete_verb->add_option("TOPIC", args->topic)->required();
  delete_verb->add_flag("--yes", args->yes, "Do it without asking");
  delete_verb->callback([&ctx, args] { ctx.then([&ctx, args] { return remove(ctx, *args); }); });
}

} // namespace troupe::cli
