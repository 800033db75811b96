"""RocketMQ clients that take what they can get, and one that behaves. greedy_test.py TROUPE EXAMPLES"""
import re
import socket
import time
import unittest

import remoting
from harness import NodeTest, programs, wait_until
from remoting import Client

NodeTest.troupe, _ = programs()
MIB = 1 << 20


class Greedy(NodeTest):
    def setUp(self):
        super().setUp()
        self.node.start()

    def client(self, source="127.0.0.1"):
        client = Client(self.node.remoting_port, source=source)
        self.addCleanup(client.close)
        return client

    def greedy(self, count, data, seconds=0.2):
        """Connections that send as much of the bytes as the node takes, and read nothing."""
        made = [self.client() for _ in range(count)]
        for client in made:
            client.socket.setblocking(False)
        left = {client: memoryview(data) for client in made}
        end = time.monotonic() + seconds
        while left and time.monotonic() < end:
            for client, rest in list(left.items()):
                try:
                    left[client] = rest[client.socket.send(rest):]
                    end = time.monotonic() + seconds
                except BlockingIOError:
                    pass
                except ConnectionError:
                    left[client] = b""
                if not left[client]:
                    del left[client]
        return made

    def assert_served(self):
        """A client that behaves is answered within a second, each time."""
        for _ in range(3):
            began = time.monotonic()
            client = self.client()
            self.assertEqual(client.send("T", b"x" * 10000).code, 0)
            self.assertEqual(client.pull("T", 0, maxMsgNums=1).code, 0)
            self.assertEqual(client.heartbeat("c").code, 0)
            self.assertLess(time.monotonic() - began, 1)

    def memory(self):
        with open(f"/proc/{self.node.process.pid}/status", encoding="ascii") as file:
            return int(re.search(r"RssAnon:\s+(\d+) kB", file.read())[1]) << 10


class Bytes(Greedy):
    settings = {"store": "[gateway]\ntotal-bytes = 64MiB\nconnection-bytes = 8MiB\n"}

    def setUp(self):
        super().setUp()
        self.client().send("T", b"first")  # makes the topic

    def test_unfinished_frames(self):
        whole = remoting.frame(dict(code=10), b"x" * (16 * MIB - 100))
        before = self.memory()
        self.greedy(60, whole[:15 * MIB])
        self.assert_served()
        self.assertLess(self.memory() - before, (64 + 2 * 16 + 16) * MIB)

    def test_requests_for_answers_that_nobody_reads(self):
        producer = self.client()
        for _ in range(40):
            producer.send("T", b"x" * 200000, queue=1)
        writer = self.client()
        for count, pulls in ((9, 100), (4, 1200), (9, 100_000)):
            with self.subTest(count=count, pulls=pulls):
                data = b"".join(
                    writer.request(remoting.PULL, **self.pull_fields(i % 40))[0]
                    for i in range(min(pulls, 2000))) * max(1, pulls // 2000)
                before = self.memory()
                deaf = self.greedy(count, data)
                self.assert_served()
                self.assertLess(self.memory() - before, 3 * 64 * MIB)
                for client in deaf:
                    client.close()

    @staticmethod
    def pull_fields(offset):
        return dict(consumerGroup="G", topic="T", queueId=1, queueOffset=offset, maxMsgNums=32,
                    sysFlag=4, commitOffset=0, suspendTimeoutMillis=0, subVersion=0,
                    subscription="*", expressionType="TAG")


class Unread(Greedy):
    settings = {"store": "[gateway]\nunread-bytes = 8MiB\n"}

    def test_who_has_not_taken_the_most_is_closed_and_named(self):
        producer = self.client()
        for _ in range(40):
            producer.send("T", b"x" * 200000, queue=1)
        data = b"".join(self.client().request(remoting.PULL, **Bytes.pull_fields(i))[0]
                        for i in range(40))
        self.greedy(4, data)
        wait_until("the largest is closed", lambda: "above [gateway] unread-bytes" in self.node.log())
        self.assertRegex(self.node.log(), r"gateway\.closed.*127\.0\.0\.1:\d+.*it has not taken \d+ bytes")
        self.assert_served()


class ActorPort(Greedy):
    settings = {"log_file": "64KiB",
                "store": "[actor-port]\nconnections = 6\naddress-connections = 3\ngreeting-time = 60s"}

    def test_whoever_operates_the_node_gets_in(self):
        port = self.node.settings["actor_port"]
        for address in ("127.0.0.2", "127.0.0.3", "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.4"):
            stranger = socket.create_connection(("127.0.0.1", port), source_address=(address, 0))
            self.addCleanup(stranger.close)
        another = socket.create_connection(("127.0.0.1", port), source_address=("127.0.0.4", 0))
        self.addCleanup(another.close)
        wait_until("it is full for those who are there", lambda: "actor_port.full" in self.node.log())
        self.assertTrue(self.node.status()["writable"])


class Descriptors(Greedy):
    settings = {"log_file": "64KiB"}

    def setUp(self):
        super().setUp()
        self.node.stop()
        wrapper = self.node.home / "limited"
        wrapper.write_text(f'#!/bin/sh\nulimit -n 256\nexec "{self.troupe}" "$@"\n')
        wrapper.chmod(0o755)
        self.node.troupe = wrapper
        self.node.start()
        self.node.troupe = self.troupe

    def test_connections_leave_some_for_the_log_and_others(self):
        self.assertIn("gateway.fewer_connections", self.node.log())
        crowd = []
        for _ in range(400):
            crowd.append(socket.create_connection(("127.0.0.1", self.node.remoting_port)))
            self.addCleanup(crowd[-1].close)
        wait_until("it is said", lambda: "connections-per-address are open" in self.node.log())
        self.assertTrue(self.node.status()["writable"])
        lines = b"\n".join(b"%06d" % i + b"x" * 500 for i in range(2000)) + b"\n"
        self.good("produce", "many", stdin=lines)  # many log files
        other = self.client(source="127.0.0.2")
        self.assertEqual(other.send("T", b"x").code, 0)
        self.assertLess(self.node.log().count("gateway.full"), 5)


if __name__ == "__main__":
    unittest.main()
