#include "cli/commands.hpp"
#include "cli/message_json.hpp"
#include "cli/process.hpp"
#include "cli/remote.hpp"
#include "cli/start_position.hpp"
#include "net/consumer.hpp"
#include "storage/big_endian.hpp"

#include <array>
#include <cstdio>
#include <memory>
#include <optional>

namespace troupe::cli {

namespace {

using storage::result;

struct arguments {
  std::string topic;
  std::int32_t queue = -1;
  std::string from = "earliest";
  std::optional<std::uint64_t> count;
  std::string tag = "*";
  bool follow = false;
  bool length_prefixed = false;
};

void write_message(const context& ctx, const arguments& args, const storage::record_view& view) {
  auto* body = reinterpret_cast<const char*>(view.body.data());
  if (ctx.json()) {
    std::string line;
    append_message_json(line, view);
    print_line(line);
  } else if (args.length_prefixed) {
    std::array<std::byte, 4> length{};
    storage::big_endian::store(length.data(), static_cast<std::uint32_t>(view.body.size()));
    std::fwrite(length.data(), 1, length.size(), stdout);
    std::fwrite(body, 1, view.body.size(), stdout);
  } else {
    print_line({body, view.body.size()});
  }
}

result<exit_code> consume(const context& ctx, const arguments& args) {
  end_with_the_reader();
  client::consumer_options options;
  options.topic = args.topic;
  options.queue = args.queue;
  TROUPE_TRY(options.tags, client::parse_tags(args.tag));
  options.follow = args.follow;
  TROUPE_TRY(options.from, start_of(args.from));
  TROUPE_TRY(auto node, remote::open(ctx));
  TROUPE_TRY(auto consumer,
             client::consumer::open(node->system(), node->service(), options,
                                    [](const std::string& note) { print_note(note); }));
  auto left = args.count.value_or(UINT64_MAX);
  while (left > 0 && !consumer.finished()) {
    TROUPE_TRY(auto messages, consumer.next());
    for (auto& message : messages) {
      write_message(ctx, args, message.view);
      if (--left == 0)
        break;
    }
    if (args.follow)
      std::fflush(stdout);
    if (std::ferror(stdout) != 0) // a reader of ours has gone, as `head` does
      break;
  }
  return exit_code::done;
}

} // namespace

void add_consume(CLI::App& app, context& ctx) {
  auto args = std::make_shared<arguments>();
  auto* verb =
      app.add_subcommand("consume", "Print the messages of a topic, in order of each queue");
  verb->add_option("TOPIC", args->topic)->required();
  verb->add_option("--queue", args->queue, "One queue (default: all)")->check(CLI::Range(0, 1023));
  verb->add_option("--from", args->from,
                   "earliest, latest, an offset, or a time (RFC 3339, or -10m)")
      ->check([](const std::string& text) { return problem_of(start_of(text)); })
      ->capture_default_str();
  verb->add_option("--count", args->count, "Stop after so many messages")
      ->check(CLI::Range(std::int64_t{0}, INT64_MAX - 1)); // overflow reads as the very largest
  verb->add_option("--tag", args->tag, "\"TagA || TagB\"; * for every message")
      ->check([](const std::string& text) { return problem_of(client::parse_tags(text)); })
      ->capture_default_str();
  verb->add_flag("--follow", args->follow, "Wait for new messages at the end");
  verb->add_flag("--length-prefixed", args->length_prefixed,
                 "Print each body behind its length, 4 bytes big-endian");
  verb->callback([&ctx, args] { ctx.then([&ctx, args] { return consume(ctx, *args); }); });
}

} // namespace troupe::cli
