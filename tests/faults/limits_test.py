"""Too few descriptors, too little memory, files too large. limits_test.py TROUPE LIBRARY"""
import os
import resource
import unittest

from faults import PATIENCE, LedgerTest, wait_until


class Limits(LedgerTest):
    def limit(self, what, soft):
        """For the node's next process. Given to it by the shell: nothing runs in between."""
        option = {resource.RLIMIT_NOFILE: "-n", resource.RLIMIT_AS: "-v"}[what]
        wrapper = self.node.home / "limited"
        wrapper.write_text(f'#!/bin/sh\nulimit {option} {soft}\nexec "{self.troupe}" "$@"\n')
        wrapper.chmod(0o755)
        self.node.troupe = wrapper

    def unlimited(self):
        self.node.troupe = self.troupe

    def code_of_start(self):
        """Starts a node and stops it if it comes so far; answers with what it ended."""
        before = len(self.node.log())
        process = self.node.launch()
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        if b"ready" in process.stdout.readline():
            process.terminate()
        code = process.wait(2 * PATIENCE)
        process.stdout.close()
        self.assertIn(code, (0, 1), self.node.log()[before:])
        return code

    def check_small_starts(self, what, limits, complaint):
        """Starts with too little of it fail and say so; without a limit all is there."""
        self.node.start()
        self.assert_accepts()
        self.check_stop()
        failed = 0
        for soft in limits:
            with self.subTest(soft=soft):
                self.limit(what, soft)
                failed += self.code_of_start() == 1
        self.assertGreater(failed, 3)
        self.assertRegex(self.node.log(), complaint)
        self.unlimited()
        self.node.start()
        self.check_ledger()
        self.check_stop()
        return failed


class Descriptors(Limits):
    settings = {"log_file": "64KiB", "store": "[flusher]\nqueue-interval = 100ms"}

    def test_a_start_with_too_few_says_so(self):
        few = (5, 8, 10, 12, 14, 16, 18, 20, 24, 32, 48, 63)
        failed = self.check_small_starts(resource.RLIMIT_NOFILE, few, "may open 63 files, but a node needs 64")
        self.assertEqual(failed, len(few))  # none is ready and then serves nobody

    def test_more_queues_than_descriptors(self):
        self.limit(resource.RLIMIT_NOFILE, 64)
        self.node.start()
        self.assert_accepts()
        self.good("topic", "create", "many", "--queues", 500)
        self.good("produce", "many", stdin=b"x\n" * 2000)
        self.assert_accepts()
        self.check_ledger()
        self.assertEqual(len(self.good("consume", "many").lines()), 2000)
        for end in (self.node.stop, lambda: self.node.end(9)):
            end()
            self.node.start()
            self.assertEqual(len(self.good("consume", "many").lines()), 2000)
            self.check_ledger()
        self.assertEqual(self.node.stop(), 0)
        self.unlimited()
        self.check_stopped()

    def test_all_are_taken_while_it_runs(self):
        self.node.start()
        self.assert_accepts()
        open_now = len(os.listdir(f"/proc/{self.node.process.pid}/fd"))
        # Room for the connections of the commands, and for no file.
        hard = resource.prlimit(self.node.process.pid, resource.RLIMIT_NOFILE)[1]
        resource.prlimit(self.node.process.pid, resource.RLIMIT_NOFILE, (open_now + 2, hard))
        lines = [b"%06d" % i + b"x" * 500 for i in range(2000)]  # more log files than descriptors
        done = self.node.run("produce", "u", "--output", "json", stdin=b"\n".join(lines) + b"\n")
        acknowledged = done.json()[0]["acknowledged"] if done.out else 0
        if done.code != 0:
            self.assertNotEqual(done.err, "")
        self.assertIsNone(self.node.process.poll(), self.node.log())
        resource.prlimit(self.node.process.pid, resource.RLIMIT_NOFILE, (hard, hard))
        wait_until("writing goes on", lambda: self.node.status()["writable"])
        self.check_ledger()
        self.assert_accepts()
        self.node.stop()
        self.node.start()
        self.check_ledger()
        got = self.node.run("consume", "u").lines() if acknowledged else []
        self.assertLessEqual(set(lines[:acknowledged]), set(got))
        self.check_stop()


class Memory(Limits):
    def test_a_start_with_too_little_address_space_says_so(self):
        mebibytes = (32, 64, 100, *range(120, 420, 20))
        self.check_small_starts(resource.RLIMIT_AS, [m << 10 for m in mebibytes],
                                "no more (threads|memory)|Cannot allocate memory")
        for riddle in ("unhandled exception", "the peer is gone"):
            self.assertNotIn(riddle, self.node.log())

    def test_a_node_that_runs_out_of_address_space_lives_or_says_why(self):
        self.node.start()
        self.assert_accepts()
        with open(f"/proc/{self.node.process.pid}/statm", encoding="ascii") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        limit = used + (8 << 20)  # less than a log file
        resource.prlimit(self.node.process.pid, resource.RLIMIT_AS, (limit, limit))
        self.produce(20_000)
        self.node.run("consume", self.topic)
        if self.node.process.poll() is not None:
            self.assertEqual(self.node.wait(), 1, self.node.log())
            self.assertRegex(self.node.log(), "no more (threads|memory)")
        else:
            self.node.end(9)
        self.node.start()
        self.check_ledger()
        self.check_stop()


if __name__ == "__main__":
    unittest.main()
