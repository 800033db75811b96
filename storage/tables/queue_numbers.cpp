#include "storage/tables/queue_numbers.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <utility>

namespace troupe::storage {

namespace json = boost::json;

namespace {

/// False if it is no list of numbers.
bool parse_numbers(const json::value& from, std::vector<queue_offset>& into) {
  auto* list = from.if_array();
  if (list == nullptr || list->size() > max_queues_per_topic)
    return false;
  for (auto& number : *list) {
    if (!number.is_int64() || number.get_int64() < 0)
      return false;
    into.push_back(number.get_int64());
  }
  return true;
}

} // namespace

result<queue_numbers> queue_numbers::load(file_system& fs, const options& o) {
  queue_numbers numbers(config_file(fs, o, "troupe-queue-numbers.json"));
  std::vector<std::string> warnings;
  TROUPE_TRY(auto content, numbers.file_.load(warnings));
  auto* topics = content.if_contains("nextOffsets");
  if (topics == nullptr || !topics->is_object())
    return numbers;
  for (auto& member : topics->get_object()) {
    std::string topic(member.key());
    if (check_topic_name(topic).has_error() || !parse_numbers(member.value(), numbers.next_[topic]))
      return error{errc::corrupt, numbers.file_.path() + ": the entry of topic '" + topic +
                                      "' is damaged; without it numbers of messages may be given "
                                      "again: restore the file from its .bak, or remove the entry"};
  }
  return numbers;
}

queue_offset queue_numbers::of(std::string_view topic, std::int32_t queue_id) const noexcept {
  auto found = next_.find(topic);
  auto place = static_cast<std::size_t>(queue_id);
  return found != next_.end() && queue_id >= 0 && place < found->second.size()
             ? found->second[place]
             : 0;
}

void queue_numbers::raise(const std::string& topic, std::int32_t queue_id, queue_offset number) {
  if (queue_id < 0 || number <= of(topic, queue_id))
    return;
  auto& next = next_[topic];
  auto place = static_cast<std::size_t>(queue_id);
  next.resize(std::max(next.size(), place + 1), 0);
  next[place] = number;
  changed_ = true;
}

result<void> queue_numbers::save() {
  if (!changed_)
    return boost::outcome_v2::success();
  json::object topics;
  for (auto& [topic, next] : next_)
    topics[as_json(topic)] = json::array(next.begin(), next.end());
  TROUPE_TRY(file_.save(json::object{{"nextOffsets", std::move(topics)}}, integer_names::quoted));
  changed_ = false;
  return boost::outcome_v2::success();
}

} // namespace troupe::storage
