"""Stops, kills and restarts of a node with clients at work. restart_test.py TROUPE EXAMPLES"""
import os
import resource
import signal
import subprocess
import threading
import time
import unittest

from harness import PATIENCE, Load, NodeTest, programs, wait_until

TROUPE, EXAMPLES = programs()
NodeTest.troupe = TROUPE
LOADED = 8 << 20  # bytes in the log before the node is stopped or killed


class UnderLoad(NodeTest):
    def setUp(self):
        super().setUp()
        self.node.start()

    def abort_marker(self):
        return (self.node.directory / "abort").exists()

    def end_under_load(self, end):
        """Answers the node's exit code and what the producer says about its end."""
        load = Load(self.node, "t")
        self.addCleanup(load.clean_up)
        wait_until("enough is stored", lambda: self.node.status()["logMaxOffset"] > LOADED)
        code = end()
        said, complaint, producer_code = load.result()
        self.assertEqual(producer_code, 1)
        self.assertRegex(complaint, r"broke|not sent|refuse|stop")
        self.assertGreater(said["acknowledged"], 0)
        return code, said["acknowledged"]

    def assert_complete(self, acknowledged):
        count = self.assert_stored("t", acknowledged)
        before = self.node.status()["logMaxOffset"]
        self.assertEqual(self.node.stop(), 0)
        self.assertFalse(self.abort_marker())
        self.assertEqual(self.node.verify().code, 0, self.node.verify().out)
        self.node.start()
        self.assertEqual(self.assert_stored("t", acknowledged), count)
        self.assertEqual(self.node.status()["logMaxOffset"], before)

    def check_sigterm(self):
        code, acknowledged = self.end_under_load(self.node.stop)
        self.assertEqual(code, 0, self.node.log())
        self.assertFalse(self.abort_marker())
        self.assertEqual(self.node.verify().code, 0, self.node.verify().out)
        self.node.start()
        self.assert_complete(acknowledged)

    def check_kill(self):
        _, acknowledged = self.end_under_load(lambda: self.node.end(signal.SIGKILL))
        self.assertTrue(self.abort_marker())
        self.node.start()
        self.assert_complete(acknowledged)

    def test_sigterm_loses_nothing_acknowledged(self):
        self.check_sigterm()

    def test_kill_loses_nothing_acknowledged(self):
        self.check_kill()


class UnderSyncLoad(UnderLoad):
    settings = {"flush": "sync"}


class UnderRollingLoad(UnderLoad):
    """Log files that roll often."""
    settings = {"log_file": "1MiB"}


class Signals(NodeTest):
    def setUp(self):
        super().setUp()
        self.node.start()
        self.good("produce", "t", stdin=b"".join(Load.line(i) + b"\n" for i in range(5000)))

    def test_a_second_signal_ends_at_once_and_corrupts_nothing(self):
        # Both wait for the process when it goes on: the second follows the first at once.
        process = self.node.process
        for number in (signal.SIGSTOP, signal.SIGTERM, signal.SIGINT, signal.SIGCONT):
            process.send_signal(number)
        code = self.node.wait()
        abort = (self.node.directory / "abort").exists()
        self.assertEqual(abort, code != 0, self.node.log())
        if code != 0:
            self.assertEqual(code, 1)
            self.assertIn("second signal", self.node.log())
        self.node.start()
        self.assertEqual(self.assert_stored("t", 5000), 5000)
        self.assertEqual(self.node.stop(), 0)
        self.assertEqual(self.node.verify().code, 0, self.node.verify().out)

    def test_an_echo_of_the_signal_is_no_second_one(self):
        # As timeout(1) does: first the process, then its whole group.
        end = time.monotonic() + 0.03
        while time.monotonic() < end:
            os.kill(self.node.process.pid, signal.SIGTERM)
        self.assertEqual(self.node.wait(), 0, self.node.log())
        self.assertFalse((self.node.directory / "abort").exists())

    def test_sigint_is_an_orderly_stop_too(self):
        self.assertEqual(self.node.end(signal.SIGINT), 0)
        self.assertFalse((self.node.directory / "abort").exists())

    def test_a_second_node_is_refused_and_harms_nothing(self):
        self.node.settings.update(actor_port=0, remoting_port=0)
        second = self.node.launch()
        out, _ = second.communicate(timeout=PATIENCE)
        self.assertEqual((second.returncode, out), (1, b""))
        self.assertRegex(self.node.log(), r"another process|in use|held")
        self.assertIn(str(self.node.directory), self.node.log())
        self.assertEqual(self.assert_stored("t", 5000), 5000)
        self.good("produce", "u", stdin=b"still here\n")
        self.assertEqual(self.node.stop(), 0)
        self.assertEqual(self.node.verify().code, 0, self.node.verify().out)

    def test_a_taken_port_is_refused(self):
        port, directory = self.node.port, self.node.directory
        self.node.settings.update(directory=self.node.home / "other", remoting_port=0)
        second = self.node.launch()
        second.communicate(timeout=PATIENCE)
        self.node.settings.update(directory=directory, remoting_port=self.node.remoting_port)
        self.assertEqual(second.returncode, 1)
        self.assertRegex(self.node.log(), f"cannot listen at 127.0.0.1:{port}")

    def test_a_follower_goes_on_after_a_restart(self):
        for end in (self.node.stop, lambda: self.node.end(signal.SIGKILL)):
            with self.subTest(end=end):
                self.follow_over(end)

    def follow_over(self, end):
        follower = subprocess.Popen(
            self.node.command("consume", "t", "--follow", "--from", "latest", "--queue", 0),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        killer = threading.Timer(PATIENCE, follower.kill)  # so that no read below waits for ever
        killer.start()
        try:
            wait_until("the follower is connected", lambda: self.node.status()["sessions"] >= 2)
            line = None
            while line != b"before\n":  # until it stands at the end, it may start behind a message
                self.good("produce", "t", "--queue", 0, stdin=b"before\n")
                if line is None:
                    line = follower.stdout.readline()
            end()
            self.node.start()
            self.good("produce", "t", "--queue", 0, stdin=b"after\n")
            while line == b"before\n":
                line = follower.stdout.readline()
            self.assertEqual(line, b"after\n")
            self.assertIsNone(follower.poll())
        finally:
            killer.cancel()
            follower.kill()
            follower.communicate()

    def test_an_example_actor_goes_on_after_a_restart(self):
        counter = subprocess.Popen([EXAMPLES / "word_count", self.node.address, "w", "counts", "2"],
                                   stderr=subprocess.PIPE)
        self.addCleanup(counter.stderr.close)
        self.good("topic", "create", "w")
        self.good("produce", "w", "--queue", 0, stdin=b"a b\n")
        counted = lambda: self.node.run("consume", "counts").out == b"a 1\nb 1\n"
        wait_until("the first message is counted", counted)
        self.assertEqual(self.node.stop(), 0)
        self.node.start()
        self.good("produce", "w", "--queue", 0, stdin=b"b c\n")
        self.assertEqual(counter.wait(PATIENCE), 0, counter.stderr)
        self.assertEqual(self.good("consume", "counts").out, b"a 1\nb 1\nb 2\nc 1\n")


class ManyQueues(NodeTest):
    QUEUES = 3000
    settings = {"store": "[flusher]\nqueue-interval = 10m"}  # so that all is left for the end

    def test_an_orderly_stop_does_not_take_a_sync_for_each_file_in_turn(self):
        self.node.start()
        for i in range(self.QUEUES // 1000):
            self.good("topic", "create", f"t{i}", "--queues", 1000)
            self.good("produce", f"t{i}", stdin=b"x\n" * 1000)
        began = time.monotonic()
        self.assertEqual(self.node.stop(), 0, self.node.log())
        self.assertLess(time.monotonic() - began, 8)
        self.assertFalse((self.node.directory / "abort").exists())


class FileSizeLimit(NodeTest):
    def test_a_write_beyond_it_fails_and_does_not_kill_the_node(self):
        self.node.start()
        self.good("produce", "t", stdin=b"before\n")
        limit = 4 << 10  # of any file that is written from now on
        resource.prlimit(self.node.process.pid, resource.RLIMIT_FSIZE, (limit, limit))
        self.refused(1, "produce", "t", stdin=b"".join(b"%1000d\n" % i for i in range(100)))
        self.assertIn("before", self.good("consume", "t").out.decode())
        self.assertIsNone(self.node.process.poll())


class Directories(NodeTest):
    """What the node finds at start."""

    def setUp(self):
        super().setUp()
        self.node.start()
        self.good("produce", "t", stdin=b"".join(Load.line(i) + b"\n" for i in range(1000)))
        self.assertEqual(self.node.stop(), 0)

    def assert_start_refused(self, *words):
        process = self.node.launch()
        out, _ = process.communicate(timeout=PATIENCE)
        self.assertEqual((process.returncode, out), (1, b""))
        for word in words:
            self.assertIn(word, self.node.log())

    def assert_as_before(self):
        self.node.start()
        self.assertEqual(self.assert_stored("t", 1000), 1000)

    def test_a_last_log_file_one_byte_short_gets_its_size_again(self):
        path = self.node.directory / "commitlog" / f"{0:020}"
        size = path.stat().st_size
        os.truncate(path, size - 1)
        self.assert_as_before()
        self.assertEqual(path.stat().st_size, size)
        self.assertIn("it got its full size again", self.node.log())

    def test_another_file_size_in_the_settings_is_refused(self):
        self.node.settings["log_file"] = "1MiB"
        self.assert_start_refused(f"{0:020}")
        self.node.settings["log_file"] = "16MiB"
        self.assert_as_before()

    def test_lost_queues_and_index_are_made_again(self):
        for folder in ("consumequeue", "index"):
            (self.node.directory / folder).rename(self.node.home / folder)
        self.assert_as_before()

    def test_a_signal_ends_a_start_that_takes_long(self):
        topics = self.node.directory / "config" / "topics.json"
        kept = topics.rename(self.node.home / "topics.json")
        os.mkfifo(topics)  # whoever opens it waits: a start that takes for ever
        abort = self.node.directory / "abort"
        process = self.node.launch()
        self.addCleanup(process.kill)
        wait_until("the node has begun to start", abort.exists)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=PATIENCE)
        self.assertEqual((process.returncode, out), (1, b""))
        self.assertIn("while it started", self.node.log())
        self.assertTrue(abort.exists())
        topics.unlink()
        kept.rename(topics)
        self.assert_as_before()

    def test_a_directory_that_is_a_file_is_refused(self):
        good = self.node.settings["directory"]
        self.node.settings["directory"] = self.node.home / "file"
        (self.node.home / "file").write_text("mine")
        self.assert_start_refused(str(self.node.home / "file"))
        self.assertEqual((self.node.home / "file").read_text(), "mine")
        self.node.settings["directory"] = good
        self.assert_as_before()


if __name__ == "__main__":
    unittest.main()
