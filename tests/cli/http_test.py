"""A node's HTTP port: what it shows is what the commands print, and who may see it."""
import http.client
import json
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
        self.addCleanup(connection.close)
        connection.request(method, path, headers=fields)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

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
        self.assertIn("/page.js", text)
        self.assertEqual(self.ask("/page.js")[0], 200)
        self.assertEqual(self.ask("/none")[0], 404)

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
