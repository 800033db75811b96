# cmake -DOUT=file.cpp -DROOT=directory -DFILES="a.html;b.js" -P embed_assets.cmake
# Writes the files as arrays of a source: net/admin/page_assets.hpp says of what.
function(type_of name out)
  get_filename_component(extension ${name} LAST_EXT)
  if(extension STREQUAL ".html")
    set(${out} "text/html; charset=utf-8" PARENT_SCOPE)
  elseif(extension STREQUAL ".css")
    set(${out} "text/css; charset=utf-8" PARENT_SCOPE)
  elseif(extension STREQUAL ".js")
    set(${out} "text/javascript; charset=utf-8" PARENT_SCOPE)
  elseif(extension STREQUAL ".svg")
    set(${out} "image/svg+xml" PARENT_SCOPE)
  elseif(extension STREQUAL ".ico")
    set(${out} "image/x-icon" PARENT_SCOPE)
  elseif(extension STREQUAL ".png")
    set(${out} "image/png" PARENT_SCOPE)
  elseif(extension STREQUAL ".woff2")
    set(${out} "font/woff2" PARENT_SCOPE)
  elseif(extension STREQUAL ".txt")
    set(${out} "text/plain; charset=utf-8" PARENT_SCOPE)
  else()
    message(FATAL_ERROR "embed_assets: what is the type of ${name}?")
  endif()
endfunction()

set(arrays "")
set(table "")
set(number 0)
foreach(name IN LISTS FILES)
  file(READ "${ROOT}/${name}" hex HEX)
  file(SHA256 "${ROOT}/${name}" hash)
  string(SUBSTRING "${hash}" 0 16 tag)
  string(LENGTH "${hex}" digits)
  math(EXPR size "${digits} / 2")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  # An array is never empty.
  string(APPEND arrays "constexpr unsigned char bytes_${number}[] = {${bytes}0};\n")
  type_of(${name} type)
  string(APPEND table
    "    {\"/${name}\", \"${type}\", \"\\\"${tag}\\\"\", text(bytes_${number}, ${size})},\n")
  math(EXPR number "${number} + 1")
endforeach()

file(WRITE "${OUT}.new" "// Written by cmake/embed_assets.cmake.
#include \"net/admin/page_assets.hpp\"

#include <array>
#include <cstddef>

namespace troupe::net {

namespace {

${arrays}
std::string_view text(const unsigned char* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

} // namespace

std::span<const page_asset> page_assets() {
  static const std::array<page_asset, ${number}> all{{
${table}  }};
  return all;
}

} // namespace troupe::net
")
file(RENAME "${OUT}.new" "${OUT}")
