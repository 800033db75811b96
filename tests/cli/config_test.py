"""What `troupe config` says of a file, and which surroundings commands heed. config_test.py TROUPE EXAMPLES"""
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness import Done, NodeTest, programs, run

TROUPE, _ = programs()
NodeTest.troupe = TROUPE

FILE = """[store]
flush = sync
mapped-file-size-commit-log = 1MiB

[node a]
actor-port = 10
remoting-port = 20
name-server-port = 30
[node b]
actor-port = 11
remoting-port = 21
name-server-port = 31
"""


def run_with(environment, *arguments, cwd=None):
    done = subprocess.run([TROUPE, *arguments], capture_output=True, cwd=cwd, timeout=60,
                          env={**os.environ, **environment})
    return Done(done.returncode, done.stdout, done.stderr)


class Config(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.home = Path(temporary.name)
        self.file = self.home / "cluster.ini"
        self.file.write_text(FILE)

    def config(self, *arguments):
        return run(TROUPE, "config", *arguments, "--config", str(self.file), cwd=self.home)

    def values(self, *arguments):
        done = self.config(*arguments, "--output", "json")
        self.assertEqual(done.code, 0, done.err)
        return {(v["section"], v["key"], v.get("node")): v for v in done.json()}

    def test_check_counts_what_is_given(self):
        done = self.config("check", "--output", "json")
        self.assertEqual(done.code, 0, done.err)
        self.assertEqual(done.json()[0]["settings"], 8)
        self.assertEqual(done.json()[0]["nodes"], 2)

    def test_check_names_the_line_of_what_is_wrong(self):
        self.file.write_text(FILE.replace("flush = sync", "flush = never"))
        done = self.config("check")
        self.assertEqual(done.code, 1)
        self.assertIn(f"{self.file}:2:", done.err)

    def test_check_refuses_what_a_start_would_refuse(self):
        for more, word in (("[caf]\nno-such-thing = 1\n", "no-such-thing"),
                           ("[gateway]\naccounts = gone.yml\n", "gone.yml"),
                           ("[node c]\nactor-host = 0.0.0.0\nactor-port = 12\nremoting-port = 22\n"
                            "name-server-port = 32\n", "actor-host")):
            self.file.write_text(FILE + more)
            done = self.config("check")
            self.assertEqual(done.code, 1, more)
            self.assertIn(word, done.err)

    def test_show_says_where_each_value_comes_from(self):
        values = self.values("show")
        flush = values["store", "flush", None]
        self.assertEqual((flush["value"], flush["default"], flush["source"]),
                         ("sync", "async", f"{self.file}:2"))
        self.assertEqual(values["flusher", "dirty-budget", None]["source"], "default")
        self.assertEqual(values["store", "max-message-size", None]["value"], "1MiB")
        self.assertEqual(values["store", "max-message-size", None]["source"],
                         "follows other settings")
        self.assertEqual(values["node", "actor-port", "b"]["value"], "11")
        self.assertEqual(values["node", "actor-port", "b"]["source"], f"{self.file}:10")
        self.assertNotIn(("node", "actor-port", "a"), self.values("show", "--node", "b"))

    def test_show_given_shows_nothing_else(self):
        values = self.values("show", "--given")
        self.assertEqual(len(values), 8)
        self.assertTrue(all(v["source"].startswith(str(self.file)) for v in values.values()))

    def test_explain_without_a_file_knows_the_defaults(self):
        done = run(TROUPE, "config", "explain", "flush", cwd="/")
        self.assertEqual(done.code, 0, done.err)
        self.assertIn(b"default: async", done.out)
        self.assertNotIn(b"here:", done.out)

    def test_explain_takes_every_section_or_the_one_that_is_named(self):
        self.assertEqual(len(self.values("explain", "name-servers")), 3)  # gateway, two nodes
        self.assertEqual(len(self.values("explain", "gateway.name-servers")), 1)

    def test_an_unknown_key_is_a_usage_error_with_the_nearest(self):
        done = self.config("explain", "flsh")
        self.assertEqual(done.code, 2)
        self.assertIn("'flush'", done.err)
        self.assertIn("'store.flush'", self.config("explain", "store.flsh").err)

    def test_the_environment_names_a_configuration(self):
        done = run_with({"TROUPE_CONFIG": str(self.file)}, "config", "check", cwd="/")
        self.assertEqual(done.code, 0, done.err)
        done = run_with({"TROUPE_CONFIG": "/nowhere.ini"}, "config", "check", "--config",
                        str(self.file))
        self.assertEqual(done.code, 0, done.err)

    def test_a_bad_address_in_the_environment_is_a_usage_error(self):
        done = run_with({"TROUPE_CONNECT": "nonsense"}, "topic", "list", cwd=self.home)
        self.assertEqual(done.code, 2)
        self.assertIn("TROUPE_CONNECT", done.err)


class Program(unittest.TestCase):
    def test_the_version_names_commit_and_libraries(self):
        lines = dict(line.split(None, 1) for line in
                     run(TROUPE, "--version").out.decode().splitlines())
        self.assertTrue({"troupe", "commit", "CAF", "Boost", "OpenSSL"} <= set(lines), lines)

    def test_completion_scripts_are_what_the_shell_understands(self):
        script = run(TROUPE, "completion", "bash").out
        self.assertEqual(run("bash", "-n", stdin=script).code, 0)
        self.assertEqual(run(TROUPE, "completion", "csh").code, 2)

    def test_completion_answers_where_no_node_is(self):
        done = run(TROUPE, "__complete", "--connect", "127.0.0.1:1", "topic", "describe", "")
        self.assertEqual((done.code, done.out), (0, b""))


class Environment(NodeTest):
    def test_completion_names_the_topics_of_the_node(self):
        self.node.start()
        self.assertEqual(self.node.run("topic", "create", "abc").code, 0)
        done = run(TROUPE, "__complete", "topic", "describe", "--connect", self.node.address, "a")
        self.assertEqual(done.out, b"abc\ttopic\n")

    def test_the_environment_names_a_node_unless_the_command_line_does(self):
        self.node.start()
        address = {"TROUPE_CONNECT": self.node.address}
        self.assertEqual(run_with(address, "topic", "list", cwd="/").code, 0)
        wrong = {"TROUPE_CONNECT": "127.0.0.1:1"}
        done = run_with(wrong, "topic", "list", "--config", str(self.node.config))
        self.assertEqual(done.code, 0, done.err)
        done = run_with(wrong, "topic", "list", "--connect", self.node.address)
        self.assertEqual(done.code, 0, done.err)


if __name__ == "__main__":
    unittest.main()
