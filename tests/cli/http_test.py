"""A node's HTTP port: what it shows is what the commands print, and who may see it."""
import base64
import http.client
import json
import re
import tempfile
import unittest

from harness import Node, programs, wait_until

TROUPE, _ = programs()


class Port(unittest.TestCase):
    def setUp(self):
        self.home = tempfile.TemporaryDirectory()
        self.addCleanup(self.home.cleanup)
        self.node = Node(TROUPE, self.home.name)
        self.node.start()
        self.addCleanup(self.node.clean_up)

    def ask(self, path, method="GET", **fields):
        connection = http.client.HTTPConnection("127.0.0.1", self.node.admin_port, timeout=20)
        try:
            connection.request(method, path, headers=fields)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def json(self, path):
        status, text = self.ask(path)
        self.assertEqual(status, 200, text)
        return json.loads(text)

    def test_life_and_readiness(self):
        self.assertEqual(self.ask("/livez"), (200, "alive\n"))
        self.assertEqual(self.ask("/readyz"), (200, "ready\n"))
        status, text = self.ask("/readyz?verbose")
        self.assertEqual(status, 200)
        self.assertIn("[+] writer: ok\n", text)
        self.assertIn("[+] writes: ok\n", text)

    def test_status_and_lists_are_those_of_the_commands(self):
        self.assertEqual(self.node.run("topic", "create", "t", "--queues", "3").code, 0)
        self.assertEqual(self.node.run("produce", "t", stdin=b"a\nb\n").code, 0)
        shown, printed = self.json("/v1/status"), self.node.status()
        self.assertEqual(set(shown), set(printed))
        self.assertEqual(shown["logMaxOffset"], printed["logMaxOffset"])
        listed = self.node.run("topic", "list", "--output", "json").json()
        wait_until("the port knows the topics", lambda: self.json("/v1/topics")["topics"] == listed)
        self.assertEqual(self.json("/v1/clients"), {"clients": []})
        self.assertEqual(self.json("/v1/groups"), {"groups": [], "leftOut": 0})

    def test_metrics(self):
        self.assertEqual(self.node.run("topic", "create", "t").code, 0)
        self.assertEqual(self.node.run("produce", "t", stdin=b"a\nb\n").code, 0)
        status, text = self.ask("/metrics")
        self.assertEqual(status, 200)
        lines = text.splitlines()
        self.assertEqual(len(lines), len(set(lines)))
        numbers = {line.split("{")[0]: float(line.split()[-1])
                   for line in lines if not line.startswith("#")}
        self.assertEqual(numbers["troupe_serving"], 1)
        self.assertEqual(numbers["troupe_writable"], 1)
        self.assertGreater(numbers["troupe_log_end_bytes"], 0)
        self.assertIn("troupe_flush_seconds_count", numbers)
        self.assertIn("rocketmq_topic_number", numbers)

    def test_page(self):
        status, text = self.ask("/")
        self.assertEqual(status, 200)
        for used in re.findall(r'(?:href|src)="(/[^"#]*\.\w+)"', text):
            self.assertEqual(self.ask(used)[0], 200, used)
        self.assertIn("/page.js", text)
        for used in re.findall(r'from "\.(/\w+\.js)"', self.ask("/page.js")[1]):
            self.assertEqual(self.ask(used)[0], 200, used)
        self.assertNotRegex(text, r"https?://|<style|style=|<script>")
        self.assertEqual(self.ask("/none")[0], 404)

    def test_history_fills_while_somebody_looks(self):
        def seen():
            return self.json("/v1/history")
        wait_until("a look a second", lambda: len(seen()["fine"]["at"]) >= 3)
        shown = seen()
        self.assertEqual(shown["diskPercent"], [75, 85, 90])
        for part in ("fine", "coarse"):
            self.assertEqual({len(column) for column in shown[part].values()},
                             {len(shown[part]["at"])})
        self.assertGreater(shown["fine"]["memory"][-1], 0)
        self.assertEqual(shown["fine"]["inFlight"][-1], 0)
        last = shown["fine"]["at"][-1]
        self.assertTrue(all(at > last for at in self.json(f"/v1/history?since={last}")["fine"]["at"]))
        for bad in ("since=", "since=-1", "since=x", "since=1&since=2", "until=1", "since"):
            self.assertEqual(self.ask("/v1/history?" + bad)[0], 400, bad)

    def fill(self):
        self.assertEqual(self.node.run("topic", "create", "t", "--queues", "1").code, 0)
        done = self.node.run("produce", "t", "--key", "k", stdin=b"one\ntwo\nthree\n")
        self.assertEqual(done.code, 0, done.err)

    def test_one_topic(self):
        self.fill()
        topic = self.json("/v1/topics/t")
        self.assertEqual(topic["topic"], "t")
        queue, = topic["queues"]
        self.assertEqual((queue["minOffset"], queue["maxOffset"]), (0, 3))
        self.assertLessEqual(0, queue["lastStoreTimestamp"] - queue["firstStoreTimestamp"])
        self.assertEqual(self.ask("/v1/topics/none")[0], 404)
        for bad in ("a%2Fb", "a%00", "a%", "a%zz", "a" * 600, "%20", "a/b"):
            self.assertEqual(self.ask("/v1/topics/" + bad)[0], 400, bad)

    def test_one_group(self):
        self.fill()
        self.assertEqual(self.ask("/v1/groups/g")[0], 404)
        done = self.node.run("group", "reset", "g", "--topic", "t", "--to", "1", "--yes")
        self.assertEqual(done.code, 0, done.err)
        group = self.json("/v1/groups/g")
        self.assertEqual((group["group"], group["members"], group["leftOut"]), ("g", [], 0))
        queue, = group["queues"]
        self.assertEqual((queue["topic"], queue["queueId"], queue["maxOffset"]), ("t", 0, 3))
        self.assertEqual((queue["offset"], queue["lag"]), (1, 2))
        self.assertIsInstance(queue["behindMs"], int)
        self.assertEqual(self.ask("/v1/groups/a%20b")[0], 400)

    def test_messages(self):
        self.fill()
        printed = self.node.run("consume", "t", "--count", "3", "--output", "json").json()
        found = self.json("/v1/messages?topic=t&queue=0&offset=0")
        self.assertEqual((found["status"], found["next"], found["maxOffset"]), ("found", 3, 3))
        for one in found["messages"]:
            self.assertFalse(one.pop("bodyCut"))
        self.assertEqual(found["messages"], [{name: m[name] for name in found["messages"][0]}
                                             for m in printed])
        some = self.json("/v1/messages?topic=t&queue=0&offset=1&max=1")
        self.assertEqual([base64.b64decode(m["body"]) for m in some["messages"]], [b"two"])
        self.assertEqual(len(self.json("/v1/messages?topic=t&queue=0&time=-1h")["messages"]), 3)
        self.assertEqual(len(self.json("/v1/messages?topic=t&key=k")["messages"]), 3)
        self.assertEqual(self.json("/v1/messages?topic=t&key=other")["messages"], [])
        one, = self.json("/v1/messages?id=" + printed[0]["msgId"])["messages"]
        self.assertEqual(one["bodySha256"], printed[0]["bodySha256"])
        beyond = self.json("/v1/messages?topic=t&queue=0&offset=9")
        self.assertEqual((beyond["status"], beyond["messages"]), ("offset_too_large", []))
        self.assertEqual(self.json("/v1/groups")["groups"], [])  # looking moved nobody on

    def test_messages_are_bounded(self):
        self.assertEqual(self.node.run("topic", "create", "t", "--queues", "1").code, 0)
        lines = b"y" * 100_000 + b"\n" + b"z\n" * 60
        self.assertEqual(self.node.run("produce", "t", stdin=lines).code, 0)
        found = self.json("/v1/messages?topic=t&queue=0&offset=0")
        self.assertEqual(len(found["messages"]), 32)
        long = found["messages"][0]
        self.assertEqual((long["bodyCut"], long["bodyLen"], long["bodySha256"]),
                         (True, 100_000, None))
        self.assertEqual(base64.b64decode(long["body"]), b"y" * 65536)
        self.assertEqual(found["next"], 32)

    def test_questions_that_are_refused(self):
        self.fill()
        for bad in ("", "topic=t", "topic=t&queue=0", "topic=t&offset=0", "queue=0&offset=0",
                    "topic=t&queue=0&offset=0&time=0", "topic=t&queue=-1&offset=0",
                    "topic=t&queue=1024&offset=0", "topic=t&queue=0&offset=-1",
                    "topic=t&queue=0&offset=99999999999999999999", "topic=t&queue=0&offset=0&max=33",
                    "topic=t&queue=0&offset=0&max=0", "topic=t&queue=0&time=noon",
                    "topic=a%20b&queue=0&offset=0", "topic=%ff&queue=0&offset=0",
                    "topic=t&key=", "topic=t&key=a+b", "id=xyz", "id=", "id=%00", "body=1",
                    "topic=t&topic=t&key=k", "topic=t&key=" + "k" * 513):
            status, reason = self.ask("/v1/messages?" + bad)
            self.assertEqual(status, 400, bad)
            self.assertTrue(reason.strip(), bad)
        self.assertEqual(self.ask("/v1/messages?topic=none&queue=0&offset=0")[0], 404)
        self.assertEqual(self.ask("/v1/messages?topic=t&queue=7&offset=0")[0], 404)
        self.assertEqual(self.ask("/v1/messages?topic=none&queue=0&time=-1h")[0], 404)
        self.assertEqual(self.ask("/v1/messages?topic=none&key=k")[0], 404)
        self.assertEqual(self.ask("/v1/messages?id=" + "0" * 32)[0], 404)

    def test_nobody_else(self):
        self.assertEqual(self.ask("/v1/status", Host="evil.example")[0], 421)
        self.assertEqual(self.ask("/v1/status", method="POST")[0], 405)

    def test_stop_with_a_client_there(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.node.admin_port, timeout=20)
        self.addCleanup(connection.close)
        connection.request("GET", "/livez")
        self.assertEqual(connection.getresponse().read(), b"alive\n")
        self.assertEqual(self.node.stop(), 0)


class NoPort(unittest.TestCase):
    def test_off_and_taken(self):
        with tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory() as other:
            first = Node(TROUPE, home)
            first.start()
            self.addCleanup(first.clean_up)
            second = Node(TROUPE, other)
            second.settings["admin_port"] = first.admin_port
            process = second.launch()
            out, _ = process.communicate(timeout=60)
            self.assertNotEqual(process.returncode, 0, out)
            self.assertIn("admin-port", second.log())
            second.settings["admin_port"] = "off"
            second.start()
            self.addCleanup(second.clean_up)
            self.assertEqual(second.admin_port, 0)
            self.assertEqual(second.stop(), 0)
            self.assertEqual(first.stop(), 0)


if __name__ == "__main__":
    unittest.main()
