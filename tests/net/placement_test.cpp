#include "net/placement.hpp"

#include "tests/net/parsed_config.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::net;
using namespace troupe::test;

namespace {

using names = std::vector<std::string>;

placement placed(const std::string& text) {
  auto result = place_roles(accepted(text));
  REQUIRE(result);
  return result.value();
}

/// Lines 1 to 3 (or more) of a file: a node with every role but those of `rest`.
const std::string log_and_front =
    "[node log]\nroles = writer, flusher, cleaner, readers\nactor-port = 1\n"
    "[node front]\nroles = registrar, door\nactor-port = 2\n";
/// Lines 7 to 9 complete it.
const std::string queues = "[node queues]\nroles = dispatcher, queue-manager\nactor-port = 3\n";

} // namespace

TEST_CASE("placement: nodes that name no roles are stores of their own", "[net]") {
  for (auto roles : {"", "roles = all\n"}) {
    auto p = placed("[node a]\n" + std::string(roles) +
                    "[node b]\nactor-port = 1\nremoting-port = 2\nname-server-port = 3\n");
    CHECK_FALSE(p.spread());
    CHECK(p.of("a") == role_set::every());
    CHECK(p.of("b") == role_set::every());
    CHECK(p.where(store_role::writer) == names{"a", "b"});
  }
  auto whole = placed("");
  CHECK_FALSE(whole.spread());
  CHECK(whole.of("node") == role_set::every());
}

TEST_CASE("placement: nodes that name roles are one store together", "[net]") {
  auto p = placed(log_and_front + queues);
  CHECK(p.spread());
  CHECK(p.of("front") == role_set{store_role::door, store_role::registrar});
  CHECK(p.of("nobody").empty());
  CHECK(p.where(store_role::writer) == names{"log"});
  CHECK(p.where(store_role::queue_manager) == names{"queues"});
  CHECK(to_text(p) == "log: writer, flusher, cleaner, readers | front: registrar, door | "
                      "queues: dispatcher, queue-manager");
}

TEST_CASE("placement: one node that names every role is a whole store", "[net]") {
  auto p = placed("[node a]\nactor-port = off\nroles = " + to_text(role_set::every()) + "\n");
  CHECK_FALSE(p.spread());
  CHECK(p.of("a") == role_set::every());
}

TEST_CASE("placement: readers may be at several nodes", "[net]") {
  auto p = placed(log_and_front + queues + "[node more]\nroles = readers\nactor-port = 4\n");
  CHECK(p.where(store_role::readers) == names{"log", "more"});
  auto beside = placed("[node a]\nroles = " + to_text(role_set::every()) +
                       "\n[node more]\nroles = readers\nactor-port = 4\n");
  CHECK(beside.spread());
}

TEST_CASE("placement: the example with five processes", "[net]") {
  auto loaded = load_config(TROUPE_TEST_DATA "/../../examples/five-processes.ini");
  INFO((loaded ? "" : loaded.error().message));
  REQUIRE(loaded);
  auto p = place_roles(loaded.value());
  REQUIRE(p);
  CHECK(p.value().spread());
  CHECK(to_text(p.value()) ==
        "log: writer | files: flusher, cleaner, readers | order: dispatcher | "
        "queues: queue-manager | front: registrar, door");
}

TEST_CASE("placement: whole stores and parts of one do not mix", "[net]") {
  CHECK(refusal("[node a]\nroles = writer\n\n[node b]\nactor-port = 1\n") ==
        "c.ini:4: [node b] has all roles, which makes it a store of its own, but [node a] names "
        "some: the nodes of one file are one store, with roles of each, or each is a whole one");
  CHECK(refusal("[node b]\nactor-port = 1\nroles = all\n" + log_and_front + queues)
            .find("c.ini:3: [node b] has all roles") == 0);
}

TEST_CASE("placement: every role is at exactly one node", "[net]") {
  CHECK(refusal(log_and_front) ==
        "c.ini:2: no node has: dispatcher, queue-manager; the nodes that name roles are one store, "
        "which needs every role");
  CHECK(refusal("[node a]\n\nroles = writer\n")
            .find("c.ini:3: no node has: flusher, cleaner, "
                  "readers, dispatcher, queue-manager, "
                  "registrar, door; ") == 0);
  CHECK(refusal(log_and_front + queues + "[node b]\nroles = readers, cleaner\nactor-port = 4\n") ==
        "c.ini:11: [node b] has the role 'cleaner', which is at [node log] already; only readers "
        "and queue-managers may be at several nodes");
}

TEST_CASE("placement: the log has one directory", "[net]") {
  CHECK(refusal("[node a]\nroles = dispatcher, door\ndirectory = /q\n"
                "[node b]\nroles = cleaner, registrar\nactor-port = 2\ndirectory = /e\n"
                "[node c]\nroles = writer, flusher, readers, queue-manager\nactor-port = 3\n"
                "directory = /d\n") ==
        "c.ini:7: cleaner, registrar of [node b] must be in the directory of the log, where the "
        "writer of [node c] is: directory = /e is not /d");
  CHECK(refusal(log_and_front + "directory = x\n" + queues)
            .find("c.ini:7: registrar of [node front] must be") == 0);
  // The section's line, when the key is left out.
  CHECK(refusal("[node log]\nroles = writer, flusher, cleaner, readers\nactor-port = 1\n"
                "directory = /d\n[node front]\nroles = registrar, door\nactor-port = 2\n" +
                queues) ==
        "c.ini:5: registrar of [node front] must be in the directory of the log, where the writer "
        "of [node log] is: directory = ./data is not /d");
  CHECK(placed(log_and_front + "directory = x/../data/\n" + queues).spread());
}

TEST_CASE("placement: the queues may have a directory, and a machine, of their own", "[net]") {
  CHECK(placed(log_and_front + queues).queues_beside_log("queues"));
  CHECK(placed(log_and_front + queues + "directory = x/../data/\n").queues_beside_log("log"));
  auto apart = placed(log_and_front + queues + "directory = /q\n");
  CHECK_FALSE(apart.queues_beside_log("queues"));
  CHECK_FALSE(apart.queues_beside_log("log"));
  CHECK(apart.queue_nodes("log") == names{"queues"});
  // Of the same name on another machine than the log: no part of it says that it is elsewhere.
  auto at = [](const std::string& log, const std::string& files, const std::string& host) {
    return "[node log]\nroles = writer, flusher, registrar, door\nactor-port = 1\nactor-host = " +
           log + "\n[node files]\nroles = readers, cleaner\nactor-port = 2\nactor-host = " + files +
           "\n[node queues]\nroles = queue-manager, dispatcher\nactor-port = 3\n" +
           "actor-host = " + host + "\n";
  };
  CHECK_FALSE(placed(at("10.0.0.1", "10.0.0.1", "10.0.0.2")).queues_beside_log("queues"));
  CHECK(placed(at("10.0.0.1", "10.0.0.1", "10.0.0.1")).queues_beside_log("queues"));
  CHECK(placed(at("10.0.0.1", "10.0.0.1", "127.0.0.1")).queues_beside_log("queues"));
  CHECK(placed(at("127.0.0.1", "127.0.0.1", "10.0.0.2")).queues_beside_log("queues"));
  // Whoever opens files of the log does not come along.
  CHECK(refusal("[node log]\nroles = writer, flusher, cleaner, readers, door\nactor-port = 1\n"
                "[node queues]\nroles = dispatcher, queue-manager, registrar\nactor-port = 2\n"
                "directory = /q\n")
            .find("c.ini:7: registrar of [node queues] must be in the directory of the log") == 0);
}

TEST_CASE("placement: what the nodes of a store must have alike", "[net]") {
  auto agreed = [](const std::string& text) {
    auto config = accepted(text);
    return agreed_settings(config, place_roles(config).value());
  };
  auto one = log_and_front + queues;
  CHECK(agreed(one) == agreed(one + "[session]\ncredit-messages = 7\n")); // each its own
  for (auto& other :
       {one + "directory = /q\n", one + "queue-managers = 2\n", one + "[store]\nflush = sync\n",
        one + "[store]\nmapped-file-size-consume-queue = 2000\n"})
    CHECK(agreed(one) != agreed(other));
}

TEST_CASE("placement: several queue-managers share the queues", "[net]") {
  const std::string more = "[node more]\nroles = queue-manager\nactor-port = 4\n";
  auto two = placed(log_and_front + queues + more);
  CHECK(two.queue_nodes("front") == names{"queues", "more"});
  CHECK_FALSE(two.queues_beside_log("queues"));
  auto five =
      placed(log_and_front + queues + "queue-managers = 2\n" + more + "queue-managers = 3\n");
  CHECK(five.queue_nodes("log") == names{"queues", "queues", "more", "more", "more"});
  // Stores of their own have their own.
  auto whole = placed("[node a]\nqueue-managers = 2\n[node b]\nactor-port = 1\n"
                      "remoting-port = 2\nname-server-port = off\ndirectory = /b\n");
  CHECK(whole.queue_nodes("a") == names{"a", "a"});
  CHECK_FALSE(whole.queues_beside_log("a"));
  CHECK(whole.queue_nodes("b") == names{"b"});
  CHECK(whole.queues_beside_log("b"));
  CHECK(refusal(log_and_front + "queue-managers = 2\n" + queues) ==
        "c.ini:7: queue-managers = 2 of [node front], which has not the role 'queue-manager'");
  CHECK(refusal(log_and_front + queues + "queue-managers = 30\n" + more + "queue-managers = 3\n") ==
        "c.ini:14: with [node more] there are 33 queue-managers, more than the 32 that may share "
        "the queues of a store");
}

TEST_CASE("placement: the log is on one machine", "[net]") {
  auto at = [](const std::string& log, const std::string& front, const std::string& rest) {
    return "[node log]\nroles = writer, flusher, cleaner, readers\nactor-host = " + log +
           "\n[node front]\nroles = registrar, door\nactor-port = 2\nactor-host = " + front +
           "\n[node queues]\nroles = queue-manager\nactor-port = 3\nactor-host = " + log +
           "\n[node order]\nroles = dispatcher\nactor-port = 4\nactor-host = " + rest + "\n";
  };
  CHECK(refusal(at("10.0.0.1", "10.0.0.2", "10.0.0.1")) ==
        "c.ini:7: registrar of [node front] must be in the directory of the log, where the writer "
        "of [node log] is: actor-host = 10.0.0.2 is another machine than 10.0.0.1 of [node log]");
  CHECK(placed(at("10.0.0.1", "10.0.0.1", "10.0.0.2")).spread());
  CHECK(placed(at("127.0.0.1", "10.0.0.1", "127.0.0.2")).spread());
  // Two of three that need the log are apart, though the writer does not say where it is.
  CHECK(refusal("[node log]\nroles = writer, flusher, cleaner\n"
                "[node r]\nroles = readers\nactor-port = 4\nactor-host = 10.0.0.1\n"
                "[node front]\nroles = registrar, door\nactor-port = 2\nactor-host = 10.0.0.2\n" +
                queues) ==
        "c.ini:10: registrar of [node front] must be in the directory of the log, where the writer "
        "of [node log] is: actor-host = 10.0.0.2 is another machine than 10.0.0.1 of [node r]");
}

TEST_CASE("placement: the nodes of a store find each other", "[net]") {
  auto with = [](const std::string& lines) {
    return log_and_front + "[node queues]\nroles = dispatcher, queue-manager\n" + lines;
  };
  const std::string finds = "; the other nodes of the store find [node queues] there";
  CHECK(refusal(with("actor-port = off\n")) ==
        "c.ini:9: actor-port = off" + finds + ": give a port");
  CHECK(refusal(with("actor-port = 0\n")) ==
        "c.ini:9: actor-port = 0 is any free one" + finds + ": give a port");
  CHECK(refusal(with("actor-host = 0.0.0.0\n")) ==
        "c.ini:9: actor-host = 0.0.0.0 is no address of one machine" + finds);
  CHECK(refusal(with("host = 10.0.0.1\nactor-port = 2\n")) ==
        "c.ini:10: actor-port = 2 of [node queues] at 127.0.0.1 is that of [node front]");
  CHECK(placed(with("actor-host = 10.0.0.1\nactor-port = 2\n")).spread());
  CHECK(refusal("[node log]\nroles = writer, flusher, cleaner, readers, registrar\n"
                "[node order]\nroles = dispatcher\nactor-host = 10.0.0.1\n"
                "[node queues]\nroles = queue-manager, door\nactor-host = 10.0.0.2\n") ==
        "c.ini:1: actor-host = 127.0.0.1 of [node log] is found on its own machine only, but the "
        "store is on several: [node order] at 10.0.0.1, [node queues] at 10.0.0.2");
}

TEST_CASE("placement: only the door opens ports for RocketMQ clients", "[net]") {
  // The defaults of all three are the same, and so would be those given to an actor port.
  CHECK(accepted(log_and_front + queues).nodes[0].remoting_port == 10911);
  accepted("[node log]\nroles = writer, flusher, cleaner, readers, registrar\nactor-port = 10911\n"
           "[node front]\nroles = door\nremoting-port = 7\n" +
           queues);
  accepted(log_and_front + queues + "remoting-port = 0\nname-server-port = off\nhost = 0.0.0.0\n");
  CHECK(refusal(log_and_front + queues + "remoting-port = 7\n") ==
        "c.ini:10: remoting-port = 7 of [node queues] would not be opened: RocketMQ clients come "
        "in at the node with the role 'door'");
  CHECK(refusal(log_and_front + queues + "name-server-port = 7\n")
            .find("c.ini:10: name-server-port = 7 of [node queues] would not be opened") == 0);
  CHECK(refusal(log_and_front + "remoting-port = 3\n" + queues) ==
        "c.ini:10: actor-port = 3 of [node queues] is taken by another port of 127.0.0.1");
}

TEST_CASE("placement: records carry the address of the door", "[net]") {
  auto c = accepted(log_and_front +
                    "host = 0.0.0.0\nadvertised-host = 10.1.2.3\n"
                    "remoting-port = 7\n" +
                    queues + "host = 10.9.9.9\n");
  for (auto& n : c.nodes) {
    auto o = options_of(c, n).store;
    CHECK(o.store_host_ipv4 == 0x0a010203);
    CHECK(o.store_port == 7);
    CHECK(o.directory == n.directory);
  }
}
