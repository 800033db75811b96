"""Bad input: each gives a clear error and changes nothing. refusal_test.py TROUPE EXAMPLES"""
import os
import pty
import struct
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness import NodeTest, programs, run, wait_until

TROUPE, EXAMPLES = programs()
NodeTest.troupe = TROUPE
LARGEST = 4 << 20


class Input(NodeTest):
    def setUp(self):
        super().setUp()
        self.node.start()
        self.good("topic", "create", "t")
        self.good("produce", "t", stdin=b"here\n")
        wait_until("the queue is on the disk", lambda: self.node.status()["queuesDurableOffset"]
                   == self.node.status()["logMaxOffset"])
        self.before = self.state()

    def tearDown(self):
        self.assertEqual(self.state(), self.before)
        self.assertEqual(self.good("consume", "t").out, b"here\n")

    def state(self):
        status = self.node.status()
        return (self.good("topic", "list").out, status["logMaxOffset"], status["writable"],
                sorted(p.name for p in self.node.directory.rglob("*") if p.is_dir()))

    def test_names_of_topics(self):
        for name in ("a/b", "/", "../up", ".", "..", "a.b", "", "x" * 128, "x" * 5000, "a\nb", "a\x01",
                     "\x7f", "a b", "größe", "a\\b"):
            with self.subTest(name=name[:20]):
                self.refused(2, "topic", "create", name, words=["topic"])
                self.refused(2, "produce", name, stdin=b"lost\n", words=["topic"])
                self.refused(1, "consume", name, words=["topic"])
                self.refused(1, "topic", "delete", name, words=["topic"])

    def test_topics_of_rocketmqs_own(self):
        for name in ("SCHEDULE_TOPIC_XXXX", "RMQ_SYS_TRANS_HALF_TOPIC", "TBW102", "OFFSET_MOVED_EVENT"):
            with self.subTest(name=name):
                self.refused(1, "topic", "create", name, words=[name, "RocketMQ"])
                self.refused(1, "produce", name, stdin=b"x\n", words=[name, "RocketMQ"])
        self.refused(1, "topic", "delete", "--yes", "BenchmarkTest", words=["BenchmarkTest", "RocketMQ"])

    def test_a_number_of_seeds(self):
        for seeds in ("-1", "0", "x"):
            self.refused(2, "sim", f"--seeds={seeds}", words=["--seeds"])

    def test_queues(self):
        self.refused(1, "produce", "t", "--queue", 8, stdin=b"x\n", words=["no queue 8", "0 to 7"])
        self.refused(1, "consume", "t", "--queue", 8, words=["no queue 8"])
        for queue in ("-1", "1024", "99999999999999999999", "one", "1.5"):
            self.refused(2, "produce", "t", f"--queue={queue}", stdin=b"x\n", words=["--queue"])
            self.refused(2, "consume", "t", f"--queue={queue}", words=["--queue"])
        for queues in ("0", "-1", "1025", "99999999999999999999", "many"):
            self.refused(2, "topic", "create", "u", f"--queues={queues}", words=["--queues"])

    def test_offsets_and_counts(self):
        for start in ("-1", "-", "99999999999999999999", "1.5", "yesterday", "2024-13-01T00:00:00Z",
                      "-10parsecs", "0x10"):
            with self.subTest(start=start):
                self.refused(2, "consume", "t", f"--from={start}", words=["--from"])
        self.assertEqual(self.good("consume", "t", f"--from={2**63 - 1}").out, b"")
        for count in ("-1", "99999999999999999999999", "few", "1.5"):
            self.refused(2, "consume", "t", f"--count={count}", words=["--count"])
        self.assertEqual(self.good("consume", "t", f"--count={2**62}").out, b"here\n")
        for batch in ("0", "-1", "65537", "x"):
            self.refused(2, "produce", "t", f"--batch={batch}", stdin=b"x\n", words=["--batch"])

    def test_a_body_over_the_maximum_is_named(self):
        self.refused(1, "produce", "t", stdin=b"y" * (LARGEST + 1) + b"\n",
                     words=["message 1 ", str(LARGEST)])
        packed = struct.pack(">I", LARGEST + 1) + b"z"
        self.refused(1, "produce", "t", "--length-prefixed", stdin=packed,
                     words=["message 1 ", str(LARGEST)])
        self.refused(1, "produce", "t", "--length-prefixed", stdin=b"\xff" * 4, words=["message 1 "])

    def test_a_length_without_its_body_is_named(self):
        for cut in (b"\0", b"\0\0\0", b"\0\0\0\x05four"):
            self.refused(1, "produce", "t", "--length-prefixed", stdin=cut,
                         words=["message 1 ", "cut off"])

    def test_properties_tags_and_keys(self):
        for pair in ("novalue", "=x", "x=", "a\x01b=c", "a=b\x02c"):
            self.refused(2, "produce", "t", "--property", pair, stdin=b"x\n", words=["--property"])
        self.refused(1, "produce", "t", "--tag", "a\x01b", stdin=b"x\n", words=["tag"])
        self.refused(1, "produce", "t", "--key", "a\x02b", stdin=b"x\n", words=["key"])
        self.refused(1, "produce", "t", "--property", "long=" + "x" * 40000, stdin=b"x\n",
                     words=["properties"])

    def test_a_file_that_is_not_there(self):
        self.refused(1, "produce", "t", "--file", "missing", words=["missing"])
        self.refused(1, "produce", "t", "--file", str(self.node.home), words=["cannot read"])


class LateTrouble(NodeTest):
    def test_what_stood_before_a_bad_line_is_stored_and_counted(self):
        self.node.start()
        done = self.refused(1, "produce", "t", "--output", "json",
                            stdin=b"one\ntwo\n" + b"y" * (LARGEST + 1), words=["message 3 "])
        self.assertEqual(done.json()[0]["acknowledged"], 2)
        self.assertEqual(sorted(self.good("consume", "t").lines()), [b"one", b"two"])


class Accepted(NodeTest):
    settings = {"store": "[caf]\nscheduler.max-threads = 2"}

    def test_a_setting_of_the_framework(self):
        self.node.start()
        self.good("status")


class NoNode(unittest.TestCase):
    def test_a_hint_what_to_do(self):
        for command in (["topic", "list"], ["produce", "t"], ["consume", "t"], ["status"],
                        ["message", "query", "t", "--key", "k"]):
            done = run(TROUPE, *command, "--connect", "127.0.0.1:1")
            self.assertEqual((done.code, done.out), (1, b""))
            self.assertIn("127.0.0.1:1", done.err)
            self.assertIn("troupe serve", done.err)

    def test_an_address_that_is_none(self):
        for address in ("nowhere", ":1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", ""):
            with tempfile.TemporaryDirectory() as empty:
                done = run(TROUPE, "status", f"--connect={address}", cwd=empty)
            self.assertNotEqual(done.code, 0)
            self.assertNotEqual(done.err, "")

    def test_of_several_addresses_each_is_named(self):
        done = run(TROUPE, "status", "--connect", "127.0.0.1:1,nowhere,127.0.0.1:2")
        self.assertEqual(done.code, 2)
        self.assertIn('"nowhere" is no address', done.err)
        done = run(TROUPE, "status", "--connect", "127.0.0.1:1,127.0.0.1:2")
        self.assertEqual(done.code, 1)
        for door in ("127.0.0.1:1:", "127.0.0.1:2:"):
            self.assertIn("cannot connect to " + door, done.err)


class Words(unittest.TestCase):
    def check_said(self, words, *said):
        done = run(TROUPE, *words)
        self.assertEqual((done.code, done.out), (2, b""), done.err)
        for text in said:
            self.assertIn(text, done.err)

    def test_a_mistyped_option_with_its_value(self):
        self.check_said(["status", "--outptu", "json"],
                        "not understood: '--outptu json'; the nearest is '--output';")
        self.check_said(["status", "--outptu", "json", "extra"], "'--outptu json'", ", 'extra'")
        self.check_said(["status", "--outptu=json"], "'--outptu=json'; the nearest is '--output';")

    def test_a_word_that_is_no_command(self):
        self.check_said(["tpoic", "list"], "there is no 'troupe tpoic'; the nearest is 'troupe topic'")
        self.check_said(["gruppe", "FOO"], "there is no 'troupe gruppe'")
        self.check_said(["topic", "frobnicate"], "there are create, list, describe, update, delete")
        self.check_said(["help"], "write 'troupe --help'")
        self.check_said(["help", "topic"], "write 'troupe topic --help'")
        self.check_said(["help", "FOO"], "there is no 'troupe help'; write 'troupe --help'")

    def test_numbers_that_are_none_or_too_large(self):
        for number in ("-1", "-2", "0", "99999999999999999999", "1.5", "many", "", "+1"):
            with self.subTest(number=number):
                self.check_said(["sim", f"--seeds={number}"], "--seeds")
                self.check_said(["sim", f"--seed={number}"], "--seed")
                self.check_said(["store", "stats", "nowhere", f"--max-index-num={number}"],
                                "--max-index-num")
                self.check_said(["bench", "put", f"--messages={number}"], "--messages")
        self.check_said(["sim", "--minutes=nan", "--seeds=1"], "--minutes")


class Tags(NodeTest):
    def test_an_expression_without_tags_is_refused(self):
        self.node.start()
        self.good("produce", "t", "--tag", "a", stdin=b"x\n")
        for nothing in ("", "||", " || "):
            self.refused(2, "consume", "t", "--tag", nothing, words=["--tag", "names no tag"])
        self.assertEqual(self.good("consume", "t", "--tag", "|| a").out, b"x\n")

    def test_a_tag_that_no_expression_can_name_is_refused(self):
        for tag in ("", "*", "a||b", " a"):
            done = run(TROUPE, "produce", "t", "--tag", tag)
            self.assertEqual(done.code, 2)
            self.assertIn("is no tag", done.err)


class Keys(NodeTest):
    def test_each_word_is_a_key(self):
        self.node.start()
        self.good("produce", "t", "--key", "one two", stdin=b"x\n")
        for key in ("one", "two"):
            found = self.good("message", "query", "t", "--key", key, "--output", "json").json()
            self.assertEqual([m["keys"] for m in found], ["one two"])
        self.refused(1, "message", "query", "t", "--key", "one two", words=["a key each"])


class Asking(NodeTest):
    def test_a_topic_is_deleted_only_after_a_yes(self):
        self.node.start()
        self.good("produce", "t", stdin=b"x\ny\n")
        self.refused(1, "topic", "delete", "t", words=["2 messages", "--yes"])
        self.refused(1, "topic", "delete", "t", stdin=b"yes\n", words=["--yes"])
        self.assertEqual(len(self.good("consume", "t").lines()), 2)
        for answer, left in ((b"no\n", 2), (b"yes\n", 0)):
            self.assertEqual(self.typed(answer, "topic", "delete", "t"), 1 if left else 0)
            found = self.node.run("consume", "t")
            self.assertEqual(len(found.lines()), left)

    def typed(self, text, *arguments):
        """As a person at a terminal would; the exit code."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen(self.node.command(*arguments), stdin=theirs,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.write(ours, text)
        code = process.wait(20)
        os.close(ours)
        os.close(theirs)
        return code

    def test_a_topic_that_produce_makes_is_said(self):
        self.node.start()
        self.good("topic", "create", "orders")
        self.assertEqual(self.good("produce", "orders", stdin=b"x\n").err, "")
        made = self.good("produce", "odrers", stdin=b"x\n")
        self.assertRegex(made.err, "no topic odrers: it was created, .*nearest is 'orders'")
        self.assertEqual(self.good("produce", "odrers", stdin=b"x\n").err, "")

    def test_stats_tell_deleted_topics_from_others(self):
        self.node.start()
        for topic in ("gone", "again", "here"):
            self.good("produce", topic, stdin=b"x\ny\n")
        for topic in ("gone", "again"):
            self.good("topic", "delete", topic, "--yes")
        self.good("produce", "again", stdin=b"z\n")
        self.assertEqual(self.node.stop(), 0)
        stats = run(TROUPE, "store", "stats", self.node.directory, "--output", "json").json()[0]
        self.assertEqual({t["topic"]: (t["messages"], t["deadMessages"], t["deleted"])
                          for t in stats["topics"]},
                         {"gone": (0, 2, True), "again": (1, 2, False), "here": (2, 0, False)})
        text = run(TROUPE, "store", "stats", self.node.directory).out.decode()
        self.assertRegex(text, "gone: +deleted; 2 messages")
        self.assertRegex(text, "here: +2 messages")

    def test_no_file_of_the_node_is_named_for_an_id(self):
        self.node.start()
        self.good("produce", "t", stdin=b"x\n")
        good = self.good("consume", "t", "--output", "json").json()[0]["msgId"]
        for place in ("0000000000000001", "00000000000000A0", "00000000FFFFFFFF"):
            done = self.refused(1, "message", "get", good[:16] + place, words=["no message has"])
            self.assertNotIn(str(self.node.directory), done.err)


class Usage(unittest.TestCase):
    def test_without_a_verb_all_are_listed(self):
        done = run(TROUPE)
        self.assertEqual((done.code, done.out), (2, b""))
        for verb in ("serve", "topic", "produce", "consume", "message", "status", "store"):
            self.assertRegex(done.err, f"\n +{verb} ")
        done = run(TROUPE, "topic")
        self.assertEqual(done.code, 2)
        self.assertRegex(done.err, "\n +describe ")

    def test_words_that_nobody_takes_are_named_as_they_stand(self):
        done = run(TROUPE, "consume", "t", "--tga", "a", "--follw", "--zebra=1")
        self.assertEqual((done.code, done.out), (2, b""))
        self.assertIn("'--tga a'; the nearest is '--tag', '--follw'; the nearest is '--follow', "
                      "'--zebra=1'; --help", done.err)

        for command in (["--follw"], ["produce", "--follw"], ["consume", "t", "--follw", "--count", "x"]):
            self.assertIn("'--follw'", run(TROUPE, *command).err)

    def test_the_help_of_a_verb_shows_what_every_command_takes(self):
        for command in (["serve"], ["topic", "create"], ["store", "dump"]):
            text = run(TROUPE, *command, "--help").out.decode()
            for option in ("--config", "--node", "--connect", "--output"):
                self.assertIn(option, text)
        keys = run(TROUPE, "serve", "--help").out.decode()
        self.assertIn("mailbox-capacity = 400000", keys)
        self.assertIn("advertised-host = host", keys)
        self.assertIn("--log-format", keys)

    def test_usage_errors(self):
        for command in ([], ["nonsense"], ["topic"], ["topic", "create"], ["produce"],
                        ["consume", "t", "--nonsense"], ["consume", "t", "more"],
                        ["status", "--output", "xml"], ["message", "query", "t"],
                        ["produce", "t", "--length-prefixed", "--delimiter", "x"],
                        ["produce", "t", "--delimiter", "xy"]):
            done = run(TROUPE, *command)
            self.assertEqual((done.code, done.out), (2, b""), command)
            self.assertNotEqual(done.err, "")

    def test_a_word_that_is_no_verb_is_named_with_the_nearest(self):
        for words, nearest in ((["prodcue", "t"], "troupe produce"), (["topics"], "troupe topic"),
                               (["topic", "lsit"], "troupe topic list"),
                               (["--config", "x", "serv"], "troupe serve")):
            done = run(TROUPE, *words)
            self.assertEqual((done.code, done.out), (2, b""), words)
            self.assertIn(f"'{nearest}'", done.err)

    def test_help_everywhere(self):
        for command in ([], ["serve"], ["topic"], ["topic", "create"], ["produce"], ["consume"],
                        ["message", "get"], ["status"], ["store", "verify"]):
            done = run(TROUPE, *command, "--help")
            self.assertEqual(done.code, 0)
            self.assertIn(b"Usage:", done.out)


class Settings(unittest.TestCase):
    def refused(self, text, *words):
        with tempfile.TemporaryDirectory() as home:
            path = Path(home) / "cluster.ini"
            path.write_text(text)
            done = run(TROUPE, "serve", "--config", path, cwd=home)
            self.assertEqual((done.code, done.out), (1, b""), done.err)
            for word in words:
                self.assertIn(word, done.err)
            self.assertEqual([p.name for p in Path(home).iterdir()], ["cluster.ini"])

    def test_each_mistake_is_shown_with_its_place(self):
        node = "[node n]\nactor-port = 0\n"
        self.refused(node + "[store]\nflsh = sync\n", "cluster.ini:4", "flsh", "flush")
        self.refused("[stoer]\nflush = sync\n" + node, "cluster.ini:1", "stoer", "store")
        self.refused(node + "[store]\nflush = maybe\n", "cluster.ini:4", "flush", "maybe")
        self.refused(node + "[dispatcher]\nmailbox-capacity = 0\n", "cluster.ini:4", "capacity")
        self.refused(node + "[dispatcher]\nbackpressure = 5\n", "cluster.ini:4", "backpressure")
        self.refused(node + "[store]\nmax-message-size = 4 parsecs\n", "cluster.ini:4", "parsecs")
        self.refused(node + "[store]\nfile-reserved-time = 4MiB\n", "cluster.ini:4", "4MiB")
        self.refused("[node n]\nactor-port = 70000\n", "cluster.ini:2", "70000")
        self.refused("[node n]\nhost\n", "cluster.ini:2")
        self.refused("[node n]\nactor-port = 1\nactor-port = 2\n", "cluster.ini:3", "actor-port")
        self.refused("[node n]\nroles = writer juggler\n", "cluster.ini:2", "juggler")
        self.refused("[caf]\nnonsense = 1\n" + node, "cluster.ini:2", "nonsense")
        self.refused("[caf]\n\ncaf.scheduler.max-thread = 2\n" + node, "cluster.ini:3",
                     "caf.scheduler.max-thread'", "'scheduler.max-threads'")
        self.refused("[caf]\nscheduler.max-threads = many\n" + node, "cluster.ini:2",
                     "max-threads", "many")
        self.refused("[caf]\nhelp = true\n" + node, "cluster.ini:2", "help")

    def test_a_file_or_node_that_is_not_there(self):
        with tempfile.TemporaryDirectory() as home:
            done = run(TROUPE, "serve", cwd=home)
            self.assertEqual((done.code, done.out), (1, b""))
            self.assertIn("cluster.ini", done.err)
            (Path(home) / "cluster.ini").write_text("[node local]\nactor-port = 0\n")
            done = run(TROUPE, "serve", "--node", "lokal", cwd=home)
            self.assertEqual((done.code, done.out), (1, b""))
            self.assertIn("local", done.err)
            self.assertEqual(len(list(Path(home).iterdir())), 1)


if __name__ == "__main__":
    unittest.main()
