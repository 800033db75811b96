#include "net/gateway/registry_desk.hpp"

#include "tests/net/gateway/desk_stand.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

struct registry_stand : desk_stand {
  registry_stand() {
    start();
    room().table.add(room().names.lines());
    open<net::registry_desk>(room().names);
    enter(1);
    enter(2);
  }

  static ext_list broker(const std::string& name, const std::string& address) {
    return {{"brokerName", name},
            {"brokerAddr", address},
            {"clusterName", "troupe"},
            {"brokerId", "0"},
            {"haServerAddr", "x:1"}};
  }
  client_frame come(connection_id from, const std::string& name, const std::string& address,
                    const std::string& topic, int version = 1) {
    auto body = R"({"topicConfigSerializeWrapper":{"dataVersion":{"counter":)" +
                std::to_string(version) + R"(},"topicConfigTable":{")" + topic +
                R"(":{"topicName":")" + topic + R"(","readQueueNums":3,"writeQueueNums":2}}}})";
    return ask(from, request_code::register_broker, broker(name, address), body);
  }
  client_frame route(const std::string& topic) {
    return ask(1, request_code::get_routeinfo_by_topic, {{"topic", topic}});
  }
  bool routes_to(const std::string& topic, const std::string& address) {
    return route(topic).body.find('"' + address + '"') != std::string::npos;
  }
};

} // namespace

TEST_CASE("registry_desk: routes show other brokers beside this node", "[gateway]") {
  registry_stand t;
  CHECK(t.route("far").header.code == response_code::topic_not_exist);
  CHECK(t.come(2, "b", "10.0.0.2:10911", "far").header.code == response_code::success);
  CHECK(t.come(2, "c", "10.0.0.3:10911", "t").header.code == response_code::success);
  CHECK(t.routes_to("far", "10.0.0.2:10911"));
  CHECK_FALSE(t.routes_to("far", "127.0.0.1:10911"));
  CHECK(t.routes_to("t", "127.0.0.1:10911"));
  CHECK(t.routes_to("t", "10.0.0.3:10911"));
  CHECK(t.route("t").body.find(R"({"brokerName":"c","perm":6,"readQueueNums":3)") !=
        std::string::npos);
  auto cluster = t.ask(1, request_code::get_broker_cluster_info, {}).body;
  CHECK(cluster.find(R"("troupe":["n1","b","c"])") != std::string::npos);
}

TEST_CASE("registry_desk: a broker goes when it says so, and when it is silent", "[gateway]") {
  registry_stand t;
  t.come(2, "b", "b:1", "far");
  CHECK(t.ask(2, request_code::unregister_broker, registry_stand::broker("b", "b:1")).header.code ==
        response_code::success);
  CHECK_FALSE(t.routes_to("far", "b:1"));
  t.come(2, "b", "b:1", "far");
  t.world.run_for(119s);
  CHECK(t.routes_to("far", "b:1"));
  CHECK(t.ask(2, request_code::broker_heartbeat,
              {{"clusterName", "troupe"}, {"brokerAddr", "b:1"}, {"brokerName", "b"}})
            .header.code == response_code::success);
  t.world.run_for(119s);
  CHECK(t.routes_to("far", "b:1"));
  t.world.run_for(2s);
  CHECK_FALSE(t.routes_to("far", "b:1"));
}

TEST_CASE("registry_desk: a broker goes with its connection", "[gateway]") {
  registry_stand t;
  t.come(2, "b", "b:1", "far");
  t.run([&] { t.room().names.departed(1); });
  CHECK(t.routes_to("far", "b:1"));
  t.run([&] { t.room().names.departed(2); });
  CHECK_FALSE(t.routes_to("far", "b:1"));
}

TEST_CASE("registry_desk: what cannot be true is refused", "[gateway]") {
  registry_stand t;
  auto fields = registry_stand::broker("b", "b:1");
  fields.emplace_back("bodyCrc32", "1");
  auto refused = t.ask(2, request_code::register_broker, fields, "{}");
  CHECK(refused.header.code == response_code::system_error);
  CHECK(refused.header.remark.find("crc32 not match") != std::string::npos);
  CHECK(t.come(2, "n1", "elsewhere:1", "t").header.code == response_code::system_error);
  CHECK(t.come(2, "n1", "127.0.0.1:10911", "t").header.code == response_code::success); // itself
  CHECK(t.route("t").body.find(R"("brokerDatas":[{"brokerAddrs":{"0":"127.0.0.1:10911"})") == 1);
  fields = {{"brokerName", "b"}};
  CHECK(t.ask(2, request_code::register_broker, fields).header.code == response_code::system_error);
}

TEST_CASE("registry_desk: a broker asks whether what it has is known", "[gateway]") {
  registry_stand t;
  auto changed = [&](int version) {
    auto answer = t.ask(2, request_code::query_data_version, registry_stand::broker("b", "b:1"),
                        "{\"counter\":" + std::to_string(version) + "}");
    return *answer.header.ext.find("changed") + ' ' + answer.body;
  };
  CHECK(changed(1) == "true ");
  t.come(2, "b", "b:1", "far", 1);
  CHECK(changed(1) == R"(false {"counter":1,"stateVersion":0,"timestamp":0})");
  CHECK(changed(2) == R"(true {"counter":1,"stateVersion":0,"timestamp":0})");
  t.world.run_for(119s);
  CHECK(changed(1).find("false") == 0); // as good as a registration
  t.world.run_for(119s);
  CHECK(t.routes_to("far", "b:1"));
}

TEST_CASE("registry_desk: texts of operators, of which some are part of routes", "[gateway]") {
  registry_stand t;
  std::string saved;
  t.room().setup.save_kv = [&](std::string text) { saved = std::move(text); };
  auto put = [&](const std::string& space, const std::string& key, const std::string& value) {
    return t
        .ask(1, request_code::put_kv_config, {{"namespace", space}, {"key", key}, {"value", value}})
        .header.code;
  };
  ext_list key{{"namespace", "ORDER_TOPIC_CONFIG"}, {"key", "t"}};
  CHECK(t.ask(1, request_code::get_kv_config, key).header.code == response_code::query_not_found);
  CHECK(put("ORDER_TOPIC_CONFIG", "t", "n1:4") == response_code::success);
  CHECK(saved == R"({"configTable":{"ORDER_TOPIC_CONFIG":{"t":"n1:4"}}})");
  CHECK(*t.ask(1, request_code::get_kv_config, key).header.ext.find("value") == "n1:4");
  CHECK(t.route("t").body.find(R"("orderTopicConf":"n1:4")") != std::string::npos);
  auto list = [&](const char* space) {
    return t.ask(1, request_code::get_kvlist_by_namespace, {{"namespace", space}});
  };
  CHECK(list("ORDER_TOPIC_CONFIG").body == R"({"table":{"t":"n1:4"}})");
  CHECK(list("none").header.code == response_code::query_not_found);
  CHECK(t.come(2, "b", "b:1", "far").body == R"({"table":{"t":"n1:4"}})");
  CHECK(t.ask(1, request_code::delete_kv_config, key).header.code == response_code::success);
  CHECK(saved == R"({"configTable":{}})");
  CHECK(t.route("t").body.find("orderTopicConf") == std::string::npos);
  CHECK(put("", "k", "v") == response_code::system_error);
  CHECK(t.ask(1, request_code::get_namesrv_config, {}).body.find("clusterTest=false\n") !=
        std::string::npos);
}

TEST_CASE("registry_desk: other name servers are told when topics are others", "[gateway]") {
  registry_stand t;
  std::vector<std::size_t> told;
  t.room().setup.topics_changed = [&](const topic_map& all) { told.push_back(all.topics->size()); };
  t.route("t");
  CHECK(told == std::vector<std::size_t>{1});
  t.route("t");
  CHECK(told.size() == 1);
  t.node.add_topic("new");
  t.route("t");
  CHECK(told == std::vector<std::size_t>{1, 2});
}
