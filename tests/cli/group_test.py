"""Members of one consumer group in processes of their own. group_test.py TROUPE EXAMPLES"""
import json
import signal
import subprocess
import time
import unittest

import remoting
from harness import Load, NodeTest, PATIENCE, programs, run, wait_until

TROUPE, EXAMPLES = programs()
NodeTest.troupe = TROUPE
QUEUES = 8


class Member:
    """The example program; leaves in order when its standard input ends."""

    def __init__(self, node, name, file):
        self.name = name
        self.process = subprocess.Popen(
            [EXAMPLES / "subscriber", node.address, "G", "T", name, file],
            stdin=subprocess.PIPE, stderr=subprocess.PIPE)

    def leave(self):
        self.process.stdin.close()
        code, said = self.process.wait(PATIENCE), self.process.stderr.read().decode()
        self.process.stderr.close()
        return code, said

    def clean_up(self):
        if not self.process.stderr.closed:
            self.process.kill()
            self.leave()


class SlowLoad(Load):
    """So slow that its file is read again and again in no time."""

    def feed(self):
        number = 0
        try:
            while True:
                lines = b"".join(self.line(number + i) + b"\n" for i in range(100))
                self.process.stdin.write(lines)
                self.process.stdin.flush()
                number += 100
                time.sleep(0.005)
        except (BrokenPipeError, ValueError):
            pass


class Groups(NodeTest):
    def setUp(self):
        super().setUp()
        self.node.start()
        self.good("topic", "create", "T", "--queues", QUEUES)
        self.file = self.node.home / "output"
        self.file.touch()
        self.clients = []

    def member(self, name):
        made = Member(self.node, name, self.file)
        self.addCleanup(made.clean_up)
        return made

    def remoting(self):
        made = remoting.Client(self.node.remoting_port)
        self.addCleanup(made.close)
        return made

    def members(self, client):
        answer = client.ask(remoting.CONSUMERS, consumerGroup="G")
        return answer.json()["consumerIdList"] if answer.code == 0 else []

    def offset(self, client, queue):
        answer = client.ask(remoting.QUERY_OFFSET, consumerGroup="G", topic="T", queueId=queue)
        return int(answer.ext["offset"])

    def lines(self):
        """What was written, in order: name, queue, offset, body."""
        for line in self.file.read_bytes().split(b"\n")[:-1]:
            name, queue, offset, body = line.split(b" ", 3)
            yield name.decode(), int(queue), int(offset), body

    def check_order(self):
        """Every message of every queue in order from the first; answers what came again, by queue,
        and the queue's end."""
        ends, again = [0] * QUEUES, [[] for _ in range(QUEUES)]
        last = [-1] * QUEUES
        for name, queue, offset, body in self.lines():
            self.assertEqual(body, Load.line(queue + QUEUES * offset))
            if offset < ends[queue]:
                # Only a new owner begins before the end, and goes on without a gap.
                if offset != last[queue] + 1:
                    again[queue].append([])
                again[queue][-1].append(offset)
            else:
                self.assertEqual(offset, ends[queue])
                ends[queue] += 1
            last[queue] = offset
        return again, ends

    def finish(self, load):
        load.process.terminate()
        load.result()
        stored = [q["maxOffset"] for q in
                  self.good("topic", "describe", "T", "--output", "json").json()]
        wait_until("everything came", lambda: self.check_order()[1] == stored)
        return stored

    def test_members_come_and_leave_under_load_and_nothing_comes_twice(self):
        looks = self.remoting()
        load = SlowLoad(self.node, "T")
        self.addCleanup(load.clean_up)
        first = self.member("a")
        wait_until("the first one reads", lambda: self.file.stat().st_size > 0)
        second, third = self.member("b"), self.member("c")
        for name in ("b", "c"):
            wait_until("it reads as well", lambda: any(l[0] == name for l in self.lines()))
        self.assertEqual(self.members(looks), ["a", "b", "c"])
        self.assertEqual(first.leave(), (0, ""))
        self.assertEqual(self.members(looks), ["b", "c"])
        time.sleep(0.5)
        self.finish(load)
        for member in (second, third):
            self.assertEqual(member.leave(), (0, ""))
        again, ends = self.check_order()
        self.assertEqual(again, [[] for _ in range(QUEUES)])
        self.assertEqual([self.offset(looks, q) for q in range(QUEUES)], ends)

    def test_a_member_is_killed_under_load_and_the_others_go_on_where_it_was(self):
        looks = self.remoting()
        load = SlowLoad(self.node, "T")
        self.addCleanup(load.clean_up)
        members = {name: self.member(name) for name in ("a", "b", "c")}
        for name in members:
            wait_until("all read", lambda: any(l[0] == name for l in self.lines()))
        time.sleep(0.5)
        # Halted first, so that it is known what it had stored.
        victim = members["b"].process
        victim.send_signal(signal.SIGSTOP)
        time.sleep(0.3)
        stored = [self.offset(looks, q) for q in range(QUEUES)]
        # Before all had joined it may have had others.
        newest = {queue: (name, offset) for name, queue, offset, _ in self.lines()}
        delivered = {queue: offset for queue, (name, offset) in newest.items() if name == "b"}
        victim.kill()
        wait_until("it is known to be gone", lambda: self.members(looks) == ["a", "c"])
        time.sleep(0.5)
        self.finish(load)
        again, _ = self.check_order()
        self.assertEqual(sorted(delivered), [3, 4, 5])
        for queue in range(QUEUES):
            repeats = []
            if queue in delivered and stored[queue] <= delivered[queue]:
                repeats = [list(range(stored[queue], delivered[queue] + 1))]
            self.assertEqual(again[queue], repeats)

    def test_the_node_is_killed_under_load(self):
        members = {name: self.member(name) for name in ("a", "b")}
        load = SlowLoad(self.node, "T")
        self.addCleanup(load.clean_up)
        for name in members:
            wait_until("all read", lambda: any(l[0] == name for l in self.lines()))
        self.node.end(signal.SIGKILL)
        said, _, _ = load.result()
        self.node.start()
        stored = [q["maxOffset"] for q in
                  self.good("topic", "describe", "T", "--output", "json").json()]
        self.assertGreaterEqual(sum(stored), said["acknowledged"] if said else 0)
        wait_until("everything came", lambda: self.check_order()[1] == stored)
        for member in members.values():
            self.assertEqual(member.leave()[0], 0)

    def test_a_rocketmq_client_is_a_member_of_the_same_group(self):
        java = self.remoting()
        java.heartbeat("aa@java", topic="T")
        self.assertEqual(java.server_request().code, remoting.NOTIFY)  # of itself
        ours = self.member("b")
        news = java.server_request()
        self.assertEqual((news.code, news.ext), (remoting.NOTIFY, {"consumerGroup": "G"}))
        self.assertEqual(self.members(java), ["aa@java", "b"])
        bodies = [Load.line(i) for i in range(16)]
        self.good("produce", "T", stdin=b"".join(body + b"\n" for body in bodies))
        wait_until("our half came", lambda: len(list(self.lines())) == 8)
        self.assertEqual({l[1] for l in self.lines()}, {4, 5, 6, 7})
        wait_until("it is stored", lambda: [self.offset(java, q) for q in (4, 5, 6, 7)] == [2] * 4)
        # It reads one message of queue 0, says so, and leaves.
        java.ask(remoting.UPDATE_OFFSET, consumerGroup="G", topic="T", queueId=0, commitOffset=1)
        java.ask(remoting.UNREGISTER, clientID="aa@java", producerGroup="", consumerGroup="G")
        wait_until("the rest came", lambda: len(list(self.lines())) == 15)
        self.assertEqual([l[2] for l in self.lines() if l[1] == 0], [1])
        self.assertEqual(ours.leave(), (0, ""))
        self.assertEqual(self.members(java), [])


class Usage(unittest.TestCase):
    def test_it_says_how_it_is_called(self):
        done = run(EXAMPLES / "subscriber")
        self.assertEqual(done.code, 2)
        self.assertIn("usage: subscriber", done.err)


if __name__ == "__main__":
    unittest.main()
