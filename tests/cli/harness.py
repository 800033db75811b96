"""Nodes in temporary directories and the commands that talk to them, for the tests of this folder.

A test program is called with the path of `troupe` and the directory of the example programs."""
import json
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

from ports import reserve

PATIENCE = 20  # seconds for anything that should happen soon
SETTINGS = """
[store]
flush = {flush}
mapped-file-size-commit-log = {log_file}
mapped-file-size-consume-queue = 20000
max-hash-slot-num = 1000
max-index-num = 4000
{store}
{more}
[node local]
actor-port = {actor_port}
remoting-port = {remoting_port}
name-server-port = {name_server_port}
admin-port = {admin_port}
directory = {directory}
"""


def programs():
    """TROUPE and EXAMPLES from the command line, which unittest then does not see."""
    troupe, examples = (Path(argument).absolute() for argument in sys.argv[1:3])
    del sys.argv[1:3]
    return troupe, examples


class Done:
    """What a command left behind."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err.decode("utf-8", "replace")

    def json(self):
        return [json.loads(line) for line in self.out.splitlines()]

    def lines(self):
        return self.out.split(b"\n")[:-1]


def wait_until(what, condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"did not happen in {PATIENCE} s: {what}")
        time.sleep(0.01)


def run(program, *arguments, stdin=b"", cwd=None):
    done = subprocess.run([program, *arguments], input=stdin, capture_output=True, cwd=cwd,
                          timeout=6 * PATIENCE)
    return Done(done.returncode, done.stdout, done.stderr)


class Node:
    """A node with a directory of its own; start, stop and start it again."""

    def __init__(self, troupe, home, flush="async", log_file="16MiB", store="", more=""):
        self.troupe, self.home = troupe, Path(home)
        self.directory = self.home / "data"
        self.config = self.home / "cluster.ini"
        actor_port, remoting_port, name_server_port = reserve(3)  # the same after a restart
        self.settings = {"flush": flush, "log_file": log_file, "store": store, "more": more,
                         "actor_port": actor_port, "remoting_port": remoting_port,
                         "name_server_port": name_server_port, "admin_port": 0,
                         "directory": self.directory}
        self.process = None
        self.port = None
        self.spawn = {}  # more for subprocess.Popen
        self.arguments = []  # more for `serve`

    def write_settings(self):
        self.config.write_text(SETTINGS.format(**self.settings))

    def launch(self):
        self.write_settings()
        with open(self.home / "log", "ab") as log:
            return subprocess.Popen(
                [self.troupe, "serve", "--config", self.config, "--output", "json",
                 *self.arguments],
                stdout=subprocess.PIPE, stderr=log, cwd=self.home, **self.spawn)

    def start(self):
        self.process = self.launch()
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"the node did not start: {self.log()}")
        ready = json.loads(line)
        assert ready["ready"] and ready["pid"] == self.process.pid, ready
        self.port = ready["actorPort"]
        self.remoting_port = ready["remotingPort"]
        self.name_server_port = ready["nameServerPort"]
        self.admin_port = ready["adminPort"]
        return self

    def log(self):
        return (self.home / "log").read_text()

    def end(self, number):
        """Sends the signal and answers the exit code."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self):
        code = self.process.wait(PATIENCE)
        self.process.stdout.close()
        self.process = None
        return code

    def stop(self):
        return self.end(signal.SIGTERM)

    def clean_up(self):
        if self.process is not None:
            self.end(signal.SIGKILL)

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def command(self, *arguments):
        return [self.troupe, *(str(a) for a in arguments), "--connect", self.address]

    def run(self, *arguments, stdin=b""):
        return run(*self.command(*arguments), stdin=stdin, cwd=self.home)

    def status(self):
        return self.run("status", "--output", "json").json()[0]

    def verify(self):
        return run(self.troupe, "store", "verify", str(self.directory))


class Load:
    """`produce` that is fed numbered lines until it ends; `line(i)` is the i-th."""
    batch = 50

    def __init__(self, node, topic):
        self.process = subprocess.Popen(
            node.command("produce", topic, "--output", "json", "--batch", self.batch),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.feeder = threading.Thread(target=self.feed)
        self.feeder.start()

    def clean_up(self):
        if self.process.poll() is None:
            self.process.kill()
            self.result()

    @staticmethod
    def line(number):
        return b"%012d:" % number + b"x" * (number % 300)

    def feed(self):
        number = 0
        try:
            while True:
                lines = b"".join(self.line(number + i) + b"\n" for i in range(100))
                self.process.stdin.write(lines)
                number += 100
        except (BrokenPipeError, ValueError):
            pass

    def result(self):
        """Waits for the end: what it says, what it has to complain, its exit code."""
        # The feeder owns standard input: its pipe breaks when the process ends.
        out, err = self.process.stdout.read(), self.process.stderr.read()
        code = self.process.wait(PATIENCE)
        self.feeder.join()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            try:
                stream.close()
            except BrokenPipeError:
                pass
        return json.loads(out or b"null"), err.decode(), code


class NodeTest(unittest.TestCase):
    """A test with a node of its own."""
    troupe = None
    settings = {}

    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.node = Node(self.troupe, self.temporary.name, **self.settings)
        self.addCleanup(self.node.clean_up)

    def good(self, *arguments, stdin=b""):
        done = self.node.run(*arguments, stdin=stdin)
        self.assertEqual(done.code, 0, done.err)
        return done

    def refused(self, code, *arguments, stdin=b"", words=()):
        done = self.node.run(*arguments, stdin=stdin)
        self.assert_refused(done, code, *words)
        return done

    def assert_refused(self, done, code, *words):
        self.assertEqual(done.code, code, (done.err, done.out))
        text = done.err + done.out.decode("utf-8", "replace")
        for word in words:
            self.assertRegex(text, re.compile(word, re.IGNORECASE))

    def assert_stored(self, topic, acknowledged, queues=8):
        """The first `acknowledged` lines of a `Load` are there, in order, without holes."""
        count = 0
        for queue in range(queues):
            bodies = self.good("consume", topic, "--queue", queue).lines()
            wanted = [Load.line(queue + queues * i) for i in range(len(bodies))]
            self.assertEqual(bodies, wanted)
            self.assertGreaterEqual(len(bodies), len(range(queue, acknowledged, queues)))
            count += len(bodies)
        return count
