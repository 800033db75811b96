#pragma once

#include "storage/options.hpp"
#include "storage/os/file_system.hpp"
#include "storage/tables/fastjson.hpp"

#include <boost/json/object.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace troupe::storage {

std::string config_directory(const options& o); ///< <directory>/config

/// One JSON file below `config/`, with its previous content beside it as `.bak`, as RocketMQ keeps
/// it. Members that nobody here knows survive.
class config_file {
public:
  config_file(file_system& fs, const options& o, const std::string& name);

  /// The file's content; that of `.bak` when the file is missing or unreadable, and an empty object
  /// when both are missing. `corrupt` when there is no usable one, and the files stay as they are.
  result<boost::json::object> load(std::vector<std::string>& warnings);

  /// Replaces the file atomically and durably, after keeping the last good content as `.bak`.
  /// `too_large`, and nothing changed, when `load` would refuse it.
  result<void> save(const boost::json::object& content, integer_names names);

  const std::string& path() const noexcept { return path_; }
  /// The text that was read or written last; empty when there was none.
  const std::string& text() const noexcept { return last_good_; }
  /// True while the content is that of `.bak`.
  bool fell_back() const noexcept { return fell_back_; }

private:
  file_system* fs_;
  std::string directory_;
  std::string path_;
  std::string last_good_; ///< text of the file; empty when there is none
  bool fell_back_ = false;
};

/// RocketMQ's mark of a change: counts it and notes the time.
void advance_data_version(boost::json::object& content, std::int64_t now_ms);

} // namespace troupe::storage
