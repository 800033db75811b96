#include "cli/completion.hpp"

#include "cli/commands.hpp"
#include "cli/environment.hpp"
#include "cli/remote.hpp"
#include "net/config_table.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <set>

namespace troupe::cli {

namespace {

/// Where a command line has come to.
struct place {
  const CLI::App* command;
  std::size_t positionals = 0;              ///< that are typed
  const CLI::Option* open_option = nullptr; ///< whose value comes next
};

const CLI::Option* find_option(const CLI::App& app, const CLI::App& command,
                               const std::string& word) {
  for (auto* owner : {&command, &app})
    for (auto* option : owner->get_options())
      if (option->check_name(word))
        return option;
  return nullptr;
}

bool takes_value(const CLI::Option& option) {
  return option.get_items_expected_max() > 0 && option.get_expected_min() > 0;
}

/// `see` is told of each option with its value.
template <class See>
place walk(const CLI::App& app, std::span<const std::string> words, See see) {
  place at{&app};
  for (auto& word : words) {
    if (at.open_option != nullptr) {
      see(*at.open_option, word);
      at.open_option = nullptr;
    } else if (word.starts_with('-')) {
      auto mark = word.find('=');
      auto* option = find_option(app, *at.command, word.substr(0, mark));
      if (option != nullptr && mark != std::string::npos)
        see(*option, word.substr(mark + 1));
      else if (option != nullptr && takes_value(*option))
        at.open_option = option;
    } else if (auto verbs = at.command->get_subcommands(
                   [&word](const CLI::App* verb) { return verb->check_name(word); });
               !verbs.empty()) {
      at = {verbs.front()};
    } else {
      ++at.positionals;
    }
  }
  return at;
}

const CLI::Option* positional_of(const place& at) {
  std::size_t number = 0;
  for (auto* option : at.command->get_options())
    if (option->get_positional() && number++ == at.positionals)
      return option;
  return nullptr;
}

/// What may be the value of an option or an argument, by its name.
std::vector<candidate> values_of(const CLI::Option& option, const ask_names& ask) {
  static const std::map<std::string, std::vector<std::string>, std::less<>> fixed{
      {"output", {"text", "json"}},   {"log-format", {"text", "json"}},
      {"perm", {"r", "w", "rw"}},     {"from", {"earliest", "latest"}},
      {"to", {"earliest", "latest"}}, {"SHELL", {"bash", "zsh", "fish"}}};
  std::vector<candidate> all;
  auto name = option.get_single_name();
  if (auto found = fixed.find(name); found != fixed.end()) {
    for (auto& word : found->second)
      all.push_back({word, {}});
  } else if (name == "KEY") {
    for (auto& s : net::settings())
      all.push_back({std::string(s.section) + "." + std::string(s.key), std::string(s.about)});
  } else if (name == "TOPIC" || name == "topic") {
    for (auto& topic : ask(named_by_node::topics))
      all.push_back({topic, "topic"});
  } else if (name == "GROUP" || name == "group") {
    for (auto& group : ask(named_by_node::groups))
      all.push_back({group, "consumer group"});
  }
  return all;
}

std::vector<candidate> options_at(const CLI::App& app, const place& at) {
  std::vector<candidate> all;
  for (auto* owner : {at.command, &app}) {
    for (auto* option : owner->get_options())
      for (auto& name : option->get_lnames())
        all.push_back({"--" + name, option->get_description()});
    if (at.command == &app)
      break;
  }
  return all;
}

std::vector<std::string> names_at_node(const context& ctx, named_by_node what) {
  constexpr auto patience = std::chrono::milliseconds(1000); // a person waits for the next key
  std::set<std::string> names;
  auto options = address_of(ctx);
  if (!options)
    return {};
  options.value().patience = options.value().deadline = patience;
  auto node = remote::open(options.value());
  if (!node)
    return {};
  if (what == named_by_node::topics) {
    if (auto topics = node.value()->ask<topic_list>(list_atom_v))
      for (auto& t : topics.value().topics)
        names.insert(t.name);
  } else if (auto groups = node.value()->ask<group_list>(list_atom_v, std::string())) {
    for (auto& s : groups.value().settings)
      names.insert(s.group);
    for (auto& o : groups.value().offsets)
      names.insert(o.group);
  }
  return {names.begin(), names.end()};
}

constexpr std::string_view bash_script = R"sh(# Completion for bash. In ~/.bashrc:
#   eval "$(troupe completion bash)"
_troupe() {
  local line="${COMP_LINE:0:COMP_POINT}" words
  IFS=$' \t\n' read -ra words <<< "$line"
  [[ "$line" == *[[:space:]] ]] && words+=("")
  local IFS=$'\n'
  COMPREPLY=($("${words[0]}" __complete "${words[@]:1}" 2>/dev/null | cut -f1))
}
complete -o default -F _troupe troupe)sh";

constexpr std::string_view zsh_script = R"sh(#compdef troupe
# Completion for zsh. In ~/.zshrc, behind compinit:
#   eval "$(troupe completion zsh)"
_troupe() {
  local -a found
  local word about
  while IFS=$'\t' read -r word about; do
    found+=("${word//:/\\:}${about:+:$about}")
  done < <("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)
  if (( ${#found} )); then
    _describe troupe found
  else
    _files
  fi
}
compdef _troupe troupe)sh";

constexpr std::string_view fish_script = R"sh(# Completion for fish:
#   troupe completion fish > ~/.config/fish/completions/troupe.fish
function __troupe_words
  set -l words (commandline -opc) (commandline -ct)
  $words[1] __complete $words[2..-1] 2>/dev/null
end
complete -c troupe -a '(__troupe_words)')sh";

} // namespace

std::vector<candidate> candidates_for(const CLI::App& app, std::span<const std::string> words,
                                      const ask_names& ask) {
  if (words.empty())
    return {};
  auto at = walk(app, words.first(words.size() - 1), [](const CLI::Option&, const std::string&) {});
  auto& begun = words.back();
  std::vector<candidate> all;
  if (at.open_option != nullptr) {
    all = values_of(*at.open_option, ask);
  } else if (begun.starts_with('-')) {
    all = options_at(app, at);
  } else if (auto verbs = at.command->get_subcommands([](const CLI::App*) { return true; });
             !verbs.empty()) {
    for (auto* verb : verbs)
      all.push_back({verb->get_name(), verb->get_description()});
  } else if (auto* positional = positional_of(at)) {
    all = values_of(*positional, ask);
  }
  std::erase_if(all, [&begun](const candidate& c) { return !c.word.starts_with(begun); });
  return all;
}

exit_code complete(const CLI::App& app, context& ctx, std::span<char* const> typed) {
  const std::vector<std::string> words(typed.begin(), typed.end());
  take_environment(app, ctx);
  if (!words.empty())
    walk(app, std::span(words).first(words.size() - 1),
         [&ctx](const CLI::Option& option, const std::string& value) {
           auto name = option.get_single_name();
           if (name == "connect" && client::parse_address(value))
             ctx.connect = value;
           else if (name == "config")
             ctx.config_path = value;
           else if (name == "node")
             ctx.node_name = value;
         });
  for (auto& c :
       candidates_for(app, words, [&ctx](named_by_node what) { return names_at_node(ctx, what); }))
    print_line(c.about.empty() ? c.word : c.word + "\t" + c.about);
  return exit_code::done;
}

void add_completion(CLI::App& app, context& ctx) {
  auto shell = std::make_shared<std::string>();
  auto* verb = app.add_subcommand(
      "completion", "Print a script that lets a shell complete verbs, options, topics and groups");
  verb->add_option("SHELL", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  verb->callback([&ctx, shell] {
    ctx.then([shell]() -> storage::result<exit_code> {
      print_line(*shell == "bash" ? bash_script : *shell == "zsh" ? zsh_script : fish_script);
      return exit_code::done;
    });
  });
}

} // namespace troupe::cli
