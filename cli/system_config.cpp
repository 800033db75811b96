#include "cli/system_config.hpp"

#include "actors/error.hpp"
#include "net/client.hpp"
#include "net/quantity.hpp"

#include <sstream>
#include <string>
#include <string_view>
#include <utility>

namespace troupe::cli {

namespace {

/// Knows the options, and not only how to read them.
struct system_config : caf::actor_system_config {
  using caf::actor_system_config::custom_options_;
};

std::string_view standard(caf::string_view text) {
  return {text.data(), text.size()};
}

storage::result<void> check(const system_config& config, const net::framework_setting& s) {
  std::vector<std::string_view> names;
  for (auto& option : config.custom_options_) {
    auto name = standard(option.full_name());
    if (name.find('.') == std::string_view::npos || name.starts_with("global."))
      continue; // such as `help`: for the command line only
    names.push_back(name);
    if (name != s.key)
      continue;
    if (!option.parse(s.value))
      return storage::error{errc::invalid_argument, s.place + ": " + s.key + " = " + s.value +
                                                        " is no value of type " +
                                                        std::string(standard(option.type_name()))};
    if (name == "scheduler.max-threads" && s.value == "0")
      return storage::error{errc::invalid_argument,
                            s.place + ": " + s.key + " = 0 leaves nobody to work; give 1 or more"};
    return boost::outcome_v2::success();
  }
  return storage::error{errc::invalid_argument, s.place + ": unknown key '" + s.key + "' in [caf]" +
                                                    net::hint(s.key, names)};
}

} // namespace

storage::result<std::unique_ptr<caf::actor_system_config>>
make_system_config(const std::vector<net::framework_setting>& settings) {
  auto config = std::make_unique<system_config>();
  client::configure(*config);
  std::vector<std::string> arguments;
  for (auto& s : settings) {
    TROUPE_TRY(check(*config, s));
    arguments.push_back("--" + s.key + "=" + s.value);
  }
  std::istringstream no_file;
  if (auto problem = config->parse(std::move(arguments), no_file))
    return storage::error{errc::invalid_argument,
                          "[caf] in the configuration: " + from_caf(problem).message};
  return config;
}

} // namespace troupe::cli
