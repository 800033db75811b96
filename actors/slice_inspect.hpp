#pragma once

#include "actors/caf.hpp"
#include "storage/os/slice.hpp"

#include <memory>
#include <vector>

/// How bytes that are shared inside a process cross to another one.
namespace troupe {

// A slice crosses as its bytes and arrives as an owned block.
template <class Inspector>
typename Inspector::result_type inspect_slice(Inspector& f, storage::slice& x) {
  if constexpr (is_saving<Inspector>) {
    return save_block(f, x.bytes().data(), x.size());
  } else if constexpr (is_loading<Inspector>) {
    std::shared_ptr<std::vector<std::byte>> block;
    auto err = load_block(f, [&](std::size_t size) {
      block = std::make_shared<std::vector<std::byte>>(size);
      return static_cast<void*>(block->data());
    });
    if (!err) {
      storage::byte_view bytes{*block};
      x = storage::slice{std::shared_ptr<const void>{std::move(block)}, bytes};
    }
    return err;
  } else {
    auto size = x.size();
    return f(caf::meta::type_name("slice"), size);
  }
}

// Many slices cross as their lengths and one block, and arrive as parts of one owned block. If a
// file of theirs was lost meanwhile they arrive empty, which no record is.
template <class Inspector>
typename Inspector::result_type inspect_slices(Inspector& f, std::vector<storage::slice>& xs) {
  if constexpr (is_saving<Inspector>) {
    std::vector<std::uint32_t> sizes;
    std::size_t total = 0;
    for (auto& x : xs) {
      sizes.push_back(static_cast<std::uint32_t>(x.size()));
      total += x.size();
    }
    if (total > max_block_bytes)
      return caf::sec::invalid_argument;
    auto length = static_cast<std::uint32_t>(total);
    if (auto err = f(sizes, length))
      return err;
    bool damaged = false;
    for (auto& x : xs) {
      if (auto err = f.apply_raw(x.size(), const_cast<std::byte*>(x.bytes().data())))
        return err;
      damaged |= x.damaged(); // known only after its bytes were read
    }
    return f(damaged);
  } else if constexpr (is_loading<Inspector>) {
    std::vector<std::uint32_t> sizes;
    if (auto err = f(sizes))
      return err;
    storage::slice all;
    if (auto err = inspect_slice(f, all))
      return err;
    bool damaged = false;
    if (auto err = f(damaged))
      return err;
    std::size_t at = 0;
    xs.clear();
    for (auto size : sizes) {
      if (size > all.size() - at)
        return caf::sec::invalid_argument;
      xs.push_back(damaged ? storage::slice{} : all.part(at, size));
      at += size;
    }
    return caf::error{};
  } else {
    auto count = xs.size();
    return f(caf::meta::type_name("slices"), count);
  }
}

// Wraps the two for use among other members.
struct slice_field {
  storage::slice& value;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, slice_field& x) {
  return inspect_slice(f, x.value);
}
struct slices_field {
  std::vector<storage::slice>& value;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, slices_field& x) {
  return inspect_slices(f, x.value);
}

} // namespace troupe
