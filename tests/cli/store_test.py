"""`troupe store` against stores that the Java store wrote: python3 store_test.py TROUPE GOLDEN"""
import base64
import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib
from pathlib import Path

TROUPE, GOLDEN = Path(sys.argv[1]), Path(sys.argv[2])
STORES = ["normal-5.3.3", "normal-4.9.8", "crash-5.3.3", "extras-5.3.3", "propcrc-5.3.3"]
FILE_SIZE = 65536


def troupe(*arguments):
    done = subprocess.run([TROUPE, *arguments], capture_output=True)
    return done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8")


def manifest(name):
    with open(GOLDEN / name / "manifest.jsonl", encoding="utf-8") as lines:
        return sorted((json.loads(line) for line in lines), key=lambda m: m["physOffset"])


def state_of(directory):
    """Everything that a write would change."""
    out = {}
    for path in sorted([directory, *directory.rglob("*")]):
        info = path.stat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
        out[str(path)] = (content, info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino)
    return out


class Store(unittest.TestCase):
    """A copy of a golden store that a test may damage."""
    name = "normal-5.3.3"

    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.dir = Path(self.temporary.name) / "store"
        self.take(self.name)

    def tearDown(self):
        self.temporary.cleanup()

    def take(self, name):
        shutil.rmtree(self.dir, ignore_errors=True)
        shutil.copytree(GOLDEN / name / "store", self.dir)
        for path in [self.dir, *self.dir.rglob("*")]:
            os.chmod(path, 0o755 if path.is_dir() else 0o644)

    def log_file(self, offset):
        return self.dir / "commitlog" / f"{offset // FILE_SIZE * FILE_SIZE:020}"

    def queue_file(self, topic, queue, start=0):
        return self.dir / "consumequeue" / topic / str(queue) / f"{start:020}"

    def write(self, path, at, content):
        with open(path, "r+b") as file:
            file.seek(at)
            file.write(content)

    def read(self, path, at, count):
        return path.read_bytes()[at:at + count]

    def flip(self, path, at):
        self.write(path, at, bytes([self.read(path, at, 1)[0] ^ 0x10]))

    def verify(self):
        """Exit code, findings, and the closing object."""
        code, out, _ = troupe("store", "verify", str(self.dir), "--output", "json")
        lines = [json.loads(line) for line in out.splitlines()]
        findings, closing = lines[:-1], lines[-1]
        self.assertEqual(closing["findings"], len(findings))
        self.assertEqual(code, 1 if findings else 0)
        return findings, closing

    def assert_only(self, path, at, *words):
        """Verify finds exactly this one thing."""
        findings, _ = self.verify()
        self.assertEqual([(f["file"], f["at"]) for f in findings], [(str(path), at)], findings)
        for word in words:
            self.assertIn(word, findings[0]["what"])

    def assert_noted(self, path, words):
        """Verify finds nothing, and says something about this file all the same."""
        self.assertEqual(self.verify()[0], [])
        _, _, notes = troupe("store", "verify", str(self.dir))
        self.assertIn(f"{path}:0: ", notes)
        self.assertIn(words, notes)


class Golden(unittest.TestCase):
    def test_dump_agrees_with_the_manifest_field_by_field(self):
        for name in STORES:
            code, out, _ = troupe("store", "dump", str(GOLDEN / name / "store"))
            self.assertEqual(code, 0)
            dumped = [json.loads(line) for line in out.splitlines()]
            expected = manifest(name)
            self.assertEqual(len(dumped), len(expected), name)
            for got, want in zip(dumped, expected):
                want.pop("kind")
                body = base64.b64decode(got.pop("body"), validate=True)
                self.assertEqual(zlib.crc32(body) & 0x7fffffff if body else 0, got.pop("bodyCrc"))
                self.assertEqual(len(body), got["bodyLen"])
                self.assertEqual(hashlib.sha256(body).hexdigest(), got["bodySha256"])
                if name.startswith("propcrc"):
                    self.assertEqual(len(got["properties"].pop("__CRC32#")), 10)
                self.assertEqual(got, want)

    def test_the_keys_of_a_line_have_one_order(self):
        _, out, _ = troupe("store", "dump", str(GOLDEN / STORES[0] / "store"))
        keys = ("topic queueId queueOffset physOffset size storeTimestamp bornTimestamp bornHost "
                "storeHost sysFlag flag reconsumeTimes preparedTransactionOffset tags keys uniqKey "
                "properties bodyCrc bodyLen bodySha256 body msgId").split()
        for line in out.splitlines():
            self.assertEqual(list(json.loads(line)), keys)

    def test_verify_finds_nothing(self):
        for name in STORES:
            code, out, err = troupe("store", "verify", str(GOLDEN / name / "store"))
            self.assertEqual((code, out.splitlines()[-1]), (0, "nothing found"), name + out)
            self.assertEqual("abort is there" in err, name.startswith("crash"))

    def test_stats_count_what_the_manifest_lists(self):
        for name in STORES:
            code, out, _ = troupe("store", "stats", str(GOLDEN / name / "store"), "--output", "json")
            stats, messages = json.loads(out), manifest(name)
            self.assertEqual(code, 0)
            self.assertEqual(stats["messages"], len(messages))
            self.assertEqual(stats["recordBytes"], sum(m["size"] for m in messages))
            self.assertEqual(stats["bodyBytes"], sum(m["bodyLen"] for m in messages))
            self.assertEqual(stats["lastStoreTimestamp"], max(m["storeTimestamp"] for m in messages))
            self.assertEqual(stats["logMaxOffset"], messages[-1]["physOffset"] + messages[-1]["size"])
            self.assertEqual(stats["logFileSize"], FILE_SIZE)
            self.assertEqual(stats["queueFileSize"], 20000)
            topics = {t["topic"]: t["messages"] for t in stats["topics"]}
            for topic in {m["topic"] for m in messages}:
                self.assertEqual(topics[topic], sum(m["topic"] == topic for m in messages))
            keys = sum(bool(m["uniqKey"]) + len((m["keys"] or "").split()) for m in messages
                       if m["sysFlag"] & 0xc != 0xc)
            self.assertEqual(stats["indexEntries"], keys)

    def test_stats_for_people_name_the_topics(self):
        code, out, _ = troupe("store", "stats", str(GOLDEN / STORES[0] / "store"))
        self.assertEqual(code, 0)
        self.assertIn("11 files of 64KiB", out)
        self.assertIn("TopicMany: 1100 messages", out)


class ReadOnly(Store):
    def test_no_verb_writes_a_byte(self):
        for name in STORES:
            self.take(name)
            self.flip(self.log_file(0), 100)
            before = state_of(self.dir)
            for verb in ("dump", "verify", "stats"):
                troupe("store", verb, str(self.dir))
                self.assertEqual(state_of(self.dir), before, verb)


class LogDamage(Store):
    def setUp(self):
        super().setUp()
        self.messages = manifest(self.name)

    def body_at(self, message):
        return message["physOffset"] % FILE_SIZE + 88

    def middle(self):
        return next(m for m in self.messages[700:] if m["bodyLen"] > 0)

    def test_a_flipped_body_in_the_middle(self):
        m = self.middle()
        self.flip(self.log_file(m["physOffset"]), self.body_at(m))
        findings, closing = self.verify()
        place = (str(self.log_file(m["physOffset"])), m["physOffset"] % FILE_SIZE)
        self.assertEqual((findings[0]["file"], findings[0]["at"]), place)
        self.assertIn("CRC of the body is wrong", findings[0]["what"])
        self.assertIn(f"to {m['physOffset'] + m['size']}:", findings[0]["what"])
        self.assertEqual(closing["messages"], len(self.messages) - 1)
        # Its queue entry and its keys point to nothing now.
        queue = [f for f in findings if "consumequeue" in f["file"]]
        self.assertEqual([f["at"] for f in queue], [m["queueOffset"] * 20])
        keys = 1 + len((m["keys"] or "").split())
        self.assertEqual(len([f for f in findings if "/index/" in f["file"]]), keys)

    def test_dump_goes_on_behind_damage_and_says_so(self):
        m = self.middle()
        self.flip(self.log_file(m["physOffset"]), self.body_at(m))
        code, out, err = troupe("store", "dump", str(self.dir))
        self.assertEqual(code, 1)
        self.assertIn(f"{self.log_file(m['physOffset'])}:{m['physOffset'] % FILE_SIZE}:", err)
        got = [json.loads(line)["physOffset"] for line in out.splitlines()]
        self.assertEqual(got, [x["physOffset"] for x in self.messages if x is not m])

    def test_a_wrong_magic_number(self):
        m = self.middle()
        self.write(self.log_file(m["physOffset"]), m["physOffset"] % FILE_SIZE + 4, b"\1\2\3\4")
        findings, _ = self.verify()
        self.assertIn("magic", findings[0]["what"])

    def test_a_record_that_belongs_elsewhere(self):
        m = self.middle()
        self.write(self.log_file(m["physOffset"]), m["physOffset"] % FILE_SIZE + 28,
                   struct.pack(">q", m["physOffset"] + 1))
        findings, _ = self.verify()
        self.assertIn("belongs to another offset", findings[0]["what"])

    def test_a_torn_last_record(self):
        m = self.messages[-1]
        half = m["size"] // 2
        self.write(self.log_file(m["physOffset"]), m["physOffset"] % FILE_SIZE + half,
                   bytes(m["size"] - half))
        findings, closing = self.verify()
        self.assertIn("the log ends here", findings[0]["what"])
        self.assertEqual(closing["logMaxOffset"], m["physOffset"])
        self.assertIn("points beyond the log's end", findings[1]["what"])
        code, out, err = troupe("store", "dump", str(self.dir))
        self.assertEqual((code, len(out.splitlines())), (0, len(self.messages) - 1))
        self.assertIn("the log ends here", err)

    def test_a_missing_file_in_the_middle(self):
        gone = self.log_file(5 * FILE_SIZE)
        gone.unlink()
        findings, _ = self.verify()
        self.assertEqual((findings[0]["file"], findings[0]["at"]), (str(gone), 0))
        self.assertIn("is missing: the log has a hole", findings[0]["what"])
        code, out, _ = troupe("store", "dump", str(self.dir))
        lost = [m for m in self.messages if m["physOffset"] // FILE_SIZE == 5]
        self.assertEqual(len(out.splitlines()), len(self.messages) - len(lost))
        self.assertEqual(code, 1)

    def test_missing_first_files_are_no_damage(self):
        for i in range(4):
            self.log_file(i * FILE_SIZE).unlink()
        findings, closing = self.verify()
        self.assertEqual(findings, [])
        self.assertEqual(closing["logMinOffset"], 4 * FILE_SIZE)

    def test_a_file_one_byte_short(self):
        path = self.log_file(3 * FILE_SIZE)
        os.truncate(path, FILE_SIZE - 1)
        findings, _ = self.verify()
        self.assertEqual((findings[0]["file"], findings[0]["at"]), (str(path), 0))
        self.assertIn("has 65535 bytes instead of 65536", findings[0]["what"])

    def test_a_foreign_file(self):
        path = self.dir / "commitlog" / "notes.txt"
        path.write_text("x")
        self.assert_noted(path, "is no file of this store")

    def test_foreign_files_elsewhere(self):
        topic = self.queue_file(self.messages[0]["topic"], 0).parent.parent
        for path in (self.dir / "consumequeue" / "notes.txt", topic / "notes.txt",
                     self.dir / "index" / "notes.txt"):
            path.write_text("x")
            self.assert_noted(path, "it is ignored")
            path.unlink()

    def test_an_index_file_that_a_kill_left_empty(self):
        path = self.dir / "index" / "20991231235959999"
        path.write_text("")
        self.assert_noted(path, "the next start removes it")

    def test_bytes_that_are_no_utf8_still_make_json(self):
        m = self.messages[0]
        path, at = self.log_file(0), m["physOffset"] % FILE_SIZE
        found = self.read(path, 0, FILE_SIZE).index("é".encode(), at)
        self.write(path, found, b"\xff\xfe")
        _, out, _ = troupe("store", "dump", str(self.dir))
        region = json.loads(out.splitlines()[0])["properties"]["region"]
        self.assertEqual(region, "eu-\ufffd\ufffdè-0")


class QueueDamage(Store):
    def setUp(self):
        super().setUp()
        self.path = self.queue_file("TopicOrders", 2)
        self.count = sum(m["topic"] == "TopicOrders" and m["queueId"] == 2
                         for m in manifest(self.name))

    def entry(self, number):
        return struct.unpack(">qiq", self.read(self.path, number * 20, 20))

    def put(self, number, entry):
        self.write(self.path, number * 20, struct.pack(">qiq", *entry))

    def test_a_wrong_size(self):
        offset, size, tags = self.entry(3)
        self.put(3, (offset, size + 1, tags))
        self.assert_only(self.path, 60, "entry 3 of queue TopicOrders/2", f"size {size + 1}")

    def test_a_wrong_tags_code(self):
        offset, size, tags = self.entry(3)
        self.put(3, (offset, size, tags + 1))
        self.assert_only(self.path, 60, "entry 3 of queue TopicOrders/2", f"tags code {tags}")

    def test_an_entry_of_another_record(self):
        self.put(3, self.entry(4))
        self.assert_only(self.path, 60, "entry 3 of queue TopicOrders/2")

    def test_a_damaged_entry(self):
        offset, _, tags = self.entry(3)
        self.put(3, (offset, -5, tags))
        findings, _ = self.verify()
        self.assertEqual({(f["file"], f["at"]) for f in findings}, {(str(self.path), 60)})

    def test_missing_entries_at_the_end(self):
        self.write(self.path, (self.count - 4) * 20, bytes(80))
        self.assert_only(self.path, (self.count - 4) * 20,
                         f"entries {self.count - 4} to {self.count - 1} of queue TopicOrders/2")

    def test_a_hole_between_entries(self):
        self.write(self.path, 60, bytes(20))
        findings, _ = self.verify()
        self.assertEqual(findings[-1]["at"], 60)
        self.assertIn("entry 3 of queue TopicOrders/2 is missing", findings[-1]["what"])
        self.assertIn("lies behind the queue's end", findings[0]["what"])
        self.assertEqual(len(findings), 1 + self.count - 4)

    def test_an_entry_of_no_record(self):
        offset, size, tags = self.entry(self.count - 1)
        self.put(self.count, (offset + 1, size, tags))
        self.assert_only(self.path, self.count * 20, "points to no record of its own")

    def test_an_entry_beyond_the_log(self):
        self.put(self.count, (1 << 40, 200, 0))
        self.assert_only(self.path, self.count * 20, "points beyond the log's end")

    def test_a_missing_queue(self):
        shutil.rmtree(self.path.parent)
        self.assert_only(self.path, 0, f"entries 0 to {self.count - 1} of queue TopicOrders/2")

    def test_a_short_file(self):
        os.truncate(self.path, 19980)
        findings, _ = self.verify()
        self.assertEqual((findings[0]["file"], findings[0]["at"]), (str(self.path), 0))
        self.assertIn("has 19980 bytes instead of 20000", findings[0]["what"])

    def test_messages_behind_all_queues_are_no_damage_while_a_node_runs(self):
        last = max(manifest(self.name), key=lambda m: m["physOffset"])
        at = last["queueOffset"] * 20
        path = self.queue_file(last["topic"], last["queueId"], at // 20000 * 20000)
        self.write(path, at % 20000, bytes(20))
        findings, _ = self.verify()
        self.assertEqual(len(findings), 1)
        (self.dir / "abort").touch()
        findings, closing = self.verify()
        self.assertEqual((findings, closing["notDispatched"]), ([], 1))


class IndexDamage(Store):
    SLOTS, HEADER = 100, 40

    def setUp(self):
        super().setUp()
        self.path = sorted((self.dir / "index").iterdir())[1]

    def entry_at(self, number):
        return self.HEADER + 4 * self.SLOTS + 20 * number

    def test_a_slot(self):
        hash_code = struct.unpack(">i", self.read(self.path, self.entry_at(1), 4))[0]
        at = self.HEADER + 4 * (hash_code % self.SLOTS)
        self.write(self.path, at, struct.pack(">i", 399))
        self.assert_only(self.path, at, "begins at entry 399")

    def test_a_chain(self):
        at = self.entry_at(7) + 16
        self.write(self.path, at, struct.pack(">i", 7))
        self.assert_only(self.path, at, "entry 7 goes back to 7")

    def test_a_key(self):
        at = self.entry_at(7)
        hash_code = struct.unpack(">i", self.read(self.path, at, 4))[0]
        self.write(self.path, at, struct.pack(">i", hash_code + self.SLOTS))
        self.assert_only(self.path, at, "entry 7 points to the record", "holds no key")

    def test_an_offset_between_records(self):
        at = self.entry_at(7)
        offset = struct.unpack(">q", self.read(self.path, at + 4, 8))[0]
        self.write(self.path, at + 4, struct.pack(">q", offset + 1))
        self.assert_only(self.path, at, "no valid record starts")

    def test_an_offset_behind_the_log(self):
        at = self.entry_at(7)
        self.write(self.path, at + 4, struct.pack(">q", 1 << 50))
        self.assert_only(self.path, at, "points behind the log")

    def test_a_time(self):
        at = self.entry_at(7)
        self.write(self.path, at + 12, struct.pack(">i", 1000))
        self.assert_only(self.path, at, "1000 s after")

    def test_a_count(self):
        self.write(self.path, 36, struct.pack(">i", 401))
        self.assert_only(self.path, 36, "next entry 401 is not in 1..400")

    def test_a_count_that_hides_entries(self):
        self.write(self.path, 36, struct.pack(">i", 100))
        findings, _ = self.verify()
        self.assertGreater(len(findings), 0)
        self.assertTrue(all(f["file"] == str(self.path) and f["at"] < 440 for f in findings))

    def test_a_header_that_ends_before_it_begins(self):
        self.write(self.path, 8, struct.pack(">q", -1))
        self.assert_only(self.path, 0, "time span")

    def test_its_geometry_can_be_given(self):
        code, out, _ = troupe("store", "verify", str(self.dir), "--max-hash-slot-num", "100",
                              "--max-index-num", "400")
        self.assertEqual(code, 0, out)
        code, _, err = troupe("store", "verify", str(self.dir), "--max-hash-slot-num", "101",
                              "--max-index-num", "400")
        self.assertEqual(code, 1)
        self.assertIn("--max-hash-slot-num", err)

    def test_half_a_geometry_gives_the_other_half(self):
        for arguments in (["--max-hash-slot-num", "100"], ["--max-index-num", "400"]):
            code, out, _ = troupe("store", "verify", str(self.dir), *arguments)
            self.assertEqual(code, 0, out)


class Forecast(Store):
    """What a start on the directory would do."""
    name = "crash-5.3.3"

    def forecast(self):
        findings, closing = self.verify()
        return findings, (closing["recoveryTo"], closing["recoveryCuts"], closing["wouldServe"])

    def test_a_sound_store_is_served(self):
        findings, forecast = self.forecast()
        self.assertEqual((findings, forecast), ([], (803526, False, "all")))

    def test_a_torn_tail_is_cut(self):
        self.flip(self.log_file(803295), 803295 % FILE_SIZE + 88)
        _, forecast = self.forecast()
        self.assertEqual(forecast, (803295, True, "all"))

    def test_damage_before_durable_records_leaves_reads_only(self):
        m = next(m for m in manifest(self.name)[100:] if m["bodyLen"] > 0)
        self.flip(self.log_file(m["physOffset"]), m["physOffset"] % FILE_SIZE + 88)
        findings, forecast = self.forecast()
        self.assertGreater(len(findings), 0)
        self.assertEqual(forecast[2], "all")  # the start begins behind it, by the checkpoint
        self.write(self.dir / "checkpoint", 0, struct.pack(">qq", m["storeTimestamp"] + 2000,
                                                           m["storeTimestamp"] + 2000))
        _, forecast = self.forecast()
        self.assertEqual(forecast, (803526, False, "reads"))

    def test_a_short_file_keeps_a_node_from_starting(self):
        os.truncate(self.log_file(0), FILE_SIZE - 1)
        findings, forecast = self.forecast()
        self.assertEqual(forecast[2], "nothing")
        self.assertIn("a node would refuse to start", findings[-1]["what"])


class Usage(unittest.TestCase):
    def test_wrong_use_exits_with_2(self):
        for arguments in ([], ["store"], ["store", "dump"], ["store", "dmp", "."], ["nonsense"],
                          ["store", "stats", ".", "--output", "xml"],
                          ["store", "stats", ".", "--max-index-num", "-1"],
                          ["store", "stats", ".", "--nonsense"]):
            code, out, err = troupe(*arguments)
            self.assertEqual((code, out), (2, ""), arguments)
            self.assertIn("--help", err)

    def test_help_is_everywhere(self):
        for arguments in ([], ["store"], ["store", "dump"], ["store", "verify"], ["store", "stats"]):
            code, out, _ = troupe(*arguments, "--help")
            self.assertEqual(code, 0)
            self.assertIn("Usage: troupe", out)

    def test_what_is_no_store_exits_with_1(self):
        with tempfile.TemporaryDirectory() as empty:
            for directory in (empty, empty + "/none"):
                code, out, err = troupe("store", "verify", directory)
                self.assertEqual((code, out), (1, ""))
                self.assertTrue(err.startswith("troupe: "))
                self.assertTrue(err.endswith(" (not_found)\n"))
                self.assertIn(directory, err)

    def test_an_empty_store_is_fine(self):
        with tempfile.TemporaryDirectory() as root:
            (Path(root) / "commitlog").mkdir()
            for verb in ("dump", "verify", "stats"):
                self.assertEqual(troupe("store", verb, root)[0], 0)

    def test_a_full_disk_under_the_output_is_an_error(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([TROUPE, "store", "dump", GOLDEN / STORES[0] / "store"],
                                  stdout=full, stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot write the output", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=1)
