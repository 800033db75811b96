#include "storage/log/quarantine.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace troupe::storage {

namespace {

bool is_zero(byte_view bytes) noexcept {
  return std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; });
}

/// A path in the quarantine that nothing has yet: `<stem>-<now_ms><ending>`, or a later number.
result<std::string> fresh_path(file_system& fs, const options& o, const std::string& stem,
                               std::int64_t now_ms, const std::string& ending) {
  auto directory = quarantine_directory(o);
  TROUPE_TRY(make_directories(fs, directory));
  auto listed = fs.list(directory);
  if (listed.has_error() && listed.error().code != errc::not_found)
    return std::move(listed).error();
  for (;; ++now_ms) {
    auto name = stem + "-" + std::to_string(now_ms) + ending;
    auto taken = listed.has_value() &&
                 std::ranges::any_of(listed.value(), [&](auto& e) { return e.name == name; });
    if (!taken)
      return directory + "/" + name;
  }
}

/// Appends [from, to) of `source` to `copy` at `at`; zeros become holes.
result<void> copy_range(const file& source, std::uint64_t from, std::uint64_t to, file& copy,
                        std::uint64_t at) {
  std::vector<std::byte> buffer(mib);
  while (from < to) {
    auto wanted = std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), to - from));
    TROUPE_TRY(auto count, source.read_at(from, wanted));
    if (count == 0)
      return error{errc::io_error, source.path() + " became shorter while it was copied"};
    std::array<byte_view, 1> parts{byte_view(buffer).first(count)};
    if (!is_zero(parts[0])) {
      TROUPE_TRY(copy.write_at(at, parts));
    }
    from += count;
    at += count;
  }
  return boost::outcome_v2::success();
}

} // namespace

std::string quarantine_directory(const options& o) {
  return o.directory + "/quarantine";
}

result<std::string> copy_to_quarantine(file_system& fs, const options& o, log_offset from,
                                       log_offset to, std::int64_t now_ms) {
  TROUPE_TRY(auto path, fresh_path(fs, o, offset_file_name(from), now_ms, ".log"));
  TROUPE_TRY(auto copy, fs.open(path, open_mode::create));
  TROUPE_TRY(copy->allocate(static_cast<std::uint64_t>(to - from), blocks::sparse));
  auto file_size = static_cast<log_offset>(o.log_file_size_bytes);
  for (auto at = from; at < to;) {
    auto start = at - at % file_size;
    auto source = fs.open(log_file_path(o, start), open_mode::read);
    auto stop = std::min(to, start + file_size);
    if (source.has_value()) {
      auto& in = *source.value();
      TROUPE_TRY(copy_range(in, static_cast<std::uint64_t>(at - start),
                            std::min(in.size(), static_cast<std::uint64_t>(stop - start)), *copy,
                            static_cast<std::uint64_t>(at - from)));
    } else if (source.error().code != errc::not_found) {
      return std::move(source).error();
    }
    at = stop;
  }
  TROUPE_TRY(copy->sync());
  TROUPE_TRY(fs.sync_directory(quarantine_directory(o)));
  return path;
}

result<std::string> copy_to_quarantine(file_system& fs, const options& o, const file& source,
                                       std::uint64_t from, std::int64_t now_ms) {
  auto name = source.path().substr(source.path().rfind('/') + 1);
  TROUPE_TRY(auto path,
             fresh_path(fs, o, name + "-from-" + std::to_string(from), now_ms, ".bytes"));
  TROUPE_TRY(auto copy, fs.open(path, open_mode::create));
  TROUPE_TRY(copy->allocate(source.size() - from, blocks::sparse));
  TROUPE_TRY(copy_range(source, from, source.size(), *copy, 0));
  TROUPE_TRY(copy->sync());
  TROUPE_TRY(fs.sync_directory(quarantine_directory(o)));
  return path;
}

result<std::string> move_to_quarantine(file_system& fs, const options& o, const std::string& name,
                                       std::int64_t now_ms) {
  auto source = o.directory + "/" + name;
  auto parent = source.substr(0, source.rfind('/'));
  auto last = source.substr(parent.size() + 1);
  auto entries = fs.list(parent);
  if (entries.has_error() && entries.error().code == errc::not_found)
    return std::string();
  TROUPE_TRY(auto found, std::move(entries));
  if (std::ranges::none_of(found, [&](auto& entry) { return entry.name == last; }))
    return std::string();
  TROUPE_TRY(auto path, fresh_path(fs, o, last, now_ms, ""));
  TROUPE_TRY(fs.rename(source, path));
  TROUPE_TRY(fs.sync_directory(quarantine_directory(o)));
  TROUPE_TRY(fs.sync_directory(parent));
  return path;
}

} // namespace troupe::storage
