"""A node that stands still, or whose disk does, and what RocketMQ producers are told then.
stall_test.py TROUPE LIBRARY"""
import collections
import signal
import time
import unittest

from faults import Faults, NodeTest, wait_until
from remoting import Client

STORED, MAYBE = 0, 10
CLIENT_WAITS = 3  # seconds for which a producer waits for an answer


class Producer:
    """Sends bodies that are told apart, many at a time, and notes how each was answered."""

    def __init__(self, port, name):
        self.client, self.name = Client(port), name
        self.bodies, self.codes = {}, {}  # by the request's number; by body: the last code

    def post(self, bodies):
        for body in bodies:
            self.bodies[self.client.post_send("T", body)] = body

    def body(self, number, size=1000):
        return (b"%s-%06d-" % (self.name.encode(), number)).ljust(size, b"x")

    def read_answers(self):
        """Until all are there, or the node closes the connection: nothing is known of the rest."""
        while self.bodies:
            answer = self.client.read()
            if answer is None:
                break
            if answer.header["flag"] & 1:
                self.codes[self.bodies.pop(answer.opaque)] = answer.code


class Stall(NodeTest):
    def setUp(self):
        super().setUp()
        self.faults = Faults(self.node)
        self.node.start()
        self.assertEqual(self.client().send("T", b"first").code, STORED)

    def client(self):
        client = Client(self.node.remoting_port)
        self.addCleanup(client.close)
        return client

    def producer(self, name):
        made = Producer(self.node.remoting_port, name)
        self.addCleanup(made.client.close)
        return made

    def stored(self):
        """How often each body is stored."""
        client, count, at = self.client(), collections.Counter(), 0
        while (answer := client.pull("T", at)).code == 0:
            count.update(message["body"] for message in answer.messages())
            at = int(answer.ext["nextBeginOffset"])
        return count

    def check_answers(self, codes, stored):
        for body, code in codes.items():
            if code == STORED:
                self.assertEqual(stored[body], 1, body[:20])
            elif code != MAYBE:
                self.assertEqual(stored[body], 0, (code, body[:20]))


class StandsStill(Stall):
    settings = {"flush": "sync", "store": "[session]\ndeadline = 1s\n"}

    def test_what_was_refused_is_not_stored(self):
        codes = {}
        for round_ in range(2):
            producers = [self.producer(f"{round_}-{i}") for i in range(4)]
            # Some are in the log and not answered, some not yet in it.
            self.faults.set(("fdatasync", "/commitlog/0", "wait"))
            for producer in producers:
                producer.post(producer.body(i) for i in range(100))
            time.sleep(0.3 * round_)
            self.node.process.send_signal(signal.SIGSTOP)
            self.faults.clear()
            for producer in producers:  # in the system's buffers
                producer.post(producer.body(i) for i in range(100, 150))
            time.sleep(6)
            self.node.process.send_signal(signal.SIGCONT)
            for producer in producers:
                producer.read_answers()
                codes.update(producer.codes)
        time.sleep(1)  # what is stored late is there by now
        self.assertGreater(len([code for code in codes.values() if code != STORED]), 0)
        self.check_answers(codes, self.stored())
        self.assertEqual(self.client().send("T", b"last").code, STORED)
        self.assertEqual(self.node.stop(), 0, self.node.log())


class DiskStandsStill(Stall):
    settings = {"log_file": "64KiB"}

    def test_what_is_sent_again_is_stored_once(self):
        self.faults.set(("fallocate", "/commitlog/", "wait"))
        producer = self.producer("p")
        bodies = [producer.body(i) for i in range(300)]
        began = time.monotonic()
        producer.post(bodies)
        producer.read_answers()
        self.assertLess(time.monotonic() - began, CLIENT_WAITS)
        self.assertEqual(len(producer.codes), len(bodies))
        again = [body for body, code in producer.codes.items() if code not in (STORED, MAYBE)]
        self.assertGreater(len(again), 50)  # more than the log files that were there
        producer.post(again[:50])  # still in vain
        time.sleep(1)
        self.faults.clear()
        producer.read_answers()
        wait_until("messages are taken", lambda: self.client().send("T", b"x").code == STORED)
        again = [body for body, code in producer.codes.items() if code not in (STORED, MAYBE)]
        producer.post(again)
        producer.read_answers()
        self.assertLessEqual(set(producer.codes.values()), {STORED, MAYBE})
        stored = self.stored()
        self.check_answers(producer.codes, stored)
        self.assertLessEqual(max(stored[body] for body in bodies), 1)
        self.assertEqual(self.node.stop(), 0, self.node.log())


if __name__ == "__main__":
    unittest.main()
