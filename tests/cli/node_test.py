"""A node and the commands as two processes: what goes in comes out. node_test.py TROUPE EXAMPLES"""
import base64
import hashlib
import json
import random
import signal
import struct
import subprocess
import unittest

from harness import NodeTest, programs, run, wait_until

TROUPE, EXAMPLES = programs()
NodeTest.troupe = TROUPE
QUEUES = 8
MESSAGE_KEYS = ("topic queueId queueOffset physOffset size storeTimestamp bornTimestamp bornHost "
                "storeHost sysFlag flag reconsumeTimes preparedTransactionOffset tags keys uniqKey "
                "properties bodyCrc bodyLen bodySha256 body msgId").split()
STATUS_KEYS = ("node roles writable reason backlog backlogMax delayedRequests flushLagBytes "
               "dirtyBytes diskUsedPercent logMinOffset logMaxOffset uptime").split()


class Serving(NodeTest):
    def setUp(self):
        super().setUp()
        self.node.start()

    def round_trip(self, lines, stdin):
        done = self.good("produce", "lines", "--output", "json", stdin=stdin)
        self.assertEqual(done.json()[0]["acknowledged"], len(lines))
        got = self.good("consume", "lines").lines()
        self.assertEqual(sorted(got), sorted(lines))
        for queue in range(QUEUES):
            self.assertEqual(self.good("consume", "lines", "--queue", queue).lines(),
                             lines[queue::QUEUES])


class RoundTrip(Serving):
    def test_lines_come_back_in_the_order_of_each_queue(self):
        choose = random.Random(7)
        lines = [choose.randbytes(choose.randrange(0, 300)).replace(b"\n", b"") for _ in range(5000)]
        self.assertIn(b"", lines)
        lines[-1] = b"the last line has no delimiter"
        self.round_trip(lines, b"\n".join(lines))

    def test_an_empty_input_sends_nothing(self):
        self.round_trip([], b"")

    def test_a_lonely_delimiter_is_an_empty_body(self):
        self.round_trip([b""], b"\n")

    def test_a_file_with_another_delimiter(self):
        path = self.node.home / "input"
        path.write_bytes(b"one\n1\0two\0\0three")
        self.good("produce", "nul", "--file", path, "--delimiter", "\\0", "--queue", "0")
        self.assertEqual(self.good("consume", "nul", "--length-prefixed").out,
                         b"".join(struct.pack(">I", len(b)) + b
                                  for b in (b"one\n1", b"two", b"", b"three")))

    def test_length_prefixed_bodies_hold_any_bytes(self):
        choose = random.Random(8)
        bodies = [choose.randbytes(choose.choice([0, 1, 10, 1000, 70000])) for _ in range(300)]
        packed = b"".join(struct.pack(">I", len(b)) + b for b in bodies)
        self.good("produce", "bytes", "--length-prefixed", "--queue", "0", stdin=packed)
        self.assertEqual(self.good("consume", "bytes", "--length-prefixed").out, packed)

    def test_a_body_of_the_largest_size(self):
        body = random.Random(9).randbytes(4 << 20)
        packed = struct.pack(">I", len(body)) + body
        self.good("produce", "large", "--length-prefixed", stdin=packed)
        self.assertEqual(self.good("consume", "large", "--length-prefixed").out, packed)


class Credit(Serving):
    settings = {"more": "[session]\ncredit-messages = 1000\ncredit-bytes = 64KiB"}

    def test_a_producer_stays_within_what_the_node_grants(self):
        lines = [b"%d " % i + b"x" * 100 for i in range(20_000)]
        for batch in (1, 256, 65536):
            done = self.good("produce", "t", "--queue", 0, "--batch", batch, "--output", "json",
                             stdin=b"\n".join(lines))
            self.assertEqual(done.json()[0]["acknowledged"], len(lines))
        self.assertEqual(self.good("consume", "t").lines(), 3 * lines)


class Interrupted(Serving):
    def test_a_producer_says_how_far_it_came(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            writer = subprocess.Popen(self.node.command("produce", "t", "--output", "json"),
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE)
            writer.stdin.write(b"x\n" * 1000)
            writer.stdin.flush()
            wait_until("some arrived", lambda: self.count() >= 1000)
            writer.send_signal(number)
            out, err = writer.stdout.read(), writer.stderr.read()
            self.assertEqual(writer.wait(), 1)
            self.assertEqual(json.loads(out)["acknowledged"], 1000)
            self.assertRegex(err, b"interrupted: 1000 messages were read, 1000 of them ack")
            self.assertNotIn(b"(unavailable)", err)
            self.good("topic", "delete", "t", "--yes")
            for pipe in (writer.stdin, writer.stdout, writer.stderr):
                pipe.close()

    def count(self):
        done = self.node.run("topic", "describe", "t", "--output", "json")
        return sum(q["maxOffset"] - q["minOffset"] for q in done.json()) if done.code == 0 else 0


class LargeMessages(Serving):
    settings = {"store": "max-message-size = 6MiB"}

    def test_the_limit_is_the_node_s(self):
        body = random.Random(10).randbytes(6 << 20)
        packed = struct.pack(">I", len(body)) + body
        self.good("produce", "large", "--length-prefixed", stdin=packed)
        self.assertEqual(self.good("consume", "large", "--length-prefixed").out, packed)
        self.refused(1, "produce", "large", "--length-prefixed",
                     stdin=struct.pack(">I", len(body) + 1) + body,
                     words=["message 1 ", str(6 << 20)])


class Fields(Serving):
    def setUp(self):
        super().setUp()
        self.good("produce", "t", "--tag", "red", "--key", "k1 k2", "--property", "color=dark=blue",
                  "--property", "n=1", "--queue", "3", stdin=b"first\n")
        self.good("produce", "t", "--tag", "blue", "--key", "k2", stdin=b"second\nthird\n")

    def messages(self, *arguments):
        return self.good(*arguments, "--output", "json").json()

    def test_consume_prints_every_field(self):
        found = self.messages("consume", "t", "--queue", 3)
        self.assertEqual(len(found), 1)
        message = found[0]
        self.assertEqual(list(message), MESSAGE_KEYS)
        self.assertEqual((message["topic"], message["queueId"], message["queueOffset"]), ("t", 3, 0))
        self.assertEqual((message["tags"], message["keys"]), ("red", "k1 k2"))
        self.assertEqual(message["properties"]["color"], "dark=blue")
        self.assertEqual(message["properties"]["n"], "1")
        self.assertEqual(message["properties"]["UNIQ_KEY"], message["uniqKey"])
        self.assertEqual(base64.b64decode(message["body"]), b"first")
        self.assertEqual(message["bodySha256"], hashlib.sha256(b"first").hexdigest())

    def test_tags_choose_messages(self):
        bodies = lambda tag: sorted(self.good("consume", "t", "--tag", tag).lines())
        self.assertEqual(bodies("red"), [b"first"])
        self.assertEqual(bodies("blue"), [b"second", b"third"])
        self.assertEqual(bodies("red || blue"), [b"first", b"second", b"third"])
        self.assertEqual(bodies("*"), [b"first", b"second", b"third"])
        self.assertEqual(bodies("green"), [])

    def test_a_message_is_found_by_its_id_and_its_keys(self):
        message = self.messages("consume", "t", "--queue", 3)[0]
        self.assertEqual(self.messages("message", "get", message["msgId"]), [message])
        self.assertEqual(self.messages("message", "query", "t", "--key", "k1"), [message])
        self.assertEqual(self.messages("message", "query", "t", "--key", message["uniqKey"]),
                         [message])
        self.assertEqual(len(self.messages("message", "query", "t", "--key", "k2")), 3)
        self.refused(1, "message", "query", "t", "--key", "nobody", words=["nobody"])
        self.refused(1, "message", "query", "t", "--key", "k1", "--end", "2001-01-01T00:00:00Z")
        self.refused(1, "message", "query", "t", "--key", "k1", "--begin", "-1m", "--end", "-2m",
                     words=["--begin"])
        self.refused(1, "message", "query", "nowhere", "--key", "k1", words=["no topic nowhere"])

    def test_a_query_says_that_there_is_more(self):
        few = self.good("message", "query", "t", "--key", "k2", "--max", 2, "--output", "json")
        bodies = [base64.b64decode(m["body"]) for m in few.json()]
        self.assertEqual(bodies, [b"second", b"third"])
        self.assertIn("more messages", few.err)
        self.assertEqual(self.good("message", "query", "t", "--key", "k2", "--max", 3).err, "")

    def test_an_id_that_names_nothing_is_refused(self):
        good = self.messages("consume", "t", "--queue", 3)[0]["msgId"]
        other = good[:16] + f"{int(good[16:], 16) + 1:016X}"
        self.refused(1, "message", "get", other)
        self.refused(1, "message", "get", good[:16] + "7" + "F" * 15)
        self.refused(2, "message", "get", good[:16] + "F" * 16)
        self.refused(1, "message", "get", "0A" + good[2:], words=["another node"])
        for nonsense in ("x", good[:-1], good[:-1] + "G", ""):
            self.refused(2, "message", "get", nonsense)

    def test_from_and_count(self):
        self.good("produce", "n", "--queue", 0, stdin=b"".join(b"%d\n" % i for i in range(100)))
        read = lambda *more: self.good("consume", "n", "--queue", 0, *more).lines()
        self.assertEqual(read("--from", 97), [b"97", b"98", b"99"])
        self.assertEqual(read("--from", 97, "--count", 2), [b"97", b"98"])
        self.assertEqual(read("--from", "latest"), [])
        self.assertEqual(len(read("--from", "-10m")), 100)
        self.assertEqual(read("--from", "2100-01-01T00:00:00Z"), [])
        self.assertEqual(len(read("--from", "2001-01-01T00:00:00Z")), 100)
        beyond = self.good("consume", "n", "--queue", 0, "--from", 2**63 - 1)
        self.assertEqual(beyond.lines(), [])
        self.assertIn("ends at 100", beyond.err)
        self.assertEqual(read("--count", 0), [])


class Topics(Serving):
    def test_create_list_describe_delete(self):
        self.good("topic", "create", "a", "--queues", 3)
        self.good("topic", "create", "b", "--queues", 1)
        self.good("produce", "a", stdin=b"1\n2\n3\n4\n")
        listed = {t["topic"]: t["writeQueues"]
                  for t in self.good("topic", "list", "--output", "json").json()}
        self.assertEqual((listed["a"], listed["b"]), (3, 1))
        described = self.good("topic", "describe", "a", "--output", "json").json()
        self.assertEqual([(q["queueId"], q["minOffset"], q["maxOffset"]) for q in described],
                         [(0, 0, 2), (1, 0, 1), (2, 0, 1)])
        self.assertTrue(all(q["lastStoreTimestamp"] > 0 for q in described))
        empty = self.good("topic", "describe", "b", "--output", "json").json()
        self.assertEqual([(q["maxOffset"], q["lastStoreTimestamp"]) for q in empty], [(0, -1)])
        self.refused(1, "topic", "create", "a", "--queues", 4, words=["exists", "3 queues"])
        self.good("topic", "delete", "a", "--yes")
        self.refused(1, "topic", "describe", "a", words=["no topic a"])
        self.refused(1, "consume", "a", words=["no topic a"])
        self.refused(1, "topic", "delete", "a", words=["a"])

    def test_a_topic_that_comes_back_continues_its_numbering(self):
        for restart in (False, True):
            self.good("produce", "t", "--queue", 0, stdin=b"old\n" * 10)
            before = self.good("topic", "describe", "t", "--output", "json").json()[0]["maxOffset"]
            self.good("topic", "delete", "t", "--yes")
            if restart:
                self.assertEqual(self.node.stop(), 0)
                self.node.start()
            self.good("topic", "create", "t")
            self.assertEqual(self.good("consume", "t").lines(), [])
            again = self.good("topic", "describe", "t", "--output", "json").json()[0]
            self.assertEqual((again["minOffset"], again["maxOffset"]), (before, before))
            self.good("produce", "t", "--queue", 0, stdin=b"new\n")
            got = self.good("consume", "t", "--output", "json").json()
            self.assertEqual([m["queueOffset"] for m in got], [before])
            self.assertEqual(base64.b64decode(got[0]["body"]), b"new")

    def test_status_has_the_promised_keys(self):
        self.good("produce", "t", stdin=b"x\n" * 100)
        status = self.node.status()
        for key in STATUS_KEYS:
            self.assertIn(key, status)
        self.assertIs(status["writable"], True)
        self.assertEqual(status["reason"], "")
        self.assertGreater(status["logMaxOffset"], 100 * 100)
        roles = {r["role"]: r["state"] for r in status["roles"]}
        for role in ("writer", "dispatcher", "queue-manager", "flusher", "cleaner", "registrar",
                     "delayer"):
            self.assertEqual(roles.get(role), "running", roles)
        self.assertIn("accepted", self.good("status").out.decode())


class Sessions(Serving):
    def ended(self):
        return self.node.status()["sessions"] == 1  # of the one who asks

    def test_a_session_ends_with_its_client(self):
        for _ in range(5):
            self.good("topic", "list")
        wait_until("the clients' sessions ended", self.ended)
        killed = subprocess.Popen(self.node.command("produce", "t"), stdin=subprocess.PIPE)
        wait_until("it is connected", lambda: not self.ended())
        killed.kill()
        killed.communicate()
        wait_until("the killed client's session ended", self.ended)


class SeveralDoors(Serving):
    def test_a_command_goes_to_the_first_that_lets_it_in(self):
        doors = f"127.0.0.1:1,{self.node.address},127.0.0.1:2"
        done = run(TROUPE, "topic", "create", "t", "--connect", doors)
        self.assertEqual(done.code, 0, done.err)
        self.assertIn("t", self.good("topic", "list").out.decode().split())


class Examples(Serving):
    def example(self, name, *arguments, code=0):
        done = run(EXAMPLES / name, self.node.address, *arguments)
        self.assertEqual(done.code, code, done.err)
        return done

    def test_a_producer_a_consumer_and_one_that_is_both(self):
        self.assertEqual(self.example("producer", "words", "1000").out,
                         b"acknowledged 1000 messages\n")
        lines = self.example("consumer", "words").lines()
        self.assertEqual(sorted(lines), sorted(b"queue %d offset %d: message %d" % (i % 4, i // 4, i)
                                               for i in range(1000)))
        self.example("word_count", "words", "counts", "250")
        expected = [line for i in range(250) for line in (b"message %d" % (i + 1), b"%d 1" % (4 * i))]
        self.assertEqual(self.good("consume", "counts").lines(), expected)

    def test_errors_end_them(self):
        self.assertIn("not allowed", self.example("producer", "a/b", code=1).err)
        self.assertIn("no topic", self.example("consumer", "nothing", code=1).err)
        self.assertIn("not allowed", self.example("word_count", "words", "a/b", "1", code=1).err)
        for name in ("producer", "consumer", "word_count"):
            done = run(EXAMPLES / name, "nowhere", "a", "b", "1")
            self.assertEqual(done.code, 2)
            self.assertIn("usage: " + name, done.err)


if __name__ == "__main__":
    unittest.main()
