#pragma once

#include "storage/error.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace troupe::net {

/// How people write numbers in cluster.ini and on the command line. Every error says what is wrong
/// with the text and what would be right; the caller adds where it stands.

/// "4096", "64KiB", "1 GiB": bytes.
storage::result<std::int64_t> parse_size(std::string_view text);

/// "1ms", "90s", "5m", "72h", "3d": milliseconds. The unit is never left out, for RocketMQ counts
/// some times in hours and some in milliseconds.
storage::result<std::int64_t> parse_duration(std::string_view text);

/// "400000": digits only, perhaps with a minus.
storage::result<std::int64_t> parse_count(std::string_view text);

/// "75" or "75%".
storage::result<std::int64_t> parse_percent(std::string_view text);

/// "on" or "off".
storage::result<bool> parse_switch(std::string_view text);

/// A moment as milliseconds since 1970: RFC 3339 ("2024-05-01T12:00:00Z", with a fraction of a
/// second or a zone such as "+02:00" if need be) or a time before `now_ms` ("-10m").
storage::result<std::int64_t> parse_moment(std::string_view text, std::int64_t now_ms);

/// The shortest of these that says the same: "64KiB", "90s".
std::string size_text(std::int64_t bytes);
std::string duration_text(std::int64_t ms);

/// A span of time for people, in its two largest units: "3 min 25 s".
std::string span_text(std::int64_t ms);

/// "2024-05-01T12:00:00.250Z".
std::string moment_text(std::int64_t ms);

/// The candidate that takes the fewest letters to change into `name`, and of those the one that
/// begins most like it; empty without candidates.
std::string_view nearest(std::string_view name, std::span<const std::string_view> candidates);

/// "; the nearest is 'PREFIXcandidate'", or nothing when none is near.
std::string hint(std::string_view name, std::span<const std::string_view> candidates,
                 std::string_view prefix = {});

} // namespace troupe::net
