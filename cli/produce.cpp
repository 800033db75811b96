#include "cli/commands.hpp"
#include "cli/interruption.hpp"
#include "cli/line_reader.hpp"
#include "cli/message_json.hpp"
#include "cli/progress.hpp"
#include "cli/remote.hpp"
#include "net/consumer.hpp"
#include "net/producer.hpp"
#include "net/quantity.hpp"
#include "storage/format/properties.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

namespace troupe::cli {

namespace {

using storage::result;

/// A topic that is not there yet is made with this many queues.
constexpr std::int32_t default_queues = 8;
constexpr std::size_t batch_bytes = storage::mib;

struct arguments {
  std::string topic;
  std::string file;
  std::string delimiter = "\n";
  bool length_prefixed = false;
  std::string key;
  std::string tag;
  std::vector<std::string> properties;
  std::int32_t queue = -1;
  std::uint32_t batch = 256;
  double repeat_seconds = 0;
};

result<char> delimiter_of(const std::string& text) {
  if (text == "\\n")
    return '\n';
  if (text == "\\t")
    return '\t';
  if (text == "\\0")
    return '\0';
  if (text.size() == 1)
    return text.front();
  return storage::error{errc::invalid_argument,
                        "takes one byte, or \\n, \\t, \\0; not \"" + text + "\""};
}

/// A tag that no expression of a consumer could name would be of no use.
result<void> check_tag(const std::string& tag) {
  if (auto named = client::parse_tags(tag); named && named.value() == std::vector{tag})
    return boost::outcome_v2::success();
  return storage::error{errc::invalid_argument,
                        "\"" + tag +
                            "\" is no tag: it must not be empty or *, hold ||, or begin "
                            "or end with a blank"};
}

result<std::string> properties_of(const std::vector<std::string>& pairs) {
  storage::properties_builder builder;
  for (auto& pair : pairs) {
    auto equals = pair.find('=');
    if (equals == std::string::npos ||
        !builder.add(pair.substr(0, equals), pair.substr(equals + 1)))
      return storage::error{errc::invalid_argument,
                            "\"" + pair + "\": give name=value, both not empty"};
  }
  return builder.take();
}

/// Made if it is not there, which is said: the name may be mistyped.
result<topic_info> find_topic(remote& node, const std::string& name) {
  TROUPE_TRY(auto topics, node.ask<topic_list>(list_atom_v));
  for (auto& t : topics.topics)
    if (t.name == name)
      return t;
  TROUPE_TRY(auto made, node.ask<topic_info>(create_atom_v,
                                             topic_info{name, default_queues, default_queues, 6}));
  std::vector<std::string_view> others;
  for (auto& t : topics.topics)
    others.push_back(t.name);
  print_note("there was no topic " + name + ": it was created, with " +
             std::to_string(made.write_queues) + " queues" + net::hint(name, others));
  return made;
}

/// Who sends again numbers the messages, so that each is stored once.
client::producer_options options_of(const welcome& granted, const arguments& args) {
  auto options = client::producer_options::within(granted);
  if (args.repeat_seconds > 0) {
    options.repeat_for =
        std::chrono::milliseconds(static_cast<std::int64_t>(args.repeat_seconds * 1000));
    options.idempotent = client::producer_identity::draw();
  }
  return options;
}

/// Reads bodies, packs them, and sends them on.
class line_producer {
public:
  line_producer(remote& node, const topic_info& topic, const arguments& args,
                std::string properties)
      : producer_(node.system(), node.service(), options_of(node.granted(), args)),
        batch_(topic.name), args_(args), properties_(std::move(properties)),
        most_(std::min<std::uint64_t>(args.batch, node.granted().credit_messages)),
        queues_(topic.write_queues), shown_("sent") {}

  result<void> run(line_reader& input) {
    while (!interruption::happened()) {
      // Whoever types or pipes slowly wants to see each message go.
      if (batch_.count() > 0 && input.would_wait()) {
        TROUPE_TRY(send());
      }
      auto read = input.next();
      if (!read && batch_.count() > 0) {
        TROUPE_TRY(send()); // what stood before the bad message
      }
      TROUPE_TRY(auto body, std::move(read));
      if (!body)
        break;
      client::batch::message message;
      message.queue_id = args_.queue >= 0 ? args_.queue : next_queue();
      message.body = *body;
      message.tag = args_.tag;
      message.keys = args_.key;
      message.properties = properties_;
      TROUPE_TRY(batch_.add(message));
      ++messages_;
      batch_bytes_read_ += body->size();
      if (batch_.count() >= most_ || batch_.bytes() >= batch_bytes) {
        TROUPE_TRY(send());
      }
    }
    if (batch_.count() > 0) {
      TROUPE_TRY(send());
    }
    return boost::outcome_v2::success();
  }

  result<void> finish() {
    auto done = producer_.finish();
    shown_.clear();
    return done;
  }
  std::uint64_t messages() const noexcept { return messages_; }
  std::uint64_t acknowledged() const { return producer_.acknowledged(); }
  /// Bytes of the bodies that were sent.
  std::uint64_t bytes() const noexcept { return bytes_; }
  double seconds() const { return shown_.seconds(); }

private:
  std::int32_t next_queue() {
    auto queue = turn_;
    turn_ = (turn_ + 1) % queues_;
    return queue;
  }

  result<void> send() {
    shown_.show(producer_.acknowledged(), bytes_);
    TROUPE_TRY(producer_.send(batch_.take()));
    bytes_ += std::exchange(batch_bytes_read_, 0);
    return boost::outcome_v2::success();
  }

  client::producer producer_;
  client::batch batch_;
  const arguments& args_;
  std::string properties_;
  std::uint64_t most_; ///< messages that travel together
  std::int32_t queues_;
  std::int32_t turn_ = 0;
  std::uint64_t messages_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t batch_bytes_read_ = 0;
  progress shown_;
};

result<exit_code> produce(const context& ctx, const arguments& args) {
  TROUPE_TRY(auto delimiter, delimiter_of(args.delimiter));
  TROUPE_TRY(auto properties, properties_of(args.properties));
  auto framing = args.length_prefixed ? line_reader::framing::length_prefixed
                                      : line_reader::framing::delimiter;
  interruption stop;
  TROUPE_TRY(auto node, remote::open(ctx));
  stop.listen();
  TROUPE_TRY(auto status, node->ask<node_status>(status_atom_v));
  TROUPE_TRY(auto input,
             line_reader::open(args.file, framing, delimiter, status.max_message_bytes));
  TROUPE_TRY(auto topic, find_topic(*node, args.topic));
  if (topic.write_queues == 0) // topics.json may say so
    return storage::error{errc::invalid_argument,
                          "topic " + topic.name + " has no queues to write to"};
  if (args.queue >= topic.write_queues)
    return storage::error{errc::invalid_argument, "topic " + topic.name + " has no queue " +
                                                      std::to_string(args.queue) + ", only 0 to " +
                                                      std::to_string(topic.write_queues - 1)};
  line_producer lines(*node, topic, args, std::move(properties));
  auto read = lines.run(input);
  auto sent = lines.finish();
  auto done = lines.acknowledged();
  if (ctx.json())
    print_line("{\"acknowledged\":" + std::to_string(done) + ",\"read\":" +
               std::to_string(lines.messages()) + ",\"bytes\":" + std::to_string(lines.bytes()) +
               ",\"interrupted\":" + (interruption::happened() ? "true" : "false") + "}");
  else
    print_line("acknowledged " + rate_text(done, lines.bytes(), lines.seconds()));
  TROUPE_TRY(sent); // the cause of trouble, before what reading made of it
  TROUPE_TRY(read);
  if (interruption::happened()) {
    print_note("interrupted: " + std::to_string(lines.messages()) + " messages were read, " +
               std::to_string(done) + " of them acknowledged; the rest of the input was not read");
    return exit_code::failed;
  }
  if (done == lines.messages())
    return exit_code::done;
  return storage::error{errc::maybe_stored, std::to_string(lines.messages() - done) +
                                                " messages were not acknowledged"};
}

} // namespace

void add_produce(CLI::App& app, context& ctx) {
  auto args = std::make_shared<arguments>();
  auto* verb = app.add_subcommand("produce", "Send the lines of a file or of standard input");
  verb->add_option("TOPIC", args->topic, "Created with 8 queues if it is not there")
      ->required()
      ->check([](const std::string& name) { return problem_of(storage::check_topic_name(name)); });
  verb->add_option("--file", args->file, "Input (default: standard input)")->type_name("FILE");
  auto* delimiter =
      verb->add_option("--delimiter", args->delimiter, "Byte that ends a message")
          ->check([](const std::string& text) { return problem_of(delimiter_of(text)); })
          ->type_name("C");
  verb->add_flag("--length-prefixed", args->length_prefixed,
                 "Each message follows its length, 4 bytes big-endian")
      ->excludes(delimiter);
  verb->add_option("--key", args->key,
                   "Keys of every message, separated by blanks, for message query");
  verb->add_option("--tag", args->tag, "Tag of every message, for consume --tag")
      ->check([](const std::string& tag) { return problem_of(check_tag(tag)); });
  verb->add_option("--property", args->properties, "A property, as name=value; may be repeated")
      ->check([](const std::string& pair) { return problem_of(properties_of({pair})); });
  verb->add_option("--queue", args->queue, "The queue (default: all in turn)")
      ->check(CLI::Range(0, static_cast<int>(storage::max_queues_per_topic) - 1));
  verb->add_option("--batch", args->batch, "Messages that travel together, at most")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  constexpr double day = 86'400;
  verb->add_option("--repeat-for", args->repeat_seconds,
                   "Once the node was reached, go on for so long when it, or a part of it, is "
                   "away: what may not be stored is sent again, and stored once")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.0, day));
  verb->callback([&ctx, args] { ctx.then([&ctx, args] { return produce(ctx, *args); }); });
}

} // namespace troupe::cli
