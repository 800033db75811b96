"""One store in five processes as an operator sees it: stopped by one command, also while a node is
frozen, asked at any node, and watched over a restart. operate_test.py TROUPE EXAMPLES"""
import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import tempfile
import termios
import threading
import time
import unittest

from harness import PATIENCE, run, wait_until
from spread_test import TROUPE, Producer, Store

ORDER = ["front", "log", "order", "queues", "files"]


class Watch:
    """`troupe status --watch` in the background, and what it has printed so far."""

    def __init__(self, store, *arguments, terminal=False):
        self.text = b""
        reader, writer = pty.openpty() if terminal else os.pipe()
        if terminal:
            fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 60, 200, 0, 0))
        self.process = subprocess.Popen(
            [TROUPE, "status", "--watch", "0.2", "--config", str(store.config), *arguments],
            stdin=subprocess.DEVNULL, stdout=writer, stderr=subprocess.PIPE, cwd=store.home)
        os.close(writer)
        self.thread = threading.Thread(target=self.read, args=(reader,))
        self.thread.start()

    def read(self, reader):
        while True:
            try:
                piece = os.read(reader, 65536)
            except OSError:  # a terminal whose other end is closed
                piece = b""
            if not piece:
                break
            self.text += piece
        os.close(reader)

    def wait_for(self, text, behind=0):
        wait_until(f"{text} is shown", lambda: text in self.text[behind:])
        return len(self.text)

    def end(self):
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(PATIENCE)
        self.thread.join()
        self.process.stderr.close()
        return code

    def clean_up(self):
        if self.process.poll() is None:
            self.process.kill()
            self.end()


class Operate(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.store = Store(temporary.name)
        self.addCleanup(self.store.clean_up)
        self.store.start()
        self.assertEqual(self.store.run("topic", "create", "t", "--queues", 4).code, 0)

    def send(self, count):
        lines = b"".join(b"%09d\n" % i for i in range(count))
        done = self.store.run("produce", "t", "--output", "json", stdin=lines)
        self.assertEqual(done.code, 0, done.err)

    def status(self, *arguments):
        done = self.store.run("status", "--output", "json", *arguments)
        self.assertEqual(done.code, 0, done.err)
        return json.loads(done.out)

    def wait_for_end(self, names):
        for name in names:
            self.assertEqual(self.store.nodes[name].wait(), 0, self.store.logs())

    def verify(self):
        done = run(TROUPE, "store", "verify", str(self.store.directory))
        self.assertEqual(done.code, 0, done.out.decode())

    def watch(self, *arguments, **more):
        watch = Watch(self.store, *arguments, **more)
        self.addCleanup(watch.clean_up)
        return watch

    def test_stop_all_under_load(self):
        producer = Producer(self.store)
        self.addCleanup(producer.stop)
        wait_until("something is acknowledged", lambda: len(producer.acknowledged) > 500)
        done = self.store.run("stop", "--all", "--output", "json")
        producer.stop()
        self.assertEqual(done.code, 0, done.err + self.store.logs())
        reports = done.json()
        self.assertEqual([r["node"] for r in reports], ORDER)
        for report in reports:
            self.assertEqual((report["state"], report["durable"]), ("stopped", True), report)
        self.wait_for_end(ORDER)
        self.assertFalse((self.store.directory / "abort").exists())
        self.verify()
        self.store.start()
        self.assertIn("after=stop", self.store.nodes["log"].log().split("store.opened")[-1])
        wanted = set(producer.acknowledged)

        def all_there():
            found = [self.store.run("consume", "t", "--queue", q) for q in range(4)]
            return not wanted - {line for one in found for line in one.lines()}
        wait_until("all that was acknowledged is there", all_there)

    def test_stop_all_again_finds_nobody(self):
        self.assertEqual(self.store.run("stop", "--all").code, 0)
        self.wait_for_end(ORDER)
        done = self.store.run("stop", "--all")
        self.assertEqual(done.code, 0, done.err)
        self.assertEqual(done.out.count(b"not running"), 5, done.out)
        (self.store.directory / "abort").write_text("1")
        self.assertEqual(self.store.run("stop", "--all").code, 1)

    def test_stop_all_with_a_frozen_node(self):
        self.send(1000)
        self.store.nodes["order"].signal(signal.SIGSTOP)
        began = time.monotonic()
        done = self.store.run("stop", "--all", "--output", "json")
        self.assertLess(time.monotonic() - began, 40)
        self.assertEqual(done.code, 1, done.err)
        reports = {r["node"]: r for r in done.json()}
        self.assertEqual(list(reports), ORDER)
        self.assertEqual(reports["order"]["state"], "no answer")
        self.assertGreater(reports["order"]["waitedMs"], 2000)
        self.assertIsNone(reports["order"]["durable"])
        rest = [name for name in ORDER if name != "order"]
        self.assertEqual({reports[name]["state"] for name in rest}, {"stopped"}, reports)
        for name in rest:
            self.store.nodes[name].wait()
        self.store.nodes["order"].signal(signal.SIGCONT)
        self.store.nodes["order"].end(signal.SIGKILL)
        self.verify()

    def test_a_node_that_freezes_while_it_stops(self):
        self.store.nodes["queues"].signal(signal.SIGSTOP)  # the writer's node waits for it
        impatient = self.store.home / "impatient.ini"
        impatient.write_text(self.store.config.read_text().replace(
            "name = spread", "name = spread\nstop-deadline = 1s"))
        order = subprocess.Popen(
            [TROUPE, "stop", "--node", "log", "--config", str(impatient)], cwd=self.store.home,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        wait_until("it stops", lambda: "node.stopping" in self.store.nodes["log"].log())
        self.store.nodes["log"].signal(signal.SIGSTOP)
        out, err = order.communicate(timeout=PATIENCE)
        self.assertEqual(order.returncode, 1)
        self.assertIn("node log: no answer after", out.decode())
        self.assertIn("node log stops for", err.decode())

    def test_stop_one_node(self):
        done = self.store.run("stop")
        self.assertEqual(done.code, 1)
        self.assertIn("--all", done.err)
        done = self.store.run("stop", "--node", "order")
        self.assertEqual(done.code, 0, done.err)
        self.assertIn("node order: stopped", done.out.decode())
        self.wait_for_end(["order"])
        self.store.nodes["order"].start()
        self.store.wait_ready()

    def test_an_order_for_another_node_is_refused(self):
        text = self.store.config.read_text()
        other = self.store.home / "other.ini"
        other.write_text(text.replace("[node order]", "[node mistake]"))
        done = run(TROUPE, "stop", "--node", "mistake", "--config", str(other),
                   cwd=self.store.home)
        self.assertEqual(done.code, 1)
        self.assertIn("refused", done.out.decode())
        self.assertIsNone(self.store.nodes["order"].process.poll())

    def test_every_node_knows_of_the_whole(self):
        self.send(1000)
        for name in self.store.nodes:
            status = self.status("--node", name)
            self.assertEqual(status["node"], name)
            self.assertEqual({role["state"] for role in status["roles"]}, {"running"}, status)
            self.assertEqual({n["node"] for n in status["nodes"]}, set(self.store.nodes))
            for node in status["nodes"]:
                self.assertEqual(node["state"], "running", status)
                self.assertEqual({link["node"]: link["state"] for link in node["links"]},
                                 {n: "up" for n in self.store.nodes if n != node["node"]})
            edges = {(e["from"], e["to"]): e for e in status["edges"]}
            self.assertEqual(len(edges), 5)
            for edge in edges.values():
                self.assertIsInstance(edge["backlog"], int)
            first = edges["writer", "dispatcher"]
            self.assertEqual((first["fromNode"], first["toNode"], first["link"]),
                             ("log", "order", "up"))
            self.assertEqual(first["capacity"], 400000)

    def test_what_a_node_would_say_that_is_away_is_unknown(self):
        self.store.nodes["queues"].signal(signal.SIGSTOP)

        def away():
            status = self.status("--node", "files")
            node = [n for n in status["nodes"] if n["node"] == "queues"][0]
            return status if node["state"] == "not reachable" else None
        wait_until("its silence is noticed", away)
        time.sleep(1)
        status = away()
        node = [n for n in status["nodes"] if n["node"] == "queues"][0]
        self.assertGreater(node["sinceMs"], 1000)
        self.assertIsNone(node["links"])
        edges = {(e["from"], e["to"]): e for e in status["edges"]}
        for edge in (("dispatcher", "queue-manager"), ("writer", "queue-manager"),
                     ("queue-manager", "queue-flusher")):
            self.assertIsNone(edges[edge]["backlog"], edge)
        self.assertIsNotNone(edges["writer", "flusher"]["backlog"])
        text = self.store.run("status", "--node", "files").out.decode()
        self.assertRegex(text, r"member +queues \(queue-manager\): not reachable for")
        self.assertRegex(text, r"edge +dispatcher .* queue-manager .*: unknown")

    def test_without_the_door_another_node_is_asked(self):
        self.store.nodes["front"].end(signal.SIGTERM)
        done = self.store.run("status", "--output", "json")
        self.assertEqual(done.code, 0, done.err)
        self.assertIn("node front does not answer", done.err)
        self.assertEqual(json.loads(done.out)["node"], "log")

    def test_watch_survives_a_restart(self):
        watch = self.watch("--node", "front")
        at = watch.wait_for(b"node      front")
        self.store.nodes["front"].end(signal.SIGTERM)
        at = watch.wait_for(b"not reachable since ", at)
        self.store.nodes["front"].start()
        watch.wait_for(b"writes    accepted", at)
        self.assertNotIn(b"\033", watch.text)
        self.assertEqual(watch.end(), 0)

    def test_watch_as_json(self):
        watch = self.watch("--node", "order", "--output", "json")
        at = watch.wait_for(b'{"node":"order"')
        self.store.nodes["order"].end(signal.SIGTERM)
        watch.wait_for(b'{"reachable":false,', at)
        self.assertEqual(watch.end(), 0)
        for line in watch.text.splitlines():
            json.loads(line)

    def test_watch_redraws_on_a_terminal(self):
        watch = self.watch(terminal=True)
        wait_until("it is drawn three times", lambda: watch.text.count(b"\033[H\033[J") >= 3)
        self.assertEqual(watch.end(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
