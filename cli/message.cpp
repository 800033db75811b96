#include "cli/commands.hpp"
#include "cli/message_json.hpp"
#include "cli/process.hpp"
#include "cli/remote.hpp"
#include "net/consumer.hpp"
#include "net/quantity.hpp"

#include <cstdio>
#include <memory>
#include <optional>

namespace troupe::cli {

namespace {

using storage::result;

struct arguments {
  std::string id;
  std::string topic;
  std::string key;
  std::uint32_t max = 32;
  std::optional<std::int64_t> begin_ms;
  std::optional<std::int64_t> end_ms;
  std::string tag = "*";
  bool whole = false;
};

void print_message(const context& ctx, const storage::record_view& view) {
  if (ctx.json()) {
    std::string line;
    append_message_json(line, view);
    print_line(line);
    return;
  }
  print_line("id       " + storage::message_id(view.store_host, view.offset));
  print_line("topic    " + std::string{view.topic} + ", queue " + std::to_string(view.queue_id) +
             ", offset " + std::to_string(view.queue_position));
  print_line("stored   " + net::moment_text(view.store_timestamp) + " at " +
             view.store_host.text());
  print_line("born     " + net::moment_text(view.born_timestamp) + " at " + view.born_host.text());
  std::string properties{view.properties};
  for (auto& c : properties)
    c = c == '\1' ? '=' : c == '\2' ? ' ' : c;
  print_line("with     " + properties);
  print_line("body     " + std::to_string(view.body.size()) + " bytes");
  print_line({reinterpret_cast<const char*>(view.body.data()), view.body.size()});
}

result<exit_code> get(const context& ctx, const arguments& args) {
  TROUPE_TRY(auto id, storage::parse_message_id(args.id));
  TROUPE_TRY(auto node, remote::open(ctx));
  auto answer = node->ask<record_batch>(fetch_atom_v, id.offset);
  // The node names the place in its own files, which says nothing to who has an id.
  if (answer ? answer.value().records.empty() : answer.error().code == errc::not_found)
    return storage::error{errc::not_found, "no message has the id " + args.id};
  TROUPE_TRY(auto found, std::move(answer));
  TROUPE_TRY(auto view, client::decode(found.records.front()));
  if (!(view.store_host == id.store_host))
    return storage::error{errc::not_found, "the message " + args.id +
                                               " belongs to another node; "
                                               "here that place holds " +
                                               storage::message_id(view.store_host, view.offset)};
  print_message(ctx, view);
  return exit_code::done;
}

result<exit_code> query(const context& ctx, const arguments& args) {
  if (args.key.find(' ') != std::string::npos)
    return storage::error{errc::invalid_argument, "a key holds no blank: the words of \"" +
                                                      args.key +
                                                      "\" are a key each; ask for one of them"};
  if (args.begin_ms && args.end_ms && *args.begin_ms > *args.end_ms)
    return storage::error{errc::invalid_argument, "--begin is later than --end"};
  TROUPE_TRY(auto node, remote::open(ctx));
  // One more than wanted, to know whether there are more.
  key_query request{args.topic, args.key, args.max + 1, args.begin_ms.value_or(0),
                    args.end_ms.value_or(INT64_MAX)};
  TROUPE_TRY(auto found, node->ask<record_batch>(request));
  bool more = found.records.size() > args.max;
  if (more) // the oldest: the answer is in the order of the log
    found.records.erase(found.records.begin());
  for (auto& record : found.records) {
    TROUPE_TRY(auto view, client::decode(record));
    print_message(ctx, view);
  }
  if (more)
    print_note("more messages have the key, these are the newest " + std::to_string(args.max) +
               "; narrow the search with --begin, --end, or raise --max");
  if (found.left_out > 0)
    print_note(std::to_string(found.left_out) +
               " more have the key: together they are too large for one answer; narrow the search "
               "with --begin, --end");
  if (found.records.empty()) {
    TROUPE_TRY(node->ask<topic_description>(bounds_atom_v, args.topic)); // or there is no topic
    return storage::error{errc::not_found,
                          "no message of topic " + args.topic + " has the key " + args.key};
  }
  return exit_code::done;
}

/// New messages as they come, until the command is ended or nobody reads.
result<exit_code> tail(const context& ctx, const arguments& args) {
  end_with_the_reader();
  client::consumer_options options;
  options.topic = args.topic;
  options.follow = true;
  options.from = client::start_latest{};
  TROUPE_TRY(options.tags, client::parse_tags(args.tag));
  TROUPE_TRY(auto node, remote::open(ctx));
  TROUPE_TRY(auto consumer,
             client::consumer::open(node->system(), node->service(), options,
                                    [](const std::string& note) { print_note(note); }));
  while (std::ferror(stdout) == 0) {
    TROUPE_TRY(auto messages, consumer.next());
    for (auto& message : messages) {
      if (args.whole || ctx.json()) {
        print_message(ctx, message.view);
        continue;
      }
      auto& view = message.view;
      print_line(net::moment_text(view.store_timestamp) + " " + std::to_string(view.queue_id) +
                 "/" + std::to_string(view.queue_position) + " " +
                 storage::message_id(view.store_host, view.offset) + " " +
                 std::string(client::text_of(view.body)));
    }
    std::fflush(stdout);
  }
  return exit_code::done;
}

} // namespace

void add_message(CLI::App& app, context& ctx) {
  auto args = std::make_shared<arguments>();
  auto* message = add_noun(app, "message", "Find messages by id or by key, or follow the newest");

  auto* get_verb = message->add_subcommand("get", "Print the message of an id");
  get_verb->add_option("ID", args->id, "As printed with a message: 32 or 56 hex digits")
      ->required()
      ->check([](const std::string& id) { return problem_of(storage::parse_message_id(id)); });
  get_verb->callback([&ctx, args] { ctx.then([&ctx, args] { return get(ctx, *args); }); });

  auto* query_verb = message->add_subcommand("query", "Print the messages that have a key");
  query_verb->add_option("TOPIC", args->topic)->required();
  query_verb->add_option("--key", args->key, "The key, or a message's unique key")->required();
  query_verb->add_option("--max", args->max, "Messages to print, at most")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  add_moment(*query_verb, "--begin", args->begin_ms, "Stored at or after this time");
  add_moment(*query_verb, "--end", args->end_ms, "Stored at or before this time");
  query_verb->callback([&ctx, args] { ctx.then([&ctx, args] { return query(ctx, *args); }); });

  auto* tail_verb = message->add_subcommand(
      "tail", "Print new messages of a topic as they come: time, queue/offset, id, body");
  tail_verb->add_option("TOPIC", args->topic)->required();
  tail_verb->add_option("--tag", args->tag, "\"TagA || TagB\"; * for every message")
      ->check([](const std::string& text) { return problem_of(client::parse_tags(text)); })
      ->capture_default_str();
  tail_verb->add_flag("--whole", args->whole, "Print each with all it has, as `get` does");
  tail_verb->callback([&ctx, args] { ctx.then([&ctx, args] { return tail(ctx, *args); }); });
}

} // namespace troupe::cli
