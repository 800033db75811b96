"""Alerts and dashboard against a node and a real Prometheus. prometheus_test.py TROUPE EXAMPLES

Takes `prometheus`, `promtool` and python3-yaml; `./dev deploy` runs it."""
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/cli"))
from harness import Node, programs, run, wait_until  # noqa: E402
from ports import reserve  # noqa: E402
from remoting import UPDATE_OFFSET, Client  # noqa: E402

TROUPE, _ = programs()
HERE = ROOT / "deploy/prometheus"
ALERTS = yaml.safe_load((HERE / "alerts.yml").read_text())["groups"][0]["rules"]
BOARD = json.loads((ROOT / "deploy/grafana/troupe.json").read_text())
METRIC = re.compile(r"\b(?:troupe|rocketmq)_[a-z0-9_]+")


def panel_queries():
    return [(panel["title"], target["expr"])
            for panel in BOARD["panels"] for target in panel.get("targets", [])]


def variable_queries():
    return [v["query"]["query"] for v in BOARD["templating"]["list"] if v["type"] == "query"]


def for_prometheus(query):
    """What Grafana makes of it when all nodes are chosen; a number is asked for each second."""
    for name, value in (("$cluster", ".*"), ("$node", ".*"), ("$__rate_interval", "30s")):
        query = query.replace(name, value)
    return query


class Rules(unittest.TestCase):
    def promtool(self, *arguments):
        done = run("promtool", *arguments, cwd=HERE)
        self.assertEqual(done.code, 0, done.err + done.out.decode())

    def test_rules_and_example_are_well_formed(self):
        self.promtool("check", "rules", "alerts.yml")
        self.promtool("check", "config", "prometheus.yml")

    def test_rules_do_what_they_should(self):
        self.promtool("test", "rules", "alerts_test.yml")

    def test_each_alert_is_tested_silent_and_firing(self):
        cases = yaml.safe_load((HERE / "alerts_test.yml").read_text())["tests"]
        checks = [check for case in cases for check in case["alert_rule_test"]]
        named = {rule["alert"] for rule in ALERTS}
        self.assertEqual(len(named), len(ALERTS))
        self.assertEqual({c["alertname"] for c in checks if c.get("exp_alerts")}, named)
        self.assertEqual({c["alertname"] for c in checks if not c.get("exp_alerts")}, named)

    def test_each_alert_has_its_row_in_the_runbook(self):
        text = (ROOT / "docs/operating.md").read_text()
        part = re.search(r"^#+ Runbook$(.*?)^## ", text, re.MULTILINE | re.DOTALL)
        rows = re.findall(r"^\| `(Troupe\w+)`(?: \| [^|]+){3} \|$", part[1], re.MULTILINE)
        self.assertEqual(sorted(rows), sorted(rule["alert"] for rule in ALERTS))

    def test_dashboard_is_well_formed(self):
        panels = BOARD["panels"]
        self.assertEqual(len({p["id"] for p in panels}), len(panels))
        taken = set()
        for panel in panels:
            at = panel["gridPos"]
            self.assertLessEqual(at["x"] + at["w"], 24, panel["title"])
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"])
                     for y in range(at["y"], at["y"] + at["h"])}
            self.assertFalse(cells & taken, f"{panel['title']} covers another panel")
            taken |= cells
            refs = [target["refId"] for target in panel.get("targets", [])]
            self.assertEqual(len(set(refs)), len(refs))
        for title, query in panel_queries():
            self.assertEqual(query.count('cluster=~"$cluster", node_id=~"$node"'),
                             len(METRIC.findall(query)), title)


class Prometheus:
    """One that asks a node every second, with the alerts loaded."""

    def __init__(self, home, target):
        self.port = reserve(1)[0]
        config = home / "prometheus.yml"
        config.write_text(json.dumps({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(HERE / "alerts.yml")],
            "scrape_configs": [{"job_name": "troupe", "static_configs": [{"targets": [target]}]}]}))
        with open(home / "prometheus.log", "wb") as log:
            self.process = subprocess.Popen(
                ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={home}/tsdb",
                 f"--web.listen-address=127.0.0.1:{self.port}"], stdout=log, stderr=log)

    def is_up(self):
        assert self.process.poll() is None, "Prometheus has ended"
        try:
            url = f"http://127.0.0.1:{self.port}/-/ready"
            with urllib.request.urlopen(url, timeout=20) as answer:
                return answer.status == 200
        except OSError:
            return False

    def clean_up(self):
        self.process.terminate()
        self.process.wait()

    def ask(self, path, **fields):
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(fields)}"
        try:
            with urllib.request.urlopen(url, timeout=20) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as wrong:
            raise AssertionError(f"{fields}: {wrong.read().decode()}") from wrong

    def query(self, text):
        return [float(one["value"][1]) for one in self.ask("query", query=text)["result"]]

    def alerts(self):
        """Those that fire or would when it goes on."""
        return {one["labels"]["alertname"] for one in self.ask("alerts")["alerts"]}


class Traffic:
    """A RocketMQ client that sends, pulls and stores its progress one message behind."""

    def __init__(self, port):
        self.client = Client(port)
        assert self.client.heartbeat("c", group="G", topic="t").code == 0
        self.end = threading.Event()
        self.failure = None
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def work(self):
        try:
            sent = 0
            while not self.end.is_set():
                self.client.send("t", b"x" * 1000)
                self.client.pull("t", sent)
                self.client.post(UPDATE_OFFSET, oneway=True, consumerGroup="G", topic="t",
                                 queueId=0, commitOffset=sent)
                sent += 1
                self.client.ask(9999)  # a code that nobody answers
                time.sleep(0.01)
        except Exception as failure:  # told by clean_up
            self.failure = failure

    def clean_up(self):
        self.end.set()
        self.thread.join()
        self.client.close()
        if self.failure is not None:
            raise self.failure


class Scraped(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        home = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.node = Node(TROUPE, home, more="[cleaner]\ninterval = 200ms")
        cls.addClassCleanup(cls.node.clean_up)
        cls.node.start()
        done = cls.node.run("topic", "create", "t", "--queues", 1)
        assert done.code == 0, done.err
        cls.prometheus = Prometheus(home, f"127.0.0.1:{cls.node.admin_port}")
        cls.addClassCleanup(cls.prometheus.clean_up)
        wait_until("Prometheus is up", cls.prometheus.is_up)
        traffic = Traffic(cls.node.remoting_port)
        cls.addClassCleanup(traffic.clean_up)
        done = cls.node.run("produce", "t", stdin=b"a\nb\n")
        assert done.code == 0, done.err
        cls.go_through_it()

    @classmethod
    def go_through_it(cls):
        """First all is well for a while; then the directory goes, and writes are refused."""
        wait_until("a rate of sends", lambda: any(
            cls.prometheus.query("rate(rocketmq_messages_in_total[10s]) > 0")))
        wait_until("lag", lambda: cls.prometheus.query("rocketmq_consumer_lag_messages"))
        time.sleep(3)  # every alert's rule has been looked at while all is well
        cls.alerts_when_well = cls.prometheus.alerts()
        cls.node.directory.rename(cls.node.home / "elsewhere")
        wait_until("refusals", lambda: any(
            cls.prometheus.query('rate(troupe_refused_requests_total[10s]) > 0')))
        wait_until("the rules see it", lambda: "TroupeNotWritable" in cls.prometheus.alerts())
        cls.alerts_when_not = cls.prometheus.alerts()

    def metrics(self):
        url = f"http://127.0.0.1:{self.node.admin_port}/metrics"
        with urllib.request.urlopen(url, timeout=20) as answer:
            return set(re.findall(r"^([a-z]\w*)\{", answer.read().decode(), re.MULTILINE))

    def test_each_query_of_the_dashboard_gives_numbers(self):
        for title, query in panel_queries():
            with self.subTest(title, query=query):
                found = self.prometheus.query(for_prometheus(query))
                self.assertTrue(found)
                self.assertFalse([n for n in found if n != n or n < 0], "no numbers")

    def test_what_happened_is_seen(self):
        queries = dict(panel_queries())
        for title in ("Messages in", "Messages out", "Time of sends", "Time of pulls", "Flushes",
                      "Connections", "Producers and consumers", "Disk used", "Commit log"):
            with self.subTest(title):
                self.assertTrue(any(self.prometheus.query(for_prometheus(queries[title]))))
        unknown = "rate(troupe_unknown_requests_total[30s])"
        self.assertTrue(any(self.prometheus.query(unknown)))

    def test_the_variables_of_the_dashboard_have_values(self):
        for query in variable_queries():
            metric, label = re.fullmatch(r"label_values\((.*), (\w+)\)", query).groups()
            found = self.prometheus.ask("query", query=for_prometheus(metric))["result"]
            self.assertTrue(found and all(one["metric"].get(label) for one in found), query)

    def test_every_metric_that_is_named_exists(self):
        there = self.metrics()
        named = {name for rule in ALERTS for name in METRIC.findall(rule["expr"])}
        named |= {name for _, query in panel_queries() for name in METRIC.findall(query)}
        named |= {name for query in variable_queries() for name in METRIC.findall(query)}
        self.assertGreater(len(named), 40)
        self.assertEqual(named - there, set())

    def test_every_metric_has_a_place_in_the_dashboard(self):
        shown = {name for _, query in panel_queries() for name in METRIC.findall(query)}
        base = {re.sub("_(bucket|sum|count)$", "", name) for name in shown}
        there = {re.sub("_(bucket|sum|count)$", "", name) for name in self.metrics()
                 if METRIC.fullmatch(name)}
        self.assertEqual(there - base, set())

    def test_labels_that_rules_and_panels_take_exist(self):
        texts = [rule["expr"] + rule["annotations"]["summary"] for rule in ALERTS]
        taken = {label for text in texts for label in re.findall(r"\$labels\.(\w+)", text)}
        for panel in BOARD["panels"]:
            for target in panel.get("targets", []):
                labels = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
                found = self.prometheus.ask("query", query=for_prometheus(target["expr"]))["result"]
                for one in found:
                    self.assertLessEqual(labels, set(one["metric"]), panel["title"])
        known = set(self.prometheus.ask("labels"))
        self.assertLessEqual(taken, known)

    def test_alerts_of_a_node_that_is_well_and_of_one_that_refuses(self):
        # How full the machine's disk is nobody decides here.
        self.assertEqual(self.alerts_when_well - {"TroupeDiskUsed", "TroupeDiskFull"}, set())
        self.assertIn("TroupeNotWritable", self.alerts_when_not)
        rules = self.prometheus.ask("rules")["groups"][0]["rules"]
        self.assertEqual(len(rules), len(ALERTS))
        for rule in rules:
            self.assertEqual(rule["health"], "ok", rule)

    def test_alert_of_a_node_that_is_not_there(self):
        with tempfile.TemporaryDirectory() as home:
            lonely = Prometheus(Path(home), f"127.0.0.1:{reserve(1)[0]}")
            try:
                wait_until("Prometheus is up", lonely.is_up)
                wait_until("it is missed", lambda: lonely.alerts() == {"TroupeDown"})
            finally:
                lonely.clean_up()


if __name__ == "__main__":
    unittest.main()
