"""What the tests of real faults share: a ledger of acknowledged messages, and faults at will.

A test program is called with the path of `troupe` and that of the library of preload.c."""
import base64
import json
import os
import random
import re
import subprocess
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "cli"))
from harness import PATIENCE, Load, NodeTest, programs, wait_until  # noqa: E402,F401

SKIPPED = 77  # the exit code that ctest shows as "Skipped"
QUEUES = 8
SEED = int(os.environ.get("FAULT_SEED", "20240607"))
TROUPE, LIBRARY = programs()
NodeTest.troupe = TROUPE


def in_private_mounts():
    """Runs this program again where its mounts are its own and end with it, or skips it aloud."""
    if os.environ.get("FAULT_MOUNTS") == "private":
        return
    unshare = ["unshare", "-m" if os.geteuid() == 0 else "-rm"]
    probe = subprocess.run([*unshare, "mount", "-t", "tmpfs", "tmpfs", "/tmp"], check=False,
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if probe.returncode != 0:
        print("no private mounts for this user, so this was not tested:", probe.stderr.decode())
        sys.exit(SKIPPED)
    os.environ["FAULT_MOUNTS"] = "private"
    os.execvp("unshare", [*unshare, sys.executable, sys.argv[0], TROUPE, LIBRARY, *sys.argv[1:]])


class Faults:
    """The faults of a node's process, through preload.c; empty until the first `set`."""

    def __init__(self, node):
        self.plan = node.home / "faults"
        self.hits_file = node.home / "faults.hits"
        node.spawn["env"] = {**os.environ, "LD_PRELOAD": str(LIBRARY), "FAULT_PLAN": str(self.plan)}

    def set(self, *rules):
        """Each: call, part of the path, error number or word, and if wanted skip and times."""
        lines = []
        for call, part, action, *more in rules:
            skip, times = more + [0, -1][len(more):]
            lines.append(f"{call} {part} {action} {skip} {times}\n")
        fresh = self.plan.with_suffix(".new")
        fresh.write_text("".join(lines))
        fresh.rename(self.plan)

    def clear(self):
        self.plan.unlink(missing_ok=True)

    def hits(self):
        """The faults so far, as "CALL PATH"."""
        return self.hits_file.read_text().splitlines() if self.hits_file.exists() else []


class LifeLoad(Load):
    """A `Load` whose lines also name the life of the node in which they were sent."""
    batch = 8  # small, so that a life has many writes and few messages

    def __init__(self, node, topic, life):
        self.life = life
        super().__init__(node, topic)

    def line(self, number):
        return line(self.life, number)


def line(life, number):
    return b"%04d:%08d:" % (life, number) + b"x" * (number % 300)


class LedgerTest(NodeTest):
    """A node whose acknowledged messages are all remembered, over any number of its lives."""
    topic = "t"

    def setUp(self):
        super().setUp()
        self.random = random.Random(SEED)
        self.faults = Faults(self.node)
        self.life = 0  # of the lines that are sent next
        self.sent = {}  # life -> how many of its first lines were acknowledged
        self.settled = 0  # what was sent before this life is in `seen`, if it was stored
        self.seen = [[] for _ in range(QUEUES)]  # what is in each queue, for ever

    def run(self, result=None):
        before = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > before:
            print(f"FAULT_SEED={SEED}, life {self.life}", file=sys.stderr)
            if self.node.home.exists():
                print(self.node.log()[-3000:], file=sys.stderr)

    def load(self):
        """Starts to send without end."""
        load = LifeLoad(self.node, self.topic, self.life)
        self.addCleanup(load.clean_up)
        return load

    def settle(self, load):
        """Waits for the end of a load; the ledger knows then what was acknowledged."""
        killer = threading.Timer(PATIENCE, load.process.kill)
        killer.start()  # a load that nothing ends fails the test
        said, complaint, code = load.result()
        killer.cancel()
        acknowledged = said["acknowledged"] if said else 0
        self.sent[load.life] = acknowledged
        self.life += 1
        self.assertEqual(code, 1, complaint)
        return acknowledged, complaint

    def produce(self, count):
        """Sends so many lines; answers what the command did, and what was acknowledged."""
        lines = b"".join(line(self.life, i) + b"\n" for i in range(count))
        done = self.node.run("produce", self.topic, "--output", "json", "--batch", "50",
                             stdin=lines)
        acknowledged = done.json()[0]["acknowledged"] if done.out else 0
        self.sent[self.life] = acknowledged
        self.life += 1
        return done, acknowledged

    def stored(self, bytes_in_log):
        wait_until("enough is stored",
                   lambda: self.node.status()["logMaxOffset"] > bytes_in_log)

    def check_ledger(self, expired=False, for_ever=True):
        """Every acknowledged message is there, equal, in order; nothing else is; no holes. Before a
        restart there may be more to come of those that were not acknowledged."""
        if not any(self.sent.values()) and self.topic_is_missing():
            return
        queues = [[] for _ in range(QUEUES)]
        for text in self.good("consume", self.topic, "--output", "json").lines():
            message = json.loads(text)
            queues[message["queueId"]].append((message["queueOffset"], message["body"]))
        for queue, messages in enumerate(queues):
            self.check_queue(queue, messages, expired, for_ever)
        if for_ever:
            self.settled = self.life

    def topic_is_missing(self):
        topics = self.good("topic", "list", "--output", "json").json()
        return self.topic not in [t["topic"] for t in topics]

    def behind_what_expired_meanwhile(self, queue, messages):
        """Files go also between two pulls of one reader, who leaps over what was in them."""
        leaps = [i for i in range(1, len(messages)) if messages[i][0] > messages[i - 1][0] + 1]
        if not leaps:
            return messages
        begins = self.good("topic", "describe", self.topic, "--output", "json").json()[queue]
        self.assertGreaterEqual(begins["minOffset"], messages[leaps[-1]][0], "a hole")
        return messages[leaps[-1]:]

    def check_queue(self, queue, messages, expired, for_ever):
        seen = self.seen[queue]
        if expired:
            messages = self.behind_what_expired_meanwhile(queue, messages)
        first = messages[0][0] if messages and expired else 0
        offsets, bodies = [m[0] for m in messages], [base64.b64decode(m[1]) for m in messages]
        self.assertEqual(offsets, list(range(first, first + len(messages))), "a hole")
        old = seen[first:]
        self.assertEqual(bodies[:len(old)], old, f"queue {queue}: one that was there is another")
        new = bodies[len(old):]
        gone = max(0, first - len(seen))  # expired before anybody looked
        at = 0
        for life in range(self.settled, self.life):
            begin = at - gone
            while at < len(new) and new[at] == line(life, queue + QUEUES * (at - begin)):
                at += 1
            self.assertGreaterEqual(at - begin, len(range(queue, self.sent[life], QUEUES)),
                                    f"queue {queue}: acknowledged in life {life} and not there")
            gone = 0
        self.assertEqual(new[at:at + 1], [], f"queue {queue}: never sent, or out of order")
        if for_ever:
            seen.extend([None] * (first - len(seen)) + new)

    def check_stop(self):
        """An orderly stop is one, and leaves a directory without a fault."""
        self.assertEqual(self.node.stop(), 0, self.node.log())
        self.check_stopped()

    def check_stopped(self):
        self.assertFalse((self.node.directory / "abort").exists())
        verified = self.node.verify()
        self.assertEqual(verified.code, 0, verified.out)

    def start_fails(self, *words):
        """A start ends with exit code 1, without a ready line, and says each of the words."""
        before = len(self.node.log())
        process = self.node.launch()
        self.addCleanup(process.kill)
        out, _ = process.communicate(timeout=PATIENCE)
        said = self.node.log()[before:]
        self.assertEqual((process.returncode, out), (1, b""), said)
        for word in words:
            self.assertRegex(said, word)

    def assert_refuses(self, *words):
        """Nothing is stored any more, and both producer and status say why."""
        done, acknowledged = self.produce(20)
        self.assertEqual(acknowledged, 0)
        self.assert_refused(done, 1, "not stored", *words)
        status = self.node.status()
        self.assertFalse(status["writable"])
        for word in words:
            self.assertRegex(status["reason"], word)

    def assert_accepts(self):
        done, acknowledged = self.produce(400)
        self.assertEqual((done.code, acknowledged), (0, 400), done.err)

    def killed(self):
        """Waits until the fault has ended the process."""
        self.assertEqual(self.node.wait(), -9, self.node.log())

    def last_start(self):
        """What the log says about the last start."""
        return re.findall(r"store\.opened.*", self.node.log())[-1]
