#include "sim/disk/disk.hpp"
#include "storage/tables/delay_offsets.hpp"
#include "storage/tables/offset_table.hpp"
#include "storage/tables/topic_table.hpp"
#include "tests/fuzz/hostile.hpp"

#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

using namespace troupe;
using namespace troupe::storage;
using fuzz::must;
using fuzz::require;

namespace {

constexpr std::int64_t now = 1'767'225'600'000;

using row = std::tuple<std::string, std::int64_t, std::int64_t, std::int64_t>;

std::vector<row> rows_of(const topic_table& table) {
  std::vector<row> rows;
  for (auto& [name, topic] : table.topics()) {
    require(name == topic.name && check_topic_name(name).has_value(), "a topic has a sound name");
    require(topic.read_queues >= 0 && topic.write_queues >= 0 &&
                std::max(topic.read_queues, topic.write_queues) <=
                    static_cast<std::int32_t>(max_queues_per_topic),
            "a topic has a sound number of queues");
    rows.emplace_back(name, topic.read_queues, topic.write_queues, topic.perm);
  }
  return rows;
}

std::vector<row> rows_of(const offset_table& table) {
  std::vector<row> rows;
  table.for_each([&](std::string_view topic, std::string_view group, auto& queues) {
    require(check_topic_name(topic).has_value() && check_group_name(group).has_value(),
            "an offset is one of a topic and a group");
    for (auto& [id, offset] : queues) {
      require(id >= 0 && offset >= 0, "queue ids and offsets are not negative");
      require(table.find(group, topic, id) == offset, "an offset that is listed is found");
      rows.emplace_back(std::string(topic) + "@" + std::string(group), id, offset, 0);
    }
  });
  return rows;
}

std::vector<row> rows_of(const delay_offsets& table) {
  std::vector<row> rows;
  for (std::int32_t level = 1; level <= static_cast<std::int32_t>(delay_levels::most); ++level)
    if (auto offset = table.find(level)) {
      require(*offset >= 0, "offsets are not negative");
      rows.emplace_back("", level, *offset, 0);
    }
  return rows;
}

std::vector<row> rows_of(const tombstone_table& table) {
  std::vector<row> rows;
  for (auto& dead : table.all()) {
    require(dead.deleted_at >= 0 && check_topic_name(dead.topic).has_value(),
            "a tombstone has a topic and an offset");
    rows.emplace_back(dead.topic, dead.deleted_at, -1, 0);
    for (auto offset : dead.next_offsets)
      rows.emplace_back(dead.topic, dead.deleted_at, offset, 0);
  }
  return rows;
}

result<void> save(topic_table& table) {
  return table.save(now);
}
result<void> save(offset_table& table) {
  return table.save(now);
}
result<void> save(delay_offsets& table) {
  return table.save(now);
}
result<void> save(tombstone_table& table) {
  return table.save();
}

template <class Table>
void check(byte_view content, const std::string& name) {
  options o;
  o.directory = "/store";
  const auto path = o.directory + "/config/" + name;
  sim::simulated_disk disk;
  fuzz::place_file(disk, path, content);
  auto table = Table::load(disk, o);
  if (table.has_error()) {
    require(table.error().message.starts_with(path), "a refusal names the file");
    return;
  }
  const auto rows = rows_of(table.value());
  for (auto& warning : table.value().warnings())
    require(warning.starts_with(path), "a warning names the file");
  must(save(table.value()));
  require(std::ranges::equal(must(read_file(disk, path + ".bak", content.size())), content),
          "the last good content is kept beside");
  auto again = must(Table::load(disk, o));
  require(rows_of(again) == rows, "a table that was written reads equal");
  const auto text = must(read_file(disk, path, SIZE_MAX));
  must(save(again));
  require(must(read_file(disk, path + ".bak", SIZE_MAX)) == text,
          "the last good content is kept beside, again");
}

} // namespace

/// The JSON files below `config/`: any text is a table, or refused with a message; what was read
/// and written reads equal.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto content = fuzz::input(data, size).rest();
  check<topic_table>(content, "topics.json");
  check<offset_table>(content, "consumerOffset.json");
  check<delay_offsets>(content, "delayOffset.json");
  check<tombstone_table>(content, "troupe-tombstones.json");
  return 0;
}
