#include "tests/net/gateway/gateway_stand.hpp"

#include "tests/support/frames.hpp"

namespace troupe::test {

std::int64_t client_frame::number(std::string_view field) const {
  auto* text = header.ext.find(field);
  auto value = text == nullptr ? std::nullopt : remoting::parse_integer<std::int64_t>(*text);
  if (!value)
    throw std::runtime_error("the answer has no number '" + std::string(field) + "', but code " +
                             std::to_string(header.code) + ": " + header.remark);
  return *value;
}

std::vector<client_frame> frames_of(const net::outgoing& message) {
  std::vector<client_frame> found;
  if (message.head.empty())
    return found;
  auto stream = message.head;
  for (auto& slice : message.body)
    stream += as_text(slice.bytes());
  auto frames = cut(stream);
  if (!frames)
    throw std::runtime_error("the gateway sent no frame: " + frames.error().message);
  for (auto& f : frames.value())
    found.push_back({message.to, remoting::decode_header(f.type, f.header.bytes()).value(),
                     std::string(as_text(f.body.bytes()))});
  return found;
}

net::client_request make_request(std::int32_t code, std::int32_t opaque, ext_list fields,
                                 std::string_view body) {
  net::client_request made;
  made.header.code = code;
  made.header.opaque = opaque;
  for (auto& [name, value] : fields)
    made.header.ext.add(name, value);
  made.body = storage::slice::copy_of_text(body);
  made.bytes = 100 + body.size();
  return made;
}

void gateway_stand::start() {
  node.start();
  start_before(node.node);
}

void gateway_stand::start_before(const node_actor& played) {
  auto take = [this](const net::outgoing& message) {
    settled += message.settled_bytes > 0;
    if (deaf)
      receipts.push_back(message.receipt);
    for (auto& frame : frames_of(message))
      sent.push_back(std::move(frame));
  };
  gateway = net::spawn_gateway(
      world().system(),
      {.node = played,
       .address = {.cluster = "troupe", .broker = "n1", .address = "127.0.0.1:10911"},
       .node_settings = node.stand.options,
       .options = options,
       .send = take,
       .accounts = accounts});
}

net::client_request gateway_stand::request(std::int32_t code, ext_list fields,
                                           std::string_view body) {
  return make_request(code, next_opaque_++, std::move(fields), body);
}

void gateway_stand::arrive(connection_id from, std::vector<net::client_request> requests) {
  net::arrived batch;
  batch.from = from;
  batch.peer = storage::host::ipv4(0x7f000001, 5000);
  batch.requests = std::move(requests);
  world().tell(gateway, std::move(batch));
}

std::vector<std::int32_t> gateway_stand::send(connection_id from,
                                              std::vector<net::client_request> requests) {
  std::vector<std::int32_t> numbers;
  for (auto& r : requests)
    numbers.push_back(r.header.opaque);
  arrive(from, std::move(requests));
  world().drain();
  return numbers;
}

client_frame gateway_stand::ask(connection_id from, std::int32_t code, ext_list fields,
                                std::string_view body) {
  auto asked = request(code, std::move(fields), body);
  auto opaque = asked.header.opaque;
  arrive(from, {std::move(asked)});
  if (!world().run_until([&] { return !answers_to(opaque).empty(); }))
    throw std::runtime_error("request " + std::to_string(code) + " is not answered");
  return answers_to(opaque).front();
}

std::vector<client_frame> gateway_stand::answers_to(std::int32_t opaque) const {
  std::vector<client_frame> found;
  for (auto& frame : sent)
    if (frame.header.opaque == opaque)
      found.push_back(frame);
  return found;
}

// -- requests ------------------------------------------------------------------------------------

ext_list send_fields(const std::string& topic, std::int32_t queue, const std::string& properties) {
  return {{"producerGroup", "P"},
          {"topic", topic},
          {"defaultTopic", std::string(remoting::default_topic)},
          {"defaultTopicQueueNums", "4"},
          {"queueId", std::to_string(queue)},
          {"sysFlag", "0"},
          {"bornTimestamp", "1600000000000"},
          {"flag", "0"},
          {"properties", properties}};
}

ext_list pull_fields(const std::string& group, const std::string& topic, std::int64_t offset,
                     const std::string& tags, std::int64_t suspend_ms) {
  auto flags =
      remoting::pull_flag::subscription | (suspend_ms > 0 ? remoting::pull_flag::suspend : 0);
  return {{"consumerGroup", group}, {"topic", topic},
          {"queueId", "0"},         {"queueOffset", std::to_string(offset)},
          {"maxMsgNums", "32"},     {"sysFlag", std::to_string(flags)},
          {"commitOffset", "0"},    {"suspendTimeoutMillis", std::to_string(suspend_ms)},
          {"subVersion", "1"},      {"subscription", tags}};
}

std::string heartbeat_of(const std::string& client, const std::vector<std::string>& groups,
                         const std::string& topic, const std::string& tags) {
  remoting::heartbeat h;
  h.client_id = client;
  for (auto& group : groups)
    h.consumers.push_back({group, true, {{topic, tags, "TAG", 1}}});
  return remoting::write_heartbeat(h);
}

} // namespace troupe::test
