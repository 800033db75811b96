#include "actors/pull_check.hpp"

#include "actors/patience.hpp"
#include "storage/format/record.hpp"

#include <algorithm>
#include <string>

namespace troupe {

namespace {

/// What a record may have beside its body, to bound what a queue entry says of its size.
constexpr std::uint64_t most_beside_body = 64 * storage::kib;

} // namespace

storage::result<void> check_pull(pull_request& request, const topic_info* topic,
                                 const node_options& options, bool in_pieces) {
  TROUPE_TRY(storage::check_topic_name(request.topic));
  if (request.from < 0 || request.queue_id < 0)
    return storage::error{errc::invalid_argument, "a negative offset or queue"};
  if (topic != nullptr && (topic->perm & 4) == 0)
    return storage::error{errc::invalid_argument, "topic " + request.topic + " is not readable"};
  auto& tags = request.tag_hashes;
  if (tags.size() > most_pull_tags)
    return storage::error{errc::invalid_argument,
                          "a pull for " + std::to_string(tags.size()) + " tags; at most " +
                              std::to_string(most_pull_tags) + " are compared"};
  if (!std::is_sorted(tags.begin(), tags.end()))
    std::sort(tags.begin(), tags.end());
  request.max_messages = std::clamp(request.max_messages, 1u, options.pull.max_messages);
  std::uint64_t most = options.pull.max_bytes;
  if (in_pieces)
    most = std::min(most, largest_piece);
  request.max_bytes = std::clamp<std::uint64_t>(request.max_bytes, 1, most);
  request.wait_ms = std::min(request.wait_ms, longest_pull_wait_ms);
  return boost::outcome_v2::success();
}

std::optional<std::uint64_t> cut_to_credit(read_request& found, std::uint64_t open_bytes,
                                           const node_options& options) {
  auto most = options.store.max_message_size_bytes + most_beside_body;
  auto credit = std::uint64_t{options.session.credit_bytes};
  auto room = credit - std::min(credit, open_bytes);
  auto& records = found.records;
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < records.size(); ++i) {
    auto more = std::min<std::uint64_t>(records[i].size, most);
    if (bytes + more > room && (i > 0 || open_bytes > 0)) {
      if (i == 0)
        return std::nullopt;
      found.answer.next = records[i].position;
      records.resize(i);
      break;
    }
    bytes += more;
  }
  return bytes;
}

} // namespace troupe
