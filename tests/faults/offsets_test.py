"""How far groups are survives kill -9 and faults of its files. offsets_test.py TROUPE LIBRARY"""
import signal
import unittest

from faults import LedgerTest

import remoting

JOURNAL = "/config/troupe-offsets.journal"
FILE = "/config/consumerOffset.json"


class Offsets(LedgerTest):
    def setUp(self):
        super().setUp()
        self.acknowledged, self.asked = -1, -1  # of the one queue
        self.node.start()
        self.good("topic", "create", "t")
        self.connect()

    def connect(self):
        self.client = remoting.Client(self.node.remoting_port)
        self.addCleanup(self.client.close)

    def restart(self):
        self.faults.clear()
        self.node.start()
        self.connect()

    def store(self, offset):
        """The code of the answer; None when the node ended."""
        self.asked = offset
        try:
            answer = self.client.ask(remoting.UPDATE_OFFSET, consumerGroup="G", topic="t", queueId=0,
                                     commitOffset=offset)
        except (OSError, AssertionError):
            return None
        if answer.code == 0:
            self.acknowledged = offset
        return answer.code

    def kept(self):
        at = dict(consumerGroup="G", topic="t", queueId=0)
        return int(self.client.ask(remoting.QUERY_OFFSET, **at).ext["offset"])

    def check(self):
        """The last one that was answered, or the one behind it that was not."""
        self.assertIn(self.kept(), (self.acknowledged, self.asked))

    def test_what_was_answered_survives_a_kill(self):
        for life in range(3):
            for i in range(1, 60):
                self.assertEqual(self.store(100 * life + i), 0)
            self.node.end(signal.SIGKILL)
            self.restart()
            self.assertEqual(self.kept(), 100 * life + 59)
        self.assertEqual(self.node.stop(), 0)
        self.assertFalse((self.node.directory / JOURNAL[1:]).exists())
        self.restart()
        self.assertEqual(self.kept(), 259)

    def test_killed_while_the_journal_is_written(self):
        self.assertEqual(self.store(0), 0)
        offset = 1
        for action, skip in (("before", 0), ("tear", 0), ("after", 0), ("tear", 3), ("after", 5)):
            with self.subTest(action=action, skip=skip):
                self.faults.set(("pwritev", JOURNAL, action, skip))
                while self.store(offset) == 0:
                    offset += 1
                self.killed()
                self.restart()
                self.check()
                offset += 1

    def test_killed_while_the_file_is_saved(self):
        offset = 0
        for call, part, action in (("rename", FILE, "before"), ("rename", FILE, "after"),
                                   ("unlink", JOURNAL, "before"), ("unlink", JOURNAL, "after")):
            with self.subTest(call=call, part=part, action=action):
                for offset in range(offset + 1, offset + 10):
                    self.assertEqual(self.store(offset), 0)
                self.faults.set((call, part, action))
                self.assertEqual(self.node.stop(), -9, self.node.log())
                self.restart()
                self.assertEqual(self.kept(), offset)

    def test_a_full_disk_is_an_error_and_not_a_lie(self):
        self.assertEqual(self.store(5), 0)
        self.faults.set(("pwritev", JOURNAL, 28))
        self.assertEqual(self.store(6), 14)
        self.assertEqual(self.kept(), 5)
        self.faults.clear()
        self.assertEqual(self.store(7), 0)
        self.node.end(signal.SIGKILL)
        self.restart()
        self.assertEqual(self.kept(), 7)


class SyncOffsets(Offsets):
    settings = {"flush": "sync"}

    def test_a_failed_sync_is_an_error_until_the_file_is_saved(self):
        self.assertEqual(self.store(5), 0)
        self.faults.set(("fdatasync", JOURNAL, 5, 0, 1))
        self.assertEqual(self.store(6), 1)
        self.assertEqual(self.store(6), 1)
        self.assertEqual(self.kept(), 5)
        self.assertEqual(self.node.stop(), 0)
        self.restart()
        self.assertEqual(self.kept(), 5)


if __name__ == "__main__":
    unittest.main()
