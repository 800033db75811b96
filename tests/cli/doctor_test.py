"""`troupe doctor` and `troupe debug bundle` on this machine. doctor_test.py TROUPE EXAMPLES"""
import os
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


if __name__ == "__main__":
    unittest.main()
