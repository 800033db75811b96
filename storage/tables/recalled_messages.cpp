#include "storage/tables/recalled_messages.hpp"

#include <utility>

namespace troupe::storage {

namespace json = boost::json;

result<recalled_messages> recalled_messages::load(file_system& fs, const options& o) {
  recalled_messages table(fs, o);
  TROUPE_TRY(auto content, table.file_.load(table.warnings_));
  auto* list = content.if_contains("recalled");
  if (list == nullptr || !list->is_array())
    return table;
  std::size_t ignored = 0;
  for (auto& entry : list->get_array()) {
    auto* one = entry.if_array();
    bool right = one != nullptr && one->size() == 3 && (*one)[0].is_string() &&
                 (*one)[1].is_string() && (*one)[2].is_int64();
    if (!right || !table.add({std::string((*one)[0].get_string()),
                              std::string((*one)[1].get_string()), (*one)[2].get_int64()}))
      ++ignored;
  }
  if (ignored > 0)
    table.warnings_.push_back(table.file_.path() + ": " + std::to_string(ignored) +
                              " entries cannot be and are ignored");
  return table;
}

result<void> recalled_messages::add(recalled_message one) {
  if (all_.count(one) > 0)
    return boost::outcome_v2::success();
  if (all_.size() >= most || bytes_ + bytes_of(one) > most_bytes)
    return error{errc::busy, "too many messages are recalled that were to come later; at most " +
                                 std::to_string(most)};
  bytes_ += bytes_of(one);
  all_.insert(std::move(one));
  return boost::outcome_v2::success();
}

void recalled_messages::remove(const recalled_message& one) {
  if (all_.erase(one) > 0)
    bytes_ -= bytes_of(one);
}

bool recalled_messages::remove_before(std::int64_t deliver_ms) {
  bool any = false;
  while (!all_.empty() && all_.begin()->deliver_ms < deliver_ms) {
    any = true;
    remove(recalled_message(*all_.begin()));
  }
  return any;
}

result<void> recalled_messages::save() {
  json::array list;
  for (auto& one : all_)
    list.push_back(json::array{one.topic, one.unique_key, one.deliver_ms});
  json::object content;
  content["recalled"] = std::move(list);
  return file_.save(content, integer_names::bare);
}

} // namespace troupe::storage
