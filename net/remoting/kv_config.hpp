#pragma once

#include "storage/error.hpp"

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace troupe::remoting {

/// The namespace whose keys are topics that are consumed in order, and its values their queues.
inline constexpr std::string_view order_topics = "ORDER_TOPIC_CONFIG";

/// What operators keep with a name server: texts by namespace and key. Bounded in bytes.
class kv_config {
public:
  static constexpr std::size_t most_bytes = std::size_t{1} << 20;

  /// Refuses what is empty, too long, or more than may be kept of all.
  storage::result<void> put(const std::string& space, const std::string& key, std::string value);
  /// True when it was there.
  bool remove(const std::string& space, const std::string& key);
  /// Null when there is none.
  const std::string* find(const std::string& space, const std::string& key) const;
  /// {"table":{key:value}}; nothing when the namespace is not known.
  std::optional<std::string> list(const std::string& space) const;

  /// Java's kvConfig.json: {"configTable":{namespace:{key:value}}}.
  std::string write() const;
  static storage::result<kv_config> read(std::string_view text);

private:
  std::map<std::string, std::map<std::string, std::string>> spaces_;
  std::size_t bytes_ = 0; ///< of all names and values
};

} // namespace troupe::remoting
