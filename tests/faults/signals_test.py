"""SIGTERM and SIGINT while messages come in. signals_test.py TROUPE LIBRARY"""
import signal
import unittest

from faults import LedgerTest


class UnderLoad(LedgerTest):
    settings = {"log_file": "1MiB"}

    def check_end(self, *signals):
        """The signals end the node in order, and the next start is a normal one."""
        self.node.start()
        for _ in range(3):
            load = self.load()
            self.stored(self.node.status()["logMaxOffset"] + 400_000)
            for number in signals:
                self.node.process.send_signal(number)
            self.assertEqual(self.node.wait(), 0, self.node.log())
            self.assertGreater(self.settle(load)[0], 0)
            self.check_stopped()
            self.node.start()
            self.assertIn("after=stop", self.last_start())
            self.check_ledger()
        self.check_stop()

    def test_sigterm(self):
        self.check_end(signal.SIGTERM)

    def test_sigint(self):
        self.check_end(signal.SIGINT)

    def test_two_in_a_row_are_one(self):
        # As timeout(1) sends them: the process, then its group.
        self.check_end(signal.SIGTERM, signal.SIGTERM)

    def test_a_crash_is_told_from_a_stop(self):
        self.node.start()
        self.assertIn("after=stop", self.last_start())
        self.assert_accepts()
        self.node.end(signal.SIGKILL)
        self.node.start()
        self.assertIn("after=crash", self.last_start())
        self.check_ledger()
        self.check_stop()

    def test_a_second_one_of_another_kind_ends_it_at_once_and_loses_nothing(self):
        self.node.start()
        load = self.load()
        self.stored(400_000)
        for number in (signal.SIGTERM, signal.SIGINT):
            self.node.process.send_signal(number)
        code = self.node.wait()
        self.assertIn(code, (0, 1))
        self.settle(load)
        self.assertEqual((self.node.directory / "abort").exists(), code == 1)
        self.node.start()
        self.assertIn("after=" + ("crash" if code else "stop"), self.last_start())
        self.check_ledger()
        self.check_stop()


class UnderSyncLoad(UnderLoad):
    settings = {**UnderLoad.settings, "flush": "sync"}


if __name__ == "__main__":
    unittest.main()
