"""The pipeline of three processes while each is killed, and its node too. pipeline_test.py TROUPE EXAMPLES"""
import os
import random
import signal
import subprocess
import time
import unittest

from harness import NodeTest, PATIENCE, programs, wait_until

TROUPE, EXAMPLES = programs()
NodeTest.troupe = TROUPE
SEED = int(os.environ.get("PIPELINE_SEED", "0")) or 20
ROUNDS = 20
LINES_PER_ROUND = 20_000


class Step:
    """One of the programs, which is started again whenever it was killed."""

    def __init__(self, home, name, *arguments):
        self.command = [EXAMPLES / f"pipeline_{name}", *(str(a) for a in arguments)]
        self.log = open(home / f"{name}.log", "ab")
        self.process = None

    def start(self):
        self.process = subprocess.Popen(self.command, stderr=self.log)

    def running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait(PATIENCE)
            self.process = None

    def close(self):
        self.kill()
        self.log.close()


class Pipeline(NodeTest):
    def setUp(self):
        super().setUp()
        self.node.start()
        home = self.node.home
        self.input, self.output = home / "input", home / "output"
        self.input.touch()
        # The first door is never there.
        doors = f"127.0.0.1:1,{self.node.address}"
        self.steps = {"source": Step(home, "source", doors, "raw", self.input),
                      "transform": Step(home, "transform", doors, "raw", "capitals"),
                      "sink": Step(home, "sink", doors, "capitals", self.output)}
        for step in self.steps.values():
            self.addCleanup(step.close)
        self.lines = []

    def said(self):
        return "".join(f"{name}: {(self.node.home / f'{name}.log').read_text()}"
                       for name in self.steps)

    def grow(self, count):
        added = [f"line {len(self.lines) + i}, " + "abcdefgh" * (i % 9) for i in range(count)]
        with open(self.input, "a") as file:
            file.writelines(line + "\n" for line in added)
        self.lines += added

    def written(self):
        return self.output.read_bytes().count(b"\n") if self.output.exists() else 0

    def go_on(self):
        """Starts what does not run; the source ends by itself, the others only if something is wrong."""
        for name, step in self.steps.items():
            if step.running():
                continue
            if step.process is not None and (name != "source" or step.process.returncode != 0):
                self.fail(f"{name} ended by itself: {self.said()}")
            step.start()

    def finish(self):
        source = self.steps["source"]
        source.kill()  # it may have looked for the end of its input too early
        source.start()
        self.assertEqual(source.process.wait(PATIENCE), 0, self.said())
        self.go_on()
        wait_until("all lines arrived", lambda: self.written() >= len(self.lines))
        for name in ("transform", "sink"):
            self.assertTrue(self.steps[name].running(), self.said())
        expected = "".join(line.upper() + "\n" for line in self.lines)
        self.assertEqual(self.output.read_text(), expected)

    def count(self, topic):
        return sum(q["maxOffset"] for q in
                   self.good("topic", "describe", topic, "--output", "json").json())

    def test_lines_come_out_in_capitals(self):
        self.grow(1000)
        self.go_on()
        self.finish()
        self.assertEqual((self.count("raw"), self.count("capitals")), (1000, 1000))

    def wait_for_part(self, part):
        """Until so much of what is not written yet is, or has had its time."""
        before = self.written()
        enough = before + part * (len(self.lines) - before)
        end = time.monotonic() + part
        while self.written() < enough and time.monotonic() < end:
            time.sleep(0.01)

    def disturb(self, names, choose):
        under_load = 0
        for _ in range(ROUNDS):
            self.grow(LINES_PER_ROUND)
            self.go_on()
            self.wait_for_part(choose.uniform(0, 0.8))
            name = choose.choice(names)
            under_load += self.written() < len(self.lines)
            if name == "node":
                self.node.end(signal.SIGKILL)
                time.sleep(choose.uniform(0, 0.5))
                self.node.start()
            else:
                self.steps[name].kill()
        return under_load

    def test_each_process_is_killed_under_load(self):
        print(f"PIPELINE_SEED={SEED}")
        under_load = self.disturb(list(self.steps), random.Random(SEED))
        self.finish()
        self.assertGreater(under_load, ROUNDS // 2)  # else the kills have tested little

    def test_the_node_is_killed_as_well(self):
        print(f"PIPELINE_SEED={SEED}")
        under_load = self.disturb(["node", *self.steps], random.Random(SEED + 1))
        self.finish()
        self.assertGreater(under_load, ROUNDS // 2)

    def test_where_only_the_node_is_killed_each_line_is_stored_once(self):
        print(f"PIPELINE_SEED={SEED}")
        under_load = self.disturb(["node"], random.Random(SEED + 2))

        def arrived():
            self.go_on()
            return self.written() >= len(self.lines)
        wait_until("all lines arrived", arrived)
        self.assertEqual((self.count("raw"), self.count("capitals")), (len(self.lines),) * 2)
        self.assertGreater(under_load, ROUNDS // 2)


class Usage(unittest.TestCase):
    def test_each_says_how_it_is_called(self):
        for name in ("source", "transform", "sink"):
            done = subprocess.run([EXAMPLES / f"pipeline_{name}"], capture_output=True, timeout=PATIENCE)
            self.assertEqual(done.returncode, 2)
            self.assertIn(f"usage: pipeline_{name}".encode(), done.stderr)
            bad = subprocess.run([EXAMPLES / f"pipeline_{name}", "127.0.0.1:1,x", "a", "/dev/null"],
                                 capture_output=True, timeout=PATIENCE)
            self.assertEqual(bad.returncode, 2)
            self.assertIn(b'"x" is no address', bad.stderr)


if __name__ == "__main__":
    unittest.main()
