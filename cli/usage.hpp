#pragma once

#include <CLI/CLI.hpp>

#include <span>

namespace troupe::cli {

/// What a command line that was not understood is answered with, on standard error.

/// Where a verb was wanted: names the word that came and the nearest verb, or lists them all when
/// none came. False, and nothing is said, when something else is missing.
bool print_missing_verb(const CLI::App& app);

/// Names the words that no option or argument took, in the order in which they were typed.
void print_unknown_words(const CLI::App& app, std::span<char* const> typed);

/// What every command takes stands in the help of each, not only of `troupe` itself. Call it when
/// all commands were added.
void show_global_options(CLI::App& app);

} // namespace troupe::cli
