#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace troupe::net {

/// Whether a browser that says it came for this host may see the answer. A page elsewhere can give
/// its own name the address of this machine (DNS rebinding), and would read what is here; its name
/// stays in the header. `header` is the Host field, with or without a port; allowed are the
/// loopback interface's names and addresses, `local` (the address at which the connection came in),
/// and `more`.
bool host_allowed(std::string_view header, std::string_view local,
                  const std::vector<std::string>& more);

} // namespace troupe::net
