#pragma once

#include "storage/format/position.hpp"
#include "storage/options.hpp"
#include "storage/queues/consume_queue.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace troupe::storage {

struct queue_table_options {
  std::size_t tail_entries = 128; ///< unwritten entries a queue may hold
  std::size_t open_files = 4096;  ///< queue files open at the same time
  bool read_only = false; ///< nothing is cut, removed or created; what is added stays in memory
};

/// All consume queues, found by topic and queue id. One owner calls it.
class queue_table {
public:
  /// The queues of one topic, numbered by their id; a place may be null.
  struct topic_queues {
    std::string name;
    std::string directory;
    std::vector<std::unique_ptr<consume_queue>> by_id;
  };

  /// A queue whose files are no use. It is not in the table: `discard` it and append its messages
  /// from the log's beginning on.
  struct damaged_queue {
    std::string topic;
    std::int32_t queue_id = 0;
    std::string reason;
  };

  /// Loads every queue below `consumequeue/`. Names that are none of a topic's or queue's are
  /// ignored with a warning. `io_error` and the like when the directory cannot be read.
  static result<std::unique_ptr<queue_table>> open(file_system& fs, const options& o,
                                                   const queue_table_options& own,
                                                   const consume_queue::log_bounds& log);
  queue_table(const queue_table&) = delete;
  queue_table& operator=(const queue_table&) = delete;

  const std::vector<std::string>& warnings() const noexcept { return warnings_; }
  const std::vector<damaged_queue>& damaged() const noexcept { return damaged_; }
  /// Removes the files of the damaged queues and clears the list.
  result<void> discard_damaged();

  /// The topic, or null. The pointer is good until the topic is removed.
  topic_queues* find(std::string_view topic) noexcept;
  /// The queue, or null.
  consume_queue* find(std::string_view topic, std::int32_t queue_id) noexcept;
  /// The topic, made if it is new; nothing reaches the disk before the first entry.
  result<topic_queues*> create(std::string_view topic);

  enum class append_result : std::uint8_t {
    appended,
    duplicate, ///< known already, or a record that belongs to no queue
    gap,       ///< entries before it are missing: read the log again
    taken,     ///< another message has its number
    unusable,  ///< numbers that no queue can have; the record was not written by a store
  };
  /// Adds the entry of one position of a topic of this table; makes the queue if it is new. A full
  /// tail is written out first, and that is the only way to fail: nothing is lost, call it again.
  result<append_result> append(topic_queues& topic, const position& added);

  /// What became of a batch: `count` of its positions are done, counted from the first.
  struct applied {
    std::size_t count = 0;
    bool gap = false; ///< stopped before a position whose predecessors are missing
  };
  /// False for numbers that no queue can have.
  static bool usable(const position& added) noexcept;

  /// Appends the positions from `first` on and calls `added(queue)` for each entry that is new.
  /// `needs_repair` when two messages claim one number: neither is dropped, the first has the
  /// entry. After an error `done.count` says where to go on.
  result<void> apply(const position_batch& batch, std::size_t first, applied& done,
                     const std::function<void(topic_queues&, consume_queue&)>& added);

  /// Writes the tails of at most `queues` queues; what fails stays to be written.
  result<void> write_out(std::size_t queues = SIZE_MAX);
  std::size_t unwritten_queues() const noexcept { return unwritten_.size(); }

  /// Takes nothing on the disk for durable: a process that died may have cut queues, and zeros that
  /// are in the page cache alone bring the old entries back at a power cut.
  void distrust();
  /// Files and directories to sync, and that they were synced (see queue_files).
  unsynced_queue_files unsynced() { return files_.unsynced(); }
  void synced(const unsynced_queue_files& done) { files_.synced(done); }
  /// True when a sync soon spares the writer from doing it.
  bool wants_sync() const noexcept { return files_.crowded(); }
  std::size_t open_files() const noexcept { return files_.open_count(); }
  /// The files of all queues, for `queue_files::only_resident`.
  queue_files& files() noexcept { return files_; }

  /// Cuts every queue to the log's end.
  result<void> truncate(log_offset log_end);
  /// Removes the queues that have no entry, with their files: the name of a file is no evidence of
  /// where a queue begins, and its next message says it.
  result<void> remove_empty();
  /// The log begins at `log_min` now: minimum offsets rise, files below go.
  result<void> drop_until(log_offset log_min);
  /// Removes the topic with all files of its queues; done when there is none.
  result<void> remove(std::string_view topic);

  /// End of the newest record that has an entry, over all queues.
  log_offset log_end() const noexcept;
  std::size_t queue_count() const noexcept { return queue_count_; }
  /// Sum of the next offsets of all queues.
  std::uint64_t entry_total() const noexcept;
  struct totals {
    std::uint64_t queues = 0;
    std::uint64_t entries = 0; ///< as `entry_total`
  };
  totals all_totals() const noexcept;
  /// The same as if the table were cut to `log_end`.
  result<totals> totals_until(log_offset log_end) const;

  /// Calls `visit(topic, queue)` for every queue: topics in no order, queues by id.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (auto& [name, topic] : topics_)
      for (auto& queue : topic->by_id)
        if (queue)
          visit(static_cast<const topic_queues&>(*topic), *queue);
  }

private:
  queue_table(file_system& fs, const options& o, const queue_table_options& own);

  result<void> load_topic(const std::string& name, const consume_queue::log_bounds& log);
  result<void> load_queue(topic_queues& topic, std::int32_t id,
                          const consume_queue::log_bounds& log);
  consume_queue& make_queue(topic_queues& topic, std::int32_t id);
  void drop_queue(topic_queues& topic, std::int32_t id);
  template <class Change>
  result<void> change_all(Change&& change);

  struct text_hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>{}(text);
    }
  };
  std::string root_;
  queue_table_options options_;
  queue_files files_;
  std::unordered_map<std::string, std::unique_ptr<topic_queues>, text_hash, std::equal_to<>>
      topics_;
  std::vector<consume_queue*> unwritten_;
  std::vector<std::string> warnings_;
  std::vector<damaged_queue> damaged_;
  std::size_t queue_count_ = 0;
  std::uint32_t next_number_ = 0;
};

} // namespace troupe::storage
