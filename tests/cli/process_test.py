"""The process around a node or a command: descriptors, signals, pipes, ports. process_test.py TROUPE EXAMPLES"""
import json
import os
import pty
import signal
import socket
import subprocess
import time
import unittest

from harness import PATIENCE, NodeTest, programs, run, wait_until

TROUPE, EXAMPLES = programs()
NodeTest.troupe = TROUPE


def closed(*descriptors):
    """For Popen: the program starts without these."""
    def close():
        for one in descriptors:
            os.close(one)
    return close


class Descriptors(NodeTest):
    def test_a_node_without_standard_descriptors_serves_and_spoils_no_file(self):
        self.node.write_settings()
        process = subprocess.Popen([TROUPE, "serve", "--config", self.node.config],
                                   cwd=self.node.home, preexec_fn=closed(0, 1, 2))
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.node.port = self.node.settings["actor_port"]
        wait_until("the node answers", lambda: self.node.run("status").code == 0)
        self.good("produce", "t", stdin=b"one\n")
        self.assertEqual(self.good("consume", "t").out, b"one\n")
        process.terminate()
        self.assertEqual(process.wait(PATIENCE), 0)
        self.assertEqual(self.node.verify().code, 0, self.node.verify().out)

    def test_commands_without_them_end_in_order(self):
        self.node.start()
        for descriptors in ((0,), (1,), (2,), (0, 1), (1, 2), (0, 1, 2)):
            with self.subTest(closed=descriptors):
                done = subprocess.run(self.node.command("status"), preexec_fn=closed(*descriptors),
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
                self.assertEqual(done.returncode, 0, done.stderr)


class Pipes(NodeTest):
    def test_a_node_outlives_the_reader_of_its_log(self):
        self.node.write_settings()
        reading, writing = os.pipe()
        process = subprocess.Popen([TROUPE, "serve", "--config", self.node.config],
                                   cwd=self.node.home, stdout=writing, stderr=writing)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        os.close(writing)
        os.close(reading)
        self.node.port = self.node.settings["actor_port"]
        wait_until("the node answers", lambda: self.node.run("status").code == 0)
        self.good("produce", "t", stdin=b"one\n")
        process.terminate()  # which it logs too
        self.assertEqual(process.wait(PATIENCE), 0)
        self.assertFalse((self.node.directory / "abort").exists())

    def test_who_only_prints_ends_without_a_word_with_its_reader(self):
        self.node.start()
        self.good("produce", "t", stdin=b"x" * 1000 + b"\n" + b"y" * 999 + b"\n" * 2000)
        for command in (self.node.command("consume", "t"),
                        self.node.command("consume", "t", "--follow"),
                        [TROUPE, "store", "dump", self.node.directory]):
            # A parent that ignores SIGPIPE hands that on.
            for ignored in (False, True):
                with self.subTest(command=command[1:3], ignored=ignored):
                    process = subprocess.Popen(command, stdout=subprocess.PIPE,
                                               stderr=subprocess.PIPE, restore_signals=not ignored)
                    process.stdout.readline()
                    process.stdout.close()
                    self.good("produce", "t", stdin=b"z\n" * 8)  # what a follower wants to print
                    err = process.stderr.read()
                    process.stderr.close()
                    self.assertIn(process.wait(PATIENCE), (0, -signal.SIGPIPE))
                    self.assertNotIn(b"Broken pipe", err)

    def test_a_producer_without_a_reader_sends_everything(self):
        self.node.start()
        process = subprocess.Popen(self.node.command("produce", "t"), stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdout.close()
        process.stderr.close()
        process.stdin.write(b"x\n" * 1000)
        process.stdin.close()
        self.assertEqual(process.wait(PATIENCE), 0)
        self.assertEqual(len(self.good("consume", "t").lines()), 1000)


class Hangup(NodeTest):
    def test_a_closed_terminal_ends_a_node_in_order(self):
        ours, terminal = pty.openpty()
        self.addCleanup(os.close, ours)
        self.addCleanup(os.close, terminal)
        self.node.spawn["stdin"] = terminal
        self.node.start()
        self.good("produce", "t", stdin=b"one\n")
        self.assertEqual(self.node.end(signal.SIGHUP), 0)
        self.assertFalse((self.node.directory / "abort").exists())
        self.assertIn("node.stopping signal=SIGHUP", self.node.log())

    def test_without_a_terminal_a_node_reads_its_log_settings_anew(self):
        self.node.spawn["stdin"] = subprocess.DEVNULL
        self.node.start()
        self.node.settings["more"] = "[log]\nlevel = nonsense\n"
        self.node.write_settings()
        self.node.process.send_signal(signal.SIGHUP)
        wait_until("it is refused", lambda: "config.kept" in self.node.log())
        self.node.settings["more"] = "[log]\nlevel = error\n"
        self.node.write_settings()
        self.node.process.send_signal(signal.SIGHUP)
        self.good("produce", "t", stdin=b"one\n")
        wait_until("nothing below errors is said", self.silent)
        self.assertEqual(self.node.stop(), 0)
        self.assertNotIn("node.stopping", self.node.log())

    def silent(self):
        """The settings count when a second reading says nothing."""
        before = self.node.log()
        self.node.process.send_signal(signal.SIGHUP)
        time.sleep(0.2)
        return self.node.log() == before

    def test_what_was_started_with_nohup_goes_on(self):
        self.node.spawn["preexec_fn"] = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self.node.start()
        self.node.process.send_signal(signal.SIGHUP)
        self.good("produce", "t", stdin=b"one\n")
        self.assertEqual(self.node.stop(), 0)
        self.assertIn("signal=SIGTERM", self.node.log())


class TakenPorts(NodeTest):
    settings = {"log_file": "1GiB"}

    def test_a_start_that_fails_at_a_port_leaves_nothing(self):
        for key in ("actor_port", "remoting_port", "name_server_port"):
            with self.subTest(port=key), socket.create_server(("127.0.0.1", 0)) as taken:
                free = self.node.settings[key]
                self.node.settings[key] = taken.getsockname()[1]
                self.node.process = self.node.launch()
                self.assertEqual(self.node.wait(), 1)
                self.assertIn(key.split("_")[0] + "-", self.node.log())
                self.assertIn(f"cannot listen at 127.0.0.1:{taken.getsockname()[1]}",
                              self.node.log())
                self.assertFalse(self.node.directory.exists())
                self.node.settings[key] = free
        self.node.start()
        self.assertEqual(self.node.stop(), 0)

    def test_a_store_that_is_there_stays_as_it_is(self):
        self.node.start()
        self.assertEqual(self.node.stop(), 0)
        files = lambda: {p: p.stat().st_mtime_ns for p in self.node.directory.rglob("*")
                         if p.is_file()}
        before = files()
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.node.settings["actor_port"] = taken.getsockname()[1]
            self.node.process = self.node.launch()
            self.assertEqual(self.node.wait(), 1)
        self.assertEqual(files(), before)


class GoneDirectory(NodeTest):
    def start(self, interval):
        self.node.settings["store"] = f"[cleaner]\ninterval = {interval}"
        self.node.start()
        self.good("produce", "t", stdin=b"x\n")
        wait_until("all is saved", lambda: self.node.status()["queuesDurableOffset"]
                   == self.node.status()["logMaxOffset"] > 0)

    def remove(self):
        self.node.directory.rename(self.node.home / "elsewhere")

    def check_stop(self):
        self.assertEqual(self.node.stop(), 1)
        self.assertIn("was removed or moved while the node ran", self.node.log())
        self.assertFalse(self.node.directory.exists())

    def test_it_is_said_and_writing_stops(self):
        self.start("100ms")
        self.remove()
        wait_until("it is noticed", lambda: "store.gone" in self.node.log())
        wait_until("writing stops", lambda: not self.node.status()["writable"])
        self.refused(1, "produce", "t", stdin=b"lost\n", words=["was removed or moved"])
        self.refused(1, "topic", "create", "u", words=["No such file or directory"])
        self.assertIn("was removed or moved", self.good("status").out.decode())
        self.check_stop()

    def test_a_stop_tells_what_nobody_noticed(self):
        self.start("1h")
        self.remove()
        self.check_stop()


class EveryAddress(NodeTest):
    def test_ids_name_the_advertised_address(self):
        self.node.settings["more"] = ""
        self.node.settings["directory"] = f"{self.node.directory}\nhost = 0.0.0.0"
        self.node.process = self.node.launch()
        self.assertEqual(self.node.wait(), 1)
        self.assertIn("advertised-host", self.node.log())
        self.node.settings["directory"] += "\nadvertised-host = 127.0.0.2"
        self.node.start()
        self.good("produce", "t", stdin=b"one\n")
        message = self.good("consume", "t", "--output", "json").json()[0]
        self.assertEqual(message["storeHost"], f"127.0.0.2:{self.node.remoting_port}")
        self.assertEqual(self.good("message", "get", message["msgId"], "--output", "json").json(),
                         [message])


class Logs(NodeTest):
    def test_json_is_json_in_every_line(self):
        self.node.arguments = ["--log-format", "json"]
        self.node.start()
        self.assertEqual(self.node.stop(), 0)
        self.node.settings["name_server_port"] = self.node.settings["remoting_port"]
        self.node.process = self.node.launch()
        self.assertEqual(self.node.wait(), 1)
        lines = [json.loads(line) for line in self.node.log().splitlines()]
        self.assertIn("node.stopped", [line["event"] for line in lines])
        self.assertIn("invalid_argument", [line.get("code") for line in lines])

    def test_another_format_is_refused(self):
        done = run(TROUPE, "serve", "--log-format", "xml")
        self.assertEqual(done.code, 2)
        self.assertIn("neither text nor json", done.err)


class Terminal(NodeTest):
    def test_the_progress_goes_before_the_result_comes(self):
        self.node.start()
        ours, theirs = pty.openpty()
        process = subprocess.Popen(self.node.command("produce", "t"), stdin=subprocess.PIPE,
                                   stdout=theirs, stderr=theirs)
        os.close(theirs)
        for _ in range(8):  # long enough that a line is drawn
            process.stdin.write(b"x\n")
            process.stdin.flush()
            time.sleep(0.1)
        process.stdin.close()
        shown = b""
        try:
            while piece := os.read(ours, 65536):
                shown += piece
        except OSError:  # how a terminal says that nobody is there any more
            pass
        os.close(ours)
        self.assertEqual(process.wait(PATIENCE), 0)
        self.assertIn(b"sent ", shown)
        last_line = shown[:shown.index(b"acknowledged ")].rsplit(b"\r", 1)[-1]
        self.assertEqual(last_line, b"\033[K")


if __name__ == "__main__":
    unittest.main()
