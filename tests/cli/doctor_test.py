"""`troupe doctor` and `troupe debug bundle` on this machine. doctor_test.py TROUPE EXAMPLES"""
import os
import tarfile
import unittest

from harness import NodeTest, programs, run

TROUPE, _ = programs()
NodeTest.troupe = TROUPE


class Doctor(NodeTest):
    def doctor(self, *arguments):
        return run(TROUPE, "doctor", *arguments, "--config", str(self.node.config))

    def test_it_measures_the_disk_of_the_store_and_leaves_nothing_behind(self):
        self.node.start()
        self.assertEqual(self.node.stop(), 0)
        before = sorted(os.listdir(self.node.directory))
        done = self.doctor("--output", "json")
        found = {d["what"]: d for d in done.json()}
        self.assertIn("us", found["disk.sync"]["found"])
        self.assertEqual(done.code, int(any(d["level"] == "wrong" for d in found.values())))
        self.assertEqual(sorted(os.listdir(self.node.directory)), before)

    def test_what_is_wrong_says_what_to_do_and_ends_with_1(self):
        self.node.settings["store"] = "file-reserved-time = 1h"
        self.node.write_settings()
        done = self.doctor()
        self.assertEqual(done.code, 1)
        self.assertIn(b"settings.delay-levels", done.out)
        self.assertIn(b"-> ", done.out)
        self.assertNotIn(b"\x1b", done.out)  # no terminal, no colours


class Bundle(NodeTest):
    def bundle(self, *arguments):
        return run(TROUPE, "debug", "bundle", *arguments, "--config", str(self.node.config),
                   cwd=self.node.home)

    def test_it_holds_what_a_report_needs_and_no_bodies(self):
        self.node.start()
        self.assertEqual(self.node.run("topic", "create", "t").code, 0)
        self.assertEqual(self.node.run("produce", "t", stdin=b"confidential words\n").code, 0)
        out = self.node.home / "b.tar"
        done = self.bundle("--out", str(out), "--log", str(self.node.home / "log"))
        self.assertEqual(done.code, 0, done.err)
        self.assertEqual(out.stat().st_mode & 0o777, 0o600)
        with tarfile.open(out) as tar:
            texts = {m.name.split("/")[1]: tar.extractfile(m).read() for m in tar.getmembers()}
        self.assertEqual(sorted(texts), ["config.txt", "df.txt", "doctor.txt", "log.txt",
                                         "status.txt", "version.txt"])
        self.assertIn(b"writes    accepted", texts["status.txt"])
        self.assertIn(b"store.flush = async", texts["config.txt"])
        self.assertIn(b"store.opened", texts["log.txt"])
        self.assertIn(b'"kind":"log"', texts["df.txt"])
        self.assertFalse(any(b"confidential" in text for text in texts.values()))
        self.assertEqual(self.bundle("--out", str(out)).code, 1)  # it is there already

    def test_without_a_node_it_holds_the_rest(self):
        self.node.write_settings()
        self.assertEqual(self.bundle().code, 0)
        with tarfile.open(self.node.home / "troupe-debug.tar") as tar:
            status = tar.extractfile("troupe-debug/status.txt").read()
        self.assertIn(b"(", status)


if __name__ == "__main__":
    unittest.main()
