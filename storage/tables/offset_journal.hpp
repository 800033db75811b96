#pragma once

#include "storage/format/record.hpp"
#include "storage/options.hpp"
#include "storage/os/file_system.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::storage {

/// What one line of the journal says: the offset of a group in a queue; or, without a group, that
/// all of the topic are gone; or, without a topic, that all of the group are.
struct offset_change {
  std::string_view topic;
  std::string_view group;
  std::int32_t queue_id = 0;
  queue_offset offset = 0;
};

/// What has changed in group offsets since consumerOffset.json was written, in our own file
/// `config/troupe-offsets.journal`. Each line counts by itself and is bound to the text of the file
/// it continues: once that is another, by us, by Java or by hand, the journal says nothing more.
///
/// A committed line survives the process. The machine's power it survives on a node with
/// synchronous flush; on others once the kernel wrote it.
class offset_journal {
public:
  using apply = std::function<void(const offset_change&)>;

  offset_journal(file_system& fs, const options& o);

  /// Hands out what the journal adds to the table's file with this text, in the order of writing;
  /// without a text to whatever it continued. Lines that cannot be right are left out and named in
  /// `warnings`; if it is the first, those behind it count all the same.
  result<void> load(const std::optional<std::string_view>& table_text, const apply& change,
                    std::vector<std::string>& warnings);

  /// Collects a line for the next `commit`.
  void stage(const offset_change& change);
  /// Writes what was staged with one call, and forgets it. After an error none of it counts, and
  /// the file is as before, or is not used again before the next `restart`.
  result<void> commit();
  /// Makes everything that was committed durable, whatever the flush policy.
  result<void> sync();
  /// The table's file has this text now and holds all that was staged or committed: begins anew.
  void restart(std::string_view table_text);

  std::uint64_t size() const noexcept { return end_; } ///< bytes committed

private:
  std::string line(std::string_view text) const;
  result<void> open();
  result<void> append(std::string_view text);
  std::string unusable(std::string_view first_line) const;
  struct line_counts {
    std::size_t right = 0;
    std::size_t damaged = 0;
  };
  line_counts read_lines(std::string_view rest, const apply& change) const;

  file_system* fs_;
  std::string directory_;
  std::string path_;
  bool sync_always_;
  std::string base_;   ///< names the text that is continued; part of each line's checksum
  std::string staged_; ///< lines
  std::shared_ptr<file> file_;
  std::uint64_t end_ = 0;    ///< behind the last whole line; 0: the file is to be made anew
  bool tail_ = false;        ///< there may be something behind `end_`
  bool name_synced_ = false; ///< the directory knows the file durably
  std::optional<error> closed_;
};

} // namespace troupe::storage
