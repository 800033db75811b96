#include "net/admin/page_assets.hpp"

namespace troupe::net {

const page_asset* find_asset(std::string_view path) {
  if (path == "/")
    path = "/index.html";
  for (auto& asset : page_assets())
    if (asset.path == path)
      return &asset;
  return nullptr;
}

} // namespace troupe::net
