#include "storage/queues/entry_search.hpp"

#include "storage/format/properties.hpp"
#include "storage/log/log_scan.hpp"
#include "storage/log/log_view.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace troupe::storage {

namespace {

queue_entry entry_of(const record_view& view, const delay_levels& levels) {
  return {view.offset, view.size,
          tags_code(view.topic, indexed_properties{view.properties}, view.store_timestamp, levels)};
}

/// One search at work.
class search {
public:
  search(file_system& fs, const options& o, log_view& log, const std::string& topic,
         std::int32_t queue_id, const suspect_entries& given)
      : fs_(fs), options_(o), log_(log), topic_(topic), queue_id_(queue_id), given_(given),
        found_(given.entries.size()) {}

  result<right_entries> run();

private:
  result<bool> leads_right(std::size_t i);
  result<void> find_bounds();
  result<void> walk();
  void note(const record_view& view);
  right_entries around_suspect() const;

  file_system& fs_;
  const options& options_;
  log_view& log_;
  const std::string& topic_;
  std::int32_t queue_id_;
  const suspect_entries& given_;
  std::vector<std::optional<queue_entry>> found_; ///< as `given_.entries`
  /// Of the entries that are looked for.
  std::size_t first_ = 0;
  std::size_t end_ = 0;
  /// Where their records are looked for.
  log_offset from_ = 0;
  log_offset to_ = 0;
  bool cut_ = false; ///< they may also lie behind `to_`
};

result<right_entries> search::run() {
  TROUPE_TRY(find_bounds());
  cut_ = to_ - from_ > most_entry_search;
  if (cut_)
    to_ = from_ + most_entry_search;
  TROUPE_TRY(walk());
  return around_suspect();
}

/// True if the entry is what the record says that it names.
result<bool> search::leads_right(std::size_t i) {
  auto& entry = given_.entries[i];
  if (!entry.valid() || entry.filler() || entry.offset < given_.log_begin ||
      entry.end() > given_.log_end)
    return false;
  auto message = log_.read(entry.offset);
  if (message.has_error() && message.error().code != errc::corrupt &&
      message.error().code != errc::not_found && message.error().code != errc::offset_too_small)
    return std::move(message).error();
  if (message.has_error())
    return false;
  auto& view = message.value().view;
  return view.queue_position == given_.first + static_cast<queue_offset>(i) &&
         view.queue_id == queue_id_ && view.topic == topic_ &&
         entry_of(view, options_.delays) == entry;
}

/// The next entries on both sides that are right say between which records to look.
result<void> search::find_bounds() {
  from_ = std::max(given_.log_begin, log_.min_offset());
  to_ = given_.log_end;
  end_ = given_.entries.size();
  auto suspect = static_cast<std::size_t>(given_.suspect - given_.first);
  for (auto i = suspect; i > 0; --i) {
    TROUPE_TRY(auto right, leads_right(i - 1));
    if (right) {
      first_ = i;
      from_ = given_.entries[i - 1].end();
      break;
    }
  }
  for (auto i = suspect + 1; i < given_.entries.size(); ++i) {
    TROUPE_TRY(auto right, leads_right(i));
    if (right) {
      end_ = i;
      to_ = given_.entries[i].offset;
      break;
    }
  }
  return boost::outcome_v2::success();
}

result<void> search::walk() {
  std::optional<log_scan> scan; // only damage needs it
  auto at = from_;
  while (at < to_) {
    auto walked = log_.walk(at, to_, verify::structure, [this](const record_view& view) {
      note(view);
      return true;
    });
    if (walked.has_error() && walked.error().code != errc::corrupt)
      return std::move(walked).error();
    at = walked.has_value() ? walked.value().end : at;
    if (at >= to_)
      break;
    if (!scan) {
      TROUPE_TRY(auto log, list_log(fs_, options_));
      if (log.listing.files.empty())
        break;
      scan.emplace(fs_, options_, std::move(log.listing.files));
    }
    TROUPE_TRY(auto next, scan->find(at + 1));
    if (!next)
      break;
    at = next->offset;
  }
  return boost::outcome_v2::success();
}

void search::note(const record_view& view) {
  auto i = view.queue_position - given_.first;
  if (view.queue_id != queue_id_ || !view.has_queue_entry() || view.topic != topic_ ||
      i < static_cast<queue_offset>(first_) || i >= static_cast<queue_offset>(end_))
    return;
  // Of two with one number the later one counts: the topic was made again in between.
  found_[static_cast<std::size_t>(i)] = entry_of(view, options_.delays);
}

/// The suspect, and the wrong ones that touch it, as far as their records have been found.
right_entries search::around_suspect() const {
  auto suspect = static_cast<std::size_t>(given_.suspect - given_.first);
  if (!found_[suspect])
    return {0,
            {},
            cut_ ? "its record is not within the next " + std::to_string(most_entry_search) +
                       " bytes of the log"
                 : "its record is not in the log"};
  auto first = suspect;
  auto end = suspect + 1;
  while (first > first_ && found_[first - 1] && found_[first - 1]->end() <= found_[first]->offset)
    --first;
  while (end < end_ && found_[end] && found_[end - 1]->end() <= found_[end]->offset)
    ++end;
  right_entries right;
  right.first = given_.first + static_cast<queue_offset>(first);
  for (auto i = first; i < end; ++i)
    right.entries.push_back(*found_[i]);
  return right;
}

} // namespace

result<right_entries> search_entries(file_system& fs, const options& o, log_view& log,
                                     const std::string& topic, std::int32_t queue_id,
                                     const suspect_entries& given) {
  return search(fs, o, log, topic, queue_id, given).run();
}

} // namespace troupe::storage
