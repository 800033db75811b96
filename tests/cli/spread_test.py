"""One store in several processes: each is killed, frozen, stopped and started again while producers
and consumers are at work. spread_test.py TROUPE EXAMPLES"""
import json
import os
import random
import signal
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path

from harness import PATIENCE, programs, run, wait_until
from ports import reserve

TROUPE, EXAMPLES = programs()
PLACES = {
    "log": "writer",
    "files": "flusher, cleaner, readers",
    "order": "dispatcher",
    "queues": "queue-manager",
    "front": "registrar, door",
}
SETTINGS = """
[cluster]
name = spread

[store]
flush = {flush}
mapped-file-size-commit-log = 1MiB
mapped-file-size-consume-queue = 20000
max-hash-slot-num = 1000
max-index-num = 4000
"""
NODE = """
[node {name}]
roles = {roles}
actor-port = {port}
directory = {directory}
"""
DOOR = """remoting-port = {}
name-server-port = {}
"""


class Process:
    """One node of the store."""

    def __init__(self, store, name):
        self.store, self.name = store, name
        self.process = None
        self.ready = threading.Event()

    def start(self):
        self.ready = threading.Event()
        with open(self.store.home / self.name, "ab") as log:
            self.process = subprocess.Popen(
                [TROUPE, "serve", "--config", self.store.config, "--node", self.name,
                 "--output", "json"], stdout=subprocess.PIPE, stderr=log, cwd=self.store.home)
        threading.Thread(target=self.read, args=(self.process, self.ready)).start()

    @staticmethod
    def read(process, ready):
        with process.stdout:
            for line in process.stdout:
                if json.loads(line)["ready"]:
                    ready.set()

    def log(self):
        return (self.store.home / self.name).read_text()

    def signal(self, number):
        self.process.send_signal(number)

    def end(self, number):
        self.signal(number)
        return self.wait()

    def wait(self):
        code = self.process.wait(2 * PATIENCE)
        self.process = None
        return code


class Store:
    def __init__(self, home, flush="async", places=PLACES, own=None):
        """own: what else stands in the sections of some nodes, by node."""
        self.home = Path(home)
        self.config = self.home / "cluster.ini"
        self.directory = self.home / "data"
        ports = reserve(len(places) + 2)
        text = SETTINGS.format(flush=flush)
        for name, roles in places.items():
            lines = {"directory": self.directory, **(own or {}).get(name, {})}
            text += NODE.format(name=name, roles=roles, port=ports.pop(),
                                directory=lines.pop("directory"))
            text += "".join(f"{key} = {value}\n" for key, value in lines.items())
            if "door" in roles:
                text += DOOR.format(ports.pop(), ports.pop())
        self.config.write_text(text)
        self.nodes = {name: Process(self, name) for name in places}

    def start(self, names=None):
        names = list(names or self.nodes)
        random.shuffle(names)
        for name in names:
            self.nodes[name].start()
        self.wait_ready()

    def wait_ready(self):
        for node in self.nodes.values():
            if not node.ready.wait(PATIENCE):
                raise AssertionError(f"node {node.name} is not ready:\n{self.logs()}")

    def logs(self):
        return "\n".join(f"--- {name}\n{node.log()}" for name, node in self.nodes.items())

    def run(self, *arguments, stdin=b""):
        return run(TROUPE, *(str(a) for a in arguments), "--config", str(self.config), stdin=stdin,
                   cwd=self.home)

    def clean_up(self):
        for node in self.nodes.values():
            if node.process is not None:
                node.signal(signal.SIGCONT)
                node.end(signal.SIGKILL)


class Producer:
    """Sends numbered lines, some at a time, whatever happens, and remembers what was acknowledged."""

    def __init__(self, store, at_a_time=50):
        self.store, self.at_a_time = store, at_a_time
        self.acknowledged = []
        self.complaints = set()
        self.stopping = False
        self.number = 0
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def work(self):
        while not self.stopping:
            lines = [b"%09d" % (self.number + i) for i in range(self.at_a_time)]
            self.number += self.at_a_time
            done = self.store.run("produce", "t", "--output", "json", "--batch", 10,
                                  stdin=b"".join(line + b"\n" for line in lines))
            if done.out:
                self.acknowledged += lines[:json.loads(done.out)["acknowledged"]]
            if done.err:
                self.complaints.add(done.err.strip())

    def stop(self):
        self.stopping = True
        self.thread.join()


class Spread(unittest.TestCase):
    flush = "async"
    places, own, queue_directories = PLACES, {}, []
    stop_order = ("front", "log", "order", "queues", "files")
    refusals = set()  # of those who wanted to read

    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.store = Store(temporary.name, self.flush, self.places, self.own)
        self.addCleanup(self.store.clean_up)
        self.store.start()
        self.assertEqual(self.store.run("topic", "create", "t", "--queues", 4).code, 0)

    def load(self):
        producer = Producer(self.store)
        self.addCleanup(producer.stop)
        self.wait_for_more(producer, 200)
        return producer

    def wait_for_more(self, producer, more):
        enough = len(producer.acknowledged) + more
        try:
            wait_until("more is acknowledged", lambda: len(producer.acknowledged) >= enough)
        except AssertionError:
            raise AssertionError(f"{producer.complaints}\n{self.store.logs()}")

    def consumed(self, queue):
        """Nothing while somebody is away, which is told."""
        done = self.store.run("consume", "t", "--queue", queue)
        if done.code != 0:
            self.assertIn("(unavailable)", done.err, self.store.logs())
            self.refusals.add(done.err.strip())
            return []
        return done.lines()

    def assert_complete(self, producer):
        """Everything acknowledged is there, in order in each queue, and nothing twice."""
        def missing():
            self.refusals = set()
            self.queues = [self.consumed(queue) for queue in range(4)]
            return set(producer.acknowledged) - {line for lines in self.queues for line in lines}
        try:
            wait_until("all is in the queues", lambda: not missing())
        except AssertionError:
            gone = sorted(missing())
            raise AssertionError(f"{len(gone)} are missing, such as {gone[:5]}\n"
                                 f"{producer.complaints}\n{self.refusals}\n"
                                 f"{self.store.logs()}")
        for lines in self.queues:
            self.assertEqual(lines, sorted(set(lines)))

    def stop_in_order(self):
        for name in self.stop_order:
            self.assertEqual(self.store.nodes[name].end(signal.SIGTERM), 0, self.store.logs())

    def verify(self):
        queues = [part for name in self.queue_directories
                  for part in ("--queues", str(self.store.home / name))]
        done = run(TROUPE, "store", "verify", str(self.store.directory), *queues)
        self.assertEqual(done.code, 0, done.out.decode())
        return done

    def test_works_and_stops_in_order(self):
        producer = self.load()
        self.wait_for_more(producer, 2000)
        producer.stop()
        self.assertEqual(producer.complaints, set())
        self.assert_complete(producer)
        status = json.loads(self.store.run("status", "--output", "json").out)
        self.assertTrue(status["writable"])
        self.assertEqual({link["node"]: link["state"] for link in status["links"]},
                         {name: "up" for name in self.store.nodes if name != "front"})
        self.assertEqual({role["state"] for role in status["roles"]}, {"running"})
        self.stop_in_order()
        self.assertFalse((self.store.directory / "abort").exists())
        self.verify()
        self.store.start()
        self.assert_complete(producer)

    def check_kill(self, name):
        producer = self.load()
        node = self.store.nodes[name]
        node.end(signal.SIGKILL)
        time.sleep(random.uniform(0, 3))
        node.start()
        self.store.wait_ready()
        self.wait_for_more(producer, 200)
        producer.stop()
        self.assert_complete(producer)

    def test_kill_log(self):
        self.check_kill("log")

    def test_kill_files(self):
        self.check_kill("files")

    def test_kill_order(self):
        self.check_kill("order")

    def test_kill_queues(self):
        self.check_kill("queues")

    def test_kill_front(self):
        self.check_kill("front")

    def test_one_producer_outlives_every_restart(self):
        """`produce --repeat-for`: what was in doubt is sent again, and stored once."""
        lines = [b"%09d" % i for i in range(60_000)]
        process = subprocess.Popen(
            [TROUPE, "produce", "t", "--config", self.store.config, "--repeat-for", "60",
             "--output", "json"], cwd=self.store.home, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(process.kill)

        def feed():
            with process.stdin:
                for line in lines:
                    process.stdin.write(line + b"\n")
                    if line.endswith(b"00"):
                        process.stdin.flush()
                        time.sleep(0.01)
        feeder = threading.Thread(target=feed)
        feeder.start()
        for name in ("queues", "log", "front", "files", "order"):
            time.sleep(0.5)
            node = self.store.nodes[name]
            node.end(signal.SIGKILL)
            node.start()
            self.store.wait_ready()
        feeder.join()
        process.stdin = None  # it is closed
        out, err = process.communicate(timeout=2 * PATIENCE)
        self.assertEqual(process.returncode, 0, err.decode() + self.store.logs())
        self.assertEqual(json.loads(out)["acknowledged"], len(lines))
        wait_until("all is in the queues", lambda: sorted(
            line for queue in range(4) for line in self.consumed(queue)) == lines)

    def test_frozen(self):
        producer = self.load()
        for node in self.store.nodes.values():
            node.signal(signal.SIGSTOP)
            time.sleep(3)
            node.signal(signal.SIGCONT)
            self.wait_for_more(producer, 50)
        producer.stop()
        self.assert_complete(producer)

    def test_all_are_told_to_end_at_once(self):
        producer = self.load()
        for node in self.store.nodes.values():
            node.signal(signal.SIGTERM)
        for node in self.store.nodes.values():
            try:
                node.wait()
            except subprocess.TimeoutExpired:  # as an operator does with one that hangs
                node.end(signal.SIGKILL)
        producer.stop()
        self.store.start()
        self.assert_complete(producer)

    def test_all_are_killed_at_once(self):
        producer = self.load()
        for node in self.store.nodes.values():
            node.signal(signal.SIGKILL)
        for node in self.store.nodes.values():
            node.wait()
        producer.stop()
        self.store.start()
        self.assert_complete(producer)


class SpreadWithSynchronousFlush(Spread):
    flush = "sync"


class QueuesApart(Spread):
    """The queues have a directory of their own, as on another machine."""
    test_kill_files = test_kill_order = test_kill_front = None  # nothing else than above
    own = {"queues": {"directory": "queue-files"}}
    queue_directories = ["queue-files"]

    def verify(self):
        done = super().verify()
        self.assertFalse((self.store.directory / "consumequeue/t").exists())
        self.assertTrue((self.store.home / "queue-files/consumequeue/t").exists())
        # The log is looked at alone where its queues are not named.
        alone = run(TROUPE, "store", "verify", str(self.store.directory))
        self.assertEqual(alone.code, 0, alone.out.decode())
        self.assertIn("kept in other directories", alone.err)

    def test_queues_are_built_again_beside_the_log(self):
        """And are not taken for what lies there, whichever way they go."""
        producer = self.load()
        producer.stop()
        self.stop_in_order()
        text = self.store.config.read_text()
        self.store.config.write_text(text.replace("directory = queue-files\n",
                                                  f"directory = {self.store.directory}\n"))
        self.store.start()
        self.assert_complete(producer)
        self.assertIn("they were kept in another directory", self.store.nodes["queues"].log())
        self.stop_in_order()
        self.store.config.write_text(text)
        self.store.start()
        self.wait_for_more(producer, 0)
        self.assert_complete(producer)

    def test_a_store_is_no_directory_for_queues(self):
        self.store.nodes["queues"].end(signal.SIGKILL)
        other = self.store.home / "queue-files/commitlog"
        other.mkdir()
        (other / "00000000000000000000").write_bytes(b"")
        queues = self.store.nodes["queues"]
        queues.start()
        self.assertEqual(queues.wait(), 1)
        self.assertIn("holds a log", queues.log())


class Disagreement(unittest.TestCase):
    def test_who_has_another_file_is_refused(self):
        """Two nodes that share the queues otherwise would hide messages."""
        with tempfile.TemporaryDirectory() as home:
            store = Store(home)
            self.addCleanup(store.clean_up)
            queues = store.nodes["queues"]
            text = store.config.read_text()
            other = store.home / "other.ini"
            other.write_text(text.replace("roles = queue-manager",
                                          "roles = queue-manager\nqueue-managers = 2"))
            for name in ("log", "files", "order", "front"):
                store.nodes[name].start()
            store.config, same = other, store.config
            queues.start()
            store.config = same
            wait_until("it is refused", lambda: "use the same file for all nodes" in store.logs())
            status = json.loads(store.run("status", "--node", "log", "--output", "json").out)
            self.assertFalse(status["writable"])
            self.assertIn("not recovered yet", status["reason"])
            self.assertIn("queues (queue-manager)", status["waitsFor"])
            # Nothing was added: the writer need not wait for those who are not there.
            began = time.monotonic()
            self.assertEqual(store.nodes["log"].end(signal.SIGTERM), 0, store.logs())
            self.assertLess(time.monotonic() - began, 5)


class SeveralQueueManagers(Spread):
    """Three share the queues, two of them in one process."""
    test_kill_files = test_kill_order = test_kill_front = None
    test_all_are_told_to_end_at_once = None
    places = {**PLACES, "more": "queue-manager"}
    own = {"queues": {"queue-managers": 2}, "more": {"directory": "more-files"}}
    queue_directories = ["data/queues-1-of-3", "data/queues-2-of-3", "more-files/queues-3-of-3"]
    stop_order = ("front", "log", "order", "queues", "more", "files")

    def test_kill_more(self):
        self.check_kill("more")

    def test_the_others_go_on(self):
        producer = self.load()
        producer.stop()
        self.assert_complete(producer)
        self.store.nodes["more"].end(signal.SIGKILL)
        wait_until("its queues are missed",
                   lambda: any(not self.consumed(queue) for queue in range(4)))
        there = [queue for queue in range(4) if self.consumed(queue)]
        self.assertGreater(len(there), 1)
        status = json.loads(self.store.run("status", "--output", "json").out)
        states = {role["role"]: role["state"] for role in status["roles"]}
        self.assertEqual(states["queue-manager 1"], "running")
        self.assertEqual(states["queue-manager 3"], "not reachable")
        edges = {(edge["from"], edge["to"]): edge["backlog"] for edge in status["edges"]}
        self.assertEqual(edges["writer", "queue-manager 1"], 0)
        self.assertIsNone(edges["writer", "queue-manager 3"])
        self.assertTrue(status["writable"])
        self.assertEqual(self.store.run("produce", "t", stdin=b"one more\n").code, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
