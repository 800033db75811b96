#include "storage/format/system_topics.hpp"

#include "storage/format/properties.hpp"

#include <algorithm>
#include <array>

namespace troupe::storage {

bool is_system_topic(std::string_view topic) noexcept {
  static constexpr std::array names{
      std::string_view{"TBW102"},
      delay_topic,
      std::string_view{"BenchmarkTest"},
      std::string_view{"SELF_TEST_TOPIC"},
      std::string_view{"OFFSET_MOVED_EVENT"},
      std::string_view{"TRANS_CHECK_MAX_TIME_TOPIC"},
  };
  return topic.starts_with("RMQ_SYS_") || topic.starts_with("rmq_sys_") ||
         std::ranges::find(names, topic) != names.end();
}

bool takes_messages(std::string_view topic) noexcept {
  static constexpr std::array names{
      delay_topic,
      std::string_view{"TBW102"},
      std::string_view{"SELF_TEST_TOPIC"},
      std::string_view{"OFFSET_MOVED_EVENT"},
      std::string_view{"TRANS_CHECK_MAX_TIME_TOPIC"},
      std::string_view{"RMQ_SYS_TRANS_HALF_TOPIC"},
      std::string_view{"RMQ_SYS_TRANS_OP_HALF_TOPIC"},
  };
  return std::ranges::find(names, topic) == names.end();
}

} // namespace troupe::storage
