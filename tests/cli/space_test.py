"""`troupe store df` and `store export`. space_test.py TROUPE EXAMPLES"""
import struct
import unittest

from harness import NodeTest, programs, run

TROUPE, _ = programs()
NodeTest.troupe = TROUPE


class Space(NodeTest):
    settings = {"log_file": "64KiB"}

    def setUp(self):
        super().setUp()
        self.node.start()
        self.assertEqual(self.node.run("topic", "create", "t", "--queues", 1).code, 0)
        self.assertEqual(self.node.run("topic", "create", "other", "--queues", 1).code, 0)
        self.lines = [b"%06d" % i + b"x" * 200 for i in range(1000)]
        done = self.node.run("produce", "t", stdin=b"\n".join(self.lines) + b"\n")
        self.assertEqual(done.code, 0, done.err)
        self.assertEqual(self.node.run("produce", "other", stdin=b"o\n").code, 0)

    def store(self, *arguments):
        return run(TROUPE, "store", *arguments, "--config", str(self.node.config))

    def df(self):
        done = self.store("df", str(self.node.directory), "--output", "json")
        self.assertEqual(done.code, 0, done.err)
        return done.json()[0]

    def test_df_counts_by_kind_and_topic(self):
        self.assertEqual(self.node.stop(), 0)
        df = self.df()
        kinds = {k["kind"]: k for k in df["kinds"]}
        self.assertGreater(kinds["log"]["bytes"], 1000 * 206)
        self.assertEqual(kinds["log"]["bytes"] % 65536, 0)
        self.assertIn("config", kinds)
        self.assertEqual({t["topic"] for t in df["topics"]}, {"t", "other"})
        self.assertIn(b"group" if df["nextDeletion"]["losers"] else b"no group",
                      self.store("df", str(self.node.directory)).out)

    def test_df_says_who_would_lose_what(self):
        reset = self.node.run("group", "reset", "g", "--topic", "t", "--to", "10", "--yes")
        self.assertEqual(reset.code, 0, reset.err)
        reset = self.node.run("group", "reset", "up", "--topic", "t", "--to", "latest", "--yes")
        self.assertEqual(reset.code, 0, reset.err)
        self.assertEqual(self.node.stop(), 0)
        following = self.df()["nextDeletion"]
        self.assertEqual((following["files"], following["now"]), (1, False))
        self.assertEqual(following["logMinOffset"], 65536)
        self.assertEqual([(l["group"], l["offset"]) for l in following["losers"]], [("g", 10)])
        # What the first file holds is what is gone when it is gone.
        (loser,) = following["losers"]
        dump = run(TROUPE, "store", "dump", str(self.node.directory)).json()
        kept = [m for m in dump if m["topic"] == "t" and m["physOffset"] >= 65536]
        self.assertEqual(loser["unread"], kept[0]["queueOffset"] - 10)

    def test_export_beside_a_running_node_in_each_form(self):
        done = self.store("export", str(self.node.directory), "--topic", "t")
        self.assertEqual(done.code, 0, done.err)
        self.assertEqual(done.lines(), self.lines)
        done = self.store("export", str(self.node.directory), "--topic", "t", "--format", "length")
        bodies, rest = [], done.out
        while rest:
            (length,) = struct.unpack(">I", rest[:4])
            bodies.append(rest[4:4 + length])
            rest = rest[4 + length:]
        self.assertEqual(bodies, self.lines)
        done = self.store("export", str(self.node.directory), "--format", "json")
        self.assertEqual(len(done.json()), 1001)

    def test_export_of_a_time_range(self):
        done = self.store("export", str(self.node.directory), "--begin", "2100-01-01T00:00:00Z")
        self.assertEqual((done.code, done.out), (0, b""))
        done = self.store("export", str(self.node.directory), "--begin", "-1h")
        self.assertEqual(len(done.lines()), 1001)

    def test_export_leaves_out_what_was_deleted_with_its_topic(self):
        self.assertEqual(self.node.run("topic", "delete", "t", "--yes").code, 0)
        done = self.store("export", str(self.node.directory))
        self.assertEqual(done.lines(), [b"o"])

    def test_export_refuses_a_range_that_ends_before_it_begins(self):
        done = self.store("export", str(self.node.directory), "--begin", "-1m", "--end", "-1h")
        self.assertEqual(done.code, 1)


if __name__ == "__main__":
    unittest.main()
