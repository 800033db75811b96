#pragma once

#include "cli/context.hpp"
#include "net/client.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace troupe::cli {

/// Asks for the status of a store, again and again if wanted: connections that are lost are made
/// anew. One thread calls.
class status_source {
public:
  struct answer {
    node_status status;
    std::string note; ///< who was asked before and does not answer; may be empty
  };

  /// The node that the command line names. If it names none, those with a door in the order of the
  /// file, then all others: whoever answers first knows of the whole.
  static storage::result<std::unique_ptr<status_source>> open(const context& ctx,
                                                              std::chrono::milliseconds deadline);
  ~status_source();
  status_source(const status_source&) = delete;
  status_source& operator=(const status_source&) = delete;

  storage::result<answer> ask();

private:
  struct candidate {
    std::string name; ///< of the node; its address if that is not known
    client::connect_options options;
    client::connection_actor connection; ///< null: not needed yet
  };

  status_source(std::unique_ptr<caf::actor_system_config> config,
                std::vector<candidate> candidates);
  static storage::result<std::vector<candidate>> candidates_of(const context& ctx);
  storage::result<node_status> ask(candidate& one);

  std::unique_ptr<caf::actor_system_config> config_;
  caf::actor_system system_;
  caf::scoped_actor self_;
  std::vector<candidate> candidates_;
};

} // namespace troupe::cli
