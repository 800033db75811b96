"""A RocketMQ client of a few lines, for tests: frames over a socket, without any comfort."""
import json
import socket
import struct

from harness import PATIENCE

SEND, PULL, QUERY, QUERY_OFFSET, UPDATE_OFFSET = 10, 11, 12, 14, 15
SEARCH, MAX_OFFSET, MIN_OFFSET, VIEW, HEARTBEAT, UNREGISTER = 29, 30, 31, 33, 34, 35
LOCK, UNLOCK = 41, 42
SEND_BACK, UPDATE_GROUP = 36, 200
END_TRANSACTION, CHECK_TRANSACTION = 37, 39
COMMIT, ROLLBACK = 8, 12
CONSUMERS, NOTIFY, ROUTE, CLUSTER, SEND_V2, SEND_BATCH, LITE_PULL = 38, 40, 105, 106, 310, 320, 361
LETTERS = dict(producerGroup="a", topic="b", defaultTopic="c", defaultTopicQueueNums="d",
               queueId="e", sysFlag="f", bornTimestamp="g", flag="h", properties="i",
               reconsumeTimes="j", unitMode="k", maxReconsumeTimes="l", batch="m")


def frame(header, body=b"", binary=False):
    head = binary_header(header) if binary else json.dumps(header).encode()
    return struct.pack(">II", 4 + len(head) + len(body), binary << 24 | len(head)) + head + body


def binary_header(header):
    ext = b""
    for key, value in header.get("extFields", {}).items():
        key, value = key.encode(), str(value).encode()
        ext += struct.pack(">h", len(key)) + key + struct.pack(">i", len(value)) + value
    remark = (header.get("remark") or "").encode()
    return (struct.pack(">hBhiii", header["code"], 0, header.get("version", 407), header["opaque"],
                        header.get("flag", 0), len(remark)) + remark
            + struct.pack(">i", len(ext)) + ext)


def read_binary_header(data):
    code, _, version, opaque, flag, length = struct.unpack_from(">hBhiii", data)
    remark, at = data[17:17 + length].decode(), 17 + length
    ext, end = {}, at + 4 + struct.unpack_from(">i", data, at)[0]
    at += 4
    while at < end:
        size = struct.unpack_from(">h", data, at)[0]
        key, at = data[at + 2:at + 2 + size].decode(), at + 2 + size
        size = struct.unpack_from(">i", data, at)[0]
        ext[key], at = data[at + 4:at + 4 + size].decode(), at + 4 + size
    return dict(code=code, version=version, opaque=opaque, flag=flag, remark=remark, extFields=ext)


class Answer:
    def __init__(self, header, body, binary):
        self.header, self.body, self.binary = header, body, binary
        self.code, self.opaque = header["code"], header["opaque"]
        self.remark, self.ext = header.get("remark") or "", header.get("extFields") or {}

    def json(self):
        return json.loads(self.body)

    def messages(self):
        return read_messages(self.body)


class Client:
    """One connection. Answers and requests of the server come in any order and wait here."""

    def __init__(self, port, binary=False, version=407, source="127.0.0.1"):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE,
                                               source_address=(source, 0))
        self.stream = self.socket.makefile("rb")
        self.binary, self.version = binary, version
        self.opaque = 0
        self.answers, self.requests = {}, []

    def close(self):
        self.stream.close()
        self.socket.close()

    def request(self, code, body=b"", oneway=False, **ext):
        """The bytes of a request, and its number."""
        self.opaque += 1
        header = dict(code=code, language="JAVA", version=self.version, opaque=self.opaque,
                      flag=2 if oneway else 0, extFields=ext)
        return frame(header, body, self.binary), self.opaque

    def post(self, code, body=b"", oneway=False, **ext):
        data, opaque = self.request(code, body, oneway, **ext)
        self.socket.sendall(data)
        return opaque

    def ask(self, code, body=b"", **ext):
        return self.answer(self.post(code, body, **ext))

    def read(self):
        """The next frame; None when the server closed."""
        try:
            head = self.stream.read(8)
        except ConnectionResetError:
            return None
        if len(head) < 8:
            return None
        length, word = struct.unpack(">II", head)
        rest = self.stream.read(length - 4)
        header, body = rest[:word & 0xffffff], rest[word & 0xffffff:]
        binary = word >> 24 == 1
        return Answer(read_binary_header(header) if binary else json.loads(header), body, binary)

    def read_one(self):
        found = self.read()
        if found is None:
            raise AssertionError("the server closed the connection")
        if found.header["flag"] & 1:
            self.answers[found.opaque] = found
        else:
            self.requests.append(found)

    def answer(self, opaque):
        while opaque not in self.answers:
            self.read_one()
        return self.answers.pop(opaque)

    def server_request(self, code=None):
        """The next one, or the next with that code."""
        while True:
            while not self.requests:
                self.read_one()
            request = self.requests.pop(0)
            if code in (None, request.code):
                return request

    # What clients do, with the fields that they send.

    def send_fields(self, topic, queue=0, properties="", sysflag=0, **more):
        fields = dict(producerGroup="P", topic=topic, defaultTopic="TBW102",
                      defaultTopicQueueNums=4, queueId=queue, sysFlag=sysflag,
                      bornTimestamp=1700000000000, flag=7, properties=properties,
                      reconsumeTimes=0, unitMode="false")
        fields.update(more)
        return fields

    def post_send(self, topic, body, code=SEND_V2, **fields):
        ext = self.send_fields(topic, **fields)
        if code != SEND:
            ext = {LETTERS[name]: value for name, value in ext.items()}
        return self.post(code, body, **ext)

    def send(self, topic, body, code=SEND_V2, **fields):
        return self.answer(self.post_send(topic, body, code, **fields))

    def post_pull(self, topic, offset, queue=0, suspend=0, group="G", flags=4, code=PULL, **more):
        fields = dict(consumerGroup=group, topic=topic, queueId=queue, queueOffset=offset,
                      maxMsgNums=32, sysFlag=flags | (2 if suspend else 0), commitOffset=0,
                      suspendTimeoutMillis=suspend, subVersion=0, subscription="*",
                      expressionType="TAG")
        fields.update(more)
        return self.post(code, **fields)

    def pull(self, *arguments, **fields):
        return self.answer(self.post_pull(*arguments, **fields))

    def send_back(self, message, group="G", level=0, **more):
        return self.ask(SEND_BACK, group=group, offset=message["physical"], delayLevel=level,
                        **more)

    def send_half(self, topic, body, group="P", **fields):
        properties = f"TRAN_MSG\1true\2PGROUP\1{group}\2UNIQ_KEY\1K{body.decode()}\2"
        return self.send(topic, body, properties=properties, sysflag=4, **fields)

    def end_transaction(self, what, offset, position, group="P", oneway=False, asked=False):
        """For the message at this offset of the log, with this number in the queue of halves."""
        ext = dict(producerGroup=group, tranStateTableOffset=position, commitLogOffset=offset,
                   commitOrRollback=what, fromTransactionCheck=str(asked).lower(), msgId="x",
                   transactionId="")
        number = self.post(END_TRANSACTION, oneway=oneway, **ext)
        return None if oneway else self.answer(number)

    def end_half(self, what, half, **more):
        return self.end_transaction(what, int(half.ext["msgId"][16:], 16),
                                    half.ext["queueOffset"], **more)

    def heartbeat(self, client, group="G", topic="T", expression="*", version=1, model="CLUSTERING"):
        body = dict(clientID=client, producerDataSet=[dict(groupName="P")], consumerDataSet=[dict(
            groupName=group, consumeType="CONSUME_PASSIVELY", messageModel=model,
            consumeFromWhere="CONSUME_FROM_FIRST_OFFSET", unitMode=False,
            subscriptionDataSet=[dict(topic=topic, subString=expression, tagsSet=[], codeSet=[],
                                      subVersion=version, expressionType="TAG")])])
        return self.ask(HEARTBEAT, json.dumps(body).encode())


def batch_body(bodies, properties=b""):
    return b"".join(
        struct.pack(">iiiii", 22 + len(body) + len(properties), 0, 0, 3, len(body)) + body
        + struct.pack(">h", len(properties)) + properties for body in bodies)


def read_messages(data):
    """The stored messages of a pull's body, with their properties."""
    found, at = [], 0
    while at < len(data):
        (size, magic, _, queue, flag, offset, physical, sysflag, born) = struct.unpack_from(
            ">iIiiiqqiq", data, at)
        here = data[at:at + size]
        at += size
        place = 84
        length = struct.unpack_from(">i", here, place)[0]
        body, place = here[place + 4:place + 4 + length], place + 4 + length
        topic_size = here[place]
        topic, place = here[place + 1:place + 1 + topic_size], place + 1 + topic_size
        length = struct.unpack_from(">h", here, place)[0]
        properties = here[place + 2:place + 2 + length].decode()
        assert magic == 0xdaa320a7 and place + 2 + length == size
        pairs = dict(pair.split("\1") for pair in properties.split("\2") if pair)
        found.append(dict(queue=queue, flag=flag, offset=offset, physical=physical, body=body,
                          sysflag=sysflag, topic=topic.decode(), properties=pairs, born=born,
                          reconsume=struct.unpack_from(">i", here, 72)[0]))
    return found
