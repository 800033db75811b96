#pragma once

#include <boost/json.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace troupe::test {

/// One message of a golden store, as the program that wrote the store recorded it.
struct golden_message {
  std::string topic;
  std::int32_t queue_id = 0;
  std::int64_t queue_offset = 0;
  std::int64_t offset = 0;
  std::uint32_t size = 0;
  std::string kind;
  std::int64_t store_timestamp = 0;
  std::int64_t born_timestamp = 0;
  std::string born_host;
  std::string store_host;
  std::int32_t sysflag = 0;
  std::int32_t flag = 0;
  std::int32_t reconsume_times = 0;
  std::int64_t prepared_transaction_offset = 0;
  std::string tags;
  std::string keys;
  std::string unique_key;
  std::map<std::string, std::string> properties;
  std::size_t body_size = 0;
  std::string body_sha256;
  std::string message_id;

  bool has_queue_entry() const { return kind != "prepared" && kind != "rollback"; }
};

inline std::string golden_path(const std::string& name) {
  return std::string(TROUPE_TEST_DATA) + "/golden/" + name;
}

/// The stores that have a manifest and a log of 64 KiB files.
inline std::vector<std::string> golden_stores() {
  return {"normal-4.9.8", "extras-5.3.3", "propcrc-5.3.3", "normal-5.3.3", "crash-5.3.3"};
}

inline std::vector<std::byte> read_bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in)
    throw std::runtime_error("cannot open " + path);
  std::vector<std::byte> bytes(static_cast<std::size_t>(in.tellg()));
  in.seekg(0);
  if (!in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size())))
    throw std::runtime_error("cannot read " + path);
  return bytes;
}

inline golden_message parse_golden_message(const boost::json::object& line) {
  auto number = [&](const char* name) { return line.at(name).to_number<std::int64_t>(); };
  auto text = [&](const char* name) {
    auto& value = line.at(name);
    return value.is_null() ? std::string() : std::string(value.as_string());
  };
  golden_message m;
  m.topic = text("topic");
  m.queue_id = static_cast<std::int32_t>(number("queueId"));
  m.queue_offset = number("queueOffset");
  m.offset = number("physOffset");
  m.size = static_cast<std::uint32_t>(number("size"));
  m.kind = text("kind");
  m.store_timestamp = number("storeTimestamp");
  m.born_timestamp = number("bornTimestamp");
  m.born_host = text("bornHost");
  m.store_host = text("storeHost");
  m.sysflag = static_cast<std::int32_t>(number("sysFlag"));
  m.flag = static_cast<std::int32_t>(number("flag"));
  m.reconsume_times = static_cast<std::int32_t>(number("reconsumeTimes"));
  m.prepared_transaction_offset = number("preparedTransactionOffset");
  m.tags = text("tags");
  m.keys = text("keys");
  m.unique_key = text("uniqKey");
  for (auto& [name, value] : line.at("properties").as_object())
    m.properties[name] = std::string(value.as_string());
  m.body_size = static_cast<std::size_t>(number("bodyLen"));
  m.body_sha256 = text("bodySha256");
  m.message_id = text("msgId");
  return m;
}

inline std::vector<golden_message> read_manifest(const std::string& store) {
  std::ifstream in(golden_path(store) + "/manifest.jsonl");
  if (!in)
    throw std::runtime_error("no manifest of " + store);
  std::vector<golden_message> messages;
  for (std::string line; std::getline(in, line);)
    messages.push_back(parse_golden_message(boost::json::parse(line).as_object()));
  return messages;
}

} // namespace troupe::test
