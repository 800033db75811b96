"""`troupe store repair` and what a start then does, with real nodes. repair_test.py TROUPE EXAMPLES"""
import json
import signal
import subprocess
import unittest

import remoting
from harness import NodeTest, programs, run, wait_until

TROUPE, EXAMPLES = programs()
NodeTest.troupe = TROUPE
FILE_SIZE = 1 << 20
COUNT = 6000


class Repair(NodeTest):
    settings = {"log_file": "1MiB"}

    def setUp(self):
        super().setUp()
        self.node.start()
        self.lines = [b"%06d:" % i + b"x" * 500 for i in range(COUNT)]
        self.good("produce", "t", stdin=b"\n".join(self.lines) + b"\n")
        wait_until("all is in the queues", lambda: self.behind() == 0)

    def behind(self):
        status = self.node.status()
        return status["logMaxOffset"] - status["dispatchedOffset"]

    def log_file(self, number):
        return self.node.directory / "commitlog" / f"{number * FILE_SIZE:020}"

    def damage(self, number, at, content):
        with open(self.log_file(number), "r+b") as file:
            file.seek(at)
            file.write(content)

    def store(self, verb, *more):
        done = run(TROUPE, "store", verb, str(self.node.directory), "--output", "json", *more)
        return done, [json.loads(line) for line in done.out.splitlines()]

    def repair(self):
        done, (plan, outcome) = self.store("repair", "--yes")
        self.assertEqual(done.code, 0, done.err)
        self.assertTrue(outcome["repaired"])
        return plan

    def bodies(self):
        return sorted(line for queue in range(8)
                      for line in self.good("consume", "t", "--queue", queue).lines())

    def numbers_and_bodies(self):
        return [(queue, m["queueOffset"], m["body"]) for queue in range(8) for m in
                self.good("consume", "t", "--queue", queue, "--output", "json").json()]

    def assert_repaired(self, plan, before):
        """All but the lost messages are served, under the numbers that they had."""
        self.node.start()
        wait_until("the queues are built anew", lambda: self.behind() == 0)
        self.assertTrue(self.node.status()["writable"])
        after = self.numbers_and_bodies()
        self.assertEqual(len(after), len(before) - plan["lostMessages"])
        self.assertLessEqual(set(after), set(before))
        self.good("produce", "t", "--queue", "0", stdin=b"new\n")
        wait_until("the new one is there", lambda: len(self.bodies()) == len(after) + 1)
        self.assertEqual(self.node.stop(), 0)
        done, (closing,) = self.store("verify")
        self.assertEqual((done.code, closing["findings"]), (0, 0))

    def client(self):
        client = remoting.Client(self.node.remoting_port)
        self.addCleanup(client.close)
        return client

    def set_group(self, offset, topic="t"):
        answer = self.client().ask(remoting.UPDATE_OFFSET, consumerGroup="G", topic=topic, queueId=0,
                                   commitOffset=offset)
        self.assertEqual(answer.code, 0)

    def group(self, topic="t"):
        at = dict(consumerGroup="G", topic=topic, queueId=0)
        return int(self.client().ask(remoting.QUERY_OFFSET, **at).ext["offset"])

    def assert_group_sees_what_comes(self, topic="t"):
        """A new message, and from where the group is nothing is left out before it."""
        self.good("produce", topic, "--queue", "0", stdin=b"for G\n")
        wait_until("it is in its queue", lambda: self.behind() == 0)
        seen = self.good("consume", topic, "--queue", 0, "--from", self.group(topic)).lines()
        self.assertEqual(seen, [b"for G"])

    def test_a_file_overwritten_in_the_middle_costs_only_what_was_there(self):
        before = self.numbers_and_bodies()
        self.node.end(signal.SIGKILL)
        self.damage(1, 300_000, b"\0" * 20_000)
        (self.node.directory / "checkpoint").unlink()
        _, found = self.store("verify")
        self.assertEqual((found[-1]["wouldServe"], found[-1]["rebuildsQueues"]), ("all", True))
        self.assert_repaired(self.repair(), before)

    def test_a_missing_file_costs_only_what_was_in_it(self):
        before = self.numbers_and_bodies()
        self.assertEqual(self.node.stop(), 0)
        self.log_file(1).unlink()
        _, found = self.store("verify")
        self.assertEqual(found[-1]["wouldServe"], "nothing")
        plan = self.repair()
        self.assertGreater(plan["lostMessages"], 1000)
        self.assert_repaired(plan, before)

    def test_nothing_is_changed_without_consent(self):
        self.assertEqual(self.node.stop(), 0)
        self.damage(1, 300_000, b"\0" * 20_000)
        content = {p: p.read_bytes() for p in self.node.directory.rglob("*") if p.is_file()}
        done, (plan,) = self.store("repair")
        self.assertEqual(done.code, 1)
        self.assertIn("--yes", done.err)
        self.assertEqual([step["kind"] for step in plan["steps"]],
                         ["bridge", "placeholders", "rebuild"])
        self.assertEqual(content,
                         {p: p.read_bytes() for p in self.node.directory.rglob("*") if p.is_file()})

    def test_a_running_node_keeps_it_out(self):
        done = run(TROUPE, "store", "repair", str(self.node.directory), "--yes")
        self.assert_refused(done, 1, "in use")

    def test_a_sound_store_needs_nothing(self):
        self.assertEqual(self.node.stop(), 0)
        done = run(TROUPE, "store", "repair", str(self.node.directory))
        self.assertEqual(done.code, 0, done.err)
        self.assertIn("nothing to repair", done.out.decode())

    def test_the_plan_for_people_names_place_and_reason(self):
        self.assertEqual(self.node.stop(), 0)
        self.damage(1, 300_000, b"x" * 100)
        done = subprocess.run([TROUPE, "store", "repair", self.node.directory],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        for word in ("bridge log offsets ", "for 1 lost message,",
                     "quarantine"):
            self.assertIn(word, done.stdout)

    def test_a_node_rebuilds_after_queues_and_checkpoint_are_gone(self):
        before = self.numbers_and_bodies()
        self.node.end(signal.SIGKILL)
        (self.node.directory / "checkpoint").write_bytes(b"torn")
        _, found = self.store("verify")
        self.assertTrue(found[-1]["rebuildsQueues"])
        self.assertGreater(found[-1]["replayBytes"], 3 * FILE_SIZE)
        self.node.start()
        wait_until("the queues are built anew", lambda: self.behind() == 0)
        self.assertEqual(self.numbers_and_bodies(), before)

    def take_the_end_away(self):
        """The last log file is emptied after an orderly stop; answers all messages before that."""
        before = self.numbers_and_bodies()
        self.set_group(len(before) // 8)
        self.assertEqual(self.node.stop(), 0)
        last = max((self.node.directory / "commitlog").iterdir())
        last.write_bytes(b"\0" * FILE_SIZE)
        return before

    def test_a_log_whose_end_was_taken_away_waits_for_an_operator(self):
        before = self.take_the_end_away()
        _, found = self.store("verify")
        self.assertEqual(found[-1]["wouldServe"], "reads")
        self.node.start()
        status = self.node.status()
        self.assertFalse(status["writable"])
        for word in ("it was durable up to", "put the missing files back", "troupe store repair"):
            self.assertIn(word, json.dumps(status))
        self.refused(1, "produce", "t", stdin=b"new\n", words=("troupe store repair",))
        self.assertLess(len(self.good("consume", "t", "--queue", 0).lines()), len(before) // 8)
        self.assertEqual(self.group(), len(before) // 8)
        self.assertEqual(self.node.stop(), 1)
        plan = self.repair()
        self.assertGreater(plan["lostMessages"], 100)
        self.assert_repaired(plan, before)

    def test_files_that_are_put_back_are_all_that_is_needed(self):
        before = self.numbers_and_bodies()
        self.assertEqual(self.node.stop(), 0)
        last = max((self.node.directory / "commitlog").iterdir())
        kept = last.rename(self.node.home / last.name)
        self.node.start()
        self.assertFalse(self.node.status()["writable"])
        self.assertEqual(self.node.stop(), 1)
        kept.rename(last)
        self.node.start()
        wait_until("the queues are complete", lambda: self.behind() == 0)
        self.assertTrue(self.node.status()["writable"])
        self.assertEqual(self.numbers_and_bodies(), before)

    def test_a_group_keeps_its_place_where_lost_messages_keep_their_numbers(self):
        before = self.take_the_end_away()
        self.repair()
        self.node.start()
        self.assertEqual(self.group(), len(before) // 8)
        self.assert_group_sees_what_comes()

    def test_a_group_is_set_back_where_nobody_knows_the_lost_numbers(self):
        before = self.take_the_end_away()
        (self.node.directory / "consumequeue").rename(self.node.home / "queues")
        self.repair()
        self.node.start()
        wait_until("the queues are built anew", lambda: self.behind() == 0)
        self.assertLess(self.group(), len(before) // 8)
        self.assert_group_sees_what_comes()

    def test_a_group_of_a_log_that_is_gone_sees_the_new_one(self):
        self.set_group(COUNT // 8)
        self.assertEqual(self.node.stop(), 0)
        for file in (self.node.directory / "commitlog").iterdir():
            file.unlink()
        done, _ = self.store("repair", "--yes")
        self.assertEqual(done.code, 0, done.err)
        self.node.start()
        self.assert_group_sees_what_comes()

    def test_a_group_of_a_queue_that_begins_again_sees_its_messages(self):
        self.assertEqual(self.node.stop(), 0)
        self.node.directory.rename(self.node.home / "first")
        self.node.start()
        self.good("produce", "rare", "--queue", "0", stdin=b"a\nb\n")
        self.good("produce", "t", stdin=b"\n".join(self.lines) + b"\n")
        wait_until("all is in the queues", lambda: self.behind() == 0)
        self.set_group(2, "rare")
        self.assertEqual(self.node.stop(), 0)
        self.log_file(0).unlink()
        (self.node.directory / "consumequeue").rename(self.node.home / "queues")
        self.node.start()
        wait_until("the queues are built anew", lambda: self.behind() == 0)
        self.assert_group_sees_what_comes("rare")

    def test_what_a_start_that_died_left_open_the_next_one_settles(self):
        self.set_group(COUNT)
        self.node.end(signal.SIGKILL)
        self.node.start()
        self.assertEqual(self.group(), COUNT)  # nothing can be gone: it is the group's own affair
        self.node.end(signal.SIGKILL)
        (self.node.directory / "abort").write_text("4711")  # as before groups are compared
        self.node.start()
        self.assertEqual(self.group(), COUNT // 8)
        self.assertIn("group.set_back", self.node.log())

    def test_a_node_that_only_reads_sets_no_group_back(self):
        self.set_group(COUNT // 8)
        self.assertEqual(self.node.stop(), 0)
        self.damage(3, 300_000, b"\0" * 20_000)
        (self.node.directory / "checkpoint").unlink()
        self.node.start()
        self.assertFalse(self.node.status()["writable"])
        self.assertEqual(self.group(), COUNT // 8)


if __name__ == "__main__":
    unittest.main(argv=["repair_test"], verbosity=1)
