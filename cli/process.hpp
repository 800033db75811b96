#pragma once

namespace troupe::cli {

/// Makes the process fit for any verb, first thing in `main` and before other threads start:
/// - Standard descriptors that were closed lead to /dev/null. Else the next file that is opened
///   would take their number, and what is printed would land in it.
/// - A write to a pipe that nobody reads fails like any other instead of killing the process.
/// - Where the system gives no more memory or threads the process ends with a message, exit code 1.
/// - Freed blocks of memory are kept: messages come and go all the time.
void prepare_process();

/// For verbs that do nothing but print: they end without a word when nobody reads their output any
/// more, as under `head`.
void end_with_the_reader();

/// Standard output leads into a pipe or socket whose other end is closed.
bool reader_is_gone() noexcept;

} // namespace troupe::cli
