#include "cli/doctor.hpp"

#include "cli/commands.hpp"
#include "cli/doctor_facts.hpp"
#include "cli/environment.hpp"
#include "cli/message_json.hpp"

#include <algorithm>
#include <memory>
#include <string>

namespace troupe::cli {

namespace {

using level = diagnosis::level;

const char* word_of(level how) {
  switch (how) {
  case level::fine:
    return "ok";
  case level::advice:
    return "advice";
  case level::wrong:
    break;
  }
  return "wrong";
}

const char* colour_of(level how) {
  switch (how) {
  case level::fine:
    return "\033[32m";
  case level::advice:
    return "\033[33m";
  case level::wrong:
    break;
  }
  return "\033[31m";
}

void print_diagnosis(const diagnosis& d, bool colours) {
  constexpr std::size_t word_width = 8;
  constexpr std::size_t name_width = 30;
  std::string word = word_of(d.how);
  auto blanks = std::string(word_width - word.size(), ' ');
  auto name = d.what;
  name.resize(std::max(name_width, name.size() + 1), ' ');
  print_line((colours ? colour_of(d.how) + word + "\033[0m" : word) + blanks + name + d.found);
  if (!d.remedy.empty())
    print_line(std::string(word_width, ' ') + "-> " + d.remedy);
}

storage::result<exit_code> doctor(const context& ctx, bool all) {
  TROUPE_TRY(auto chosen, ctx.load());
  auto found = examine(chosen);
  std::size_t wrong = 0;
  std::size_t advice = 0;
  auto colours = colours_wanted();
  for (auto& d : found) {
    wrong += d.how == level::wrong ? 1 : 0;
    advice += d.how == level::advice ? 1 : 0;
    if (ctx.json())
      print_line(diagnosis_json(d));
    else if (all || d.how != level::fine)
      print_diagnosis(d, colours);
  }
  if (!ctx.json())
    print_line("looked at " + std::to_string(found.size()) + " things for node " +
               chosen.node.name + ": " + std::to_string(wrong) + " wrong, advice for " +
               std::to_string(advice));
  return wrong == 0 ? exit_code::done : exit_code::failed;
}

} // namespace

std::vector<diagnosis> examine(const context::chosen_node& chosen) {
  auto found = diagnose(look_at_machine(chosen.node.directory), chosen.cluster);
  auto settings = diagnose_settings(chosen.cluster);
  found.insert(found.end(), settings.begin(), settings.end());
  return found;
}

std::string diagnosis_json(const diagnosis& d) {
  std::string line = std::string(R"({"level":")") + word_of(d.how) + R"(","what":)";
  append_json_string(line, d.what);
  append_json_string(line += ",\"found\":", d.found);
  append_json_string(line += ",\"remedy\":", d.remedy);
  return line + "}";
}

void add_doctor(CLI::App& app, context& ctx) {
  auto all = std::make_shared<bool>(false);
  auto* verb = app.add_subcommand(
      "doctor", "Look at this machine and the settings, and say what to do; exit code 1 when "
                "something is wrong");
  verb->add_flag("--all", *all, "Show also what is fine");
  verb->callback([&ctx, all] { ctx.then([&ctx, all] { return doctor(ctx, *all); }); });
}

} // namespace troupe::cli
