"""Groups, topics and messages as operators handle them. progress_test.py TROUPE EXAMPLES"""
import subprocess
import threading
import unittest

import remoting
from harness import NodeTest, programs, wait_until

TROUPE, EXAMPLES = programs()
NodeTest.troupe = TROUPE


class Progress(NodeTest):
    def setUp(self):
        super().setUp()
        self.node.start()
        self.good("topic", "create", "t", "--queues", 2)
        self.send(100)

    def good(self, *arguments, stdin=b""):
        done = self.node.run(*arguments, stdin=stdin)
        self.assertEqual(done.code, 0, done.err)
        return done

    def send(self, count):
        self.good("produce", "t", stdin=b"".join(b"%d\n" % i for i in range(count)))

    def offsets(self, group="g"):
        done = self.good("group", "show", group, "--output", "json")
        return {q["queueId"]: (q["offset"], q["lag"]) for q in done.json()}

    def reset(self, *arguments, group="g"):
        return self.node.run("group", "reset", group, "--topic", "t", "--output", "json",
                             *arguments)


class Reset(Progress):
    def test_to_each_place(self):
        ends = {q["queueId"]: q["maxOffset"] for q in
                self.good("topic", "describe", "t", "--output", "json").json()}
        self.assertEqual(sum(ends.values()), 100)
        for to, expected in (("earliest", {0: 0, 1: 0}), ("latest", ends), ("7", {0: 7, 1: 7}),
                             ("99999999", ends), ("-1h", {0: 0, 1: 0})):
            self.assertEqual(self.reset("--to", to, "--yes").code, 0)
            self.assertEqual(self.offsets(), {q: (o, ends[q] - o) for q, o in expected.items()})

    def test_one_queue_alone(self):
        self.assertEqual(self.reset("--to", "earliest", "--yes").code, 0)
        self.assertEqual(self.reset("--to", "3", "--queue", "1", "--yes").code, 0)
        self.assertEqual([o for o, _ in self.offsets().values()], [0, 3])
        self.assertEqual(self.reset("--to", "3", "--queue", "9", "--yes").code, 1)

    def test_a_dry_run_changes_nothing_and_says_before_and_after(self):
        self.reset("--to", "5", "--yes")
        done = self.reset("--to", "9", "--dry-run")
        self.assertEqual(done.code, 0, done.err)
        self.assertEqual([(c["before"], c["after"], c["done"]) for c in done.json()],
                         [(5, 9, False)] * 2)
        self.assertEqual([o for o, _ in self.offsets().values()], [5, 5])

    def test_without_yes_and_without_a_person_nothing_is_changed(self):
        done = self.reset("--to", "5")
        self.assertEqual(done.code, 1)
        self.assertIn("--yes", done.err)
        self.assertEqual(self.node.run("group", "show", "g").code, 1)

    def test_a_bad_place_is_a_usage_error(self):
        self.assertEqual(self.reset("--to", "somewhere", "--yes").code, 2)

    def test_delete_forgets_the_group(self):
        self.reset("--to", "5", "--yes")
        self.assertIn(b"g  1 topic", self.good("group", "list").out)
        self.good("group", "delete", "g", "--dry-run")
        self.assertEqual(len(self.offsets()), 2)
        self.good("group", "delete", "g", "--yes")
        self.assertEqual(self.node.run("group", "show", "g").code, 1)
        self.assertEqual(self.node.run("group", "delete", "g", "--yes").code, 1)


class Topics(Progress):
    def test_update_changes_what_is_given_alone(self):
        self.good("topic", "update", "t", "--queues", 4)
        done = self.good("topic", "update", "t", "--perm", "r", "--output", "json").json()[0]
        self.assertEqual((done["readQueues"], done["writeQueues"], done["perm"]), (4, 4, 4))
        self.assertNotEqual(self.node.run("produce", "t", stdin=b"x\n").code, 0)

    def test_update_wants_something_and_a_topic_that_is_there(self):
        self.assertEqual(self.node.run("topic", "update", "t").code, 2)
        self.assertEqual(self.node.run("topic", "update", "none", "--queues", 4).code, 1)

    def test_rates_come_from_two_samples(self):
        done = self.good("topic", "describe", "t", "--rate", "200ms", "--output", "json").json()
        self.assertEqual([q["messagesPerSecond"] for q in done], [0, 0])
        self.assertEqual(self.node.run("topic", "describe", "t", "--rate", "1h").code, 2)


class Tail(Progress):
    def test_new_messages_alone_are_shown_as_they_come(self):
        process = subprocess.Popen(self.node.command("message", "tail", "t"),
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        lines = []
        thread = threading.Thread(target=lambda: lines.extend(iter(process.stdout.readline, b"")))
        thread.start()

        def arrived():
            self.good("produce", "t", stdin=b"news\n")
            return bool(lines)

        wait_until("a message is shown", arrived)
        process.kill()
        thread.join()
        self.assertTrue(all(line.endswith(b" news\n") for line in lines), lines)


class Top(Progress):
    def test_in_a_pipe_it_prints_blocks_and_ends(self):
        self.reset("--to", "earliest", "--yes")
        done = self.good("top", "--rounds", 2, "--interval", "200ms")
        self.assertEqual(done.out.count(b"ROLE"), 2)
        self.assertNotIn(b"\x1b", done.out)
        first, second = self.good("top", "--rounds", 2, "--interval", "200ms", "--output",
                                  "json").json()
        self.assertIsNone(first["messagesPerSecond"])
        self.assertEqual(second["messagesPerSecond"], 0)
        self.assertEqual(second["groups"][0]["lag"], 100)


class Members(Progress):
    def test_members_are_listed_and_keep_others_from_resetting(self):
        self.reset("--to", "earliest", "--yes")
        self.assertEqual(self.good("clients", "list").out, b"")
        client = remoting.Client(self.node.remoting_port)
        self.addCleanup(client.close)
        client.ask(34, b'{"clientID":"c1","producerDataSet":[],"consumerDataSet":[{"groupName":'
                       b'"g","consumeType":"CONSUME_PASSIVELY","messageModel":"CLUSTERING",'
                       b'"consumeFromWhere":"CONSUME_FROM_LAST_OFFSET","unitMode":false,'
                       b'"subscriptionDataSet":[{"topic":"t","subString":"*","tagsSet":[],'
                       b'"codeSet":[],"subVersion":1,"expressionType":"TAG"}]}]}')
        wait_until("it is a member", lambda: b"g  c1" in self.good("clients", "list").out)
        done = self.reset("--to", "9", "--yes")
        self.assertEqual(done.code, 1)
        self.assertIn("--force", done.err)
        self.assertEqual(self.reset("--to", "9", "--dry-run").code, 0)
        self.assertEqual(self.reset("--to", "9", "--yes", "--force").code, 0)
        self.assertEqual([o for o, _ in self.offsets().values()], [9, 9])


if __name__ == "__main__":
    unittest.main()
