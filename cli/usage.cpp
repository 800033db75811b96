#include "cli/usage.hpp"

#include "cli/context.hpp"
#include "net/quantity.hpp"

#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::cli {

namespace {

/// The command that the words so far chose, and how it is typed.
struct chosen {
  const CLI::App* command;
  std::string typed = "troupe";
};

chosen chosen_command(const CLI::App& app) {
  chosen found{&app};
  while (!found.command->get_subcommands().empty()) {
    found.command = found.command->get_subcommands().front();
    found.typed += " " + found.command->get_name();
  }
  return found;
}

} // namespace

bool print_missing_verb(const CLI::App& app) {
  auto noun = chosen_command(app);
  auto words = app.remaining(true);
  if (noun.command->get_require_subcommand_min() == 0 ||
      (!words.empty() && words.front().starts_with('-')))
    return false;
  if (words.empty()) {
    std::fputs(noun.command->help(noun.typed).c_str(), stderr);
    return true;
  }
  std::vector<std::string_view> verbs;
  for (auto* verb : noun.command->get_subcommands([](const CLI::App*) { return true; }))
    verbs.push_back(verb->get_name());
  noun.typed += " ";
  print_note("there is no '" + noun.typed + words.front() + "'" +
             net::hint(words.front(), verbs, noun.typed) + "; --help shows them all");
  return true;
}

void print_unknown_words(const CLI::App& app, std::span<char* const> typed) {
  std::vector<std::string> names;
  for (const auto* app_of_options : {chosen_command(app).command, &app})
    for (auto* option : app_of_options->get_options())
      for (auto& name : option->get_lnames())
        names.push_back("--" + name);
  const std::vector<std::string_view> candidates(names.begin(), names.end());
  auto unknown = app.remaining(true);
  std::string said;
  for (std::string_view word : typed) {
    auto found = std::ranges::find(unknown, word);
    if (found == unknown.end())
      continue;
    unknown.erase(found);
    auto name = word.substr(0, word.find('='));
    said += (said.empty() ? "'" : ", '") + std::string(word) + "'" +
            (word.starts_with('-') ? net::hint(name, candidates) : "");
  }
  print_note("not understood: " + said + "; --help shows what is");
}

void show_global_options(CLI::App& app) {
  const CLI::App& reader = app;
  auto global = reader.get_options([](const CLI::Option* option) {
    return !option->check_lname("help") && !option->check_lname("version");
  });
  auto text = CLI::Formatter().make_group("Options of every command", false, global);
  auto all = app.get_subcommands([](CLI::App*) { return true; });
  while (!all.empty()) {
    auto* command = all.back();
    all.pop_back();
    command->footer([text] { return text; });
    for (auto* verb : command->get_subcommands([](CLI::App*) { return true; }))
      all.push_back(verb);
  }
}

} // namespace troupe::cli
