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

/// The verb that may have been meant, or all of them.
std::string guess(const CLI::App& noun, const std::string& typed, std::string_view word) {
  std::vector<std::string> names;
  for (auto* verb : noun.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(verb->get_name());
  const std::vector<std::string_view> verbs(names.begin(), names.end());
  if (auto near = net::hint(word, verbs, typed); !near.empty())
    return near;
  std::string all;
  for (auto verb : verbs)
    all.append(all.empty() ? "; there are " : ", ").append(verb);
  return all;
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
  noun.typed += " ";
  auto& word = words.front();
  print_note("there is no '" + noun.typed + word + "'" +
             (word == "help" ? "; write '" + noun.typed + "--help'"
                             : guess(*noun.command, noun.typed, word) + "; --help shows them all"));
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
  for (std::size_t i = 0; i < typed.size(); ++i) {
    std::string_view word = typed[i];
    auto found = std::ranges::find(unknown, word);
    if (found == unknown.end())
      continue;
    unknown.erase(found);
    auto name = word.substr(0, word.find('='));
    auto whole = std::string(word);
    // Right behind an option that nobody knows stands its value.
    if (word.starts_with('-') && name == word && i + 1 < typed.size() && typed[i + 1][0] != '-')
      if (auto value = std::ranges::find(unknown, std::string_view(typed[i + 1]));
          value != unknown.end()) {
        whole.append(" ").append(typed[++i]);
        unknown.erase(value);
      }
    said += (said.empty() ? "'" : ", '") + whole + "'" +
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
