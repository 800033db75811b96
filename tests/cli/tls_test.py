"""The store of examples/five-processes.ini with TLS, whose certificates are made as docs/operating.md
says; who is refused, and which nodes do not start. tls_test.py TROUPE EXAMPLES"""
import json
import re
import socket
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

import spread_test
from harness import Node, run, wait_until
from ports import reserve
from tls_certificates import blocks, make_certificates

TROUPE = spread_test.TROUPE
ROOT = Path(__file__).resolve().parents[2]
SMALL_FILES = """
[store]
mapped-file-size-commit-log = 1MiB
mapped-file-size-consume-queue = 20000
max-hash-slot-num = 1000
max-index-num = 4000
"""


def section_tls(node="node.pem", key="node.key", ca="ca.pem"):
    return f"[tls]\ncertificate = {node}\nkey = {key}\nca = {ca}\n"


class TlsStore(spread_test.Store):
    """As in the example, with ports that are free and its comment about TLS taken at its word."""

    def __init__(self, home):
        self.home = Path(home)
        self.config = self.home / "cluster.ini"
        self.directory = self.home / "five-processes-data"
        text = (ROOT / "examples/five-processes.ini").read_text()
        for line in section_tls().splitlines():
            assert f"#{line}\n" in text, line
            text = text.replace(f"#{line}\n", f"{line}\n")
        for port, free in zip(range(10921, 10928), reserve(7)):
            text = text.replace(str(port), str(free))
        self.config.write_text(text + SMALL_FILES)
        self.nodes = {name: spread_test.Process(self, name)
                      for name in re.findall(r"^\[node (\w+)\]", text, re.MULTILINE)}
        make_certificates(self.home, "node", "client")

    def port(self, name):
        return re.search(rf"\[node {name}\][^\[]*actor-port = (\d+)", self.config.read_text())[1]


class FiveProcesses(spread_test.Spread):
    test_kill_log = test_kill_files = test_kill_order = test_kill_front = test_frozen = None
    test_all_are_told_to_end_at_once = test_all_are_killed_at_once = None

    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.store = TlsStore(temporary.name)
        self.addCleanup(self.store.clean_up)
        self.store.start()
        self.assertEqual(self.store.run("topic", "create", "t", "--queues", 4).code, 0)

    def status(self, home, name=None):
        """Without the configuration, with certificates of that directory."""
        files = [f"--tls-{kind}={home / file}" for kind, file in
                 (("certificate", f"{name}.pem"), ("key", f"{name}.key"), ("ca", "ca.pem"))]
        return run(TROUPE, "status", "--connect", f"127.0.0.1:{self.store.port('front')}",
                   *(files if name else []), cwd=self.store.home)

    def test_strangers_are_refused(self):
        self.assertEqual(self.status(self.store.home, "client").code, 0)
        plain = self.status(self.store.home)
        self.assertEqual(plain.code, 1)
        self.assertIn("wants TLS ([tls])", plain.err)
        make_certificates(self.store.home / "others", "client")
        other = self.status(self.store.home / "others", "client")
        self.assertEqual(other.code, 1)
        self.assertIn("certificate is refused", other.err)
        missing = self.status(self.store.home, "nobody")
        self.assertEqual(missing.code, 1)
        self.assertIn("nobody.pem", missing.err)
        for name in self.store.nodes:  # each of them is such a port
            with socket.create_connection(("127.0.0.1", int(self.store.port(name)))) as stranger:
                stranger.sendall(b"GET / HTTP/1.1\r\n\r\n" * 100)
                stranger.settimeout(2)
                with self.assertRaises((ConnectionError, StopIteration)):
                    while stranger.recv(1000):
                        pass
                    raise StopIteration
            log = self.store.nodes[name].log
            wait_until("it is told", lambda: "actor_port.cut" in log())
        self.assertEqual(self.status(self.store.home, "client").code, 0)
        links = json.loads(self.store.run("status", "--output", "json").out)["links"]
        self.assertEqual({link["state"] for link in links}, {"up"})

    def test_stop_all_comes_with_a_certificate(self):
        done = self.store.run("stop", "--all")
        self.assertEqual(done.code, 0, done.err)
        for node in self.store.nodes.values():
            self.assertIsNotNone(node.process.wait(10))


class Starts(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.home = Path(temporary.name)
        make_certificates(self.home, "node", "second")

    def refused(self, more, *words):
        (self.home / "cluster.ini").write_text("[node n]\nactor-port = 0\n" + more)
        done = run(TROUPE, "serve", cwd=self.home)
        self.assertEqual((done.code, done.out), (1, b""), done.err)
        for word in words:
            self.assertIn(word, done.err)
        self.assertFalse((self.home / "data").exists())

    def test_files_that_no_peer_would_take_are_named(self):
        self.refused(section_tls(node="none.pem"), "none.pem", "No such file")
        self.refused(section_tls(key="second.key"), "second.key", "does not fit")
        self.refused(section_tls(ca="second.pem"), "node.pem", "authority")
        script = blocks("Certificates")[1].replace("name=node", "name=late")
        script = script.replace("-days 365", "-days 0")
        subprocess.run(["sh", "-ec", script], cwd=self.home, check=True, capture_output=True)
        time.sleep(2)  # it is valid for this second only
        self.refused(section_tls("late.pem", "late.key"), "late.pem", "expired")

    def test_open_beyond_the_machine_takes_tls_or_a_word(self):
        self.refused("actor-host = 0.0.0.0\n", "cluster.ini:3", "[tls]", "insecure = on")
        for more, warns in (("[actor-port]\ninsecure = on\n", True), (section_tls(), False)):
            node = Node(TROUPE, self.home, store=more)
            node.settings["directory"] = f"{node.directory}\nactor-host = 0.0.0.0"
            (self.home / "log").unlink(missing_ok=True)
            self.addCleanup(node.clean_up)
            node.start()
            done = run(TROUPE, "status", "--config", str(node.config), cwd=self.home)
            self.assertEqual(done.code, 0, done.err)
            self.assertEqual("actor_port.open" in node.log(), warns)
            self.assertEqual(node.stop(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
