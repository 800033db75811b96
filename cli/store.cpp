#include "cli/commands.hpp"
#include "cli/message_json.hpp"
#include "cli/process.hpp"
#include "cli/store_export.hpp"
#include "cli/store_repair.hpp"
#include "cli/store_usage.hpp"
#include "net/quantity.hpp"
#include "storage/clock.hpp"
#include "storage/os/posix_file_system.hpp"
#include "storage/repair/inspect.hpp"

#include <map>
#include <memory>
#include <string>

namespace troupe::cli {

namespace {

using storage::finding;
using storage::result;
using storage::store_files;

struct arguments {
  std::string directory;
  storage::index_shape geometry;
  std::vector<std::string> queues; ///< directories of queues that are not beside the log
};

void print_finding(const finding& f, bool json) {
  if (!json)
    return print_line(f.file + ":" + std::to_string(f.at) + ": " + f.what);
  std::string line = "{\"file\":";
  append_json_string(line, f.file);
  line += ",\"at\":" + std::to_string(f.at) + ",\"what\":";
  append_json_string(line, f.what);
  print_line(line + "}");
}

/// Findings beside the real output.
void note_finding(const finding& f) {
  print_note(f.file + ":" + std::to_string(f.at) + ": " + f.what);
}

result<store_files> open_store(const arguments& args, const storage::finding_sink& report) {
  end_with_the_reader();
  TROUPE_TRY(auto files, storage::find_store_files(storage::posix_file_system(), args.directory,
                                                   args.geometry, report, args.queues));
  if (files.abort_marker)
    print_note(args.directory + "/abort is there: a node runs on this directory or did not stop in "
                                "order; what is consistent now is read");
  return files;
}

result<exit_code> dump(const arguments& args) {
  TROUPE_TRY(auto files, open_store(args, note_finding));
  std::string line;
  TROUPE_TRY(auto log, storage::walk_messages(storage::posix_file_system(), files, note_finding,
                                              [&](const storage::record_view& message) {
                                                line.clear();
                                                append_message_json(line, message);
                                                print_line(line);
                                              }));
  if (log.torn_tail)
    note_finding(*log.torn_tail);
  return log.gaps == 0 ? exit_code::done : exit_code::failed;
}

std::string counted(std::uint64_t count, const char* what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

const char* flag(bool value) {
  return value ? "true" : "false";
}

std::string start_text(const storage::start_forecast& start) {
  if (start.refused)
    return "a node would not start here";
  auto text = "a start would check " + std::to_string(start.to - start.from) +
              " bytes of the log from offset " + std::to_string(start.from) +
              (start.cut ? ", cut what lies behind" : "") + " and serve " +
              (start.read_only ? "reads only" : "reads and writes");
  if (!start.rebuild_reason.empty())
    text += "; it would build queues and index anew: " + start.rebuild_reason;
  else if (start.replay > 0)
    text += "; " + std::to_string(start.replay) + " bytes of it would be put into the queues";
  return text + "; about " + std::to_string(start.milliseconds) + " ms until it serves";
}

void print_verified(const storage::verified_store& v, std::uint64_t findings, bool json) {
  if (json) {
    print_line(
        "{\"findings\":" + std::to_string(findings) + ",\"messages\":" +
        std::to_string(v.log.messages) + ",\"logMinOffset\":" + std::to_string(v.log.min) +
        ",\"logMaxOffset\":" + std::to_string(v.log.end) + ",\"queuesChecked\":" +
        flag(v.queues_checked) + ",\"queueEntries\":" + std::to_string(v.queues.entries) +
        ",\"notDispatched\":" + std::to_string(v.queues.not_dispatched) + ",\"indexEntries\":" +
        std::to_string(v.index.entries) + ",\"recoveryFrom\":" + std::to_string(v.start.from) +
        ",\"recoveryTo\":" + std::to_string(v.start.to) + ",\"recoveryCuts\":" + flag(v.start.cut) +
        ",\"recoveryMilliseconds\":" + std::to_string(v.start.milliseconds) +
        ",\"replayBytes\":" + std::to_string(v.start.replay) +
        ",\"rebuildsQueues\":" + flag(!v.start.rebuild_reason.empty()) + ",\"wouldServe\":\"" +
        (v.start.refused     ? "nothing"
         : v.start.read_only ? "reads"
                             : "all") +
        "\"}");
    return;
  }
  print_line(counted(v.log.messages, "message") + " from log offset " + std::to_string(v.log.min) +
             " to " + std::to_string(v.log.end) + ", " + std::to_string(v.queues.entries) +
             " queue entries and " + std::to_string(v.index.entries) + " index entries checked");
  if (v.queues.not_dispatched != 0)
    print_line(counted(v.queues.not_dispatched, "message") +
               " not yet in a queue; the next start goes on there");
  print_line(start_text(v.start));
  print_line(findings == 0 ? "nothing found" : counted(findings, "finding"));
}

result<exit_code> verify(const arguments& args, bool json) {
  std::uint64_t findings = 0;
  auto report = [&](const finding& f) {
    if (f.harmless)
      return note_finding(f);
    findings += 1;
    print_finding(f, json);
  };
  TROUPE_TRY(auto files, open_store(args, report));
  TROUPE_TRY(auto verified, storage::verify_store(storage::posix_file_system(), files,
                                                  storage::system_wall_clock(), report));
  print_verified(verified, findings, json);
  return findings == 0 ? exit_code::done : exit_code::failed;
}

void print_summary_json(const store_files& files, const storage::store_summary& s) {
  std::string line = "{\"directory\":";
  append_json_string(line, files.settings.directory);
  auto number = [&](const char* name, auto value) {
    line += std::string(",\"") + name + "\":" + std::to_string(value);
  };
  number("logFiles", files.log.size());
  number("logFileSize", files.settings.log_file_size_bytes);
  number("logMinOffset", s.log.min);
  number("logMaxOffset", s.log.end);
  number("messages", s.log.messages);
  number("recordBytes", s.record_bytes);
  number("bodyBytes", s.body_bytes);
  number("firstStoreTimestamp", s.first_store_time);
  number("lastStoreTimestamp", s.last_store_time);
  number("queues", s.queue_count());
  number("queueFileSize", files.settings.queue_file_size_bytes);
  number("indexFiles", files.indexes.size());
  number("indexEntries", s.index_entries);
  line += std::string(",\"abort\":") + flag(files.abort_marker) + ",\"topics\":[";
  for (auto& [name, topic] : s.topics) {
    line += line.back() == '[' ? "{\"topic\":" : ",{\"topic\":";
    append_json_string(line, name);
    number("queues", topic.queues.size());
    number("messages", topic.messages);
    number("bytes", topic.bytes);
    number("deadMessages", topic.dead_messages);
    line += std::string(",\"deleted\":") + flag(topic.deleted) + '}';
  }
  print_line(line + "]}");
}

std::string topic_text(const storage::store_summary::topic_summary& topic) {
  auto dead = counted(topic.dead_messages, "message");
  if (topic.deleted)
    return "deleted; " + dead + " of it still in the log";
  if (topic.dead_messages > 0)
    dead = "; " + dead + " of one that was deleted before still in the log";
  else
    dead.clear();
  return counted(topic.messages, "message") + ", " + std::to_string(topic.bytes) + " bytes in " +
         counted(topic.queues.size(), "queue") + dead;
}

void print_summary(const store_files& files, const storage::store_summary& s) {
  auto row = [](const std::string& name, const std::string& value) {
    print_line(name + std::string(name.size() < 12 ? 12 - name.size() : 1, ' ') + value);
  };
  auto size = [](std::uint64_t bytes) { return net::size_text(static_cast<std::int64_t>(bytes)); };
  row("log", counted(files.log.size(), "file") + " of " + size(files.settings.log_file_size_bytes) +
                 ", offsets " + std::to_string(s.log.min) + " to " + std::to_string(s.log.end));
  row("messages", std::to_string(s.log.messages) + ", " + std::to_string(s.record_bytes) +
                      " bytes, of which " + std::to_string(s.body_bytes) + " in bodies");
  if (s.log.messages != 0)
    row("stored",
        net::moment_text(s.first_store_time) + " to " + net::moment_text(s.last_store_time));
  row("queues", std::to_string(s.queue_count()) + " of " + counted(s.topics.size(), "topic"));
  row("index",
      counted(files.indexes.size(), "file") + ", " + std::to_string(s.index_entries) + " entries");
  for (auto& [name, topic] : s.topics)
    row("  " + name + ":", topic_text(topic));
}

result<exit_code> stats(const arguments& args, bool json) {
  TROUPE_TRY(auto files, open_store(args, note_finding));
  TROUPE_TRY(auto summary, storage::summarize(storage::posix_file_system(), files, note_finding));
  if (json)
    print_summary_json(files, summary);
  else
    print_summary(files, summary);
  return exit_code::done;
}

CLI::App* add_verb(CLI::App& noun, const std::string& name, const std::string& what,
                   const std::shared_ptr<arguments>& args,
                   const std::string& about_directory = "never written to") {
  auto* verb = noun.add_subcommand(name, what);
  verb->add_option("DIR", args->directory,
                   "A store's directory, Java's or ours; " + about_directory)
      ->required();
  verb->add_option("--max-hash-slot-num", args->geometry.slots,
                   "Hash slots of an index file (default: a quarter of its entries)")
      ->check(CLI::Range(1, 100'000'000)); // as in cluster.ini
  verb->add_option("--max-index-num", args->geometry.entries, "Entries of an index file")
      ->check(CLI::Range(2, 100'000'000));
  return verb;
}

void add_usage(CLI::App& noun, context& ctx) {
  auto directory = std::make_shared<std::string>();
  auto* verb =
      noun.add_subcommand("df", "Say what takes the space, and what would be deleted next");
  verb->add_option("DIR", *directory, "A store's directory, never written to")->required();
  verb->callback(
      [&ctx, directory] { ctx.then([&ctx, directory] { return show_usage(ctx, *directory); }); });
}

void add_export(CLI::App& noun, context& ctx) {
  auto args = std::make_shared<export_arguments>();
  auto* verb = noun.add_subcommand(
      "export", "Write messages to standard output, in log order, also beside a running node");
  verb->add_option("DIR", args->directory, "A store's directory, never written to")->required();
  verb->add_option("--topic", args->topic, "Of this topic only");
  add_moment(*verb, "--begin", args->begin_ms, "Stored at or after this time");
  add_moment(*verb, "--end", args->end_ms, "Stored at or before this time");
  using form = export_arguments::form;
  const std::map<std::string, form> forms{
      {"lines", form::lines}, {"json", form::json}, {"length", form::length}};
  verb->add_option_function<std::string>(
          "--format",
          [args, forms](const std::string& name) {
            auto found = forms.find(name);
            if (found == forms.end())
              throw CLI::ValidationError("--format",
                                         "'" + name + "' is none of lines, json, length");
            args->how = found->second;
          },
          "lines: bodies; json: whole messages; length: bodies, with 4 bytes of length "
          "(big-endian) before each (default: lines)")
      ->type_name("FORMAT");
  verb->callback([&ctx, args] { ctx.then([args] { return export_store(*args); }); });
}

} // namespace

void add_store(CLI::App& app, context& ctx) {
  auto* noun = add_noun(app, "store", "Look into a store's files, or repair them, without a node");
  auto args = std::make_shared<arguments>();
  add_verb(*noun, "dump", "Print every message as a JSON line, in log order", args)
      ->callback([&ctx, args] { ctx.then([args] { return dump(*args); }); });
  auto* check = add_verb(*noun, "verify",
                         "Check log, queues and index, and name every place that is wrong", args);
  check->add_option("--queues", args->queues,
                    "Where queues are that are not beside the log; may be given more than once");
  check->callback([&ctx, args] { ctx.then([&ctx, args] { return verify(*args, ctx.json()); }); });
  add_verb(*noun, "stats", "Say what the store holds", args)->callback([&ctx, args] {
    ctx.then([&ctx, args] { return stats(*args, ctx.json()); });
  });
  add_usage(*noun, ctx);
  add_export(*noun, ctx);
  auto* repair = add_verb(*noun, "repair", "Bridge damage in the middle of the log", args,
                          "changed only after you agreed; no node may run there");
  auto yes = std::make_shared<bool>(false);
  repair->add_flag("--yes", *yes, "Do what the plan says without asking");
  repair->callback([&ctx, args, yes] {
    ctx.then([&ctx, args, yes] {
      return repair_store(args->directory, args->geometry, *yes, ctx.json());
    });
  });
}

} // namespace troupe::cli
