"""A small disk that really fills. Needs to mount one: skipped aloud otherwise.
disk_test.py TROUPE LIBRARY"""
import os
import subprocess
import unittest

from faults import LedgerTest, in_private_mounts, wait_until

MIB = 1 << 20


class Disk(LedgerTest):
    """A node on a file system of 24 MiB, with a ballast file that can be thrown off."""
    size = 24 * MIB

    def setUp(self):
        super().setUp()
        self.node.directory.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.size}", "tmpfs",
                        self.node.directory], check=True)
        self.addCleanup(subprocess.run, ["umount", "--lazy", self.node.directory], check=True)
        self.ballast = self.node.directory / "ballast"
        self.node.start()
        self.assert_accepts()
        self.check_ledger()

    def fill(self, rest):
        """Leaves so many bytes."""
        with open(self.ballast, "ab") as file:
            while (room := self.room() - rest) > 0:
                file.write(b"x" * min(room, MIB))
                file.flush()

    def room(self):
        usage = os.statvfs(self.node.directory)
        return usage.f_bavail * usage.f_frsize

    def fill_by_load(self):
        load = self.load()
        acknowledged, complaint = self.settle(load)
        self.assertRegex(complaint, "not stored|maybe stored")
        return acknowledged

    def assert_resumes(self):
        wait_until("writing goes on", lambda: self.node.status()["writable"])
        self.assert_accepts()
        self.check_ledger()

    def end_in_order(self):
        self.check_stop()
        self.node.start()
        self.check_ledger()
        self.check_stop()


class NoRoomForALogFile(Disk):
    # Nobody looks at the disk's use: it is met only when a file is made.
    settings = {"log_file": "1MiB", "store": "[flusher]\nqueue-interval = 100ms\n"
                                             "[cleaner]\ninterval = 1d"}

    def test_writes_are_refused_and_resume(self):
        self.fill(4 * MIB)
        self.assertGreater(self.fill_by_load(), 0)
        self.assert_refuses(r"/commitlog/\d{20}", "No space left", "goes on")
        self.check_ledger()
        self.ballast.unlink()
        self.assert_resumes()
        self.end_in_order()

    def test_killed_while_the_disk_is_full(self):
        self.fill(2 * MIB)
        self.fill_by_load()
        self.node.end(9)
        self.ballast.unlink()
        self.node.start()
        self.assert_resumes()
        self.end_in_order()

    def test_a_start_on_a_full_disk(self):
        self.check_stop()
        self.fill(0)
        self.start_fails("No space left", str(self.node.directory))
        self.ballast.unlink()
        self.node.start()
        self.check_ledger()
        self.end_in_order()


class NotAByteIsLeft(Disk):
    """The log has its blocks; queues, index and checkpoint find none."""
    settings = {"log_file": "4MiB", "store": NoRoomForALogFile.settings["store"] +
                "\n[cluster]\nstop-deadline = 3s"}

    def setUp(self):
        super().setUp()
        for _ in range(3):
            self.assert_accepts()  # each queue is near the end of its first page now
        self.check_ledger()
        self.fill(0)
        self.fill_by_load()
        # Which try found no room, a queue's or the checkpoint's, depends on the pace.
        wait_until("the queues are given up for now", lambda: not self.node.status()["writable"])

    def test_writes_are_refused_and_resume(self):
        self.assert_refuses("No space left")
        # What is not in the queues yet is not seen; it comes with the room.
        self.assertGreaterEqual(len(self.good("consume", self.topic).lines()), 1600)
        self.ballast.unlink()
        self.assert_resumes()
        self.end_in_order()

    def test_an_orderly_stop_is_none(self):
        self.assertEqual(self.node.stop(), 1)
        self.assertTrue((self.node.directory / "abort").exists())
        self.ballast.unlink()
        self.node.start()
        self.check_ledger()
        self.end_in_order()


class AboveTheWarningLevel(Disk):
    settings = {"log_file": "1MiB", "store": "[flusher]\nqueue-interval = 100ms\n"
                                             "[cleaner]\ninterval = 50ms"}

    def test_writes_are_refused_and_resume(self):
        self.fill(self.size // 20)
        wait_until("the disk is seen", lambda: not self.node.status()["writable"])
        self.assert_refuses(str(self.node.directory), "% full", "disk-space-warning-level-ratio")
        self.check_ledger()
        self.ballast.unlink()
        self.assert_resumes()
        self.end_in_order()


if __name__ == "__main__":
    in_private_mounts()
    unittest.main()
