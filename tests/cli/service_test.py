"""What a service manager hears of a node: that it starts, serves, lives and stops."""
import os
import socket
import time
import unittest
from pathlib import Path

from harness import NodeTest, PATIENCE, programs


class Manager:
    """The other end of `NOTIFY_SOCKET`."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(PATIENCE)

    def hear(self):
        """The next message, as a dictionary."""
        lines = self.socket.recv(4096).decode().split("\n")
        return dict(line.split("=", 1) for line in lines)

    def hear_until(self, name):
        heard = []
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            heard.append(self.hear())
            if name in heard[-1]:
                return heard
        raise AssertionError(f"no {name} in {heard}")


class Service(NodeTest):
    def start(self, address, **environment):
        manager = Manager(address)
        self.addCleanup(manager.socket.close)
        name = "@" + address[1:] if address.startswith("\0") else address
        self.node.spawn["env"] = {**os.environ, "NOTIFY_SOCKET": name, **environment}
        self.node.start()
        return manager

    def path(self):
        return str(Path(self.temporary.name) / "notify")

    def test_says_when_it_serves_and_when_it_stops(self):
        manager = self.start(self.path())
        ready = manager.hear_until("READY")[-1]
        self.assertEqual(ready["READY"], "1")
        self.assertIn(str(self.node.directory), ready["STATUS"])
        self.assertEqual(self.node.stop(), 0)
        stopping = manager.hear_until("STOPPING")[-1]
        # stop-deadline is 30 s: the manager must not be faster.
        self.assertGreater(int(stopping["EXTEND_TIMEOUT_USEC"]), 30_000_000)

    def test_speaks_to_an_abstract_socket(self):
        manager = self.start(f"\0troupe-test-{os.getpid()}")
        self.assertEqual(manager.hear_until("READY")[-1]["READY"], "1")
        self.assertEqual(self.node.stop(), 0)

    def test_gives_signs_of_life(self):
        manager = self.start(self.path(), WATCHDOG_USEC="300000")
        for _ in range(3):
            self.assertEqual(manager.hear_until("WATCHDOG")[-1]["WATCHDOG"], "1")
        self.assertEqual(self.node.stop(), 0)

    def test_gives_none_that_are_for_another_process(self):
        manager = self.start(self.path(), WATCHDOG_USEC="30000", WATCHDOG_PID="1")
        manager.hear_until("READY")
        time.sleep(0.3)
        self.assertEqual(self.node.stop(), 0)
        self.assertNotIn("WATCHDOG", manager.hear())

    def test_extends_the_time_of_a_start_that_comes_on(self):
        manager = self.start(self.path())
        manager.hear_until("READY")
        self.good("topic", "create", "t")
        self.good("produce", "t", stdin=b"x" * 1000 + b"\n")
        self.node.process.kill()
        self.node.wait()
        self.node.start()
        heard = manager.hear_until("READY")
        self.assertIn("EXTEND_TIMEOUT_USEC", heard[0], heard)
        self.assertIn("checking the log", heard[0]["STATUS"])

    def test_serves_without_one(self):
        for wrong in ("", "x", "/not/there", "/" + "x" * 200):
            self.node.spawn["env"] = {**os.environ, "NOTIFY_SOCKET": wrong}
            self.node.start()
            self.assertEqual(self.node.stop(), 0)


if __name__ == "__main__":
    NodeTest.troupe, _ = programs()
    unittest.main(verbosity=2)
