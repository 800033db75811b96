#include "storage/recovery/producer_book.hpp"

#include "storage/log/log_view.hpp"
#include "storage/logging.hpp"
#include "storage/mutant.hpp"
#include "storage/recovery/recovery.hpp"
#include "storage/tables/config_file.hpp"

#include <algorithm>
#include <utility>

namespace troupe::storage {

namespace {

/// What the most producers need, thrice.
constexpr std::size_t max_file_bytes = 32 * mib;

} // namespace

std::string producers_path(const options& o) {
  return config_directory(o) + "/troupe-producers";
}

producer_book::producer_book(file_system& fs, const options& o)
    : files_(&fs), path_(producers_path(o)),
      every_(std::min(producers_saved_every, static_cast<log_offset>(o.log_file_size_bytes))) {}

result<void> producer_book::save(byte_view content, log_offset true_to) {
  tried_ = true_to;
  TROUPE_TRY(replace_file(*files_, path_, content));
  saved_ = true_to;
  return boost::outcome_v2::success();
}

void producer_book::try_to_save(byte_view content, log_offset true_to) {
  if (auto done = save(content, true_to); !done)
    log_warning("producers.not_saved", {{"reason", done.error().message}});
}

result<void> producer_book::open(log_offset durable) {
  if (is_open())
    return boost::outcome_v2::success();
  return save(windows_.encode(durable), durable);
}

void producer_book::advance(log_offset end, log_offset durable) {
  if (!is_open())
    return;
  if (picture_at_ < 0 && end - tried_ >= every_) {
    picture_ = windows_.encode(end);
    picture_at_ = end;
  }
  if (picture_at_ >= 0 && picture_at_ <= durable) {
    try_to_save(picture_, picture_at_);
    picture_ = {};
    picture_at_ = -1;
  }
}

void producer_book::close(log_offset end, log_offset durable) {
  if (is_open() && end == durable && end != saved_)
    try_to_save(windows_.encode(end), end);
}

// -- at a start ----------------------------------------------------------------------------------

struct producer_book::found_file {
  bool there = false;
  bool usable = false;
  producer_windows windows;
  log_offset replay_from = 0;
};

/// Windows that may hold what the log does not are not used: a message that was lost must not count
/// as stored. Nor are those that may lack something.
result<producer_book::found_file> producer_book::load(file_system& fs, const options& o,
                                                      const recovered_log& log) {
  found_file found;
  auto path = producers_path(o);
  auto bytes = read_file(fs, path, max_file_bytes);
  if (bytes.has_error() && bytes.error().code == errc::not_found)
    return found;
  if (bytes.has_error() && bytes.error().code == errc::too_many_files) // says nothing of the file
    return std::move(bytes).error();
  found.there = true;
  auto problem = bytes.has_error() ? bytes.error().message : std::string{};
  if (problem.empty()) {
    auto read = producer_windows::decode(bytes.value());
    if (!read)
      problem = read.error().message;
    else if (read.value().true_to > log.end)
      problem = "it knows more of the log than is there";
    else if (read.value().true_to < log.min_offset)
      problem = "the log behind its place is gone in part";
    else {
      found.usable = true;
      found.windows = std::move(read.value().windows);
      found.replay_from = read.value().true_to;
      return found;
    }
  }
  auto size = static_cast<log_offset>(o.log_file_size_bytes);
  auto back = std::max<log_offset>(0, log.end - producers_searched);
  found.replay_from = std::max(log.min_offset, back - back % size); // where a file begins
  log_warning("producers.not_used",
              {{"file", path}, {"reason", problem}, {"searched_from", found.replay_from}});
  return found;
}

/// How far the log can be read.
result<log_offset> producer_book::replay(file_system& fs, const options& o, log_offset from,
                                         log_offset to) {
  if (from >= to || TROUPE_MUTANT("sequences-not-replayed"))
    return to;
  log_view view(fs, o, from);
  auto visit = [this](const record_view& record) {
    if ((record.sysflag & sysflag::sequenced) != 0)
      if (auto sequence = producer_sequence::parse(record.properties))
        note(*sequence, {record.offset, record.queue_position});
    return true;
  };
  auto walked = view.walk(from, to, verify::structure_and_crc, visit);
  if (walked)
    return walked.value().end;
  auto& why = walked.error();
  if (why.code != errc::io_error && why.code != errc::corrupt) // nothing is wrong with the log
    return std::move(walked).error();
  return from;
}

/// Damage in the part that the recovery of the log had no reason to look at: nobody knows whose
/// messages it hides. Who is forgotten for that is told so, and nothing is stored twice unawares.
result<void> producer_book::read_log(file_system& fs, const options& o, log_offset from,
                                     const recovered_log& log) {
  TROUPE_TRY(auto end, replay(fs, o, from, log.end));
  if (end >= log.end)
    return boost::outcome_v2::success();
  log_warning("producers.forgotten",
              {{"reason", "the commit log cannot be read there"}, {"offset", end}});
  windows_ = producer_windows{};
  TROUPE_TRY(end, replay(fs, o, std::max(from, log.scanned_from), log.end));
  if (end < log.end)
    windows_ = producer_windows{};
  return boost::outcome_v2::success();
}

result<producer_book> producer_book::recover(file_system& fs, const options& o,
                                             const recovered_log& log) {
  producer_book book(fs, o);
  TROUPE_TRY(auto found, load(fs, o, log));
  if (!found.there)
    return book;
  book.windows_ = std::move(found.windows);
  TROUPE_TRY(book.read_log(fs, o, found.replay_from, log));
  auto content = book.windows_.encode(log.end);
  if (found.usable) {
    book.saved_ = found.replay_from;
    if (log.end != book.saved_)
      book.try_to_save(content, log.end);
  } else {
    // Before anything is written: a file that knows another end of the log must not seem right
    // again when the log has grown beyond it.
    TROUPE_TRY(book.save(content, log.end));
  }
  return book;
}

} // namespace troupe::storage
