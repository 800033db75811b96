"""The same seed gives the same run in every process: repeats_test.py TROUPE

Each run is done twice, in processes whose environment, arguments in memory and address layout
differ, and all that they print is compared: what happens, what the node logs, and the trace's hash.
"""
import os
import shutil
import subprocess
import sys
import unittest

TROUPE = os.path.abspath(sys.argv.pop(1))
SEEDS = {"node": range(1, 9), "storage": range(1, 25)}


def same_addresses():
    """What makes a command's address layout the same each time; nothing where that is forbidden."""
    setarch = shutil.which("setarch")
    wrapper = [setarch, "--addr-no-randomize"]
    works = setarch and subprocess.run([*wrapper, "true"], capture_output=True, check=False)
    return wrapper if works and works.returncode == 0 else []


SAME_ADDRESSES = same_addresses()


def trace(what, seed, size, wrapper):
    """What a process with an environment of that size prints."""
    command = [*wrapper, TROUPE, "sim", "--what", what, "--seed", str(seed), "--faults", "all",
               "--trace"]
    environment = {**os.environ, "TROUPE_PADDING": "x" * size}
    done = subprocess.run(command, env=environment, capture_output=True, timeout=120, check=False)
    return done.returncode, done.stdout.decode("utf-8", "replace").splitlines()


class Repeats(unittest.TestCase):
    def compare(self, what):
        hashes = set()
        for seed in SEEDS[what]:
            with self.subTest(what=what, seed=seed):
                code, first = trace(what, seed, 1, SAME_ADDRESSES)
                self.assertEqual(code, 0, first[-1:])
                self.assertRegex(first[-1], r"^trace [0-9a-f]{16}, ")
                self.assertEqual(trace(what, seed, 70_000, []), (code, first))
                hashes.add(first[-1].split()[1])
        self.assertEqual(len(hashes), len(SEEDS[what]), "different seeds give different runs")

    def test_nodes(self):
        self.compare("node")

    def test_stores(self):
        self.compare("storage")


if __name__ == "__main__":
    unittest.main()
