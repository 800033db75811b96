"""Every event of the log stands in docs/events.md, and nothing else. events_test.py ROOT"""
import re
import sys
import unittest
from pathlib import Path

ROOT = Path(sys.argv.pop(1))
FOLDERS = ["storage", "actors", "net", "cli", "sim"]
NAME = r'"([a-z0-9_]+(?:\.[a-z0-9_]+)?)"'
# The first text of a call; of two that a condition parts, both. What has `event` as a parameter is
# called by `say`.
CALL = re.compile(r'\b(?:log_(?:info|warning|error)|rendered|say)\(\s*'
                  r'(?:[^",;{}()]|\([^)]*\))*?' + NAME + r'(?:\s*:\s*' + NAME + ")?")
OF_THE_SINK = {"log.lines_left_out"}  # put together by hand, as it must not wait for anything


def events_of_sources():
    found = set(OF_THE_SINK)
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.?pp"):
            for match in CALL.finditer(path.read_text(encoding="utf-8")):
                found.update(name for name in match.groups() if name)
    return found


def rows_of_page():
    page = (ROOT / "docs/events.md").read_text(encoding="utf-8")
    return re.findall(r"^\| `([^`]+)` \| (.+) \| (.+) \|$", page, re.MULTILINE)


class Events(unittest.TestCase):
    def test_every_event_is_documented_and_the_other_way_round(self):
        self.assertEqual(sorted(events_of_sources()), [name for name, _, _ in rows_of_page()])

    def test_the_search_finds_events_at_all(self):
        self.assertTrue({"role.died", "disk.has_room", "delay.waiting", "log.repeated"} <=
                        events_of_sources())
        self.assertGreater(len(events_of_sources()), 90)


if __name__ == "__main__":
    unittest.main()
