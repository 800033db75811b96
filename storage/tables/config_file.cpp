#include "storage/tables/config_file.hpp"

#include <limits>
#include <span>
#include <utility>

namespace troupe::storage {

namespace json = boost::json;

namespace {

constexpr std::size_t max_config_bytes = 64 * mib;
constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";

struct read_config {
  json::object content;
  std::string text;
};

result<read_config> read_one(file_system& fs, const std::string& path) {
  TROUPE_TRY(auto bytes, read_file(fs, path, max_config_bytes));
  read_config found;
  found.text.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  std::string_view text(found.text);
  if (text.starts_with(byte_order_mark)) // some editors put one in front
    text.remove_prefix(byte_order_mark.size());
  TROUPE_TRY(auto value, parse_fastjson(text, path));
  if (!value.is_object())
    return error{errc::corrupt, path + " holds no JSON object"};
  found.content = std::move(value.get_object());
  return found;
}

} // namespace

std::string config_directory(const options& o) {
  return o.directory + "/config";
}

config_file::config_file(file_system& fs, const options& o, const std::string& name)
    : fs_(&fs), directory_(config_directory(o)), path_(directory_ + "/" + name) {}

result<json::object> config_file::load(std::vector<std::string>& warnings) {
  auto usual = read_one(*fs_, path_);
  if (usual.has_value()) {
    last_good_ = std::move(usual.value().text);
    return std::move(usual.value().content);
  }
  // Says nothing about the file: an older one must not replace it.
  if (usual.error().code == errc::too_many_files)
    return std::move(usual).error();
  auto backup = read_one(*fs_, path_ + ".bak");
  const bool missing = usual.error().code == errc::not_found;
  if (backup.has_value()) {
    warnings.push_back(usual.error().message + ": " + path_ + ".bak is used instead");
    last_good_ = std::move(backup.value().text);
    fell_back_ = true;
    return std::move(backup.value().content);
  }
  if (missing && backup.error().code == errc::not_found)
    return json::object{};
  auto problem = missing ? std::move(backup).error() : std::move(usual).error();
  problem.message += ": correct the file, or remove it and its .bak to begin without it";
  return problem;
}

result<void> config_file::save(const json::object& content, integer_names names) {
  auto text = write_fastjson(content, names);
  if (text.size() > max_config_bytes) // nobody would read it again
    return error{errc::too_large, path_ + " would have " + std::to_string(text.size()) +
                                      " bytes; at most " + std::to_string(max_config_bytes)};
  TROUPE_TRY(fs_->make_directory(directory_)); // not the store's own: who removed it shall notice
  if (!last_good_.empty()) {
    TROUPE_TRY(replace_file(*fs_, path_ + ".bak", std::as_bytes(std::span(last_good_))));
  }
  TROUPE_TRY(replace_file(*fs_, path_, std::as_bytes(std::span(text))));
  last_good_ = std::move(text);
  fell_back_ = false;
  return boost::outcome_v2::success();
}

void advance_data_version(json::object& content, std::int64_t now_ms) {
  auto& version = content["dataVersion"];
  if (!version.is_object())
    version = json::object{{"stateVersion", 0}};
  auto& members = version.get_object();
  std::int64_t count = 0;
  if (auto* counter = members.if_contains("counter"); counter != nullptr && counter->is_int64())
    count = counter->get_int64();
  members["counter"] = count == std::numeric_limits<std::int64_t>::max() ? 1 : count + 1;
  members["timestamp"] = now_ms;
}

} // namespace troupe::storage
