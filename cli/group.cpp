#include "cli/commands.hpp"
#include "cli/group_progress.hpp"
#include "cli/message_json.hpp"
#include "cli/start_position.hpp"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <set>

namespace troupe::cli {

namespace {

using storage::result;

struct arguments {
  std::string group;
  std::string topic;
  std::int32_t queue = -1; ///< -1: all
  std::string to;
  bool dry_run = false;
  bool force = false;
  bool yes = false;
  bool keep_offsets = false;
};

std::string members_json(const std::optional<std::vector<std::string>>& members) {
  if (!members)
    return "null";
  std::string list = "[";
  for (auto& id : *members)
    append_json_string(list += list.size() == 1 ? "" : ",", id);
  return list + "]";
}

std::string members_text(const std::optional<std::vector<std::string>>& members) {
  return members ? std::to_string(members->size()) + (members->size() == 1 ? " member" : " members")
                 : std::string("members unknown");
}

result<exit_code> list(const context& ctx) {
  TROUPE_TRY(auto node, remote::open(ctx));
  TROUPE_TRY(auto groups, progress_of_groups(*node, {}));
  for (auto& [group, queues] : groups) {
    TROUPE_TRY(auto members, members_of(*node, group));
    std::int64_t lag = 0;
    std::set<std::string> topics;
    for (auto& q : queues) {
      lag += q.lag();
      topics.insert(q.topic);
    }
    if (!ctx.json()) {
      print_line(group + "  " + std::to_string(topics.size()) +
                 (topics.size() == 1 ? " topic, " : " topics, ") + std::to_string(lag) +
                 " behind, " + members_text(members));
      continue;
    }
    std::string line = "{\"group\":";
    append_json_string(line, group);
    print_line(line + ",\"topics\":" + std::to_string(topics.size()) +
               ",\"lag\":" + std::to_string(lag) + ",\"members\":" + members_json(members) + "}");
  }
  return exit_code::done;
}

/// A group of which something is kept, or that has members.
result<std::vector<queue_progress>> known_group(remote& node, const std::string& group) {
  TROUPE_TRY(auto groups, progress_of_groups(node, group));
  auto found = groups.find(group);
  if (found != groups.end())
    return std::move(found->second);
  TROUPE_TRY(auto members, members_of(node, group));
  if (members && !members->empty())
    return std::vector<queue_progress>();
  return storage::error{errc::not_found, "nothing is known of a group " + group};
}

void print_queue(const context& ctx, const std::string& group, const queue_progress& q) {
  if (!ctx.json()) {
    char line[96];
    std::snprintf(line, sizeof line, "%5d %10lld %10lld %10lld %10lld  ", q.queue_id,
                  static_cast<long long>(q.min), static_cast<long long>(q.max),
                  static_cast<long long>(q.stored), static_cast<long long>(q.lag()));
    return print_line(line + q.topic);
  }
  std::string line = "{\"group\":";
  append_json_string(line, group);
  append_json_string(line += ",\"topic\":", q.topic);
  print_line(line + ",\"queueId\":" + std::to_string(q.queue_id) +
             ",\"minOffset\":" + std::to_string(q.min) + ",\"maxOffset\":" + std::to_string(q.max) +
             ",\"offset\":" + std::to_string(q.stored) + ",\"lag\":" + std::to_string(q.lag()) +
             "}");
}

result<exit_code> show(const context& ctx, const arguments& args) {
  TROUPE_TRY(auto node, remote::open(ctx));
  TROUPE_TRY(auto queues, known_group(*node, args.group));
  TROUPE_TRY(auto members, members_of(*node, args.group));
  if (!ctx.json()) {
    print_line("group " + args.group + ": " + members_text(members));
    for (auto& id : members.value_or(std::vector<std::string>()))
      print_line("  " + id);
    print_line("queue        min        max     offset     behind  topic");
  }
  for (auto& q : queues)
    print_queue(ctx, args.group, q);
  return exit_code::done;
}

/// Members that run store their own progress over whatever is set here.
result<void> refuse_members(remote& node, const arguments& args, const char* what) {
  TROUPE_TRY(auto members, members_of(node, args.group));
  if (members && members->empty())
    return boost::outcome_v2::success();
  auto who = members ? "group " + args.group + " has " + members_text(members) + ", " +
                           members->front() + (members->size() == 1 ? "" : " and others")
                     : "the node does not say whether group " + args.group + " has members";
  if (!args.force)
    return storage::error{errc::busy, who + ": stop them first, or give --force to " + what +
                                          " all the same; they go on as they are, and store "
                                          "their own progress over it"};
  print_note(who + "; done by --force: they store their own progress over it");
  return boost::outcome_v2::success();
}

/// Where the queue is to be, within what it holds.
result<queue_offset> target_of(remote& node, const arguments& args, const queue_progress& q) {
  TROUPE_TRY(auto to, start_of(args.to));
  if (std::holds_alternative<client::start_earliest>(to))
    return q.min;
  if (std::holds_alternative<client::start_latest>(to))
    return q.max;
  if (auto* offset = std::get_if<client::start_offset>(&to))
    return std::clamp(offset->offset, q.min, q.max);
  auto& time = std::get<client::start_time>(to);
  TROUPE_TRY(auto found, node.ask<queue_offset>(search_atom_v, args.topic, q.queue_id, time.ms));
  return std::clamp(found, q.min, q.max);
}

/// Every queue of the topic that is meant, whether the group has begun there or not.
result<std::vector<queue_progress>> queues_to_reset(remote& node, const arguments& args) {
  TROUPE_TRY(auto topic, node.ask<topic_description>(bounds_atom_v, args.topic));
  TROUPE_TRY(auto kept, node.ask<group_list>(list_atom_v, args.group));
  std::vector<queue_progress> queues;
  for (auto& bounds : topic.queues) {
    if (args.queue >= 0 && bounds.queue_id != args.queue)
      continue;
    queue_progress q{args.topic, bounds.queue_id, -1, bounds.min, bounds.max};
    for (auto& o : kept.offsets)
      if (o.group == args.group && o.topic == args.topic && o.queue_id == bounds.queue_id)
        q.stored = o.offset;
    queues.push_back(std::move(q));
  }
  if (queues.empty())
    return storage::error{errc::not_found,
                          "topic " + args.topic + " has no queue " + std::to_string(args.queue)};
  return queues;
}

void print_change(const context& ctx, const arguments& args, const queue_progress& before,
                  queue_offset after) {
  auto moved = before;
  moved.stored = after;
  if (!ctx.json())
    return print_line("queue " + std::to_string(before.queue_id) + " of " + before.topic + ": " +
                      (before.stored < 0 ? "no offset" : std::to_string(before.stored)) + " -> " +
                      std::to_string(after) + ", then " + std::to_string(moved.lag()) + " behind");
  std::string line = "{\"group\":";
  append_json_string(line, args.group);
  append_json_string(line += ",\"topic\":", before.topic);
  print_line(line + ",\"queueId\":" + std::to_string(before.queue_id) +
             ",\"before\":" + std::to_string(before.stored) +
             ",\"after\":" + std::to_string(after) + ",\"lag\":" + std::to_string(moved.lag()) +
             ",\"done\":" + (args.dry_run ? "false" : "true") + "}");
}

result<exit_code> reset(const context& ctx, const arguments& args) {
  TROUPE_TRY(auto node, remote::open(ctx));
  TROUPE_TRY(auto queues, queues_to_reset(*node, args));
  std::vector<queue_offset> targets;
  for (auto& q : queues) {
    TROUPE_TRY(auto target, target_of(*node, args, q));
    targets.push_back(target);
  }
  if (!args.dry_run) {
    TROUPE_TRY(refuse_members(*node, args, "reset"));
    print_note("group " + args.group + " is set in " + std::to_string(queues.size()) +
               " queues of " + args.topic + " to " + args.to);
    if (!agreed(args.yes))
      return exit_code::failed;
  }
  for (std::size_t i = 0; i < queues.size(); ++i) {
    if (!args.dry_run) {
      group_offset wanted{args.group, args.topic, queues[i].queue_id, targets[i]};
      TROUPE_TRY(node->ask<group_offset>(store_atom_v, wanted));
    }
    print_change(ctx, args, queues[i], targets[i]);
  }
  return exit_code::done;
}

result<exit_code> remove(const context& ctx, const arguments& args) {
  TROUPE_TRY(auto node, remote::open(ctx));
  TROUPE_TRY(auto queues, known_group(*node, args.group));
  auto what = "group " + args.group + ": its settings" +
              (args.keep_offsets ? "" : " and " + std::to_string(queues.size()) + " offsets");
  if (args.dry_run) {
    print_line("would be forgotten of " + what);
    return exit_code::done;
  }
  TROUPE_TRY(refuse_members(*node, args, "delete it"));
  print_note("will be forgotten of " + what);
  if (!agreed(args.yes))
    return exit_code::failed;
  TROUPE_TRY(
      node->ask<group_settings>(remove_atom_v, group_settings{args.group, {}}, !args.keep_offsets));
  std::string line = "group " + args.group + " is deleted";
  if (ctx.json()) {
    line = "{\"group\":";
    append_json_string(line, args.group);
    line += "}";
  }
  print_line(line);
  return exit_code::done;
}

result<exit_code> list_clients(const context& ctx) {
  TROUPE_TRY(auto node, remote::open(ctx));
  TROUPE_TRY(auto groups, node->ask<group_list>(list_atom_v, std::string()));
  std::set<std::string> names;
  for (auto& s : groups.settings)
    names.insert(s.group);
  for (auto& o : groups.offsets)
    names.insert(o.group);
  for (auto& group : names) {
    TROUPE_TRY(auto members, members_of(*node, group));
    if (!members)
      return storage::error{errc::unavailable, "this node does not tell who is in a group"};
    for (auto& id : *members) {
      std::string line = "{\"group\":";
      append_json_string(line, group);
      append_json_string(line += ",\"clientId\":", id);
      print_line(ctx.json() ? line + "}" : group + "  " + id);
    }
  }
  if (!ctx.json()) {
    TROUPE_TRY(auto status, node->ask<node_status>(status_atom_v));
    print_note(std::to_string(status.sessions) + " sessions of client actors and commands");
  }
  return exit_code::done;
}

/// What changes a group.
CLI::App* add_change(CLI::App& noun, const std::string& name, const std::string& what,
                     const std::shared_ptr<arguments>& args) {
  auto* verb = noun.add_subcommand(name, what);
  verb->add_option("GROUP", args->group)->required();
  verb->add_flag("--dry-run", args->dry_run, "Show before and after, change nothing");
  verb->add_flag("--force", args->force, "Although members are connected");
  verb->add_flag("--yes", args->yes, "Do it without asking");
  return verb;
}

} // namespace

void add_group(CLI::App& app, context& ctx) {
  auto args = std::make_shared<arguments>();
  auto* group = add_noun(app, "group", "List, show, reset and delete consumer groups");
  group->add_subcommand("list", "List all groups with how far behind they are")->callback([&ctx] {
    ctx.then([&ctx] { return list(ctx); });
  });

  auto* show_verb = group->add_subcommand("show", "Show a group's members and its lag by queue");
  show_verb->add_option("GROUP", args->group)->required();
  show_verb->callback([&ctx, args] { ctx.then([&ctx, args] { return show(ctx, *args); }); });

  auto* reset_verb = add_change(*group, "reset", "Set where a group goes on in a topic", args);
  reset_verb->add_option("--topic", args->topic, "The topic")->required();
  reset_verb->add_option("--queue", args->queue, "One queue (default: all)")
      ->check(CLI::Range(0, 1023));
  reset_verb
      ->add_option("--to", args->to, "earliest, latest, an offset, or a time (RFC 3339, or -10m)")
      ->required()
      ->check([](const std::string& text) { return problem_of(start_of(text)); });
  reset_verb->callback([&ctx, args] { ctx.then([&ctx, args] { return reset(ctx, *args); }); });

  auto* delete_verb =
      add_change(*group, "delete", "Forget a group's settings and its progress", args);
  delete_verb->add_flag("--keep-offsets", args->keep_offsets, "Forget the settings alone");
  delete_verb->callback([&ctx, args] { ctx.then([&ctx, args] { return remove(ctx, *args); }); });
}

void add_clients(CLI::App& app, context& ctx) {
  auto* noun = add_noun(app, "clients", "Who consumes from the node");
  noun->add_subcommand("list", "List the members of all groups that have settings or offsets")
      ->callback([&ctx] { ctx.then([&ctx] { return list_clients(ctx); }); });
}

} // namespace troupe::cli
