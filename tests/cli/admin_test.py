"""Operators' requests over RocketMQ's protocol. admin_test.py TROUPE EXAMPLES"""
import json
import re
import unittest

import remoting
from harness import NodeTest, programs, wait_until
from remoting import Client

NodeTest.troupe, _ = programs()

UPDATE_TOPIC, ALL_TOPIC_CONFIG, BROKER_CONFIG, RUNTIME, ALL_OFFSETS = 17, 21, 26, 28, 43
UPDATE_GROUP, ALL_GROUPS, TOPIC_STATS, CONSUMERS, PRODUCERS = 200, 201, 202, 203, 204
TOPICS, DELETE_GROUP, CONSUME_STATS, DELETE_TOPIC, DELETE_NAME = 206, 207, 208, 215, 216
TOLD_TO_RESET, RESET, CLUSTER_TOPICS, GROUPS_OF_TOPIC = 220, 222, 224, 300
RATES, TOPIC_CONFIG = 315, 351
KEY = re.compile(rb'\{"brokerName":"local","queueId":(\d+),"topic":"([^"]+)"\}:')


def queue_table(body):
    """The offsetTable, whose keys are objects, as {"topic/queue": value}."""
    return json.loads(KEY.sub(lambda m: b'"%s/%s":' % (m[2], m[1]), body))["offsetTable"]


class Admin(NodeTest):
    def setUp(self):
        super().setUp()
        self.node.start()
        self.admin = self.client()

    def client(self, **options):
        client = Client(self.node.remoting_port, **options)
        self.addCleanup(client.close)
        return client

    def done(self, code, body=b"", **ext):
        answer = self.admin.ask(code, body, **ext)
        self.assertEqual(answer.code, 0, (code, answer.remark))
        return answer

    def assert_refused(self, answer, code, *words):
        self.assertEqual(answer.code, code, answer.remark)
        for word in words:
            self.assertIn(word, answer.remark)

    def topic(self, name, read=4, write=4, perm=6, **more):
        return self.admin.ask(UPDATE_TOPIC, topic=name, readQueueNums=read, writeQueueNums=write,
                              perm=perm, defaultTopic="TBW102", topicFilterType="SINGLE_TAG",
                              topicSysFlag=0, order=more.pop("order", "false"), **more)

    def topics(self):
        return self.done(TOPICS).json()["topicList"]


class Topics(Admin):
    def test_created_changed_and_deleted(self):
        self.assertEqual(self.topic("T", 3, 3).code, 0)
        self.assertEqual(self.topics(), ["T"])
        self.assertEqual(self.topic("T", 8, 2, 4).code, 0)
        config = self.done(TOPIC_CONFIG, topic="T").json()
        self.assertEqual((config["readQueueNums"], config["writeQueueNums"], config["perm"]),
                         (8, 2, 4))
        route = self.done(remoting.ROUTE, topic="T").json()["queueDatas"][0]
        self.assertEqual((route["readQueueNums"], route["perm"]), (8, 4))
        self.assertEqual(self.topic("T", 4, 4).code, 0)
        wait_until("it is writable again",
                   lambda: self.admin.send("T", b"x", queue=3).code == 0)
        self.assertEqual(self.node.stop(), 0)
        self.node.start()
        self.admin = self.client()
        everything = self.done(ALL_TOPIC_CONFIG).json()["topicConfigTable"]
        self.assertEqual(everything["T"]["writeQueueNums"], 4)
        self.done(DELETE_TOPIC, topic="T")
        self.done(DELETE_NAME, topic="T", clusterName="troupe")
        self.assertEqual(self.topics(), [])
        self.done(DELETE_TOPIC, topic="T")  # as when another broker of the cluster had it
        self.assert_refused(self.admin.ask(TOPIC_CONFIG, topic="T"), 17, "T")

    def test_bad_numbers_and_names(self):
        for read, write, perm in ((0, 1, 6), (1, 0, 6), (1025, 1, 6), (1, -1, 6), (1, 1, 16),
                                  (1, 1, -1)):
            self.assertEqual(self.topic("T", read, write, perm).code, 1)
        self.assert_refused(self.topic("T", "x"), 1, "'readQueueNums'")
        self.assert_refused(self.topic("T", 2**31), 1, "'readQueueNums'")
        self.assert_refused(self.admin.ask(UPDATE_TOPIC, topic="T"), 1, "readQueueNums")
        self.assert_refused(self.topic("T", attributes="+message.type=FIFO"), 1, "attributes")
        for name in ("../etc", "a.b", "", "x" * 300, "a\0b"):
            for code in (DELETE_TOPIC, DELETE_NAME):
                self.assertEqual(self.admin.ask(code, topic=name, clusterName="c").code, 1, name)
            self.assertEqual(self.topic(name).code, 1, name)
        for name in ("TBW102", "SCHEDULE_TOPIC_XXXX", "RMQ_SYS_TRANS_HALF_TOPIC"):
            self.assert_refused(self.topic(name), 1, "system topic")
            self.assert_refused(self.admin.ask(DELETE_TOPIC, topic=name), 1, "system topic")
            self.assert_refused(self.admin.ask(DELETE_NAME, topic=name), 1, "system topic")
        self.assertEqual(self.topics(), [])

    def test_lists_by_cluster(self):
        self.topic("T")
        self.assertEqual(self.done(CLUSTER_TOPICS, cluster="troupe").json(), {"topicList": ["T"]})
        self.assert_refused(self.admin.ask(CLUSTER_TOPICS, cluster="x"), 1, "troupe")

    def test_stats(self):
        self.topic("T", 2, 2)
        for i in range(3):
            self.admin.send("T", b"x", queue=1)
        body = self.done(TOPIC_STATS, topic="T").body
        table = queue_table(body)
        self.assertEqual(sorted(table), ["T/0", "T/1"])
        self.assertEqual(table["T/0"], dict(minOffset=0, maxOffset=0, lastUpdateTimestamp=0))
        self.assertEqual(table["T/1"]["maxOffset"], 3)
        self.assertGreater(table["T/1"]["lastUpdateTimestamp"], 1700000000000)
        self.assert_refused(self.admin.ask(TOPIC_STATS, topic="none"), 17, "none")


class Groups(Admin):
    def setUp(self):
        super().setUp()
        self.own = {}  # RocketMQ's groups
        self.own = self.kept()
        self.assertIn("TOOLS_CONSUMER", self.own)

    def kept(self):
        """Those that somebody made."""
        listed = self.done(ALL_GROUPS).json()["subscriptionGroupTable"]
        return {name: listed[name] for name in listed if name not in self.own}

    def test_settings_are_kept(self):
        body = dict(groupName="G", retryMaxTimes=3, consumeEnable=True, attributes={})
        self.done(UPDATE_GROUP, json.dumps(body).encode())
        self.assertEqual(self.node.stop(), 0)
        self.node.start()
        self.admin = self.client()
        self.assertEqual((self.kept()["G"]["retryMaxTimes"],
                          self.kept()["G"]["retryQueueNums"]), (3, 1))
        stored = json.loads((self.node.directory / "config/subscriptionGroup.json").read_text())
        self.assertEqual(stored["subscriptionGroupTable"]["G"]["groupName"], "G")
        self.done(DELETE_GROUP, groupName="G", cleanOffset="false")
        self.assertEqual(self.kept(), {})

    def test_bad_settings(self):
        for body in (b"", b"[]", b"{}", b"not json", b'{"groupName":7}', b'{"groupName":"a/b"}',
                     b'{"groupName":"G","retryMaxTimes":99999}',
                     b'{"groupName":"G","retryQueueNums":-1}',
                     b'{"groupName":"G","consumeEnable":"yes"}',
                     b'{"groupName":"%s"}' % (b"g" * 256), b'{"groupName":"G","x":' + b"[" * 1000):
            self.assertEqual(self.admin.ask(UPDATE_GROUP, body).code, 1, body[:40])
        self.assertEqual(self.kept(), {})

    def test_offsets_are_listed_and_removed(self):
        self.topic("T")
        for queue, offset in ((0, 5), (2, 7)):
            self.done(remoting.UPDATE_OFFSET, consumerGroup="G", topic="T", queueId=queue,
                      commitOffset=offset)
        self.assertIn(b'"offsetTable":{"T@G":{0:5,2:7}}', self.done(ALL_OFFSETS).body)
        self.assertEqual(self.done(GROUPS_OF_TOPIC, topic="T").json(), {"groupList": ["G"]})
        self.assertEqual(self.done(GROUPS_OF_TOPIC, topic="none").json(), {"groupList": []})
        self.done(DELETE_GROUP, groupName="G", removeOffset="true")
        self.assertIn(b'"offsetTable":{}', self.done(ALL_OFFSETS).body)

    def test_clients_of_groups(self):
        client = self.client()
        client.heartbeat("c1")
        address = "127.0.0.1:%d" % client.socket.getsockname()[1]
        wanted = [dict(clientAddr=address, clientId="c1", language="JAVA", version=407)]
        found = self.done(CONSUMERS, consumerGroup="G").json()
        self.assertEqual(found["connectionSet"], wanted)
        self.assertEqual((found["messageModel"], found["consumeType"], found["consumeFromWhere"]),
                         ("CLUSTERING", "CONSUME_PASSIVELY", "CONSUME_FROM_FIRST_OFFSET"))
        self.assertEqual(found["subscriptionTable"]["T"]["subString"], "*")
        self.assertEqual(self.done(PRODUCERS, producerGroup="P").json(),
                         {"connectionSet": wanted})
        self.assertEqual(self.done(GROUPS_OF_TOPIC, topic="T").json(), {"groupList": ["G"]})
        self.assert_refused(self.admin.ask(CONSUMERS, consumerGroup="H"), 206, "H")
        self.assert_refused(self.admin.ask(PRODUCERS, producerGroup="H"), 1, "H")
        self.assert_refused(self.admin.ask(CONSUMERS), 1, "consumerGroup")
        client.close()
        wait_until("it is gone",
                   lambda: self.admin.ask(CONSUMERS, consumerGroup="G").code == 206)


class Progress(Admin):
    def setUp(self):
        super().setUp()
        self.topic("T", 2, 2)
        for i in range(4):
            self.admin.send("T", b"%d" % i)

    def commit(self, offset, queue=0):
        self.done(remoting.UPDATE_OFFSET, consumerGroup="G", topic="T", queueId=queue,
                  commitOffset=offset)

    def test_how_far_a_group_is(self):
        self.commit(1)
        table = queue_table(self.done(CONSUME_STATS, consumerGroup="G").body)
        self.assertEqual(sorted(table), ["T/0", "T/1"])
        behind = table["T/0"]
        self.assertEqual((behind["brokerOffset"], behind["consumerOffset"]), (4, 1))
        self.assertGreater(behind["lastTimestamp"], 1700000000000)
        self.assertEqual(table["T/1"], dict(brokerOffset=0, consumerOffset=0, pullOffset=0,
                                            lastTimestamp=0))
        self.commit(4)
        there = queue_table(self.done(CONSUME_STATS, consumerGroup="G", topic="T").body)["T/0"]
        self.assertGreaterEqual(there["lastTimestamp"], behind["lastTimestamp"])
        self.assertEqual(self.done(CONSUME_STATS, consumerGroup="none").body,
                         b'{"consumeTps":0.00,"offsetTable":{}}')
        self.assertEqual(
            queue_table(self.done(CONSUME_STATS, consumerGroup="G", topic="none").body), {})
        self.assert_refused(self.admin.ask(CONSUME_STATS, consumerGroup=""), 1, "consumerGroup")

    def test_a_topic_that_a_member_gave_up_does_not_count(self):
        self.commit(1)
        self.admin.heartbeat("c1", topic="other")
        self.assertEqual(queue_table(self.done(CONSUME_STATS, consumerGroup="G").body), {})

    def reset(self, time, **more):
        return self.admin.ask(RESET, topic=more.pop("topic", "T"), group="G", timestamp=time,
                              isForce=more.pop("force", "true"), **more)

    def test_members_are_told_to_go_back(self):
        self.assert_refused(self.reset(0), 206, "not online", "G")
        self.commit(3)
        member = self.client()
        member.heartbeat("c1")
        member.server_request()  # that it is a member
        answer = self.reset(0)
        self.assertEqual((answer.code, queue_table(answer.body)), (0, {"T/0": 0, "T/1": 0}))
        order = member.server_request()
        self.assertEqual((order.code, order.header["flag"]), (TOLD_TO_RESET, 2))
        self.assertEqual(order.ext, dict(topic="T", group="G", timestamp="0", isForce="true"))
        self.assertEqual(order.body, answer.body)
        offsets = lambda *a, **k: queue_table(self.reset(*a, **k).body)
        self.assertEqual(offsets(-1), {"T/0": 4, "T/1": 0})
        self.assertEqual(offsets(4102444800000), {"T/0": 4, "T/1": 0})
        self.assertEqual(offsets(4102444800000, force="false"), {"T/0": 3, "T/1": 0})
        self.assertEqual(offsets(0, queueId=0, offset=2), {"T/0": 2})
        self.assertEqual(offsets(0, queueId=0, offset=99), {"T/0": 4})
        self.assertEqual(offsets(0, queueId=1), {"T/1": 0})
        self.assert_refused(self.reset(0, queueId=2), 1, "no queue 2")
        self.assert_refused(self.reset(0, topic="none"), 1, "none")
        self.assert_refused(self.reset(-2), 1, "negative")
        self.assert_refused(self.reset("x", queueId="y"), 1, "'timestamp'")
        self.assert_refused(self.reset(0, queueId="y"), 1, "'queueId'")


class Node(Admin):
    def table(self):
        return self.done(RUNTIME).json()["table"]

    def test_runtime(self):
        table = self.table()
        self.assertEqual((table["brokerVersionDesc"], table["brokerActive"]), ("V4_9_7", "true"))
        self.assertEqual((table["earliestMessageTimeStamp"], table["msgPutTotalTodayNow"]),
                         ("-1", "0"))
        for i in range(5):
            self.admin.send("T", b"x")
        self.admin.pull("T", 0)
        table = self.table()
        self.assertEqual((table["msgPutTotalTodayNow"], table["msgGetTotalTodayNow"]), ("5", "5"))
        self.assertGreater(int(table["earliestMessageTimeStamp"]), 1700000000000)
        for rates in ("putTps", "getTransferredTps"):
            wait_until(f"{rates} counts", lambda: float(self.table()[rates].split()[0]) > 0)
        self.assertGreater(int(table["commitLogMaxOffset"]), 0)
        self.assertRegex(table["runtime"], r"^\[ 0 days, 0 hours, \d+ minutes, \d+ seconds \]$")
        for key in ("pageCacheLockTimeMills", "commitLogDiskRatio", "sendThreadPoolQueueSize",
                    "pullThreadPoolQueueSize", "sendThreadPoolQueueHeadWaitTimeMills",
                    "pullThreadPoolQueueHeadWaitTimeMills", "timerReadBehind", "bootTimestamp"):
            float(table[key])

    def test_rates(self):
        rates = lambda name, key: self.admin.ask(RATES, statsName=name, statsKey=key)
        self.assert_refused(rates("TOPIC_PUT_NUMS", "T"), 1, "The stats <TOPIC_PUT_NUMS> <T> not")
        for i in range(6):
            self.admin.send("T", b"x")
        self.admin.pull("T", 0)
        for name, key in (("TOPIC_PUT_NUMS", "T"), ("GROUP_GET_NUMS", "T@G")):
            found = rates(name, key).json()
            self.assertEqual([found[span]["sum"] for span in
                              ("statsMinute", "statsHour", "statsDay")], [6, 6, 6])
            self.assertEqual(found["statsMinute"]["tps"], 0.1)

    def test_settings(self):
        lines = dict(line.split("=", 1) for line in
                     self.done(BROKER_CONFIG).body.decode().splitlines())
        self.assertEqual((lines["brokerName"], lines["brokerClusterName"], lines["listenPort"]),
                         ("local", "troupe", str(self.node.remoting_port)))

    def test_both_forms_of_headers(self):
        self.admin = self.client(binary=True)
        self.topic("T")
        self.assertEqual(self.topics(), ["T"])
        self.table()


if __name__ == "__main__":
    unittest.main()
