#include "storage/tables/offset_journal.hpp"

#include "storage/format/crc.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>
#include <utility>

namespace troupe::storage {

namespace {

constexpr std::string_view title = "troupe-offsets 1 ";
constexpr std::size_t checksum_digits = 8;
/// The table is saved long before; beyond this it could not be.
constexpr std::uint64_t max_journal_bytes = 32 * mib;

byte_view bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

std::string hex(std::uint32_t value) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text(checksum_digits, '0');
  for (auto at = text.rbegin(); at != text.rend(); ++at, value >>= 4U)
    *at = digits[value & 0xfU];
  return text;
}

std::string base_of(std::string_view table_text) {
  return hex(crc32(bytes_of(table_text))) + "-" + std::to_string(table_text.size());
}

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  Number value = -1;
  auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc{} || stop != text.data() + text.size() || value < 0)
    return std::nullopt;
  return value;
}

/// The text up to `mark`, which is taken off `rest` with it; everything without a mark.
std::string_view take_until(std::string_view& rest, char mark) {
  auto end = rest.find(mark);
  auto part = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return part;
}

/// "topic@group queue offset", "topic@" or "@group".
std::optional<offset_change> parse_change(std::string_view text) {
  auto names = take_until(text, ' ');
  if (names.find('@') == std::string_view::npos)
    return std::nullopt;
  offset_change change;
  change.topic = take_until(names, '@');
  change.group = names;
  if (change.topic.empty() != change.group.empty())
    return text.empty() ? std::optional(change) : std::nullopt;
  auto queue = parse_number<std::int32_t>(take_until(text, ' '));
  auto offset = parse_number<std::int64_t>(text);
  if (change.topic.empty() || !queue || !offset)
    return std::nullopt;
  change.queue_id = *queue;
  change.offset = *offset;
  return change;
}

std::string text_of(const offset_change& change) {
  std::string text(change.topic);
  text.append("@").append(change.group);
  if (!change.topic.empty() && !change.group.empty())
    text.append(" " + std::to_string(change.queue_id) + " " + std::to_string(change.offset));
  return text;
}

} // namespace

offset_journal::offset_journal(file_system& fs, const options& o)
    : fs_(&fs), directory_(o.directory + "/config"), path_(directory_ + "/troupe-offsets.journal"),
      sync_always_(o.flush == flush_policy::sync), base_(base_of({})) {}

std::string offset_journal::line(std::string_view text) const {
  auto whole = hex(crc32(bytes_of(text), crc32(bytes_of(base_))));
  return whole.append(" ").append(text).append("\n");
}

/// Why a journal that begins with this line, and of whose other lines none counts, is no use here.
std::string offset_journal::unusable(std::string_view first_line) const {
  const std::string then = ": groups may get some messages again";
  if (!first_line.starts_with(title))
    return path_ + " does not begin as it should and is ignored" + then;
  return path_ +
         " continues another consumerOffset.json than the one that is there, and is "
         "ignored" +
         then;
}

/// Hands out the lines that are right, and counts the others.
offset_journal::line_counts offset_journal::read_lines(std::string_view rest,
                                                       const apply& change) const {
  line_counts counts;
  while (!rest.empty()) {
    auto text = take_until(rest, '\n');
    auto said = text.substr(std::min(text.size(), checksum_digits + 1));
    auto parsed = parse_change(said);
    bool right = parsed && line(said).compare(0, text.size(), text) == 0;
    ++(right ? counts.right : counts.damaged);
    if (right)
      change(*parsed);
  }
  return counts;
}

result<void> offset_journal::load(const std::optional<std::string_view>& table_text,
                                  const apply& change, std::vector<std::string>& warnings) {
  base_ = base_of(table_text.value_or(std::string_view{}));
  auto bytes = read_file(*fs_, path_, 2 * max_journal_bytes);
  if (!bytes) {
    auto problem = std::move(bytes).error();
    if (problem.code == errc::not_found)
      return boost::outcome_v2::success();
    problem.message += ": without it groups get some messages again; try again, or remove it";
    return problem;
  }
  std::string_view rest(reinterpret_cast<const char*>(bytes.value().data()), bytes.value().size());
  // Behind the last end of a line is what was being written when the process ended.
  rest = rest.substr(0, rest.rfind('\n') + 1);
  if (rest.empty())
    return boost::outcome_v2::success();
  const auto whole_lines = rest.size();
  auto first = take_until(rest, '\n');
  if (!table_text && first.starts_with(title))
    base_ = first.substr(title.size());
  // Each line's checksum says which text it continues: one that is right proves the first wrong.
  const bool begins_well = first == std::string(title) + base_;
  auto [right, damaged] = read_lines(rest, change);
  if (!begins_well && right == 0) {
    warnings.push_back(unusable(first));
    return boost::outcome_v2::success();
  }
  damaged += begins_well ? 0 : 1;
  if (damaged > 0)
    warnings.push_back(path_ + ": " + std::to_string(damaged) +
                       " lines are damaged and are ignored; groups may get some messages again");
  end_ = whole_lines;
  tail_ = true;
  return boost::outcome_v2::success();
}

void offset_journal::stage(const offset_change& change) {
  staged_ += line(text_of(change));
}

/// Opens the file for the first append: the one that was loaded, or a new one.
result<void> offset_journal::open() {
  if (file_)
    return boost::outcome_v2::success();
  if (end_ == 0) {
    TROUPE_TRY(make_directories(*fs_, directory_));
    tail_ = true; // of a journal that counts no more
  }
  TROUPE_TRY(file_, fs_->open(path_, end_ == 0 ? open_mode::create : open_mode::read_write));
  return boost::outcome_v2::success();
}

result<void> offset_journal::append(std::string_view text) {
  TROUPE_TRY(open());
  if (tail_) {
    TROUPE_TRY(file_->allocate(end_, blocks::sparse));
    tail_ = false;
  }
  auto head = end_ == 0 ? std::string(title) + base_ + "\n" : std::string{};
  std::array<byte_view, 2> parts{bytes_of(head), bytes_of(text)};
  tail_ = true; // on error any part of it may be there
  TROUPE_TRY(file_->write_at(end_, parts));
  tail_ = false;
  end_ += head.size() + text.size();
  return boost::outcome_v2::success();
}

result<void> offset_journal::commit() {
  auto text = std::exchange(staged_, {});
  if (text.empty())
    return boost::outcome_v2::success();
  if (closed_)
    return *closed_;
  if (end_ + text.size() > max_journal_bytes)
    return error{errc::busy, path_ + " is full, for consumerOffset.json could not be saved: see "
                                     "the log for the reason"};
  TROUPE_TRY(append(text));
  return sync_always_ ? sync() : boost::outcome_v2::success();
}

result<void> offset_journal::sync() {
  if (closed_)
    return *closed_;
  if (end_ == 0)
    return boost::outcome_v2::success();
  TROUPE_TRY(open());
  auto done = file_->sync();
  if (done && !name_synced_)
    done = fs_->sync_directory(directory_);
  name_synced_ = done.has_value();
  // What could not be written the kernel drops: a later success would prove nothing.
  if (!done)
    closed_ = done.error();
  return done;
}

void offset_journal::restart(std::string_view table_text) {
  base_ = base_of(table_text);
  staged_.clear();
  file_.reset();
  end_ = 0;
  name_synced_ = false;
  closed_.reset();
  // If it stays, it is one that continues another text.
  static_cast<void>(fs_->remove(path_));
}

} // namespace troupe::storage
