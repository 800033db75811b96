"""Calls of the operating system that fail. errors_test.py TROUPE LIBRARY"""
import errno
import unittest

from faults import LedgerTest, wait_until

LOG = "/commitlog/"
FIRST = LOG + "0" * 20  # and not the sync of a new file, which is made again when that fails
QUEUES = "/consumequeue/"
LOG_FILE = r"/commitlog/\d{20}"
IO_ERROR = "Input/output error"


class Errors(LedgerTest):
    settings = {"log_file": "256KiB", "store": "[flusher]\nqueue-interval = 100ms"}

    def setUp(self):
        super().setUp()
        self.node.start()
        self.assert_accepts()
        self.check_ledger()

    def assert_hit(self, call, times=None):
        hits = [hit for hit in self.faults.hits() if hit.startswith(call)]
        self.assertGreater(len(hits), 0)
        if times is not None:
            self.assertEqual(len(hits), times)

    def restart_recovers(self):
        """The node cannot stop in order; the next start has everything and takes messages."""
        self.assertEqual(self.node.stop(), 1, self.node.log())
        self.assertTrue((self.node.directory / "abort").exists())
        self.faults.clear()
        self.node.start()
        self.check_ledger()
        self.assertTrue(self.node.status()["writable"])
        self.assert_accepts()
        self.check_ledger()
        self.check_stop()


class SyncFlush(Errors):
    settings = {**Errors.settings, "flush": "sync"}

    def test_a_failed_flush_is_final(self):
        # The kernel reports it once; a second try would succeed, and prove nothing.
        self.faults.set(("fdatasync", FIRST, errno.EIO, 0, 1))
        done, acknowledged = self.produce(400)
        self.assertLess(acknowledged, 400)
        self.assert_refused(done, 1, "maybe stored", LOG_FILE, IO_ERROR)
        for _ in range(3):
            self.assert_refuses("flushing the commit log failed", LOG_FILE, IO_ERROR)
        self.assert_hit("fdatasync", 1)
        self.check_ledger(for_ever=False)
        self.restart_recovers()

    def test_a_failed_flush_while_others_come_in(self):
        self.faults.set(("fdatasync", FIRST, errno.EIO, 1, 1))
        load = self.load()
        _, complaint = self.settle(load)
        self.assertRegex(complaint, LOG_FILE)
        self.assert_refuses("flushing the commit log failed", LOG_FILE, IO_ERROR)
        self.check_ledger(for_ever=False)
        self.restart_recovers()


class AsyncFlush(Errors):
    def test_a_failed_flush_stops_writing(self):
        self.faults.set(("fdatasync", FIRST, errno.EIO, 0, 1))
        load = self.load()
        _, complaint = self.settle(load)
        self.assertRegex(complaint, "flushing the commit log failed.*" + LOG_FILE)
        for _ in range(3):
            self.assert_refuses("flushing the commit log failed", LOG_FILE, IO_ERROR)
        self.assert_hit("fdatasync", 1)
        self.check_ledger(for_ever=False)
        self.restart_recovers()

    def test_a_failed_write_stops_writing(self):
        self.faults.set(("pwritev", LOG, errno.EIO, 5, 1))
        load = self.load()
        _, complaint = self.settle(load)
        self.assertRegex(complaint, f"maybe stored.*cannot write .*{LOG_FILE}.*{IO_ERROR}")
        self.assert_refuses("writing the commit log failed", LOG_FILE, IO_ERROR)
        self.check_ledger(for_ever=False)
        self.faults.clear()
        self.assert_refuses("writing the commit log failed", LOG_FILE, IO_ERROR)
        self.node.stop()
        self.node.start()
        self.check_ledger()
        self.assert_accepts()
        self.check_ledger()
        self.check_stop()


class Space(Errors):
    def test_no_room_for_the_next_log_file(self):
        for number in (errno.ENOSPC, errno.EDQUOT):
            with self.subTest(number=number):
                self.faults.set(("fallocate", LOG, number))
                load = self.load()
                self.settle(load)
                self.assert_refuses(LOG_FILE, "No space left|quota", "goes on")
                self.check_ledger(for_ever=False)
                sizes = {f.stat().st_size for f in (self.node.directory / "commitlog").iterdir()}
                self.assertEqual(sizes, {256 << 10})
                self.faults.clear()
                wait_until("writing goes on", lambda: self.node.status()["writable"])
                self.assert_accepts()
                self.check_ledger()
        self.check_stop()


class Queues(Errors):
    def tries(self):
        return [line for line in self.node.log().splitlines() if "queues.write_failed" in line]

    def test_an_error_that_stays_holds_up_writing(self):
        self.faults.set(("pwritev", QUEUES, errno.EIO))
        load = self.load()
        self.settle(load)
        self.assert_refuses("writing the queues failed", r"/consumequeue/t/\d/", IO_ERROR)
        self.assertIn("try=3", self.tries()[-1])
        # What is only in memory waits for the disk; what was in the queues is read.
        self.assertGreaterEqual(len(self.good("consume", "t").lines()), 400)
        self.faults.clear()
        wait_until("writing goes on", lambda: self.node.status()["writable"])
        self.check_ledger()
        self.assert_accepts()
        self.check_ledger()
        self.check_stop()

    def test_an_error_that_passes_is_tried_again(self):
        self.faults.set(("pwritev", QUEUES, errno.EIO, 0, 2))
        for _ in range(3):
            self.assert_accepts()
        wait_until("it was tried again", lambda: len(self.tries()) == 2)
        self.assertTrue(self.node.status()["writable"])
        self.check_ledger()
        self.check_stop()

    def test_a_failed_sync_stops_writing(self):
        self.faults.set(("fdatasync", QUEUES, errno.EIO, 0, 1))
        load = self.load()
        self.settle(load)
        self.assert_refuses("writing the queues failed", r"/consumequeue/t/\d/", IO_ERROR)
        self.assertGreaterEqual(len(self.good("consume", "t").lines()), 400)
        self.assert_hit("fdatasync", 1)
        self.restart_recovers()


class Maps(Errors):
    def test_without_memory_for_a_map_reads_go_on(self):
        self.check_stop()
        self.node.start()
        self.faults.set(("mmap", LOG, errno.ENOMEM))
        self.check_ledger()
        self.assert_hit("mmap")
        self.assertTrue(self.node.status()["writable"])
        self.faults.clear()
        self.check_ledger()
        self.assert_accepts()
        self.check_ledger()
        self.check_stop()


class Starts(Errors):
    # No checkpoint but the first: a start writes anew what came to the log later.
    settings = {"log_file": "256KiB", "store": "[flusher]\nqueue-interval = 10m"}

    def test_a_start_that_fails_says_where_and_leaves_all_for_the_next(self):
        self.assert_accepts()
        self.node.end(9)
        for call, part, number, *words in (
                ("open", "/lock", errno.EACCES, "/lock", "Permission denied"),
                ("pwritev", "/abort", errno.ENOSPC, "/abort", "No space left"),
                ("fdatasync", "/abort", errno.EIO, "/abort", IO_ERROR),
                ("fsync", "/data", errno.EIO, "/data", IO_ERROR),
                ("open", "/checkpoint", errno.EIO, "/checkpoint", IO_ERROR),
                ("open", LOG, errno.EIO, LOG_FILE, IO_ERROR),
                ("mmap", LOG, errno.ENOMEM, LOG_FILE, "Cannot allocate memory"),
                ("pwritev", LOG, errno.EIO, LOG_FILE, IO_ERROR),
                ("fdatasync", LOG, errno.EIO, LOG_FILE, IO_ERROR),
                ("open", "/topics.json", errno.EIO, "/topics.json", IO_ERROR)):
            with self.subTest(call=call, part=part):
                self.faults.set((call, part, number))
                self.start_fails(*words)
                self.assert_hit(f"{call} ")
        self.faults.clear()
        self.node.start()
        self.check_ledger()
        self.check_stop()


if __name__ == "__main__":
    unittest.main()
