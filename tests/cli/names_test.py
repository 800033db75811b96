"""Nodes that register with each other's name services. names_test.py TROUPE EXAMPLES"""
import json
import signal
import tempfile
import unittest
import zlib
from pathlib import Path

from harness import SETTINGS, Node, NodeTest, programs, wait_until
from remoting import CLUSTER, ROUTE, Client

NodeTest.troupe, _ = programs()
PUT_KV, GET_KV, REGISTER, UNREGISTER, DATA_VERSION = 100, 101, 103, 104, 322


class NamedNode(Node):
    def __init__(self, troupe, home, name):
        super().__init__(troupe, home)
        self.name = name

    def write_settings(self):
        text = SETTINGS.format(**self.settings)
        self.config.write_text(text.replace("[node local]", f"[node {self.name}]"))


class Names(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.nodes = []
        for name in ("a", "b"):
            home = Path(self.temporary.name, name)
            home.mkdir()
            node = NamedNode(NodeTest.troupe, home, name)
            self.addCleanup(node.clean_up)
            self.nodes.append(node)
        # One list for all, so each is told of itself, too.
        servers = ";".join(f"127.0.0.1:{n.settings['name_server_port']}" for n in self.nodes)
        for node in self.nodes:
            node.settings["more"] = f"[gateway]\nname-servers = {servers}\n"
            node.start()

    def client(self, node, port=None):
        client = Client(port or node.remoting_port)
        self.addCleanup(client.close)
        return client

    def route(self, node, topic):
        """Which brokers have the topic, as this node's name service says: name, address, queues."""
        client = Client(node.name_server_port)
        try:
            answer = client.ask(ROUTE, topic=topic)
        finally:
            client.close()
        if answer.code == 17:
            return {}
        self.assertEqual(answer.code, 0, answer.remark)
        route = answer.json()
        queues = {q["brokerName"]: q["writeQueueNums"] for q in route["queueDatas"]}
        return {b["brokerName"]: (b["brokerAddrs"]["0"], queues[b["brokerName"]])
                for b in route["brokerDatas"]}

    def address(self, node):
        return f"127.0.0.1:{node.remoting_port}"

    def test_each_shows_the_topics_of_both_and_forgets_who_goes(self):
        a, b = self.nodes
        for node, topics in ((a, ("ofA", "both")), (b, ("ofB", "both"))):
            client = self.client(node)
            for topic in topics:
                self.assertEqual(client.send(topic, b"x").code, 0)
        of_a, of_b = {"a": (self.address(a), 4)}, {"b": (self.address(b), 4)}
        for node in self.nodes:
            wait_until("the routes show both", lambda: (
                self.route(node, "ofA") == of_a and self.route(node, "ofB") == of_b and
                self.route(node, "both") == {**of_a, **of_b}))
            cluster = self.client(node, node.name_server_port).ask(CLUSTER).body
            self.assertIn(b'"troupe":[', cluster)
            for other in self.nodes:
                self.assertIn(b'{0:"%s"}' % self.address(other).encode(), cluster)
        # A topic that is deleted goes there as well.
        self.assertEqual(b.run("topic", "delete", "ofB", "--yes").code, 0)
        wait_until("the topic is gone", lambda: self.route(a, "ofB") == {})
        # An orderly stop says so; and the one that comes back is there again.
        self.assertEqual(b.stop(), 0)
        self.assertEqual(self.route(a, "both"), of_a)
        self.assertIn("it unregistered", a.log())
        wait_until("its absence is said", lambda: "name_server.away" in a.log())
        b.start()
        wait_until("it is back", lambda: self.route(a, "both") == {**of_a, **of_b} ==
                   self.route(b, "both"))
        # One that dies is gone with its connection.
        b.end(signal.SIGKILL)
        wait_until("it is gone", lambda: self.route(a, "both") == of_a)
        self.assertIn("its connection is closed", a.log())

    def test_a_java_broker_registers(self):
        a = self.nodes[0]
        topics = {"order": False, "perm": 6, "readQueueNums": 16, "topicFilterType": "SINGLE_TAG",
                  "topicName": "J", "topicSysFlag": 0, "writeQueueNums": 16}
        body = json.dumps({"filterServerList": [], "topicConfigSerializeWrapper": {
            "dataVersion": {"counter": 42, "timestamp": 1795389120552},
            "topicConfigTable": {"J": topics}}}).encode()
        broker = dict(brokerName="java", brokerAddr="127.0.0.1:20911", clusterName="troupe",
                      brokerId=0)
        client = Client(a.name_server_port)
        answer = client.ask(REGISTER, body, haServerAddr="127.0.0.1:20912", compressed="false",
                            bodyCrc32=zlib.crc32(body) & 0x7fffffff, **broker)
        self.assertEqual((answer.code, answer.ext), (0, {}), answer.remark)
        there = {"java": ("127.0.0.1:20911", 16)}
        self.assertEqual(self.route(a, "J"), there)
        answer = client.ask(DATA_VERSION, b'{"counter":42,"timestamp":1795389120552}', **broker)
        self.assertEqual((answer.code, answer.ext), (0, {"changed": "false"}))
        self.assertEqual(client.ask(UNREGISTER, **broker).code, 0)
        self.assertEqual(self.route(a, "J"), {})
        self.assertEqual(client.ask(REGISTER, body, haServerAddr="x:1", **broker).code, 0)
        self.assertEqual(self.route(a, "J"), there)
        client.close()
        wait_until("it is gone", lambda: self.route(a, "J") == {})

    def test_what_operators_keep_survives_a_restart(self):
        a = self.nodes[0]
        key = dict(namespace="ORDER_TOPIC_CONFIG", key="T")
        self.assertEqual(self.client(a).ask(PUT_KV, value="a:4", **key).code, 0)
        self.assertEqual(a.stop(), 0)
        a.start()
        self.assertEqual(self.client(a).ask(GET_KV, **key).ext, {"value": "a:4"})
        kept = json.loads(Path(a.directory, "config", "kvConfig.json").read_text())
        self.assertEqual(kept, {"configTable": {"ORDER_TOPIC_CONFIG": {"T": "a:4"}}})


if __name__ == "__main__":
    unittest.main()
