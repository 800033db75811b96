#pragma once

#include "cli/context.hpp"

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::cli {

/// The word by which a shell's completion asks; it stands in the place of a verb.
inline constexpr std::string_view completion_word = "__complete";

/// A word that may stand there, and what it is.
struct candidate {
  std::string word;
  std::string about;
};

/// What only a node knows.
enum class named_by_node { topics, groups };
using ask_names = std::function<std::vector<std::string>(named_by_node)>;

/// What may stand in the place of the last word, which is begun or empty, behind the others. The
/// verbs and options are those of `app`. Empty where files are wanted or nothing is known.
std::vector<candidate> candidates_for(const CLI::App& app, std::span<const std::string> words,
                                      const ask_names& ask);

/// Answers a shell: `troupe __complete WORDS...` prints a candidate a line, with a tab before what
/// it is. Names come from the node that the words or the surroundings name, if it answers soon.
exit_code complete(const CLI::App& app, context& ctx, std::span<char* const> words);

} // namespace troupe::cli
