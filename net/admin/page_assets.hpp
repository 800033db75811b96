#pragma once

#include <span>
#include <string_view>

namespace troupe::net {

/// A file of net/admin/page/, which is part of the program.
struct page_asset {
  std::string_view path; ///< "/index.html"
  std::string_view type; ///< its media type
  std::string_view tag;  ///< of its content, with quotes
  std::string_view bytes;
};

/// All of them; cmake/embed_assets.cmake writes the source at build time.
std::span<const page_asset> page_assets();

/// Null if there is none; "/" is "/index.html".
const page_asset* find_asset(std::string_view path);

} // namespace troupe::net
