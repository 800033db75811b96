"""What an ordinary program does with RocketMQ's C++ client, through its Python binding; each
message is checked by content. program.py HOST:PORT RUN [java]"""
import os
import sys
import threading
import time

from rocketmq.client import Message, Producer, PushConsumer, RecvMessage
from rocketmq.exceptions import ffi_check
from rocketmq.ffi import MessageModel, dll

PATIENCE = 60
LATER, DONE = 1, 0  # what a callback of the C interface returns
names, run = sys.argv[1:3]
against_java = sys.argv[3:] == ["java"]
sent = {}  # bodies by key


def message(topic, tag, size):
    key = f"k{len(sent)}-{run}"
    sent[key] = key + ":" + "x" * size
    m = Message(topic)
    m.set_keys(key)
    m.set_tags(tag)
    m.set_property("size", str(size))
    m.set_body(sent[key])
    return m, key


def checked(m):
    """The key of a message that is as it was sent."""
    key, body = m.keys.decode(), m.body.decode()
    assert sent.get(key) == body, f"not as it was sent: {key} {body[:80]}"
    assert m["size"].decode() == str(len(body) - len(key) - 1), f"another property: {key}"
    return key


class Sender:
    def __init__(self, group):
        self.producer = Producer(f"PP-{group}-{run}")
        self.producer.set_namesrv_addr(names)
        self.producer.start()

    def __enter__(self):
        return self.producer

    def __exit__(self, *_):
        self.producer.shutdown()


class Receiver:
    """A push consumer; `handle` gets each message, which was checked, and says DONE or LATER."""

    def __init__(self, group, topic, handle, expression="*", orderly=False, broadcast=False,
                 instance=None):
        model = MessageModel.BROADCASTING if broadcast else MessageModel.CLUSTERING
        self.consumer = PushConsumer(f"{group}-{run}", orderly=orderly, message_model=model)
        self.consumer.set_namesrv_addr(names)
        if instance:
            self.consumer.set_instance_name(instance)
        self.handle, self.wrong, self.lock = handle, [], threading.Lock()
        ffi_check(dll.Subscribe(self.consumer._handle, topic.encode(), expression.encode()))
        # The binding's own subscribe() answers success when its callback raises.
        self.consumer._register_callback(self.took)

    def took(self, _, raw):
        m = RecvMessage(raw)
        with self.lock:
            try:
                return self.handle(checked(m), m)
            except Exception as e:  # would be lost in the client's thread
                self.wrong.append(e)
                return DONE

    def __enter__(self):
        self.consumer.start()
        return self

    def __exit__(self, *_):
        self.consumer.shutdown()

    def wait(self, condition, what):
        end = time.monotonic() + PATIENCE
        while True:
            with self.lock:
                assert not self.wrong, self.wrong
                if condition():
                    return
            assert time.monotonic() < end, what()
            time.sleep(0.01)


def stored(result):
    assert result.status == 0, f"status {result.status}"


def sends(topic):
    with Sender("sends") as producer:
        for i in range(100):
            stored(producer.send_sync(message(topic, ["even", "odd"][i % 2], 20_000 if i == 7 else i)[0]))
        answers, count = [], 100
        kept = [message(topic, "async", i)[0] for i in range(count)]
        for m in kept:
            producer.send_async(m, answers.append, answers.append)
        end = time.monotonic() + PATIENCE
        while len(answers) < count:
            assert time.monotonic() < end, f"{len(answers)} of {count} answers"
            time.sleep(0.01)
        for answer in answers:
            stored(answer)
        for i in range(10):
            producer.send_oneway(message(topic, "oneway", i)[0])
        if not against_java:  # Java's broker does not know this client's batches
            producer.send_batch([message(topic, "batch", i)[0] for i in range(20)])


def gather(group, topic, want, **how):
    got = {}

    def handle(key, m):
        got[key] = got.get(key, 0) + 1
        return DONE
    with Receiver(group, topic, handle, **how) as receiver:
        receiver.wait(lambda: len(got) >= want, lambda: f"{len(got)} of {want} messages came")
        time.sleep(0.2)
    assert len(got) == want and set(got.values()) == {1}, f"{len(got)} came, some twice or unasked"
    return got


def broadcast(topic):
    # Two members of one group in one process are one client here, so the second comes afterwards.
    for name in ("one", "two"):
        with Sender("broadcast") as producer:
            got = []
            with Receiver("YB-" + name, topic, lambda key, m: got.append(key) or DONE,
                          broadcast=True) as receiver:
                time.sleep(3)  # starts at the end of each queue
                want = []
                for i in range(8):
                    m, key = message(topic, "b", i)
                    want.append(key)
                    stored(producer.send_sync(m))
                receiver.wait(lambda: set(want) <= set(got), lambda: f"{len(got)} of 8 came")


def ordered(topic):
    with Sender("ordered") as producer:
        for i in range(80):
            m = message(topic, str(i // 4), i)[0]
            stored(producer.send_orderly(m, i % 4, queue_selector=lambda count, _, arg: i % 4))
    queues = {}

    def handle(key, m):
        queues.setdefault(m.queue_id, []).append(int(m.tags))
        return DONE
    with Receiver("YO", topic, handle, orderly=True) as receiver:
        receiver.wait(lambda: sum(map(len, queues.values())) >= 80, lambda: f"came {queues}")
    assert set(map(len, queues.values())) == {20}, f"came {queues}"
    for of in queues.values():
        assert of == list(range(20)), f"out of order: {of}"


def later(topic):
    with Sender("later") as producer:
        for i in range(10):
            stored(producer.send_sync(message(topic, "f", i)[0]))
    tries, done = {}, []

    def handle(key, m):
        # This client sends back all that it pulled along and did not show yet, too.
        assert m.reconsume_times >= tries.get(key, 0), f"{key} tried {m.reconsume_times} times"
        tries[key] = m.reconsume_times + 1
        if m.reconsume_times < 2:
            return LATER
        done.append(key)
        return DONE
    with Receiver("YF", topic, handle) as receiver:
        receiver.wait(lambda: len(set(done)) == 10, lambda: f"{len(done)} of 10 came a third time")
    assert len(done) == 10, f"came again: {done}"


def delayed(topic):
    with Sender("delayed") as producer:
        began = time.monotonic()
        for i in range(10):
            m = message(topic, "d", i)[0]
            m.set_delay_time_level(2)
            stored(producer.send_sync(m))
        gather("YD", topic, 10)
        waited = time.monotonic() - began
        assert waited >= 1.9, f"all came after {waited} s"


def main():
    topic = f"YT-{run}"
    scenarios = [
        ("sync, async, oneway and batch sends", lambda: sends(topic)),
        ("a push consumer gets every message once", lambda: gather("YG", topic, len(sent))),
        ("tags choose", lambda: gather(
            "YTAG", topic, 50 if against_java else 70, expression="even || batch")),
        ("what a handler fails on comes again", lambda: later("YTF-" + run)),
        ("delayed messages come after their time", lambda: delayed("YTD-" + run)),
        ("an orderly consumer gets each queue in order", lambda: ordered("YTO-" + run)),
        ("a broadcast reaches every group", lambda: broadcast(topic)),
    ]
    failed = 0
    for name, scenario in scenarios:
        try:
            scenario()
            print(f"ok      {name}", flush=True)
        except Exception as e:
            failed += 1
            print(f"FAILED  {name}: {type(e).__name__} {e}", flush=True)
    print(f"{len(scenarios) - failed} passed, {failed} failed", flush=True)
    return failed


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(1 if code else 0)  # the library's threads do not all end
