"""A start on a directory that cannot be written. Mounts one, which may be forbidden: then it is
skipped aloud. readonly_test.py TROUPE LIBRARY"""
import errno
import subprocess
import unittest

from faults import LedgerTest, in_private_mounts


class ReadOnly(LedgerTest):
    def setUp(self):
        super().setUp()
        self.node.start()
        self.assert_accepts()
        self.check_stop()
        self.faults.clear()

    def state(self):
        return {path: (path.stat().st_mtime_ns, path.is_file() and path.read_bytes())
                for path in self.node.directory.rglob("*")}

    def make_read_only(self):
        directory = self.node.directory
        subprocess.run(["mount", "--bind", directory, directory], check=True)
        self.addCleanup(subprocess.run, ["umount", "--lazy", directory], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", directory], check=True)

    def make_writable(self):
        subprocess.run(["mount", "-o", "remount,bind,rw", self.node.directory], check=True)

    def check_refused(self):
        before = self.state()
        self.make_read_only()
        self.start_fails("Read-only file system", str(self.node.directory))
        self.assertEqual(self.state(), before)
        # Who only looks is not kept from it.
        self.assertEqual(self.node.verify().code, 0)
        self.make_writable()
        self.node.start()
        self.check_ledger()
        self.check_stop()

    def test_behind_an_orderly_stop(self):
        self.check_refused()

    def test_behind_a_crash(self):
        self.node.start()
        self.assert_accepts()
        self.node.end(9)
        self.check_refused()

    def test_a_disk_that_becomes_read_only_under_a_node(self):
        self.node.settings["store"] = "[flusher]\nqueue-interval = 100ms"
        self.node.start()
        self.assert_accepts()
        # The kernel does so after errors of a disk, whatever is open; so do our faults.
        self.faults.set(*((call, "/data/", errno.EROFS) for call in
                          ("pwritev", "fdatasync", "fallocate", "ftruncate", "rename", "unlink")))
        self.assertEqual(self.produce(400)[0].code, 1)
        self.assert_refuses("Read-only file system", str(self.node.directory))
        self.check_ledger(for_ever=False)
        self.node.stop()
        self.faults.clear()
        self.node.start()
        self.check_ledger()
        self.check_stop()

    def test_an_empty_directory_that_cannot_be_made(self):
        elsewhere = self.node.directory / "new" / "data"
        self.make_read_only()
        self.node.settings["directory"] = elsewhere
        self.start_fails("Read-only file system", str(self.node.directory))
        self.assertFalse(elsewhere.exists())


if __name__ == "__main__":
    in_private_mounts()
    unittest.main()
