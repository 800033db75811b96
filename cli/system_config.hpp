#pragma once

#include "actors/caf.hpp"
#include "net/config.hpp"

#include <memory>
#include <vector>

namespace troupe::cli {

/// Makes the framework's configuration with the `[caf]` settings of cluster.ini. One that the
/// framework would not understand is refused with its place.
storage::result<std::unique_ptr<caf::actor_system_config>>
make_system_config(const std::vector<net::framework_setting>& settings);

} // namespace troupe::cli
