#pragma once

#include "cli/context.hpp"

namespace troupe::cli {

/// One function for each noun, in a file of its name.
void add_serve(CLI::App& app, context& ctx);
void add_config(CLI::App& app, context& ctx);
void add_doctor(CLI::App& app, context& ctx);
void add_topic(CLI::App& app, context& ctx);
void add_produce(CLI::App& app, context& ctx);
void add_consume(CLI::App& app, context& ctx);
void add_message(CLI::App& app, context& ctx);
void add_group(CLI::App& app, context& ctx);
void add_clients(CLI::App& app, context& ctx);
void add_status(CLI::App& app, context& ctx);
void add_top(CLI::App& app, context& ctx);
void add_stop(CLI::App& app, context& ctx);
void add_completion(CLI::App& app, context& ctx);
void add_debug(CLI::App& app, context& ctx);
void add_bench(CLI::App& app, context& ctx);
void add_sim(CLI::App& app, context& ctx);
void add_store(CLI::App& app, context& ctx);

} // namespace troupe::cli
