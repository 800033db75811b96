"""Commands of RocketMQ's mqadmin against what serves at a name server, their output checked.
commands.py HOST:PORT CLASSPATH DIRECTORY [CLASSPATH of ../java, for a client that tools ask]"""
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "cli"))
import remoting  # noqa: E402

names, class_path, directory = sys.argv[1:4]
stay_class_path = sys.argv[4] if len(sys.argv) > 4 else None
suffix = os.getpid()
TOPIC, GROUP, OFFLINE, PRODUCERS = (f"admin_{what}_{suffix}" for what in "tgop")
STAYS, CLONE, ORDERED = (f"admin_{what}_{suffix}" for what in ("stays", "clone", "ordered"))
failed = []
AGAINST_JAVA = os.environ.get("AGAINST") == "java"
NO_RETRY_TOPIC = "Java tells of each consumer of the message, also that its retry topic is not there"
ONLY_HERE = {
    "queryMsgById": NO_RETRY_TOPIC,
    "queryMsgByOffset": NO_RETRY_TOPIC,
    "queryMsgByUniqueKey": NO_RETRY_TOPIC,
    "getNamesrvConfig": "Java's name server says its listenPort",
    "cloneGroupOffset": "Java wants the group to be there before (26)",
}


def mqadmin(*arguments):
    done = subprocess.run(
        ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", f"-Drocketmq.client.logRoot={directory}",
         f"-Drocketmq.log.root={directory}", f"-Duser.home={directory}",
         f"-Drocketmq.home.dir={directory}", "-cp", class_path,
         "org.apache.rocketmq.tools.command.MQAdminStartup",
         *(str(a) for a in arguments), "-n", names],
        capture_output=True, timeout=120, cwd=directory)  # one of the tools makes a folder there
    return done.stdout.decode() + done.stderr.decode()


def check(arguments, *patterns):
    """Runs the command; each pattern must be in what it prints, and no exception."""
    out = mqadmin(*arguments)
    missing = [p for p in patterns if not re.search(p, out, re.MULTILINE)]
    if AGAINST_JAVA and arguments[0] in ONLY_HERE:
        print(f"only here: mqadmin {arguments[0]}: {ONLY_HERE[arguments[0]]}")
        return out
    if re.search(r"Exception: |^\s+at \w", out, re.MULTILINE) or missing:
        failed.append(arguments[0])
        print(f"interop: mqadmin {' '.join(map(str, arguments))} FAILED: not there: {missing}")
        print(out)
    return out


def broker():
    """Cluster, name and address of the only broker."""
    client = remoting.Client(int(names.split(":")[1]))
    body = re.sub(rb"\{(\d+):", rb'{"\1":', client.ask(remoting.CLUSTER).body)
    client.close()
    (name, data), = json.loads(body)["brokerAddrTable"].items()
    return data["cluster"], name, data["brokerAddrs"]["0"]


class Member(remoting.Client):
    """A client that produces and consumes in groups."""

    def heartbeat(self):
        body = dict(
            clientID=f"interop@{suffix}", producerDataSet=[dict(groupName=PRODUCERS)],
            consumerDataSet=[dict(
                groupName=GROUP, consumeType="CONSUME_PASSIVELY", messageModel="CLUSTERING",
                consumeFromWhere="CONSUME_FROM_FIRST_OFFSET", unitMode=False,
                subscriptionDataSet=[dict(topic=topic, subString="*", tagsSet=[], codeSet=[],
                                          subVersion=1, expressionType="TAG")
                                     for topic in (TOPIC, "%RETRY%" + GROUP)])])
        assert self.ask(remoting.HEARTBEAT, json.dumps(body).encode()).code == 0

    def produce(self, count):
        properties = "KEYS\1key%d\2UNIQ_KEY\1%032X\2TAGS\1blue\2"
        ids = []
        for i in range(count):
            answer = self.send(TOPIC, b"body %d" % i, queue=i % 2,
                               properties=properties % (i, suffix * 1000 + i))
            assert answer.code == 0, answer.remark
            ids.append(answer.ext["msgId"])
        return ids

    def commit(self, group, offset):
        for queue in range(2):
            assert self.ask(remoting.UPDATE_OFFSET, consumerGroup=group, topic=TOPIC,
                            queueId=queue, commitOffset=offset).code == 0


def topics(cluster, name, address):
    check(["updateTopic", "-b", address, "-t", TOPIC, "-r", 2, "-w", 2],
          "create topic to .* success")
    check(["updateTopic", "-c", cluster, "-t", TOPIC, "-r", 4, "-w", 2],
          "create topic to .* success", "readQueueNums=4, writeQueueNums=2")
    check(["topicList"], f"^{TOPIC}$")
    check(["topicList", "-c"], rf"^{cluster}\s+{TOPIC}\s")
    check(["topicRoute", "-t", TOPIC], address, r'"readQueueNums": ?4', rf'"cluster": ?"{cluster}"')
    check(["topicClusterList", "-t", TOPIC], f"^{cluster}$")


def messages(member, name):
    ids = member.produce(6)
    check(["topicStatus", "-t", TOPIC], rf"^{name}\s+0\s+0\s+3\s+20\d\d-",
          rf"^{name}\s+3\s+0\s+0\s")
    check(["queryMsgById", "-t", TOPIC, "-i", ids[2]], rf"Topic:\s+{TOPIC}", r"Queue Offset:\s+1",
          r"Tags:\s+\[blue\]")
    check(["queryMsgByKey", "-t", TOPIC, "-k", "key4"], r"^\S{32}\s+0\s+2")
    check(["queryMsgByOffset", "-t", TOPIC, "-b", name, "-i", 1, "-o", 0], r"Keys:\s+\[key1\]")
    check(["queryMsgByUniqueKey", "-t", TOPIC, "-i", "%032X" % (suffix * 1000 + 3)],
          r"Queue ID:\s+1")
    out = check(["printMsg", "-t", TOPIC, "-d", "true"], "body 0", "body 5")
    if len(re.findall("BODY: body", out)) != 6:
        failed.append("printMsg")
        print("interop: mqadmin printMsg FAILED: not 6 messages\n" + out)


def groups(member, cluster, name, address):
    check(["updateSubGroup", "-c", cluster, "-g", OFFLINE, "-r", 3],
          "create subscription group to .* success", "retryMaxTimes=3")
    member.commit(GROUP, 2)
    check(["consumerProgress", "-g", GROUP],
          rf"^{TOPIC}\s+{name}\s+0\s+3\s+2\s.*\s1\s", r"Diff Total: 2")
    check(["consumerProgress"], rf"^{GROUP[:20]}")
    check(["consumerConnection", "-g", GROUP], rf"interop@{suffix}", "CONSUME_PASSIVELY",
          "CLUSTERING", rf"^{TOPIC}\s+\*\s*$")
    check(["producerConnection", "-g", PRODUCERS, "-t", TOPIC], rf"interop@{suffix}")
    check(["resetOffsetByTime", "-g", GROUP, "-t", TOPIC, "-s", 0], rf"{name}\s+0\s+0")
    member.commit(OFFLINE, 3)
    check(["resetOffsetByTime", "-g", OFFLINE, "-t", TOPIC, "-s", 0], rf"{name}")
    check(["consumerProgress", "-g", GROUP], r"Diff Total:")


def node(cluster, name, address):
    check(["clusterList"], rf"^{cluster}\s+{name}\s+0\s+{address}\s+V\d_\d+_\d+")
    check(["clusterList", "-m"], rf"^{cluster}\s+{name}\s+0\s+0\s+[1-9]")
    check(["brokerStatus", "-b", address], r"^msgPutTotalTodayNow\s+: [1-9]",
          r"^runtime\s+: \[ 0 days")
    check(["brokerStatus", "-c", cluster], r"commitLogMaxOffset\s+: [1-9]")
    check(["getBrokerConfig", "-b", address], rf"^brokerName\s+=\s+{name}$")
    check(["statsAll", "-t", TOPIC], rf"^{TOPIC}\s+{GROUP[:20]}")


class Stay:
    """A Java program with a producer and a push consumer, for as long as this lasts."""

    def __enter__(self):
        self.program = subprocess.Popen(
            ["java", "-Xmx256m", f"-Drocketmq.client.logRoot={directory}", f"-Duser.home={directory}",
             "-cp", stay_class_path, "troupe.interop.Stay", names, STAYS, STAYS],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        got = 0
        while got < 8 or not hasattr(self, "id"):
            line = self.program.stdout.readline()
            assert line, "the client ended"
            got += line.startswith("got")
            if line.startswith("last"):
                _, self.last, self.id = line.split()
        return self

    def __exit__(self, *_):
        self.program.stdin.close()
        self.program.stdout.read()
        self.program.wait()


def asked_of_client(cluster, name):
    with Stay() as client:
        check(["consumerStatus", "-g", STAYS], rf"^1\s+{client.id}\s+V5_3_3",
              "Same subscription", "Rebalance OK")
        check(["consumerStatus", "-g", STAYS, "-i", client.id, "-s"], "#Consumer MQ Detail#",
              rf"^{STAYS}\s+{name}\s+0\s+2", "#Consumer jstack#")
        check(["consumerConnection", "-g", STAYS], rf"^{client.id}\s.*JAVA\s+V5_3_3")
        check(["queryMsgByUniqueKey", "-t", STAYS, "-i", client.last, "-g", STAYS, "-d", client.id],
              "consumeResult=CR_SUCCESS")
        check(["statsAll", "-t", STAYS], rf"^{STAYS}\s+{STAYS}\s+0\s.*\s8\s+8$")
        check(["producer", "-b", broker()[2]], rf"{STAYS}-producer.*language=JAVA")
        check(["getConsumerConfig", "-g", STAYS], rf"^=+{cluster}:{name}=+$",
              r"^retryMaxTimes\s+=\s+16$")
        check(["cloneGroupOffset", "-s", STAYS, "-d", CLONE, "-t", STAYS],
              "clone group offset success")
        check(["sendMessage", "-t", STAYS, "-p", "by hand"], r"^%s\s+\d+\s+SEND_OK" % name)
        check(["checkMsgSendRT", "-t", STAYS, "-a", 3, "-s", 10], r"^%s\s+\d+\s+true" % name)


def orders(name, address):
    # It prints the exception by which it learns that there is no such configuration yet.
    out = mqadmin("updateTopic", "-b", address, "-t", ORDERED, "-o", "true", "-r", 4, "-w", 4)
    if f"set broker orderConf. isOrder=true, orderConf=[{name}:4]" not in out:
        failed.append("updateTopic -o")
        print("interop: mqadmin updateTopic -o FAILED\n" + out)
    if AGAINST_JAVA:
        print("only here: the order in a route: Java's name server leaves it out unless told")
    else:
        check(["topicRoute", "-t", ORDERED], f'"orderTopicConf": ?"{name}:4"')
    check(["updateOrderConf", "-t", ORDERED, "-m", "get"], rf"orderConf=\[{name}:4\]")
    check(["wipeWritePerm", "-b", name], r"wipe write perm of broker.* OK, \d+")
    check(["topicRoute", "-t", TOPIC], r'"perm": ?4')
    check(["addWritePerm", "-b", name], r"add write perm of broker.* OK, \d+")
    check(["topicRoute", "-t", TOPIC], r'"perm": ?6')
    check(["updateTopicPerm", "-b", address, "-t", TOPIC, "-p", 4], "perm from 6 to 4 in .* success")
    check(["updateTopicPerm", "-b", address, "-t", TOPIC, "-p", 6], "perm from 4 to 6 in .* success")
    check(["updateKvConfig", "-s", "interop", "-k", "key", "-v", "value"], "success")
    check(["deleteKvConfig", "-s", "interop", "-k", "key"], "success")
    check(["getNamesrvConfig"], "^listenAddress")
    check(["cleanExpiredCQ", "-b", address], "success")
    check(["cleanUnusedTopic", "-b", address], "success")


def main():
    cluster, name, address = broker()
    member = Member(int(address.split(":")[1]))
    topics(cluster, name, address)
    member.heartbeat()
    messages(member, name)
    groups(member, cluster, name, address)
    node(cluster, name, address)
    orders(name, address)
    if stay_class_path:
        asked_of_client(cluster, name)
    member.close()
    check(["deleteTopic", "-c", cluster, "-t", TOPIC], "delete topic .* from cluster .* success")
    if TOPIC in mqadmin("topicList"):
        failed.append("deleteTopic")
        print("interop: mqadmin deleteTopic FAILED: the topic is still there")
    print(f"interop: mqadmin: {'FAILED: ' + ' '.join(failed) if failed else 'good'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
