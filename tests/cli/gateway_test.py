"""RocketMQ's protocol against a node, byte by byte. gateway_test.py TROUPE EXAMPLES"""
import json
import socket
import struct
import time
import unittest

import remoting
from harness import NodeTest, programs, wait_until
from remoting import Client

NodeTest.troupe, _ = programs()


class Gateway(NodeTest):
    def setUp(self):
        super().setUp()
        self.node.start()

    def client(self, **options):
        client = Client(self.node.remoting_port, **options)
        self.addCleanup(client.close)
        return client

    def assert_closed(self, client, *words):
        self.assertIsNone(client.read())
        wait_until(f"the log says {words}",
                   lambda: all(word in self.node.log() for word in words))


class Producing(Gateway):
    def test_a_sent_message_is_stored_with_every_field(self):
        client = self.client()
        answer = client.send("T", b"body", queue=2, properties="TAGS\1a\2KEYS\1k1 k2\2mine\1x=y\2")
        self.assertEqual((answer.code, answer.ext["queueId"], answer.ext["queueOffset"]),
                         (0, "2", "0"), answer.remark)
        self.assertEqual(answer.ext["MSG_REGION"], "DefaultRegion")
        message = self.good("consume", "T", "--queue", 2, "--output", "json").json()[0]
        self.assertEqual(message["msgId"], answer.ext["msgId"])
        self.assertEqual((message["tags"], message["keys"], message["properties"]["mine"]),
                         ("a", "k1 k2", "x=y"))
        self.assertEqual((message["flag"], message["bornTimestamp"]), (7, 1700000000000))
        self.assertTrue(message["storeHost"].endswith(f":{self.node.remoting_port}"))
        self.assertEqual(message["bornHost"],
                         "127.0.0.1:%d" % client.socket.getsockname()[1])

    def test_each_form_of_sending_and_of_headers(self):
        for binary in (False, True):
            client = self.client(binary=binary)
            for code in (remoting.SEND, remoting.SEND_V2):
                answer = client.send("T", b"x", code=code)
                self.assertEqual((answer.code, answer.binary), (0, binary), answer.remark)
            answer = client.send("T", remoting.batch_body([b"1", b"2", b"3"], b"TAGS\1t\2"),
                                 code=remoting.SEND_BATCH)
            self.assertEqual((answer.code, answer.ext["msgId"].count(",")), (0, 2), answer.remark)
            # librocketmq sends a batch as code 10 and says 1 for true.
            answer = client.send("T", remoting.batch_body([b"4", b"5"]), code=remoting.SEND,
                                 batch="1")
            self.assertEqual((answer.code, answer.ext["msgId"].count(",")), (0, 1))
        wait_until("all are in the queue", lambda: client.ask(
            remoting.MAX_OFFSET, topic="T", queueId=0).ext["offset"] == "14")
        found = client.pull("T", 0).messages()
        self.assertEqual([m["body"] for m in found], [b"x", b"x", b"1", b"2", b"3", b"4", b"5"] * 2)
        self.assertEqual([m["offset"] for m in found], list(range(14)))
        self.assertEqual([m["flag"] for m in found[:4]], [7, 7, 3, 3])

    def test_frames_that_come_together_are_answered_in_order_of_their_queue(self):
        client = self.client()
        client.send("T", b"first")
        requests = [client.request(remoting.SEND_V2, b"%d" % i, **{
            remoting.LETTERS[k]: v for k, v in client.send_fields("T", queue=i % 4).items()})
            for i in range(1000)]
        client.socket.sendall(b"".join(data for data, _ in requests))
        offsets = [0] * 4
        offsets[0] = 1
        for i, (_, opaque) in enumerate(requests):
            answer = client.answer(opaque)
            self.assertEqual((answer.code, answer.ext["queueOffset"]), (0, str(offsets[i % 4])))
            offsets[i % 4] += 1
        self.assertEqual(self.good("consume", "T", "--queue", 3).lines(),
                         [b"%d" % i for i in range(3, 1000, 4)])

    def test_one_bad_message_harms_no_other(self):
        client = self.client()
        client.send("T", b"first")
        numbers = [client.post_send("T", b"good"), client.post_send("T", b"bad", queue=9),
                   client.post_send("T", b"odd", properties="no structure"),
                   client.post_send("T", b"x" * (4 << 20) + b"y"),
                   client.post_send("a/b", b"bad"), client.post_send("T", b"good")]
        codes = [client.answer(n).code for n in numbers]
        self.assertEqual(codes, [0, 1, 0, 13, 1, 0])  # properties without a value are left out
        self.assertEqual(self.good("consume", "T").lines(), [b"first", b"good", b"odd", b"good"])

    def test_topics_are_created_by_the_template_alone(self):
        client = self.client()
        self.assertEqual(client.send("new", b"x").code, 0)
        topic = self.good("topic", "describe", "new", "--output", "json").json()
        self.assertEqual(len(topic), 4)
        ext = client.send_fields("none")
        ext["defaultTopic"] = "other"
        self.assertEqual(client.ask(remoting.SEND, b"x", **ext).code, 17)
        answer = client.send("SCHEDULE_TOPIC_XXXX", b"x")
        self.assertEqual(answer.code, 16)

    def test_what_cannot_be_done_yet_is_refused_and_never_done_wrongly(self):
        client = self.client()
        answer = client.send("T", b"x", properties="DELAY\x01soon\2")
        self.assertEqual(answer.code, 13)
        self.assertIn("DELAY", answer.remark)
        answer = client.send("T", b"x", sysflag=4)
        self.assertEqual(answer.code, 13)
        self.assertIn("TRAN_MSG", answer.remark)
        answer = client.ask(9999)
        self.assertEqual(answer.code, 3)
        self.assertTrue(answer.remark.startswith(" request type 9999 not supported"))

    def test_oneway_requests_get_no_answer(self):
        client = self.client()
        client.post(remoting.SEND, b"x", oneway=True, **client.send_fields("T"))
        client.post(9999, oneway=True)
        client.post(remoting.SEND, b"x", oneway=True)
        answer = client.send("T", b"y")
        self.assertEqual((answer.code, client.answers), (0, {}))
        self.assertEqual(self.good("consume", "T").lines(), [b"x", b"y"])

    def test_what_was_sent_before_the_end_is_stored(self):
        for i in range(20):
            client = Client(self.node.remoting_port)
            data = b"".join(client.request(remoting.SEND, b"%d" % n, oneway=True,
                                           **client.send_fields("last"))[0] for n in range(5))
            client.socket.sendall(data)
            client.close()
        stored = lambda: self.client().ask(remoting.MAX_OFFSET, topic="last", queueId=0)
        wait_until("all are stored", lambda: stored().ext["offset"] == "100")

    def test_the_broker_chooses_a_queue(self):
        client = self.client()
        queues = {client.send("T", b"x", queue=-1).ext["queueId"] for _ in range(8)}
        self.assertEqual(queues, {"0", "1", "2", "3"})

    def test_a_topic_without_queues_to_write_to(self):
        self.assertEqual(self.client().send("T", b"x").code, 0)
        self.assertEqual(self.node.stop(), 0)
        path = self.node.directory / "config/topics.json"
        table = json.loads(path.read_text())
        table["topicConfigTable"]["T"]["writeQueueNums"] = 0
        path.write_text(json.dumps(table))
        self.node.start()
        client = self.client()
        for queue in (-1, 0):
            answer = client.send("T", b"y", queue=queue)
            self.assertEqual(answer.code, 13)
            self.assertIn("no queues to write to", answer.remark)
        self.refused(1, "produce", "T", stdin=b"z\n", words=["no queues to write to"])
        self.assertEqual(len(client.pull("T", 0).messages()), 1)


class Small(Producing):
    """The same with a dispatcher that takes one message at a time, and synchronous flush."""
    settings = {"flush": "sync", "store": "[dispatcher]\nmailbox-capacity = 4"}


class Consuming(Gateway):
    def test_a_pull_gives_the_stored_bytes(self):
        client = self.client()
        for i in range(40):
            client.send("T", b"%d" % i, properties="TAGS\1%s\2" % ("odd" if i % 2 else "even"))
        answer = client.pull("T", 3)
        self.assertEqual((answer.code, answer.remark), (0, "FOUND"))
        self.assertEqual(answer.ext, {"nextBeginOffset": "35", "minOffset": "0", "maxOffset": "40",
                                      "suggestWhichBrokerId": "0"})
        self.assertEqual([m["body"] for m in answer.messages()], [b"%d" % i for i in range(3, 35)])
        answer = client.pull("T", 30, subscription="odd || none", code=remoting.LITE_PULL)
        self.assertEqual([m["body"] for m in answer.messages()], [b"31", b"33", b"35", b"37", b"39"])
        answer = client.pull("T", 0, maxMsgNums=0)
        self.assertEqual(len(answer.messages()), 1)

    def test_the_edges_of_a_queue(self):
        client = self.client()
        for i in range(3):
            client.send("T", b"x")
        cases = [(3, 19, "3"), (4, 21, "3"), (99, 21, "3"), (-1, 21, "0")]
        for offset, code, following in cases:
            answer = client.pull("T", offset)
            self.assertEqual((answer.code, answer.ext["nextBeginOffset"]), (code, following))
        self.assertEqual(client.pull("T", 0, queue=1).code, 19)
        self.assertEqual(client.pull("T", 5, queue=1).code, 21)
        self.assertEqual(client.pull("T", 0, subscription="none").code, 20)
        self.assertEqual(client.pull("unknown", 0).code, 17)
        self.assertEqual(client.pull("T", 0, queue=4).code, 1)
        for expression, code in [("a IS NULL", 0), ("a > 1", 20), ("a >", 23)]:
            answer = client.pull("T", 0, expressionType="SQL92", subscription=expression)
            self.assertEqual(answer.code, code)

    def test_a_held_pull_is_answered_when_a_message_comes(self):
        client, producer = self.client(), self.client()
        producer.send("T", b"first")
        held = client.post_pull("T", 1, suspend=20000)
        other = client.post_pull("T", 0, queue=2, suspend=20000)
        filtered = client.post_pull("T", 1, suspend=1000, subscription="rare")
        self.assertEqual(client.ask(remoting.MAX_OFFSET, topic="T", queueId=0).ext["offset"], "1")
        began = time.monotonic()
        producer.send("T", b"second")
        self.assertEqual([m["body"] for m in client.answer(held).messages()], [b"second"])
        self.assertLess(time.monotonic() - began, 1)
        producer.send("T", b"third", queue=2)
        self.assertEqual([m["body"] for m in client.answer(other).messages()], [b"third"])
        self.assertIn(client.answer(filtered).code, (19, 20))
        began = time.monotonic()
        self.assertEqual(client.pull("T", 2, suspend=300).code, 19)
        self.assertGreater(time.monotonic() - began, 0.25)

    def test_many_pulls_are_held_for_one_client(self):
        client, producer = self.client(), self.client()
        self.good("topic", "create", "wide", "--queues", 512)
        held = [client.post_pull("wide", 0, queue=q, suspend=20000) for q in range(512)]
        for q in (511, 0, 300):
            producer.send("wide", b"%d" % q, queue=q)
            self.assertEqual(client.answer(held[q]).messages()[0]["body"], b"%d" % q)

    def test_subscriptions_of_heartbeats_count(self):
        client = self.client()
        client.send("T", b"a", properties="TAGS\1a\2")
        client.send("T", b"b", properties="TAGS\1b\2")
        self.assertEqual(client.pull("T", 0, flags=0).code, 24)
        self.assertEqual(client.heartbeat("c1", expression="b", version=5).code, 0)
        self.assertEqual([m["body"] for m in client.pull("T", 0, flags=0).messages()], [b"b"])
        self.assertEqual(client.pull("T", 0, flags=0, subVersion=6).code, 25)
        client.send("U", b"x")
        self.assertEqual(client.pull("U", 0, flags=0).code, 24)


class Groups(Gateway):
    def test_members_come_and_go(self):
        one, two = self.client(), self.client()
        self.assertEqual(one.heartbeat("c1").code, 0)
        self.assertEqual(one.server_request().ext, {"consumerGroup": "G"})
        self.assertEqual(two.heartbeat("c2").code, 0)
        for member in (one, two):
            news = member.server_request()
            self.assertEqual((news.code, news.header["flag"]), (remoting.NOTIFY, 2))
        listed = lambda: sorted(one.ask(remoting.CONSUMERS, consumerGroup="G").json()
                                ["consumerIdList"])
        self.assertEqual(listed(), ["c1", "c2"])
        self.assertEqual(two.heartbeat("c2").code, 0)
        self.assertEqual((one.requests, two.requests), ([], []))  # nothing new
        two.close()
        self.assertEqual(one.server_request().code, remoting.NOTIFY)
        self.assertEqual(listed(), ["c1"])
        one.ask(remoting.UNREGISTER, clientID="c1", consumerGroup="G", producerGroup="P")
        self.assertEqual(one.ask(remoting.CONSUMERS, consumerGroup="G").code, 1)

    def test_the_retry_topic_is_there_right_after_the_first_heartbeat(self):
        client = self.client()
        data, _ = client.request(remoting.HEARTBEAT, json.dumps(dict(
            clientID="c", consumerDataSet=[dict(groupName="G9")])).encode())
        route, number = client.request(remoting.ROUTE, topic="%RETRY%G9")
        client.socket.sendall(data + route)
        answer = client.answer(number)
        self.assertEqual(answer.code, 0)
        self.assertEqual(answer.json()["queueDatas"][0]["writeQueueNums"], 1)

    def test_queues_are_locked_for_one_member(self):
        one, two = self.client(), self.client()
        queue = lambda i: dict(topic="T", brokerName="local", queueId=i)
        body = lambda client, *ids: json.dumps(dict(
            clientId=client, consumerGroup="G", mqSet=[queue(i) for i in ids])).encode()
        locked = lambda c, *of: [q["queueId"] for q in
                                 c.ask(remoting.LOCK, body(*of)).json()["lockOKMQSet"]]
        self.assertEqual(locked(one, "c1", 0, 1), [0, 1])
        self.assertEqual(locked(two, "c2", 1, 2), [2])
        self.assertEqual(locked(one, "c1", 0, 1, 2), [0, 1])
        one.post(remoting.UNLOCK, body("c1", 1, 2), oneway=True)
        self.assertEqual(one.ask(remoting.UNLOCK, b"{}").code, 1)
        self.assertEqual(locked(two, "c2", 1, 2), [1, 2])

    def test_offsets_are_kept_over_a_restart(self):
        client = self.client()
        client.send("T", b"x")
        at = dict(consumerGroup="G", topic="T", queueId=0)
        # A young queue is read from its start.
        self.assertEqual(client.ask(remoting.QUERY_OFFSET, **at).ext, {"offset": "0"})
        self.assertEqual(client.ask(remoting.QUERY_OFFSET, consumerGroup="G", topic="none",
                                    queueId=0).code, 22)
        client.post(remoting.UPDATE_OFFSET, oneway=True, commitOffset=5, **at)
        self.assertEqual(client.ask(remoting.UPDATE_OFFSET, commitOffset=7, **at).code, 0)
        self.assertEqual(client.ask(remoting.QUERY_OFFSET, **at).ext, {"offset": "7"})
        client.pull("T", 0, flags=4 | 1, commitOffset=3)
        self.assertEqual(client.ask(remoting.QUERY_OFFSET, **at).ext, {"offset": "3"})
        self.assertEqual(self.node.stop(), 0)
        self.node.start()
        self.assertEqual(self.client().ask(remoting.QUERY_OFFSET, **at).ext, {"offset": "3"})


class Failing(Gateway):
    """A consumer fails on messages and sends them back."""

    def setUp(self):
        super().setUp()
        self.consumer = self.client()
        self.consumer.heartbeat("c")
        answer = self.consumer.send("T", b"body", properties="TAGS\1a\2KEYS\1k\2")
        self.assertEqual(answer.code, 0, answer.remark)
        self.message = self.pulled("T")

    def pulled(self, topic, offset=0):
        """The message that comes there."""
        answer = []
        def came():
            answer[:] = [self.consumer.pull(topic, offset, suspend=1000)]
            return answer[0].code == 0
        wait_until(f"{topic} has a message at {offset}", came)
        return answer[0].messages()[0]

    def test_a_message_is_tried_again_and_at_last_is_dead(self):
        answer = self.consumer.send_back(self.message, level=1, maxReconsumeTimes=1)
        self.assertEqual((answer.code, answer.remark), (0, ""))
        again = self.pulled("%RETRY%G")
        self.assertEqual((again["body"], again["flag"], again["reconsume"], again["born"]),
                         (b"body", 7, 1, 1700000000000))
        properties = again["properties"]
        self.assertEqual((properties["TAGS"], properties["KEYS"], properties["RETRY_TOPIC"]),
                         ("a", "k", "T"))
        self.assertEqual(properties["ORIGIN_MESSAGE_ID"][16:], "%016X" % self.message["physical"])
        self.assertEqual(self.consumer.send_back(again, maxReconsumeTimes=1).code, 0)
        dead = self.pulled("%DLQ%G")
        self.assertEqual((dead["body"], dead["reconsume"]), (b"body", 2))
        for name in ("TAGS", "RETRY_TOPIC", "ORIGIN_MESSAGE_ID"):
            self.assertEqual(dead["properties"][name], properties[name])
        self.assertEqual(self.good("consume", "%DLQ%G").lines(), [b"body"])
        self.assertIn(b"%DLQ%G", self.good("topic", "list").out)

    def test_three_fields_are_enough_and_numbers_may_be_numbers(self):
        answer = self.consumer.send_back(self.message, level=-1)
        self.assertEqual((answer.code, answer.remark), (0, ""))
        self.assertEqual(self.pulled("%DLQ%G")["body"], b"body")

    def test_what_cannot_be_sent_back_is_no_success(self):
        wrong = dict(self.message, physical=self.message["physical"] + 1)
        self.assertEqual(self.consumer.send_back(wrong).code, 1)
        self.assertEqual(self.consumer.ask(remoting.SEND_BACK, group="G").code, 1)

    def test_what_a_consumer_sends_back_by_itself_too_often_is_dead(self):
        answer = self.consumer.send("%RETRY%G", b"own", properties="DELAY\x0118\2",
                                    reconsumeTimes=2, maxReconsumeTimes=2)
        self.assertEqual(answer.code, 0, answer.remark)
        dead = self.pulled("%DLQ%G")
        self.assertEqual((dead["body"], dead["reconsume"]), (b"own", 2))

    def test_the_settings_of_a_group_count(self):
        def change(**settings):
            body = json.dumps(dict(settings, groupName="G")).encode()
            self.assertEqual(self.consumer.ask(remoting.UPDATE_GROUP, body).code, 0)
        change(consumeEnable=False, retryMaxTimes=0)
        wait_until("pulls are refused", lambda: self.consumer.pull("T", 0).code == 16)
        self.assertEqual(self.consumer.pull("T", 0, group="H").code, 0)
        change(consumeEnable=True)
        wait_until("pulls are served", lambda: self.consumer.pull("T", 0).code == 0)
        self.assertEqual(self.consumer.send_back(self.message).code, 0)
        self.assertEqual(self.pulled("%DLQ%G")["body"], b"body")


class Questions(Gateway):
    def test_routes(self):
        port = self.node.remoting_port
        names = Client(self.node.name_server_port)
        self.addCleanup(names.close)
        answer = names.ask(remoting.ROUTE, topic="T")
        self.assertEqual((answer.code, answer.remark), (
            17, "No topic route info in name server for the topic: T"))
        self.assertEqual(names.ask(remoting.ROUTE, topic="TBW102").json()["queueDatas"][0]["perm"], 7)
        self.good("topic", "create", "T", "--queues", 3)
        route = names.ask(remoting.ROUTE, topic="T").json()
        self.assertEqual(route["brokerDatas"][0]["brokerAddrs"], {"0": f"127.0.0.1:{port}"})
        self.assertEqual(route["queueDatas"][0], {
            "brokerName": "local", "perm": 6, "readQueueNums": 3, "topicSysFlag": 0,
            "writeQueueNums": 3})
        names.version = 317  # as Go: reads bare integer keys only
        self.assertIn(b'{"brokerAddrs":{0:"127', names.ask(remoting.ROUTE, topic="T").body)
        self.assertIn(b'"clusterAddrTable":{"troupe":["local"]}', names.ask(remoting.CLUSTER).body)

    def test_offsets_by_position_and_time(self):
        client = self.client()
        for i in range(3):
            client.send("T", b"x")
        at = dict(topic="T", queueId=0)
        offset = lambda code, **more: client.ask(code, **{**at, **more}).ext["offset"]
        self.assertEqual(offset(remoting.MAX_OFFSET), "3")
        self.assertEqual(offset(remoting.MIN_OFFSET), "0")
        self.assertEqual(offset(remoting.MAX_OFFSET, topic="none"), "0")
        self.assertEqual(offset(remoting.SEARCH, timestamp=0), "0")
        self.assertEqual(offset(remoting.SEARCH, timestamp=4102444800000), "3")

    def test_a_message_is_found_by_its_id_and_by_its_keys(self):
        client = self.client()
        sent = client.send("T", b"body", properties="KEYS\1one two\2UNIQ_KEY\1u1\2")
        offset = int(sent.ext["msgId"][16:], 16)
        found = client.ask(remoting.VIEW, offset=offset)
        self.assertEqual([m["body"] for m in found.messages()], [b"body"])
        wrong = client.ask(remoting.VIEW, offset=offset + 1)
        self.assertEqual(wrong.code, 1)
        self.assertNotIn(str(self.node.directory), wrong.remark)
        query = dict(topic="T", maxNum=10, beginTimestamp=0, endTimestamp=2**62)
        key = lambda k: client.ask(remoting.QUERY, key=k, **query)
        wait_until("the index has it", lambda: key("two").code == 0)
        self.assertEqual(key("u1").messages(), found.messages())
        self.assertEqual(key("three").code, 22)


class BadInput(Gateway):
    def test_a_malformed_frame_closes_its_connection_alone(self):
        good = self.client()
        good.send("T", b"x")
        cases = [(b"\xff\xff\xff\xff", "a length of -1"),
                 (b"\x7f\xff\xff\xff", "a length of 2147483647"),
                 (b"\0\0\0\5\0\0\0\x20", "a header of 32 bytes"),
                 (b"\0\0\0\5\7\0\0\0\0", "unknown header type 7"),
                 (remoting.frame({}, b"")[:8] + b"[]", "the header is an array"),
                 (struct.pack(">II", 100004, 100000) + b'{"a":' + b"[" * 99995, "too deep"),
                 (remoting.frame(dict(code=10 ** 20)), "code is not a number"),
                 (b"GET / HTTP/1.1\r\n\r\n", "a length of 1195725856")]
        for data, words in cases:
            bad = self.client()
            bad.socket.sendall(data)
            self.assert_closed(bad, words, "127.0.0.1:%d" % bad.socket.getsockname()[1])
        self.assertEqual(good.send("T", b"y").code, 0)

    def test_what_came_before_a_malformed_frame_counts(self):
        bad = self.client()
        bad.send("T", b"first")
        data, _ = bad.request(remoting.SEND, b"second", oneway=True, **bad.send_fields("T"))
        bad.socket.sendall(data + b"\xff\xff\xff\xff")
        self.assert_closed(bad, "a length of -1")
        wait_until("the second message is there",
                   lambda: self.good("consume", "T").lines() == [b"first", b"second"])

    def test_bad_fields_are_named(self):
        client = self.client()
        for name, value in (("queueId", "x"), ("queueId", 2**31), ("queueOffset", 2**63),
                            ("maxMsgNums", ""), ("sysFlag", "1.5")):
            answer = client.answer(client.post_pull("T", 0, **{name: value}) if name != "queueOffset"
                                   else client.post_pull("T", value))
            self.assertEqual(answer.code, 1)
            self.assertIn(f"'{name}'", answer.remark)
        answer = client.ask(remoting.PULL, topic="T")
        self.assertIn("consumerGroup", answer.remark)
        self.assertEqual(client.ask(remoting.HEARTBEAT, b"not json").code, 1)
        for name in ("../../etc", "a.b", "", "x" * 300, "a\0b"):
            self.assertEqual(client.send(name, b"x").code, 1, name)

    def test_a_client_that_never_reads_is_not_read_from(self):
        client, deaf = self.client(), self.client()
        for i in range(40):
            client.send("T", b"x" * 200000)
        deaf.socket.settimeout(1)
        with self.assertRaises(TimeoutError):
            for i in range(100000):
                deaf.post_pull("T", i % 40)
        deaf.close()
        self.assertEqual(client.send("T", b"still there").code, 0)

    def test_half_closed_and_idle_connections(self):
        client = self.client()
        client.socket.shutdown(socket.SHUT_WR)
        self.assertIsNone(client.read())
        other = self.client()
        self.assertEqual(other.send("T", b"x").code, 0)


class Transactions(Gateway):
    settings = {"store": "transaction-timeout = 1s\ntransaction-check-interval = 1s"}

    def assert_seen(self, *bodies):
        wait_until(f"{bodies} are seen",
                   lambda: sorted(self.good("consume", "T").lines()) == sorted(bodies))

    def test_commit_and_rollback(self):
        client = self.client()
        client.send("T", b"plain")
        halves = {body: client.send_half("T", body) for body in (b"a", b"b", b"c")}
        self.assertEqual([half.code for half in halves.values()], [0, 0, 0])
        self.assertEqual([half.ext["queueOffset"] for half in halves.values()], ["0", "1", "2"])
        self.assert_seen(b"plain")
        for _ in range(3):
            self.assertEqual(client.end_half(remoting.COMMIT, halves[b"a"]).code, 0)
        self.assertEqual(client.end_half(remoting.ROLLBACK, halves[b"b"]).code, 0)
        client.end_half(remoting.COMMIT, halves[b"c"], oneway=True)
        self.assert_seen(b"plain", b"a", b"c")
        wrong = client.end_transaction(remoting.COMMIT, 999999999, 0)
        self.assertEqual((wrong.code, wrong.remark),
                         (1, "Find prepared transaction message failed"))

    def test_a_producer_that_says_nothing_is_asked(self):
        client = self.client()
        client.heartbeat("c")
        half = client.send_half("T", b"a", queue=2)
        asked = client.server_request(remoting.CHECK_TRANSACTION)
        self.assertEqual(asked.header["flag"], 2)
        self.assertEqual((asked.ext["msgId"], asked.ext["transactionId"]), ("Ka", "Ka"))
        self.assertGreater(int(asked.ext["commitLogOffset"]), int(half.ext["msgId"][16:], 16))
        message = asked.messages()[0]
        self.assertEqual((message["topic"], message["queue"], message["body"]), ("T", 2, b"a"))
        self.assertEqual(message["properties"]["TRANSACTION_CHECK_TIMES"], "1")
        client.end_transaction(remoting.COMMIT, asked.ext["commitLogOffset"],
                               asked.ext["tranStateTableOffset"], oneway=True, asked=True)
        self.assert_seen(b"a")
        self.assertEqual(client.end_half(remoting.COMMIT, half).code, 0)
        self.assert_seen(b"a")

    def test_over_a_kill_of_the_node(self):
        client = self.client()
        done, left = client.send_half("T", b"done"), client.send_half("T", b"left")
        self.assertEqual(client.end_half(remoting.COMMIT, done).code, 0)
        self.assert_seen(b"done")
        self.node.clean_up()
        self.node.start()
        client = self.client()
        self.assertEqual(client.end_half(remoting.COMMIT, done).code, 0)
        self.assert_seen(b"done")
        client.heartbeat("c")
        asked = client.server_request(remoting.CHECK_TRANSACTION)
        self.assertEqual(asked.ext["msgId"], "Kleft")
        self.assertEqual(client.end_half(remoting.COMMIT, left).code, 0)
        self.assertEqual(client.end_transaction(
            remoting.COMMIT, asked.ext["commitLogOffset"],
            asked.ext["tranStateTableOffset"]).code, 0)
        self.assert_seen(b"done", b"left")
        self.assertEqual(self.node.stop(), 0)
        self.assertEqual(self.node.verify().code, 0)


class Limits(Gateway):
    settings = {"store": "[gateway]\nconnections = 20\nconnections-per-address = 20\nidle-time = 3s\nframe-time = 1s"}

    def test_more_connections_are_closed_at_once(self):
        clients = [self.client() for _ in range(20)]
        self.assertEqual(clients[0].send("T", b"x").code, 0)
        self.assert_closed(self.client(), "gateway.full")
        clients[7].close()
        def works():
            with socket.create_connection(("127.0.0.1", self.node.remoting_port)) as s:
                s.settimeout(1)
                s.sendall(remoting.frame(dict(code=9999, opaque=1)))
                try:
                    return len(s.recv(1)) == 1
                except OSError:
                    return False
        wait_until("there is room again", works)

    def test_time(self):
        began = time.monotonic()
        slow, idle = self.client(), self.client()
        slow.socket.sendall(b"\0\0")
        self.assert_closed(slow, "a frame was not complete after 1 s")
        self.assert_closed(idle, "nothing came from it for 3 s")
        self.assertGreater(time.monotonic() - began, 2.9)


class Ports(NodeTest):
    def test_a_port_that_is_taken_is_named(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.node.settings["remoting_port"] = taken.getsockname()[1]
            self.node.process = self.node.launch()
            self.assertEqual(self.node.wait(), 1)
            self.assertIn("remoting-port", self.node.log())

    def test_off(self):
        self.node.settings["store"] = "[gateway]\nenabled = off"
        self.node.start()
        self.assertEqual((self.node.remoting_port, self.node.name_server_port), (0, 0))


if __name__ == "__main__":
    unittest.main()
