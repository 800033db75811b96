"""Files that somebody cuts under a running node. cut_test.py TROUPE LIBRARY"""
import os
import unittest

from faults import LedgerTest

FILE = 256 << 10


class Cut(LedgerTest):
    settings = {"log_file": "256KiB"}

    def setUp(self):
        super().setUp()
        self.node.start()
        for _ in range(8):
            self.assert_accepts()
        self.check_ledger()  # so that every file is mapped now

    def log_file(self, number):
        return self.node.directory / "commitlog" / f"{number * FILE:020}"

    def test_a_log_file_that_is_mapped(self):
        all_there = sorted(self.good("consume", "t").lines())
        path = self.log_file(1)
        kept = path.read_bytes()
        os.truncate(path, 100_000)
        done = self.node.run("consume", "t")
        for _ in range(10):  # whoever hits the page that is gone first fails, once for each reader
            if done.code == 0:
                break
            self.assertRegex(done.err, "could not be read|could not read a record")
            done = self.node.run("consume", "t")
        self.assertEqual(done.code, 0, done.err)
        self.assertRegex(done.err, str(path))  # no silence about what is missing
        read = sorted(done.lines())
        self.assertLess(len(read), len(all_there))
        self.assertGreater(len(read), len(all_there) // 2)
        self.assertLessEqual(set(read), set(all_there))  # and never anything else
        self.assertIsNone(self.node.process.poll())
        self.assert_accepts()
        path.write_bytes(kept)
        self.check_ledger()
        self.check_stop()

    def test_a_message_that_is_fetched_by_its_id(self):
        message = self.good("consume", "t", "--queue", 0, "--output", "json").json()[-1]
        path = self.log_file(message["physOffset"] // FILE)
        kept = path.read_bytes()
        os.truncate(path, 0)
        for _ in range(2):
            self.refused(1, "message", "get", message["msgId"], words=[str(path)])
        path.write_bytes(kept)
        self.assertEqual(self.good("message", "get", message["msgId"], "--output", "json").json(),
                         [message])
        self.check_ledger()
        self.check_stop()

    def test_a_queue_file(self):
        path = self.node.directory / "consumequeue" / "t" / "3" / f"{0:020}"
        self.check_stop()
        self.node.start()
        os.truncate(path, 0)
        done = self.node.run("consume", "t", "--queue", 3)
        if done.lines():  # from the memory
            self.assertEqual(len(done.lines()), len(self.seen[3]))
        else:
            self.assertRegex(done.err, str(path))  # no silence about what is missing
        self.assertIsNone(self.node.process.poll())
        others = self.good("consume", "t", "--queue", 4).lines()
        self.assertEqual(others, self.seen[4])
        self.node.end(9)
        self.node.start()
        self.check_ledger()
        self.check_stop()


if __name__ == "__main__":
    unittest.main()
