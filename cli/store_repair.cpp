#include "cli/store_repair.hpp"

#include "cli/message_json.hpp"
#include "cli/progress.hpp"
#include "storage/os/posix_file_system.hpp"
#include "storage/repair/repair.hpp"

#include <string_view>
#include <vector>

namespace troupe::cli {

namespace {

using storage::repair_plan;
using storage::result;

/// One thing to do or to know, for people and programs.
struct step {
  const char* kind;
  std::string text;
};

std::string number(auto value) {
  return std::to_string(value);
}

std::string gap_text(const repair_plan::gap& gap) {
  return "bridge log offsets " + number(gap.from) + " to " + number(gap.to) + " (" +
         number(gap.to - gap.from) + " bytes): " + gap.reason;
}

std::vector<step> steps_of(const repair_plan& plan) {
  std::vector<step> steps;
  if (plan.unfinished)
    steps.push_back({"unfinished", "end a repair that was begun and not finished"});
  if (plan.log_is_gone)
    steps.push_back({"logIsGone",
                     "begin an empty store: the log is gone, but queues or checkpoint know of "
                     "messages; if its files are anywhere, put them back instead"});
  for (auto& name : plan.misnamed)
    steps.push_back({"setAside", "set commitlog/" + name + " aside: it fits nowhere in the log"});
  for (auto& wrong : plan.wrong_lengths)
    steps.push_back({"length", "give commitlog/" + wrong.name + " (" + number(wrong.length) +
                                   " bytes) the length of the others, then look again"});
  if (!plan.unreadable.empty())
    steps.push_back({"unreadable", "write zeros over " + number(plan.lost_pages.size()) +
                                       " pages of 4096 bytes of " + plan.unreadable +
                                       ", which no attempt could read, then look again"});
  for (auto& gap : plan.gaps)
    steps.push_back({"bridge", gap_text(gap)});
  if (auto lost = plan.lost_count(); lost != 0)
    steps.push_back({"placeholders", "put placeholders for " + number(lost) +
                                         (lost == 1 ? " lost message" : " lost messages") +
                                         ", so that the others keep their numbers"});
  if (!steps.empty())
    steps.push_back({"rebuild", "set checkpoint, queues and index aside; the next start builds "
                                "them anew from the log"});
  return steps;
}

std::vector<std::string> notes_of(const repair_plan& plan) {
  std::vector<std::string> notes;
  for (auto& run : plan.lost.homeless)
    notes.push_back("queue " + number(run.queue_id) + " of " + run.topic + " lacks messages " +
                    number(run.from) + " to " + number(run.to - 1) +
                    " and no damage explains it: a record's header may have been altered");
  return notes;
}

void print_plan(const std::string& directory, const repair_plan& plan, bool json) {
  auto steps = steps_of(plan);
  auto notes = notes_of(plan);
  if (!json) {
    print_line(directory + ": " + number(plan.messages) + " whole messages from log offset " +
               number(plan.min) + " to " + number(plan.end));
    for (auto& s : steps)
      print_line("- " + s.text);
    for (auto& note : notes)
      print_line("note: " + note);
    print_line(steps.empty() ? "nothing to repair"
                             : "what is overwritten or removed is first copied to " + directory +
                                   "/quarantine");
    return;
  }
  std::string line = "{\"messages\":" + number(plan.messages) +
                     ",\"logMinOffset\":" + number(plan.min) +
                     ",\"logMaxOffset\":" + number(plan.end) +
                     ",\"lostMessages\":" + number(plan.lost_count()) + ",\"steps\":[";
  for (auto& s : steps) {
    line += std::string(line.back() == '[' ? "" : ",") + "{\"kind\":\"" + s.kind + "\",\"text\":";
    append_json_string(line, s.text);
    line += '}';
  }
  line += "],\"notes\":[";
  for (auto& note : notes) {
    line += line.back() == '[' ? "" : ",";
    append_json_string(line, note);
  }
  print_line(line + "]}");
}

void print_done(const std::vector<std::string>& kept, bool json) {
  if (!json) {
    for (auto& path : kept)
      print_line("kept " + path);
    print_line("repaired: start the node, it builds queues and index anew");
    return;
  }
  std::string line = "{\"repaired\":true,\"kept\":[";
  for (auto& path : kept) {
    line += line.back() == '[' ? "" : ",";
    append_json_string(line, path);
  }
  print_line(line + "]}");
}

} // namespace

result<exit_code> repair_store(const std::string& directory, const storage::index_shape& geometry,
                               bool yes, bool json) {
  byte_progress shown("checking the log");
  auto work = storage::store_repair::open(
      storage::posix_file_system(), directory, geometry, storage::system_wall_clock(),
      {[&](std::uint64_t done, std::uint64_t total) { shown.show(done, total); }});
  shown.clear();
  if (work.has_error())
    return std::move(work).error();
  auto& plan = work.value().plan();
  print_plan(directory, plan, json);
  if (plan.nothing_to_do())
    return exit_code::done;
  if (!agreed(yes))
    return exit_code::failed;
  auto kept = work.value().run();
  shown.clear();
  if (kept.has_error())
    return std::move(kept).error();
  print_done(kept.value(), json);
  return exit_code::done;
}

} // namespace troupe::cli
