"""kill -9 at chosen and at random moments. kill_test.py TROUPE LIBRARY"""
import signal
import time
import unittest

from faults import LedgerTest, wait_until

LOG = "/commitlog/"
QUEUES = "/consumequeue/"


class Kills(LedgerTest):
    # New files and checkpoints all the time.
    settings = {"log_file": "256KiB", "store": "[flusher]\nqueue-interval = 100ms"}

    def setUp(self):
        super().setUp()
        self.kills = 0

    def restart(self, expired=False):
        self.faults.clear()
        self.node.start()
        self.check_ledger(expired)

    def kill_under_load(self, call, part, action, skip):
        self.faults.set((call, part, action, skip))
        load = self.load()
        self.killed()
        self.settle(load)
        self.kills += 1
        self.assertRegex(self.faults.hits()[-1], f"^{call} .*{part}")

    def kill_while_starting(self, call, part, action, skip=0):
        self.faults.set((call, part, action, skip))
        process = self.node.launch()
        self.addCleanup(process.kill)
        process.communicate(timeout=20)
        self.assertEqual(process.returncode, -9, self.node.log())
        self.kills += 1
        self.assertRegex(self.faults.hits()[-1], f"^{call} .*{part}")

    def kill_while_stopping(self, call, part, action):
        self.faults.set((call, part, action, 0))
        self.assertEqual(self.node.stop(), -9, self.node.log())
        self.kills += 1


class UnderLoad(Kills):
    """Kills while messages come in. The folder says which file is meant."""

    def test_while_it_writes_rolls_over_and_flushes(self):
        self.node.start()
        for call, part, action, skip in (
                ("pwritev", LOG, "before", 20), ("pwritev", LOG, "after", 30),
                ("pwritev", LOG, "tear", 7), ("pwritev", LOG, "tear", 25),
                ("fallocate", LOG, "before", 1), ("fallocate", LOG, "after", 2),
                ("ftruncate", LOG, "after", 1), ("fsync", "/commitlog", "before", 1),
                ("fsync", "/commitlog", "after", 2), ("fdatasync", LOG, "before", 5),
                ("fdatasync", LOG, "after", 6), ("pwritev", QUEUES, "before", 3),
                ("pwritev", QUEUES, "tear", 12), ("pwritev", "/index/", "tear", 2),
                ("rename", "/checkpoint", "before", 0), ("rename", "/checkpoint", "after", 0),
                ("fdatasync", "/checkpoint", "before", 0)):
            with self.subTest(call=call, part=part, action=action, skip=skip):
                self.kill_under_load(call, part, action, skip)
                self.assertTrue((self.node.directory / "abort").exists())
                self.restart()
        self.check_stop()
        self.assertGreaterEqual(self.kills, 17)

    def test_at_random_moments(self):
        self.node.start()
        for _ in range(5):
            load = self.load()
            time.sleep(self.random.uniform(0.05, 0.2))  # the moment is what is tested
            self.node.end(signal.SIGKILL)
            self.settle(load)
            self.restart()
        self.check_stop()


class UnderSyncLoad(UnderLoad):
    settings = {**Kills.settings, "flush": "sync"}


class StartsAndStops(Kills):
    def killed_with_a_torn_tail(self):
        self.faults.clear()
        self.node.start()
        self.kill_under_load("pwritev", LOG, "tear", 12)

    def test_again_and_again_while_it_starts(self):
        self.killed_with_a_torn_tail()
        for call, part, action in (
                ("pwritev", "/abort", "before"), ("pwritev", "/abort", "after"),
                ("fdatasync", "/abort", "before"), ("open", LOG, "after"),
                ("mmap", LOG, "after"), ("fallocate", LOG, "before"),
                ("fallocate", LOG, "after"), ("pwritev", LOG, "before"),
                ("pwritev", LOG, "tear"), ("fdatasync", LOG, "before"),
                ("fsync", "/commitlog", "after"), ("pwritev", QUEUES, "before")):
            with self.subTest(call=call, part=part, action=action):
                self.kill_while_starting(call, part, action)
        self.restart()
        self.check_stop()

    def test_in_each_start_after_another_crash(self):
        for call, part, action in (("fallocate", LOG, "before"), ("pwritev", LOG, "before"),
                                   ("fdatasync", LOG, "after"), ("mmap", LOG, "before")):
            with self.subTest(call=call, part=part, action=action):
                self.killed_with_a_torn_tail()
                self.kill_while_starting(call, part, action)
                self.restart()
                self.check_stop()

    def test_while_it_stops(self):
        self.node.settings["store"] = "[flusher]\nqueue-interval = 10m"  # all is left for the end
        for call, part, action in (
                ("pwritev", QUEUES, "tear"), ("fdatasync", QUEUES, "after"),
                ("rename", "/checkpoint", "before"), ("rename", "/checkpoint", "after"),
                ("unlink", LOG, "before"), ("unlink", LOG, "after"),
                ("unlink", "/abort", "before"), ("unlink", "/abort", "after")):
            with self.subTest(call=call, part=part, action=action):
                self.restart()
                self.produce_until_the_next_file_is_made()
                self.kill_while_stopping(call, part, action)
        self.restart()
        self.check_stop()

    def produce_until_the_next_file_is_made(self):
        while True:
            self.assertEqual(self.produce(300)[1], 300)
            end = self.node.status()["logMaxOffset"]
            if any(int(f.name) > end for f in (self.node.directory / "commitlog").iterdir()):
                return

    def test_right_behind_sigterm(self):
        for _ in range(4):
            self.restart()
            load = self.load()
            self.stored(self.node.status()["logMaxOffset"] + 100_000)
            self.node.process.send_signal(signal.SIGTERM)
            time.sleep(self.random.uniform(0, 0.02))  # the moment is what is tested
            code = self.node.end(signal.SIGKILL)
            self.assertIn(code, (0, -9))
            self.settle(load)
            self.kills += 1
        self.restart()
        self.check_stop()


class Deletion(Kills):
    settings = {"log_file": "64KiB", "store": "\n".join((
        "file-reserved-time = 0s", "delete-when = " + ";".join(f"{h:02}" for h in range(24)),
        "[flusher]", "queue-interval = 50ms", "[cleaner]", "interval = 50ms"))}

    def test_while_expired_files_go(self):
        self.node.start()
        for action, skip in (("before", 0), ("after", 1), ("before", 3), ("after", 6)):
            with self.subTest(action=action, skip=skip):
                self.kill_under_load("unlink", LOG, action, skip)
                self.restart(expired=True)
        self.check_stop()

    def test_while_a_topic_is_deleted(self):
        self.node.settings["store"] = Kills.settings["store"]  # nothing expires
        self.node.start()
        for call, part, skip in (("rename", "/config/", 0), ("unlink", QUEUES, 0),
                                 ("unlink", QUEUES, 5)):
            for action in ("before", "after"):
                with self.subTest(call=call, skip=skip, action=action):
                    self.assertEqual(self.produce(200)[1], 200)
                    self.good("produce", "doomed", stdin=b"x\n" * 200)
                    wait_until("the queues are on the disk", self.queues_are_durable)
                    self.faults.set((call, part, action, skip))
                    self.node.run("topic", "delete", "doomed", "--yes")
                    self.killed()
                    self.restart()
                    self.check_deleted()
        self.check_stop()

    def queues_are_durable(self):
        status = self.node.status()
        return status["queuesDurableOffset"] == status["logMaxOffset"]

    def check_deleted(self):
        """The topic is whole or gone, and can be deleted and made again."""
        topics = [t["topic"] for t in self.good("topic", "list", "--output", "json").json()]
        if "doomed" in topics:
            self.good("topic", "delete", "doomed", "--yes")
        self.good("topic", "create", "doomed")
        self.assertEqual(self.good("consume", "doomed").lines(), [])


if __name__ == "__main__":
    unittest.main()
